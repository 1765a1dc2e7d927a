"""The portable Lean, installed once: the tests of the build and the audit run on it everywhere, Lake or not."""

from __future__ import annotations

import pytest

from tools.lean.install import Toolchain, install


@pytest.fixture(scope="session")
def lean() -> Toolchain:
    return install()
