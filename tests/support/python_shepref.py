"""A stand-in for `shepref` that answers `check` from the Python core: for tests of what is around the checker."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from shepherd_dsl.core.files import Files
from shepherd_dsl.core.replay import follow
from shepherd_dsl.core.wire import change_from, parse, program_from
from shepherd_dsl.core.wire_log import log_from, verdict_text

COMMAND = shlex.join([sys.executable, str(Path(__file__).resolve())])
"""The command that starts it."""


def answer(line: str) -> str:
    """The line that answers a `check`, or that nothing is asked."""
    asked = parse(line)
    assert isinstance(asked, dict)
    if asked.get("do") != "check":
        return '{"error":"no such request"}'
    known = {
        name: data.encode() if isinstance(data, str) else b"\xff" * data for name, data in asked["contents"].items()
    }
    base = Files.of([(path, entry) for path, entry in change_from(asked["files"]) if entry is not None])
    found = follow(program_from(asked["program"]), log_from(asked["log"]), base, read_blob=known.__getitem__)
    return verdict_text(found.followed, found.problem, found.expected)


if __name__ == "__main__":
    for line in sys.stdin:
        print(answer(line), flush=True)
