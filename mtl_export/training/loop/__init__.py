"""One run of transformers' Trainer: sampler, optimizer, evaluations, best weights, states to resume from."""
