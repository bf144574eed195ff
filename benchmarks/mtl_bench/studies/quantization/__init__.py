"""checkpoint -> what int8 methods cost and gain on onnxruntime's CPU provider; see docs/quantization.md."""
