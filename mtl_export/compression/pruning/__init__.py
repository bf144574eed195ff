"""teacher -> a smaller model with some of its weights: which layers, heads and neurons are left, and why these."""
