"""bundle + labelled file -> how good its answers are on rows that it never saw; no gate, no reference, no timing."""
