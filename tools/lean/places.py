"""Where things are, and the error of this tool."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
"""The repository."""

SOURCES: Final = ROOT / "lean"
PORTABLE: Final = SOURCES / "portable"
AUDIT: Final = SOURCES / "checks" / "Audit.lean"

ROOTS: Final = ("Shepherd", "Shepref")
"""The root modules: the library with the theorems, and the reference interpreter. `lakefile.lean` declares the same."""


class LeanError(Exception):
    """Something that the user must know: what is wrong, where, why, and what to do next."""


def cache() -> Path:
    """The folder for everything that is installed or compiled; it may be removed at any time."""
    if own := os.environ.get("SHEPHERD_LEAN_CACHE"):
        return Path(own).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "shepherd-dsl" / "lean"
