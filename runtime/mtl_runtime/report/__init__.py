"""Evidence -> one self-contained HTML page: markup, figures and charts, and the parts that are made of them."""
