"""config -> trained checkpoint: transformers' Trainer with a sampler, a loss and a completion mark of our own."""

from mtl_export.training.train import train

__all__ = ["train"]
