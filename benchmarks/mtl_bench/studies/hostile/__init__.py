"""Bundles, inputs and files that somebody made to do harm, as tables."""
