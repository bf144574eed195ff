"""One run of transformers' Trainer: sampler, optimizer, evaluations, best weights, resume points."""
