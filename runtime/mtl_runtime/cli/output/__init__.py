"""Results -> the tables that commands print."""
