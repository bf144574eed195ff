"""Raw values -> summaries, intervals, ranking and conclusions."""
