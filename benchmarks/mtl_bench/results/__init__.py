"""The results file: its schema, reading and writing."""
