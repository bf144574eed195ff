"""Hostile bundles, tokenizers and inputs, each with what must become of it."""
