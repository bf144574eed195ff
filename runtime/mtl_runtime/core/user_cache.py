"""The folder for this user's caches of mtl-export."""

import os
import sys
from pathlib import Path

__all__ = ["cache_folder"]


def cache_folder() -> Path | None:
    """Where caches of this user go (XDG_CACHE_HOME, or the system's usual place); it need not exist yet.

    None for a user without a home, as in some containers.
    """
    try:
        return _system_cache() / "mtl-export"
    except RuntimeError:
        return None


def _system_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
