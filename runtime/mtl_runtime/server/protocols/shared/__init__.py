"""What several protocols share: which task answers, a score for each label, embeddings of texts or token ids."""
