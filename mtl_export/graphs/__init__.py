"""PyTorch model -> ONE ONNX graph with named outputs, checked after every step."""
