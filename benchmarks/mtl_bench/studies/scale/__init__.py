"""Jobs past one machine: how fast shards are on this one, and what a billion rows would take on a hundred."""
