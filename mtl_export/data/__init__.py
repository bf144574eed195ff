"""files -> labelled examples -> label vocabularies, with one clear error for every bad input."""
