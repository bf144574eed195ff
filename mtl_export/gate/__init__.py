"""answers of PyTorch and of a graph on the same sentences -> evidence and a verdict, task by task."""
