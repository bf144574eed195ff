"""The bundle folder: manifest, verified files, golden texts and gate budgets."""
