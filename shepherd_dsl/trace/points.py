"""Named points of the store at which a crash is interesting.

A test sets a hook (`shepherd_dsl.testing.crash` does) that may end the process there. Without one, a point costs a
comparison.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

POINTS: Final = (
    "create.folder",
    "journal.made",
    "append.built",
    "append.half",
    "append.written",
    "append.synced",
    "pack.start",
    "pack.half",
    "pack.written",
    "pack.kept",
    "pack.pack_named",
    "pack.idx_named",
    "large.sealed",
    "ref.locked",
    "ref.written",
    "ref.renamed",
    "ref.log_done",
    "ref.run_done",
    "refs.done",
    "keep.removed",
    "rotate.written",
    "rotate.renamed",
    "fork.done",
)
"""Every point, in the order in which a run first meets it (`fork` apart)."""

ENVIRONMENT: Final = "SHEPHERD_CRASH"

_hook: Callable[[str], None] | None = None


def set_hook(hook: Callable[[str], None] | None) -> None:
    """Call `hook` with the name of each point reached; None takes the hook away."""
    global _hook
    _hook = hook


def watched() -> bool:
    """Whether a hook is set."""
    return _hook is not None


def reached(name: str) -> None:
    """The store is at the point `name`."""
    if _hook is not None:
        _hook(name)


if os.environ.get(ENVIRONMENT):
    from shepherd_dsl.testing import crash

    crash.install(os.environ[ENVIRONMENT], set_hook)
