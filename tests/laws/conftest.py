"""The laws keep thousands of trees, none with a cycle: looking for cycles among them would take most of the time."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def no_search_for_cycles() -> Iterator[None]:
    """Turn the collector of cycles off for the laws; reference counts free what they make."""
    gc.disable()
    yield
    gc.enable()
