"""Texts of many requests -> jobs of one batch or so -> predictions of each request."""
