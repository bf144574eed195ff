"""The structure of a graph file, checked before onnxruntime reads it."""
