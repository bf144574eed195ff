"""config -> what a training step costs in addition to its matrix products, and where; see docs/training.md."""
