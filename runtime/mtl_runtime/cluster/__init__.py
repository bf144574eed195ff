"""Files of texts -> a folder of parts with their answers, shard by shard, on the machines of an engine."""
