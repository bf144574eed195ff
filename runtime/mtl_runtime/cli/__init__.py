"""The command ``mtl`` and the runtime's sub-commands: each parses options, calls the library and prints the result."""
