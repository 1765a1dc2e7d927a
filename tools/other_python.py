"""Prints digests that must be the same under every Python: of core programs, events, files and commits.

Run from the repository's root. The version of Python goes to standard error. `make pythons` compares two.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

SEEDS = 300

if importlib.util.find_spec("rpds") is None:
    # A compiled package, which not every Python can have. Only what the core uses of its persistent map.
    class HashTrieMap(dict):  # type: ignore[type-arg]
        def insert(self, key: object, value: object) -> HashTrieMap:
            return HashTrieMap({**self, key: value})

        def remove(self, key: object) -> HashTrieMap:
            return HashTrieMap({one: value for one, value in self.items() if one != key})

    sys.modules["rpds"] = stand_in = ModuleType("rpds")
    stand_in.HashTrieMap = HashTrieMap  # type: ignore[attr-defined]

sys.path.insert(0, str(Path.cwd()))

from shepherd_dsl.check.load import load  # noqa: E402
from shepherd_dsl.core.forest import log_since  # noqa: E402
from shepherd_dsl.core.wire import event_text, program_text  # noqa: E402
from shepherd_dsl.lower.program import lower  # noqa: E402
from shepherd_dsl.trace.hashes import commit_hashes  # noqa: E402
from shepherd_dsl.trace.protocol import LogEntry  # noqa: E402
from tests.support.generate import ran  # noqa: E402


def main() -> None:
    print(f"{sys.implementation.name} {sys.version.split()[0]} on {sys.platform}", file=sys.stderr)
    for path in sorted(Path("examples").glob("*.shep")):
        text = program_text(lower(load(path)).program)
        print(path.name, hashlib.sha256(text.encode()).hexdigest())
    texts, files, commits = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
    for seed in range(SEEDS):
        machine = ran(seed).last
        log = [LogEntry(made.run, made.event, made.files) for made in log_since(machine, 0)]
        for entry in log:
            texts.update(f"{entry.run} {event_text(entry.event)}\n".encode())
            files.update(entry.files.hash.encode())
        # What the outermost owner did is in the log as a run without a start, as in a store.
        commits.update("".join(commit_hashes(log, program=program_text(machine.program))).encode())
    for name, digest in (("events", texts), ("files", files), ("commits", commits)):
        print(name, digest.hexdigest())


main()
