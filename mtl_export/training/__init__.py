"""config -> checkpoint, with transformers' Trainer: its own here are the sampler, the loss and exact resuming."""

from mtl_export.training.train import train

__all__ = ["train"]
