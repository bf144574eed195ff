"""The web page at /ui: its files, and what it shows of a bundle."""
