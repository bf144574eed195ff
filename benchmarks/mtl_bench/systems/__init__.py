"""The systems under test: ours, plain graphs and the peers."""
