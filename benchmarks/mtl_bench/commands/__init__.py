"""Commands that this package adds to ``mtl``."""
