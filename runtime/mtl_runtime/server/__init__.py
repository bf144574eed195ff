"""The server behind ``mtl serve``: one way to an answer, and one thin adapter for each protocol that clients speak."""
