"""Files and folders by path or URL: listed, read and written, on disk or in an object store."""
