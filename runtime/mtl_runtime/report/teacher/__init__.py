"""What a student loses compared with its teacher: words and tables of the evidence page."""
