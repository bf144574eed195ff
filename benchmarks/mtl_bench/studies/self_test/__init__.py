"""A bundle on machines that did not verify it: what the self-test costs, and how far rounding goes there."""
