"""The machine: one step of a tree of runs, and the answers from outside (`core.md`).

`step` is the rule book: local steps and machine steps, `None` where the tree is at an outer stop. `advance` takes a
machine to its next outer stop in one go. `answer` and `world_asks` are what may come from outside.
"""

from __future__ import annotations

from functools import partial
from typing import Any, TypeAlias

import attrs
from rpds import HashTrieMap

from shepherd_dsl.core import file_ops, run_ops, unwind
from shepherd_dsl.core.content import ReadBlob
from shepherd_dsl.core.digest import program_digest
from shepherd_dsl.core.event import Change, Denied, End, Intent, Start
from shepherd_dsl.core.fault import Fault
from shepherd_dsl.core.files import Files, git_blob_hash
from shepherd_dsl.core.folder import check_entry
from shepherd_dsl.core.forest import Machine, content, own, put, record, with_stack, with_used, with_written, world_run
from shepherd_dsl.core.grant import Request
from shepherd_dsl.core.limits import VALUE_DEPTH
from shepherd_dsl.core.names import normal_path
from shepherd_dsl.core.permit import allowed, charge, grant_value
from shepherd_dsl.core.program import FORMAT_VERSION, Program
from shepherd_dsl.core.run import (
    ROOT,
    WORLD,
    Code,
    Discarded,
    Done,
    Driving,
    Failed,
    Run,
    Running,
    Undoing,
    Waiting,
    but,
    layer,
    question_of,
)
from shepherd_dsl.core.shown import Shown, deliver, reply, shown, stop_value
from shepherd_dsl.core.step import Asks, Ends, LocalStop, check_size, local_step, resume, run_locally
from shepherd_dsl.core.value import Con, Handle, Value, err, handles_in


class AnswerError(ValueError):
    """An answer from outside that is not well-formed: the rule it breaks is the message."""


def start(
    program: Program,
    agent: str,
    args: tuple[Value, ...],
    request: Request,
    files: Files,
    *,
    read_blob: ReadBlob,
) -> Machine:
    """A tree with the root run just started: `agent(args…)` with `request` as its grant, on `files`.

    Raises ValueError where the program has no such agent or a run among its literals, or where the arguments do not fit
    the agent's parameters or are too large.
    """
    found = program.defs.get(agent)
    if found is None:
        raise ValueError(f"the program has no agent `{agent}`")
    if len(found.params) != len(args):
        raise ValueError(f"`{agent}` takes {len(found.params)} arguments, not {len(args)}")
    if any(next(handles_in(arg), None) is not None for arg in args):
        raise ValueError("the root run cannot be started with a run")
    try:
        check_size(args)
    except Fault as why:
        raise ValueError(why.text) from None
    world = but(world_run(files), handles=(ROOT,))
    grant = (layer(ROOT, request),)
    code = run_ops.body_of(program, agent, args)
    root = Run(ROOT, None, (), agent, args, code, files, files, grant, (), None, (), 0, 0, ())
    m = Machine(
        program, read_blob, HashTrieMap({WORLD: world, ROOT: root}), None, None, 0, HashTrieMap(), HashTrieMap()
    )
    m = own(m, ROOT, WORLD, ())
    event = Start(FORMAT_VERSION, program_digest(program), agent, args, grant_value(grant), files.hash)
    m = record(m, ROOT, event, code=code)
    return drive_root(m)


def drive_root(m: Machine) -> Machine:
    """The world drives the root run, as it does whenever it is not busy with an operation of its own."""
    world = m.runs[WORLD]
    origin = Waiting("run.next", (Handle(0),), None)
    m = put(m, but(world, code=Driving(ROOT, origin)))
    return with_stack(m, (ROOT, (WORLD, None)))


# ── one step ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def step(m: Machine) -> Machine | None:
    """One local step or machine step of the active run; None where the tree is at an outer stop."""
    active = m.runs[m.stack[0]]
    if isinstance(active.code, Running):
        after = local_step(m.program, active.code)
        if isinstance(after, Running):
            return put(m, but(active, code=after))
        return at_local_stop(m, active.id, after)
    return machine_step(m, active)


