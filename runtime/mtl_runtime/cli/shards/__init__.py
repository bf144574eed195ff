"""``mtl predict`` over many files: the job itself, how far it is, and whether its output is whole."""
