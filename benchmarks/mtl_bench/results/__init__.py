"""The results file: its records, reading and writing."""
