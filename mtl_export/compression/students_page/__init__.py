"""record of a compression -> one HTML page: the variant to take, the pictures, the tables."""
