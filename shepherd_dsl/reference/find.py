"""Where the reference interpreter is."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import attrs

import shepherd_dsl
from shepherd_dsl.errors import CheckerError

VARIABLE: Final = "SHEPHERD_SHEPREF"
"""The environment variable that may hold the command."""

NOT_BUILT: Final = 3
"""The exit status of `python -m tools.lean shepref` where the sources are not built."""


@attrs.frozen(slots=True)
class Command:
    """How the reference interpreter is started. `name` says in a few words which one it is."""

    name: str
    argv: tuple[str, ...]
    folder: Path | None = None
    environment: Mapping[str, str] | None = None


def find() -> Command:
    """The command: that of the environment variable, `shepref` on the path, or what is built in this checkout.

    Raises CheckerError where there is none.
    """
    given = os.environ.get(VARIABLE, "").strip()
    if given:
        return _given(given)
    installed = shutil.which("shepref")
    if installed is not None:
        return Command("shepref", (installed,))
    root = checkout()
    if root is None:
        raise not_there()
    built = root / ".lake" / "build" / "bin" / "shepref"
    if os.access(built, os.X_OK):
        return Command("lake", (str(built),))
    return Command("portable Lean", (sys.executable, "-m", "tools.lean", "shepref"), root)


def _given(text: str) -> Command:
    try:
        argv = tuple(shlex.split(text))
    except ValueError as why:
        raise CheckerError("checker.command", f"{VARIABLE} is no command: {why}", where=text) from why
    if not argv or shutil.which(argv[0]) is None:
        raise CheckerError(
            "checker.command",
            f"{VARIABLE} names a command that is not there",
            where=text,
            hint=f"It is split into words as a shell does. Without {VARIABLE}, `shepref` is looked for.",
        )
    return Command(VARIABLE, argv)


def checkout() -> Path | None:
    """The checkout of the project that this package is run from; None where it is installed."""
    root = Path(shepherd_dsl.__file__).resolve().parents[1]
    there = (root / "lakefile.lean").is_file() and (root / "tools" / "lean" / "__main__.py").is_file()
    return root if there else None


def not_there() -> CheckerError:
    """The error where there is no reference interpreter."""
    return CheckerError(
        "checker.none",
        "the checker is not here: it is a Lean program that is built from the project's sources",
        hint="In a checkout of shepherd-dsl, `make lean` builds it (or `lake build`, where Lake is). "
        f"Elsewhere, put `shepref` on the PATH, or its command into {VARIABLE}.",
    )
