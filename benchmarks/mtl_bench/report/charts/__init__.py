"""Charts of the page, as inline SVG."""
