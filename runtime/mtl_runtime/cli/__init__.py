"""The runtime's sub-commands of ``mtl``: each parses, makes one library call, and renders the result."""
