"""bundle + sentences -> evidence: what every variant answers, compared with the reference, and a verdict."""
