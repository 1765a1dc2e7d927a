"""How long the short commands of the command line take, as whole processes: medians of several.

python -m bench cli
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
TIMES = 11

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
        # Taken in turn, so that what else the machine does falls on all of them.
        taken: dict[str, list[float]] = {name: [] for name, _, _ in rows}
        for _ in range(TIMES):
            for name, args, _ in rows:
                taken[name].append(_milliseconds(root, args))
    return [
        {
            "name": name,
            "value": round(statistics.median(taken[name])),
            "unit": "ms",
            "target": target,
            "direction": "lower",
            "met": None if target is None else statistics.median(taken[name]) <= target,
        }
        for name, _, target in rows
    ]


def _milliseconds(root: Path, args: list[str]) -> float:
    command = Path(sys.executable).with_name("shepherd")
    began = time.perf_counter()
    subprocess.run([command, *args], cwd=root, check=True, capture_output=True, env={**os.environ, "NO_COLOR": "1"})
    return (time.perf_counter() - began) * 1000


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
