"""How fast a student may be before its answers no longer hold, on several data sets: docs/compress.md."""
