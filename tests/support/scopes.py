"""Which scope backends the machine that the tests run on can use, and what they lack."""

from __future__ import annotations

import os
import re
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from shepherd_dsl.conformance.scope import Lack
from shepherd_dsl.scope.probe import CANDIDATES


@cache
def why_not(name: str) -> str:
    """Why a backend cannot be used here; empty where it can."""
    usable = next(candidate.usable for candidate in CANDIDATES if candidate.name == name)
    with tempfile.TemporaryDirectory() as folder:
        works, reason = usable(Path(folder))
    return "" if works else reason


needs_overlay = pytest.mark.skipif(bool(why_not("overlay")), reason=f"no overlay here: {why_not('overlay')}")
needs_fuse = pytest.mark.skipif(bool(why_not("fuse")), reason=f"no FUSE here: {why_not('fuse')}")


def _has_overlay_nameless_files() -> bool:
    """Whether the kernel is one whose overlays have O_TMPFILE: from Linux 6.1 on."""
    found = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return found is not None and (int(found[1]), int(found[2])) >= (6, 1)


COPY_LACKS: Final = frozenset[Lack]({"shared forks"})
OVERLAY_LACKS: Final = frozenset[Lack](
    {"folder moves", "kept links", "mapped reads"} | (set() if _has_overlay_nameless_files() else {"O_TMPFILE"})
)
FUSE_LACKS: Final = frozenset[Lack]({"O_TMPFILE"})
"""What the backends say of themselves in docs/files.md, for the suite."""


def stands(root: Path, name: str, tree: str = "1") -> bool:
    """Whether some run of a tree has a file of that name in its folder, by whatever backend it is made."""
    scopes = root / ".shepherd" / "scopes" / tree
    return any(scopes.glob(f"*/files/{name}")) or any(scopes.glob(f"layers/*/upper/files/{name}"))
