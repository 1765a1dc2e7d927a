"""Starting, opening and forking the trees of a workspace."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from shepherd_dsl.core.event import Event
from shepherd_dsl.core.files import Files
from shepherd_dsl.core.forest import Machine, log_since
from shepherd_dsl.core.grant import Request
from shepherd_dsl.core.machine import start
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.replay import Replayed, follow
from shepherd_dsl.core.root_fork import fork_root_at
from shepherd_dsl.core.run import ROOT, nth
from shepherd_dsl.core.value import Value
from shepherd_dsl.core.wire import WireError, parse, program_from, program_text, value_text
from shepherd_dsl.errors import CorruptError, RevisionError, UserError
from shepherd_dsl.handlers.secrets import Redactor
from shepherd_dsl.runtime.attempts import Attempts, attempts
from shepherd_dsl.runtime.live_tree import LiveTree
from shepherd_dsl.runtime.merges import patiently_unmerged
from shepherd_dsl.runtime.points import reached
from shepherd_dsl.runtime.workspace import TakenIn, Workspace
from shepherd_dsl.trace.protocol import LogEntry, TreeReader, TreeWriter


@attrs.frozen(slots=True, kw_only=True, eq=False)
class Task:
    """What a tree is started with: the agent of a program, its arguments, and the grant asked for.

    `info` are texts kept beside the trace (the source file, …).
    """

    program: Program
    agent: str
    args: tuple[Value, ...]
    request: Request
    info: Mapping[str, str]


@attrs.frozen(slots=True, eq=False)
class Started:
    """A tree just started, on the files that were `taken` in."""

    tree: LiveTree
    taken: TakenIn


@attrs.frozen(slots=True, eq=False)
class Opened:
    """A recorded tree, ready to go on. `before` is what it says of handlers called before."""

    tree: LiveTree
    before: Attempts


def start_tree(workspace: Workspace, task: Task, *, redactor: Redactor) -> Started:
    """A new tree on the files of the workspace; nothing of it has run, and nothing is recorded yet.

    Raises UserError where the agent cannot be started with these arguments, or where one of them, or the program,
    contains a secret.
    """
    if redactor.value(task.args) is not task.args:
        raise UserError(
            "args.secret",
            f"an argument contains the value of {_named(redactor, value_text(task.args))}; "
            "it would be kept in the trace for good",
            hint="Hand secrets over by environment variables of the handlers that need them.",
        )
    text = program_text(task.program)
    if redactor.text(text) is not text:
        raise UserError(
            "program.secret",
            f"the program contains the value of {_named(redactor, text)}; it would be kept in the trace for good",
            hint="Take it out of the source. Handlers take secrets from environment variables.",
        )
    try:
        start(task.program, task.agent, task.args, task.request, Files.empty(), read_blob=_no_blob)
    except ValueError as why:
        raise UserError("args.wrong", str(why)) from why
    info = {name: redactor.text(value) for name, value in task.info.items()}
    writer = workspace.store().create(program=text, info=info)
    try:
        with patiently_unmerged(workspace):
            taken = workspace.import_files(writer, redactor=redactor)
        reached("task.imported")
        machine = start(task.program, task.agent, task.args, task.request, taken.files, read_blob=writer.content)
    except BaseException:
        writer.close()
        raise
    return Started(LiveTree(machine, writer, recorded=0), taken)


def _named(redactor: Redactor, text: str) -> str:
    """Which secrets stand in a text, in words."""
    return f"the secret {', '.join(redactor.names(text))}"


def _no_blob(name: str) -> bytes:
    raise AssertionError(f"a run that has not started reads nothing ({name})")


def replay_tree(reader: TreeReader) -> Replayed:
    """Run the program of a recorded tree again with the recorded answers."""
    program, log, base = recorded(reader)
    return follow(program, log, base, read_blob=reader.content)


def recorded(reader: TreeReader) -> tuple[Program, list[tuple[str, Event]], Files]:
    """A recorded tree's program, log and base files. Raises RevisionError where it has no event."""
    log: list[tuple[str, Event]] = []
    base: Files | None = None
    for item in reader.entries():
        if base is None:
            base = item.files
        log.append((item.run, item.event))
    if base is None:
        raise RevisionError("run.empty", f"run {reader.name} has no event: it was stopped before it began")
    try:
        program = program_from(parse(reader.program))
    except (WireError, RecursionError) as why:
        raise CorruptError("trace.program", f"its program cannot be read: {why}", where=f"run {reader.name}") from why
    return program, log, base


def machine_of(reader: TreeReader) -> tuple[Machine, int]:
    """The machine at the end of a recorded tree's log, and the log's length.

    Raises CorruptError, naming the first event, where the program cannot have produced the log.
    """
    program, log, base = recorded(reader)
    result = follow(program, log, base, read_blob=reader.content)
    if result.problem or result.machine is None:
        run = log[min(result.followed, len(log) - 1)][0]
        raise CorruptError(
            "trace.diverges",
            f"the trace is not one of its program: at entry {result.followed} of the log, {result.problem}",
            where=f"run {reader.name}, {run}",
            hint="The trace was changed, or another version of shepherd made it.",
        )
    return result.machine, len(log)


def open_tree(workspace: Workspace, name: str) -> Opened:
    """The tree `name`, to go on with; takes its lock. Errors as `machine_of`, and LockedError."""
    writer: TreeWriter = workspace.store().reopen(name)
    try:
        reader = workspace.store().read(name)
        machine, length = machine_of(reader)
        before = attempts(machine, reader)
        machine = attrs.evolve(machine, read_blob=writer.content)
    except BaseException:
        writer.close()
        raise
    return Opened(LiveTree(machine, writer, recorded=length), before)


def fork_tree(workspace: Workspace, name: str, *, at: int, info: Mapping[str, str]) -> str:
    """A new tree: `name` after event `at` of its root run, with all below it then. Returns its name.

    Takes no lock: what is recorded does not change. Raises RevisionError where there is no such event.
    """
    store = workspace.store()
    reader = store.read(name)

    def entries() -> list[LogEntry]:
        machine, _ = machine_of(reader)
        commit = nth(machine.runs[ROOT].trace, at)
        if commit is None:
            last = machine.runs[ROOT].trace
            raise RevisionError("event.none", f"run {name} has no event {at}; its last is {last.index if last else -1}")
        forked = fork_root_at(machine, at)
        return [LogEntry(made.run, made.event, made.files) for made in log_since(forked, commit.seq + 1)]

    return store.fork(name, at=at, forked=entries, info=info)
