"""checkpoint -> what int8 methods cost and bring on onnxruntime's CPU provider; see docs/quantization.md."""
