"""Results -> the HTML page, the terminal tables and the Markdown tables."""
