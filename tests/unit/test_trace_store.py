"""Both trace stores keep to the conformance suite."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from shepherd_dsl.conformance.store import CHECKS, MakeStore
from shepherd_dsl.testing.memory_store import MemoryStore
from shepherd_dsl.trace import writer
from shepherd_dsl.trace.store import init_store


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_git_store(check: Callable[[MakeStore], None], tmp_path: Path) -> None:
    check(lambda: init_store(tmp_path))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_git_store_that_packs_after_every_step(
    check: Callable[[MakeStore], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "PACK_ENTRIES", 1)
    check(lambda: init_store(tmp_path))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_memory_store(check: Callable[[MakeStore], None]) -> None:
    check(MemoryStore)
