"""bundle + sentences -> evidence: the answers of every variant compared with the reference, and a status."""
