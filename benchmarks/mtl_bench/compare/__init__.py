"""two benchmark runs -> what became faster, slower, larger or less right; see docs/compare.md."""
