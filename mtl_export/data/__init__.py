"""data files -> labelled examples -> the labels of each task; bad input raises an error with file, line and column."""
