"""What clients of Hugging Face speak: Text Embeddings Inference, and the inference clients at a bare URL."""
