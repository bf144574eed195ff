"""What is installed, what clashes, and where each node of a graph runs."""
