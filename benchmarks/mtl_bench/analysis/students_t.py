"""Student's t distribution, from scipy, which is imported only where a figure needs it."""

from typing import Any

from mtl_runtime.errors import MissingPackageError

__all__ = ["critical_value", "import_stats", "two_sided_p"]


def import_stats() -> Any:
    """The module scipy.stats.

    Raises:
        MissingPackageError: scipy is not installed; the message holds the command that installs it.
    """
    try:
        from scipy import stats
    except ImportError as error:
        raise MissingPackageError(
            f"scipy cannot be imported ({error}); run `pip install 'mtl-export[bench]'`"
        ) from error
    return stats


def two_sided_p(t: float, degrees: float) -> float:
    """Probability that a variable with ``degrees`` > 0 of freedom lies further from 0 than ``t``."""
    return float(2 * import_stats().t.sf(abs(t), degrees))


def critical_value(level: float, degrees: float) -> float:
    """The ``t`` > 0 whose :func:`two_sided_p` is ``level``; 0 < ``level`` < 1."""
    return float(import_stats().t.isf(level / 2, degrees))
