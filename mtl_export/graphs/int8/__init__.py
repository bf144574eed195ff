"""fp32 graph -> int8 graph: calibration, smoothing and quantization."""
