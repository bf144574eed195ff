"""Sentences and their length profiles."""
