"""HTTP: connections with deadlines, bodies with limits, errors as each protocol writes them."""
