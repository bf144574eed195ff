"""PyTorch's and a graph's answers to the same sentences -> evidence and a status, task by task."""
