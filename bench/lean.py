"""The reference interpreter and the build of the Lean sources: `python -m bench lean`.

Whole requests are timed as their caller sees them, JSON and pipe included; medians of several, taken in turn. What is
measured is the portable Lean, which interprets; `lake exe shepref` is native, and is measured where Lake has built it.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.core import alone, asking, begin, line, oracle
from shepherd_dsl.core.files import Files
from shepherd_dsl.core.forest import Machine, log_since
from shepherd_dsl.core.oracle import run_to_end
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.wire_log import log_text
from shepherd_dsl.reference.find import Command
from shepherd_dsl.reference.process import Reference
from shepherd_dsl.reference.requests import request
from tests.differential.shepref import command
from tools.lean.places import cache

ROOT = Path(__file__).parents[1]
TIMES = 5
SHORT, LONG = 1_000, 10_000
"""Events of the logs whose times are compared."""


def measure() -> list[dict[str, Any]]:
    """The checker on logs of one run and of a worker with its owner; then the build, cold and with nothing changed."""
    native = ROOT / ".lake" / "build" / "bin" / "shepref"
    rows = _checker("portable", command())
    if os.access(native, os.X_OK):
        rows += _checker("native", Command("lake", (str(native),)))
    else:
        rows.append(
            {**line("check, native: not built here", 0, "events/s", 20_000, "higher"), "value": None, "met": None}
        )
    return rows + _build()


def _checker(name: str, started: Command) -> list[dict[str, Any]]:
    programs = {
        "one run": (lambda events: (alone(events // 2 - 1), (events // 2 - 1,))),
        "a worker and its owner": (lambda events: (asking(events // 6), ())),
    }
    taken: dict[tuple[str, int], list[float]] = {}
    sizes: dict[tuple[str, int], int] = {}
    asked: dict[tuple[str, int], str] = {}
    for kind, made in programs.items():
        for events in (SHORT, LONG):
            program, args = made(events)
            asked[kind, events], sizes[kind, events] = _check(program, run_to_end(begin(program, *args), oracle))
    with Reference(started) as lean:
        for turn in range(TIMES + 1):
            for key, text in asked.items():
                began = time.perf_counter()
                said = lean.ask(text)
                spent = time.perf_counter() - began
                if said != {"accepted": True, "followed": sizes[key]}:
                    raise RuntimeError(f"the checker says {said}")
                if turn:  # the first turn warms it up
                    taken.setdefault(key, []).append(spent)
    rows = []
    for kind in programs:
        short, long = (statistics.median(taken[kind, events]) for events in (SHORT, LONG))
        rows.append(line(f"check, {name}, {kind}", sizes[kind, LONG] / long, "events/s", 20_000, "higher"))
        ratio = (long / sizes[kind, LONG]) / (short / sizes[kind, SHORT]) * (LONG / SHORT)
        rows.append(line(f"check, {name}, {kind}: {LONG} over {SHORT} events", ratio, "times", 12, "lower"))
    return rows


def _check(program: Program, m: Machine) -> tuple[str, int]:
    """The request to check the log of a machine, and the log's length."""
    log = [(commit.run, commit.event) for commit in log_since(m, 0)]
    return request("check", program, Files.empty(), {}, log=log_text(log)), len(log)


def _build() -> list[dict[str, Any]]:
    """`make lean` with an empty cache of compiled modules (the portable Lean itself is there), then once more."""
    with tempfile.TemporaryDirectory(prefix="shepherd-bench-") as folder:
        for kept in cache().iterdir():
            if kept.name.startswith(("toolchain-", "node-")):
                (Path(folder) / kept.name).symlink_to(kept)
        environment = {**os.environ, "SHEPHERD_LEAN_CACHE": folder}
        cold, again = (_seconds(environment) for _ in range(2))
    return [
        line("make lean, nothing compiled before", cold, "s", 900, "lower"),
        line("make lean, nothing changed", again, "s", 10, "lower"),
    ]


def _seconds(environment: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "tools.lean", "--jobs", str(os.cpu_count() or 1), "build"],
        cwd=ROOT, env=environment, check=True, capture_output=True,
    )  # fmt: skip
    return time.perf_counter() - began
