"""Studies of single questions, each with its results file and its page in docs; they need the repository."""
