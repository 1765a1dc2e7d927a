"""The commits of a fixed log are the same on every machine, Python version and hash seed, now and later."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CODE = """
from shepherd_dsl.conformance.store import record
from shepherd_dsl.testing.memory_store import MemoryStore
store = MemoryStore()
print([one.commit for one in store.read(record(store)).entries()][-1])
"""

LAST_COMMIT = "9e1502a63dac81065943e41e8f5c0662169e97d8"
"""A change of this is a change of the trace format, which needs a new format version."""


@pytest.mark.parametrize("seed", ["0", "1", "4294967295"])
def test_the_sample_has_this_commit(seed: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env={**os.environ, "PYTHONHASHSEED": seed, "TZ": "Asia/Tokyo", "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == LAST_COMMIT
