"""The systems under test: ours, separate graphs, and the peers."""
