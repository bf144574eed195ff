"""`mtl bench`: prepare, launch, measure and score every system."""
