"""What runs in the process of a system that is measured; it imports the standard library alone."""
