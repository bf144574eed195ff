"""Worker processes: start them, check their replies, run them in turn."""
