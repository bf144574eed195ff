"""Rows of csv, tsv, jsonl, parquet and txt files, read and written in chunks."""
