"""The names by which clients of a server ask for a bundle."""

import re

__all__ = ["MODEL_NAME_RULE", "is_model_name"]

MODEL_NAME_RULE = "use letters, digits, dots, dashes and underscores, at most 128, and begin with a letter or a digit"

# In URLs and metrics; clients of the Open Inference Protocol do not escape a slash.
_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def is_model_name(text: str) -> bool:
    """Whether ``text`` can stand in a URL, a metric and the name of a folder."""
    return _MODEL_NAME.fullmatch(text) is not None