def advance(m: Machine, *, until: int | None = None) -> Machine:
    """The machine at its next outer stop: `step` until there is none (law `advance_is_iterated_step`).

    With `until`, no further than the step that makes the log `until` long. Always comes to an end where every run
    does: between two events there are at most `program.steps` local steps.
    """
    while until is None or m.size < until:
        active = m.runs[m.stack[0]]
        if isinstance(active.code, Running):
            _, stop = run_locally(m.program, active.code)
            m = at_local_stop(m, active.id, stop)
        else:
            after = machine_step(m, active)
            if after is None:
                return m
            m = after
    return m


def at_local_stop(m: Machine, id: str, stop: LocalStop) -> Machine:
    """The event that follows the last local step: `intent`, `denied` or `end`."""
    if isinstance(stop, Asks):
        return ask(m, id, stop)
    ending = unwind.discard_made(m, id, stop)
    if ending is not None:
        return ending
    if isinstance(stop, Ends):
        m = record(m, id, End("done", stop.value), code=Done(stop.value))
    else:
        m = record(m, id, End("failed", stop.error), code=Failed(stop.error))
    return give_back(m, id)


def ask(m: Machine, id: str, asks: Asks) -> Machine:
    """`do op(args)`: an intent inside the grant, `denied` outside it."""
    run = m.runs[id]
    refusal = allowed(m.used, run.grant, asks.op, asks.args)
    if refusal is not None:
        code = resume(err("denied", refusal), asks.stack)
        return record(m, id, Denied(asks.op, asks.args), code=code)
    m = with_used(m, charge(m.used, run.grant, asks.op, asks.args))
    return record(m, id, Intent(asks.op, asks.args), code=Waiting(asks.op, asks.args, asks.stack))


def give_back(m: Machine, id: str) -> Machine:
    """Runs that were given to an ended run go back to their givers."""
    for kid in m.runs[id].kids:
        givers = m.runs[kid].givers
        if givers:
            m = own(m, kid, givers[0], givers[1:])
    return m


def machine_step(m: Machine, active: Run) -> Machine | None:
    """The machine's own step for an active run that is not running, or None at an outer stop."""
    code = active.code
    if isinstance(code, Waiting) and (code.op.startswith("run.") or code.op == "inbox.take"):
        return run_ops.perform(m, active, code)
    if isinstance(code, Undoing):
        after = unwind.undo_step(m, active, code)
        if after is not None:
            return after_world(after, active.id)
    below = m.stack[1]
    if below is not None and below[0] != WORLD:
        return to_owner(m, active, below)
    seen = shown(m, active.id)
    if seen is not None and seen.op in file_ops.FILE_OPS:
        answer, change = file_ops.perform(m.runs[seen.asked].files, partial(content, m), seen.op, seen.args)
        if change and seen.op == "file.write" and isinstance(seen.args[1], str):
            m = with_written(m, git_blob_hash(seen.args[1].encode("utf-8")), seen.args[1])
        return deliver(m, active.id, answer, change, "machine")
    return None


def to_owner(m: Machine, active: Run, below: Any) -> Machine:
    """The active run is at a stop: its owner's `run.next` is answered with it."""
    owner = m.runs[below[0]]
    assert isinstance(owner.code, Driving)
    m = with_stack(m, below)
    m, value = stop_value(m, owner.id, active)
    return reply(m, owner.id, owner.code.origin, value)


def after_world(m: Machine, id: str) -> Machine:
    """When the world's own operation is answered, it drives the root run again."""
    if id == WORLD and isinstance(m.runs[WORLD].code, Running):
        return drive_root(m)
    return m


# ── from outside ─────────────────────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen(slots=True, eq=False)
class Asked:
    """An outer stop with an open question: run `run` asked `op(args)` at event `index` of its trace.

    `chain` are the runs that wait for the answer, outermost first; its last is `run`, but for an operation of the
    machine (`run.pick`), which nobody passes.
    """

    run: str
    index: int
    op: str
    args: tuple[Value, ...]
    chain: tuple[str, ...]


@attrs.frozen(slots=True, eq=False)
class Finished:
    """An outer stop of a root run that has ended."""

    code: Code


OuterStop: TypeAlias = Asked | Finished


