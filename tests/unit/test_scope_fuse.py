"""The FUSE backend passes the suite for scopes, and what is its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shepherd_dsl.conformance.scope import CHECKS, Check, ScopeCase
from shepherd_dsl.scope.bases import remove_tree
from shepherd_dsl.scope.fuse import FuseBackend
from tests.support.scopes import needs_fuse

pytestmark = needs_fuse

MADE: list[FuseBackend] = []


def make(folder: Path, read_blob: Callable[[str], bytes]) -> FuseBackend:
    MADE.append(FuseBackend(folder, read_blob=read_blob))
    return MADE[-1]


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> Iterator[None]:
    """Let go of what the backends of a test hold: descriptors, and a process each."""
    yield
    while MADE:
        MADE.pop().close()


CASE = ScopeCase("fuse", make)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_conforms(check: Check, tmp_path: Path) -> None:
    try:
        check(CASE, tmp_path)
    finally:
        remove_tree(tmp_path)  # deeper than others can remove
