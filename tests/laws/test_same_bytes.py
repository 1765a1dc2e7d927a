"""The same program with the same answers gives the same event bytes, whatever PYTHONHASHSEED is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

PRINT = """
import hashlib
from shepherd_dsl.core.wire import event_text
from tests.support.generate import ran

digest = hashlib.sha256()
for seed in range(30):
    for run, event in ran(seed).log:
        digest.update(f"{run} {event_text(event)}\\n".encode())
    for id in sorted(ran(seed).last.runs):
        digest.update(ran(seed).last.runs[id].files.hash.encode())
print(digest.hexdigest())
"""


def test_the_hash_seed_never_shows() -> None:
    found = []
    for seed in ("0", "1", "4242"):
        run = subprocess.run(
            [sys.executable, "-c", PRINT],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        found.append(run.stdout.strip())
    assert len(found[0]) == 64
    assert found[0] == found[1] == found[2]
