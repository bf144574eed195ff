"""Evidence -> one self-contained HTML page: markup, number formats, charts, and the sections made of them."""
