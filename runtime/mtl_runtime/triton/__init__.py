"""A bundle as a model of Triton Inference Server: its folder in a model repository, and what runs there."""
