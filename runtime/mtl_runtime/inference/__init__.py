"""texts -> predictions: batching, worker threads, decoding and explanations."""
