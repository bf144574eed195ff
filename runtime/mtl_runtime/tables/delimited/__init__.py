"""csv and tsv files: header, separator, quotes, rows of cells."""
