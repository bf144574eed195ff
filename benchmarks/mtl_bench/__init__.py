"""Measuring and reporting: every published figure comes from a command in this package and a results file."""
