"""small and full data sets -> the scores of `mtl train`, of a linear probe and of SetFit; see docs/small-data.md."""
