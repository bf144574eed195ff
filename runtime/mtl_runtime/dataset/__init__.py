"""Labelled examples, their targets and metrics."""
