"""How long the short commands of the command line take, as whole processes: medians of several.

Wall-clock time, and processor time (user and system), which says more where other work goes on beside. The package's
bytecode is compiled before, as installing it does, whatever PYTHONDONTWRITEBYTECODE says.

python -m bench cli
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from shepherd_dsl.core.event import Intent, Outcome
from shepherd_dsl.core.expr import Do, Lit
from shepherd_dsl.core.files import Files
from shepherd_dsl.core.grant import Clause
from shepherd_dsl.core.program import Def, Operation, Program
from shepherd_dsl.core.value import ok
from shepherd_dsl.handlers.context import open_context
from shepherd_dsl.runtime.trees import Task, start_tree
from shepherd_dsl.runtime.workspace import Workspace
from shepherd_dsl.trace.protocol import LogEntry

EVENTS = 10_000
TIMES = 9

TRIVIAL = """\
agent main() -> Int
  grants file.write("out.txt")
{
  do file.write("out.txt", "one")
  return 1
}
"""


def measure() -> list[dict[str, Any]]:
    """`version`, `log -n 20` on a run of 10,000 events, and a `run` that writes a file without a model."""
    with tempfile.TemporaryDirectory(prefix="shepherd-bench-") as folder:
        root = Path(folder)
        (root / "trivial.shep").write_text(TRIVIAL)
        _long_run(root)
        rows = [
            ("shepherd version", ["version"], 150.0),
            ("shepherd log -n 20, 10,000 events", ["log", "1", "-n", "20"], 300.0),
            ("shepherd log, 10,000 events", ["log", "1"], None),
            ("shepherd run, no model", ["run", "--quiet", "trivial.shep"], 400.0),
        ]
        # Taken in turn, so that what else the machine does falls on all of them; the first turn fills caches.
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name, _, _ in rows}
        for turn in range(TIMES + 1):
            for name, args, _ in rows:
                spent = _milliseconds(root, args)
                if turn:
                    taken[name].append(spent)
    return [row for name, _, target in rows for row in _rows(name, taken[name], target)]


def _rows(name: str, taken: list[tuple[float, float]], target: float | None) -> list[dict[str, Any]]:
    found = []
    for label, values in ((name, [wall for wall, _ in taken]), (f"{name}, processor", [cpu for _, cpu in taken])):
        median = statistics.median(values)
        found.append(
            {
                "name": label,
                "value": round(median),
                "unit": "ms",
                "target": target,
                "direction": "lower",
                "met": None if target is None else median <= target,
            }
        )
    return found


def _milliseconds(root: Path, args: list[str]) -> tuple[float, float]:
    """Wall-clock and processor time of one command."""
    command = Path(sys.executable).with_name("shepherd")
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env = {**kept, "NO_COLOR": "1", "PYTHONPYCACHEPREFIX": str(root / ".shepherd" / "bytecode")}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run([command, *args], cwd=root, check=True, capture_output=True, env=env)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return wall * 1000, cpu * 1000


def _long_run(root: Path) -> None:
    """Run 1: a start and 10,000 events of about 500 bytes, appended in batches."""
    workspace = Workspace.init(root)
    context = open_context(workspace.root)
    program = Program({"main": Def((), Do("echo.say", (Lit("x"),)))}, {"echo.say": Operation("pure")})
    task = Task(program=program, agent="main", args=(), request=(Clause("echo.say"),), info={"source": "bench"})
    tree = start_tree(workspace, task, redactor=context.redactor).tree
    tree.to_stop()
    tree.record()
    files: Files = tree.machine.runs["root"].files
    text = "the quick brown fox jumps over the lazy dog; " * 5
    batch: list[LogEntry] = []
    for index in range(EVENTS // 2):
        said = f"{text}{index}"
        batch.append(LogEntry("root", Outcome(ok(said), (), "world"), files))
        batch.append(LogEntry("root", Intent("echo.say", (said,)), files))
        if len(batch) >= 500:
            tree.writer.append(batch)
            batch = []
    tree.writer.close()
