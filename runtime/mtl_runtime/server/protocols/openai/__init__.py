"""What clients of OpenAI and of vLLM speak: embeddings, models, classification; errors are the same for all."""
