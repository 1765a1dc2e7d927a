"""A small world for runs that are disturbed: handlers whose effects stand in a file outside; driving a run."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import anyio
import anyio.lowlevel

from shepherd_dsl.check import load
from shepherd_dsl.core.machine import Asked
from shepherd_dsl.core.program import EffectClass
from shepherd_dsl.core.run import Commit
from shepherd_dsl.core.value import UNIT, Con, Value, err, ok
from shepherd_dsl.handlers.context import HandlerContext, open_context
from shepherd_dsl.handlers.protocol import Handler, OperationSpec, Request
from shepherd_dsl.lower import lower
from shepherd_dsl.runtime.actions import Ended, resume_run, run_task
from shepherd_dsl.runtime.trees import Task
from shepherd_dsl.runtime.workspace import Workspace


def spec(
    effect_class: EffectClass, *params: str, result: Value = "Int", undo: str | None = None, files: bool = False
) -> OperationSpec:
    """An operation whose parameters are all texts."""
    return OperationSpec(
        effect_class=effect_class,
        params=tuple((name, "Text") for name in params),
        result=result,
        undo=undo,
        touches_files=files,
    )


class Ledger:
    """Effects that last: each appends a line `{op, key, text}` to one file outside, durably.

    `ledger.add` can tell after a crash whether it happened, `ledger.blind` cannot. `ledger.post` is taken back by
    `ledger.drop`. `ledger.build` also writes a file into the run's folder, and is reversible.
    """

    operations: Mapping[str, OperationSpec] = MappingProxyType(
        {
            "ledger.add": spec("irreversible", "text"),
            "ledger.blind": spec("irreversible", "text"),
            "ledger.post": spec("compensable", "text", result="Text", undo="ledger.drop"),
            "ledger.drop": spec("irreversible", "text", result="Unit"),
            "ledger.build": spec("reversible", "text", files=True),
        }
    )

    def __init__(self, file: Path) -> None:
        self.file = file

    async def perform(self, request: Request) -> Con:
        """Appends the line; answers with the number of lines, or with what `ledger.post` posted."""
        text = request.args[0]
        assert isinstance(text, str)
        await anyio.lowlevel.checkpoint()
        self._append(request, text)
        await anyio.lowlevel.checkpoint()
        if request.op == "ledger.build":
            assert request.folder is not None
            (request.folder / f"{text}.built").write_text(text * 10)
        if request.op == "ledger.post":
            return ok(text)
        return ok(UNIT) if request.op == "ledger.drop" else ok(len(self.lines()))

    async def probe(self, request: Request) -> Con | None:
        """What became of an intent; nobody knows of `ledger.blind` and `ledger.build`."""
        if request.op in ("ledger.blind", "ledger.build"):
            return None
        found = [number for number, line in enumerate(self.lines(), start=1) if line["key"] == _key(request)]
        if not found:
            return err("not_done", "no line was written")
        if request.op == "ledger.post":
            return ok(request.args[0])
        return ok(UNIT) if request.op == "ledger.drop" else ok(found[0])

    async def aclose(self) -> None:
        """Nothing to close."""

    def lines(self) -> list[dict[str, str]]:
        """All effects, in order."""
        return [json.loads(line) for line in self.file.read_text().splitlines()] if self.file.exists() else []

    def count(self, op: str) -> Counter[str]:
        """How often each text was written by `op`."""
        return Counter(line["text"] for line in self.lines() if line["op"] == op)

    def _append(self, request: Request, text: str) -> None:
        line = json.dumps({"op": request.op, "key": _key(request), "text": text}) + "\n"
        descriptor = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)


def _key(request: Request) -> str:
    return f"{request.tree} {request.run} {request.position}"


EFFECTS = """
effect ledger.add(text: Text) -> Int irreversible
effect ledger.blind(text: Text) -> Int irreversible
effect ledger.post(text: Text) -> Text compensable by ledger.drop
effect ledger.drop(text: Text) -> Unit irreversible
effect ledger.build(text: Text) -> Int reversible
"""


def task_of(folder: Path, source: str, agent: str = "main", *args: Value) -> Task:
    """The task of running `agent` of the program `source`."""
    path = folder / "program.shep"
    path.write_text(source)
    lowered = lower(load(path))
    info = lowered.agents[agent]
    return Task(program=lowered.program, agent=info.name, args=args, request=info.request, info={"agent": agent})


class Watch:
    """A display that remembers what it was told; `on_recorded` hears of each batch of durable events."""

    def __init__(self, on_recorded: Callable[[list[Commit]], object] | None = None) -> None:
        self.remarks: list[str] = []
        self.texts: list[str] = []
        self.order: list[tuple[str, str]] = []
        self._on_recorded = on_recorded

    def recorded(self, commits: list[Commit]) -> None:
        """See `Display`."""
        if self._on_recorded is not None:
            self._on_recorded(commits)

    def started(self, asked: Asked) -> None:
        """See `Display`."""
        self.order.append(("started", asked.run))

    def output(self, asked: Asked, text: str) -> None:
        """See `Display`."""
        self.texts.append(text)

    def finished(self, asked: Asked) -> None:
        """See `Display`."""
        self.order.append(("finished", asked.run))

    def paused(self) -> None:
        """See `Display`."""

    def resumed(self) -> None:
        """See `Display`."""

    def said(self, text: str) -> None:
        """See `Display`."""
        self.remarks.append(text)


def context_of(root: Path, **environ: str) -> HandlerContext:
    """The context of a workspace, with a fixed environment."""
    return open_context(root, environ={"PATH": os.environ.get("PATH", os.defpath), **environ})


def run(
    root: Path, task: Task, handlers: Mapping[str, Handler], *, watch: Watch | None = None, keep: bool = False
) -> Ended:
    """Run a task in the workspace `root`."""
    return run_task(
        Workspace(root), task, context=context_of(root), display=watch or Watch(), keep=keep, handlers=handlers
    )


def resume(
    root: Path,
    name: str,
    handlers: Mapping[str, Handler],
    *,
    watch: Watch | None = None,
    keep: bool = False,
    again: bool = False,
) -> Ended:
    """Go on with a run of the workspace `root`."""
    return resume_run(
        Workspace(root),
        name,
        context=context_of(root),
        display=watch or Watch(),
        keep=keep,
        again=again,
        handlers=handlers,
    )


def files_of(root: Path) -> dict[str, bytes]:
    """The workspace's own files."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".shepherd" not in path.relative_to(root).parts
    }
