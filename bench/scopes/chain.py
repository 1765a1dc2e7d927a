"""Copies of copies of copies: what a fork and a look-up cost when many layers would lie below a run."""

from __future__ import annotations

import os
import statistics
import time
from random import Random
from typing import Final

from bench.scopes.subject import Subject

CHAIN: Final = (1, 50, 200)
"""How many forks of forks, of which each wrote to a file, lie below the run that is forked."""
_EACH: Final = 10
"""Forks of which the median is taken."""


def chain(subject: Subject, name: str) -> dict[str, float]:
    """Milliseconds of a fork, and of 1,000 look-ups of what is not there, at each depth; and the layers, if there are
    any."""
    random, spent = Random(4), list[float]()
    found: dict[str, float] = {}
    backend = subject.backend
    backend.fork("root.0", "chain.0")
    scope = backend.open("chain.0", subject.scope.files)
    for number in range(1, max(CHAIN) + _EACH):
        path = random.choice(subject.paths)
        (scope.folder / path).write_bytes(b"%d\n" % random.getrandbits(60))
        scope.changes(subject.tree.writer.put_blob)
        began = time.perf_counter()
        backend.fork(f"chain.{number - 1}", f"chain.{number}")
        copy = backend.open(f"chain.{number}", scope.files)
        spent.append(time.perf_counter() - began)
        scope.close()
        scope = copy
        depth = number - _EACH + 1
        if depth in CHAIN:
            found[f"{name}: fork at depth {depth}"] = statistics.median(spent[-_EACH:]) * 1e3
            began = time.perf_counter()
            for missing in range(1_000):
                os.path.lexists(f"{scope.folder}/src/missing{missing}")
            found[f"{name}: 1,000 look-ups at depth {depth}"] = (time.perf_counter() - began) * 1e3
            stack = getattr(scope, "stack", None)
            if stack is not None:
                found[f"{name}: layers at depth {depth}"] = len(stack.frozen)
    scope.close()
    return found
