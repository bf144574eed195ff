"""Train a config to a checkpoint: transformers' Trainer with a sampler, a multi-task loss and exact resuming."""

from mtl_export.training.train import train

__all__ = ["train"]
