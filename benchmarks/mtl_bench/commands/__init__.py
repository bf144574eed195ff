"""Commands of ``mtl`` that this package adds."""
