"""A file of texts -> a file of predictions, resumable after a crash."""
