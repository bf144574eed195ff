"""bundle -> Classifier: which variant runs, and with which execution config."""
