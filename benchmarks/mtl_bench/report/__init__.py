"""Results -> the HTML page, the terminal's tables and the Markdown tables."""
