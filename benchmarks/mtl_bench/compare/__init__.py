"""Two runs compared: costs by Welch's test, scores by a tolerance."""
