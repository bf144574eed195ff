"""A bundle that is not trusted, opened first in a child process whose time and memory are limited."""
