"""Results -> SVG charts of the HTML page."""
