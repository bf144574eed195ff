"""a benchmark run -> text: tables for the terminal, and Markdown for pull requests and the README."""
