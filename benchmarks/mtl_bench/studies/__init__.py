"""Studies behind the documentation; each is a module to run, and needs the repository."""
