"""few and many rows -> what `mtl train` makes of them, compared with a linear probe and SetFit; see docs/small-data.md."""
