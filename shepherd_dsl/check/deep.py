"""Room for recursion over trees: the parser bounds their depth, but Python's default limit is lower than it takes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

ENOUGH = 20_000
"""Frames: a tree is at most some hundred levels deep, and a level takes a few dozen frames."""


@contextmanager
def room() -> Iterator[None]:
    """More room for recursion until the end of the block. Calls of Python code take no C stack (3.11 and later)."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, ENOUGH))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
