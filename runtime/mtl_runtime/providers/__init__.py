"""Execution providers of onnxruntime, and the sessions that run on them."""
