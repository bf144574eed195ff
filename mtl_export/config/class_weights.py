"""class weights + labels -> what does not fit, in words; None: each label has its weight."""

import difflib
from collections.abc import Iterable

from mtl_runtime.dataset.label_twins import find_twin

__all__ = ["weights_problem"]


def weights_problem(weighted: Iterable[str], labels: Iterable[str]) -> str | None:
    """Compare the labels that have a weight with those of the task; a misspelt one is answered with the nearest."""
    given, known = list(weighted), list(labels)
    unknown = [label for label in given if label not in known]
    if not unknown and set(given) == set(known):
        return None
    free = [label for label in known if label not in given]
    hints = [
        f"{label!r} is none of them; did you mean {near!r}?" for label in unknown if (near := _nearest(label, free))
    ]
    return "; ".join([f"needs exactly one weight for each of {', '.join(known)}", *hints])


def _nearest(label: str, labels: list[str]) -> str | None:
    return find_twin(label, labels) or next(iter(difflib.get_close_matches(label, labels, n=1)), None)
