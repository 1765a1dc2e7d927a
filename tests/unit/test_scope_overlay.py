"""The overlay backend passes the suite for scopes, and what is its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from shepherd_dsl.conformance.scope import CHECKS, Check, ScopeCase
from shepherd_dsl.scope.overlay import OverlayBackend

CASE = ScopeCase("overlay", lambda folder, read_blob: OverlayBackend(folder, read_blob=read_blob))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_conforms(check: Check, tmp_path: Path) -> None:
    check(CASE, tmp_path)