def outer_stop(m: Machine) -> OuterStop:
    """What the machine waits for; call it where `step` gives None. Raises ValueError elsewhere."""
    active = m.runs[m.stack[0]]
    code = active.code
    if isinstance(code, Waiting) and code.op == "run.pick":
        assert active.trace is not None
        return Asked(active.id, open_index(m, active.id), code.op, code.args, (active.id,))
    seen = shown(m, active.id)
    if seen is not None:
        return asked(m, active.id, seen)
    if isinstance(code, Done | Failed | Discarded):
        return Finished(code)
    raise ValueError("the machine is not at an outer stop")


def asked(m: Machine, id: str, seen: Shown) -> Asked:
    """The question that run `id` shows, as an outer stop."""
    return Asked(seen.asked, open_index(m, seen.asked), seen.op, seen.args, (id, *seen.path))


def open_index(m: Machine, id: str) -> int:
    """The index of the open intent or undo of run `id`: see `question_of`."""
    question = question_of(m.runs[id].trace)
    assert question is not None, "a run that asks has an open question"
    return question.index


def answer(m: Machine, value: Con, change: Change = ()) -> Machine:
    """The outcome from outside for the question of `outer_stop`, delivered to all who wait for it.

    `value` is `Ok(v)`, `Err({code, text})` or `Unknown` without handles; for `run.pick`, `Ok(index)`. Raises
    AnswerError where it is not, or where an operation declared `pure` would change files.
    """
    stop = outer_stop(m)
    if not isinstance(stop, Asked):
        raise AnswerError("the root run has ended; nothing waits for an answer")
    check_answer(m.program, stop.op, value, change)
    if stop.op == "run.pick":
        return run_ops.picked(m, stop.run, value)
    return deliver(m, m.stack[0], value, change, "world")


def check_answer(program: Program, op: str, value: Con, change: Change) -> None:
    """Raises AnswerError where an answer from outside is not well-formed."""
    if not isinstance(value, Con):
        raise AnswerError("an answer is Ok(v), Err(e) or Unknown")
    if value.name == "Err":
        shape = len(value.args) == 1 and value.args[0]
        labels = [label for label, inner in getattr(shape, "fields", ()) if isinstance(inner, str)]
        if labels != ["code", "text"]:
            raise AnswerError("Err carries { code: Text, text: Text }")
    elif not (value.name == "Ok" and len(value.args) == 1) and not (value.name == "Unknown" and not value.args):
        raise AnswerError("an answer is Ok(v), Err(e) or Unknown")
    if next(handles_in(value), None) is not None:
        raise AnswerError("an answer from outside contains no run")
    try:
        check_size(value, depth=VALUE_DEPTH + 1)
    except Fault as why:
        raise AnswerError(why.text) from None
    declared = program.ops.get(op)
    if change and (op == "run.pick" or (declared is not None and declared.effect_class == "pure")):
        raise AnswerError(f"`{op}` is pure and cannot change files")
    check_change(change)


def check_change(change: Change) -> None:
    """Raises AnswerError where a change to files is not well-formed: normal paths, sorted, each once, real entries."""
    last = ""
    for path, entry in change:
        if normal_path(path) is None:
            raise AnswerError(f"not a normal relative path: {path[:200]!r}")
        if path <= last:
            raise AnswerError("the paths of a change are sorted, and each stands once")
        last = path
        if entry is not None:
            try:
                check_entry(entry)
            except ValueError as why:
                raise AnswerError(str(why)) from None


def world_asks(m: Machine, op: str, args: tuple[Value, ...]) -> Machine:
    """The outermost owner asks for an operation on the root run (`run 0`): `run.revert`, `run.discard`, `run.inject`.

    Allowed between any two steps, so that a run need not be driven on to be taken back. The world's own trace records
    it, as any owner's does. Raises AnswerError for another operation, or where the world is unwinding already.
    """
    if m.stack[0] == WORLD:
        raise AnswerError("the root run is being taken back")
    if op not in ("run.revert", "run.discard", "run.inject"):
        raise AnswerError(f"the world cannot ask for `{op}`")
    driving, before = m.runs[WORLD].code, m.stack
    m = with_stack(m, (WORLD, None))
    waiting = Waiting(op, args, None)
    m = record(m, WORLD, Intent(op, args), code=waiting)
    after = run_ops.perform(m, m.runs[WORLD], waiting)
    assert after is not None
    if op == "run.inject" or isinstance(after.runs[WORLD].code, Running):
        # Nothing was taken back: the runs go on where they were.
        return with_stack(put(after, but(after.runs[WORLD], code=driving)), before)
    return after
