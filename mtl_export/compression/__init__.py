"""checkpoint -> students: smaller checkpoints that are distilled from it, gated against it, and measured."""
