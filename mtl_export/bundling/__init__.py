"""checkpoint -> bundle: graphs, tokenizer, golden texts, manifest and model card."""
