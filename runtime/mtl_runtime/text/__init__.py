"""text -> tokens -> batch: validation, tokenizer, windows and word spans."""
