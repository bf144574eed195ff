"""results -> figures: estimates with intervals, ranks, warnings and conclusions."""
