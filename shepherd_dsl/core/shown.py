"""What a run at a stop shows its owner, and how an outcome reaches all who wait for it (`core.md`, "Who answers")."""

from __future__ import annotations

import attrs

from shepherd_dsl.core.event import By, Change, Outcome
from shepherd_dsl.core.forest import Machine, hold, owns, put, record
from shepherd_dsl.core.run import Code, Discarded, Done, Failed, Passing, Run, Undoing, Waiting, but
from shepherd_dsl.core.step import resume
from shepherd_dsl.core.value import Con, Handle, Record, Value, children, error, ok


@attrs.frozen(slots=True, eq=False)
class Shown:
    """An open question: `asked` is the run that asks, `path` the runs from below the one looked at down to it."""

    asked: str
    op: str
    args: tuple[Value, ...]
    path: tuple[str, ...]


def is_machine_op(op: str) -> bool:
    """Operations that the machine answers and owners do not see."""
    return op.startswith("run.") or op == "inbox.take"


def shown(m: Machine, id: str) -> Shown | None:
    """The question run `id` shows its owner; None where it is not at an intent."""
    code = m.runs[id].code
    if isinstance(code, Waiting):
        return None if is_machine_op(code.op) else Shown(id, code.op, code.args, ())
    if isinstance(code, Passing):
        return Shown(code.chain[-1], code.op, code.args, code.chain)
    if isinstance(code, Undoing) and code.raised:
        debt = code.todo[0]
        return Shown(debt.run, debt.op, debt.args, (debt.run,))
    return None


def passing(m: Machine, child: str, origin: Waiting) -> Passing:
    """The code of a run that passes the intent of `child`, which shows one."""
    seen = shown(m, child)
    assert seen is not None, "only an open question is passed"
    return Passing((child, *seen.path), seen.op, seen.args, origin)


def taken_up(m: Machine, run: Run) -> Code:
    """The code of a run put back to an earlier commit: where it was passing an intent that is open again, it is again.

    A commit holds settled code, so that it names no run; a run below another was at a stop, and no one drives it anew.
    """
    code = run.code
    if isinstance(code, Waiting) and code.op == "run.pass" and len(code.args) == 1 and type(code.args[0]) is Handle:
        child = run.handles[code.args[0].index]
        if owns(m, run.id, child) and shown(m, child) is not None:
            return passing(m, child, code)
    return code


def rehandle(m: Machine, value: Value, source: str, target: str) -> tuple[Machine, Value]:
    """`value` of run `source` as run `target` reads it: handles re-numbered, and held in `target`'s table."""
    held = m.runs[source].handles
    table = m.runs[target].handles
    before = table

    def renumber(inner: Value) -> Value:
        nonlocal table
        if type(inner) is Handle:
            table, index = hold(table, held[inner.index])
            return Handle(index)
        return inner

    mapped = map_value(value, renumber)
    if table is not before:
        m = put(m, but(m.runs[target], handles=table))
    return m, mapped


def map_value(value: Value, leaf: object) -> Value:
    """`value` with `leaf` applied to everything that contains nothing, left to right."""
    if type(value) is tuple:
        return tuple([map_value(inner, leaf) for inner in value])
    if type(value) is Record:
        return Record(tuple([(label, map_value(inner, leaf)) for label, inner in value.fields]))
    if type(value) is Con and value.args:
        return Con(value.name, tuple([map_value(inner, leaf) for inner in value.args]))
    return leaf(value) if not children(value) else value  # type: ignore[operator]


def stop_value(m: Machine, owner: str, run: Run) -> tuple[Machine, Con]:
    """What `run.next` tells `owner` of `run` at its stop: `Intent(op, args, path)`, `Done(v)` or `Failed(e)`."""
    code = run.code
    if isinstance(code, Done):
        m, value = rehandle(m, code.value, run.id, owner)
        return m, ok(Con("Done", (value,)))
    if isinstance(code, Failed):
        return m, ok(Con("Failed", (code.error,)))
    if isinstance(code, Discarded):
        return m, ok(Con("Failed", (error("discarded", "the run was discarded"),)))
    seen = shown(m, run.id)
    assert seen is not None, "a run that is handed to its owner is at a stop"
    table = m.runs[owner].handles
    path = []
    for id in seen.path:
        table, index = hold(table, id)
        path.append(Handle(index))
    if table is not m.runs[owner].handles:
        m = put(m, but(m.runs[owner], handles=table))
    return m, ok(Con("Intent", (seen.op, seen.args, tuple(path))))


def reply(m: Machine, id: str, waiting: Waiting, value: Con, change: Change = ()) -> Machine:
    """The machine's own answer to the open intent of run `id`, with a change to that run's files."""
    files = m.runs[id].files.apply(change) if change else None
    return record(m, id, Outcome(value, change, "machine"), code=resume(value, waiting.stack), files=files)


def deliver(m: Machine, id: str, value: Con, change: Change, by: By) -> Machine:
    """The outcome of what run `id` shows, in one step to every run that waits for it, innermost first.

    The run that asked gets the outcome. Each that passed it gets `Ok(outcome)`: its own operation, `run.pass`, is done,
    whatever came of the one passed. Only the files of the run that asked change. A run that compensates is no intent's
    owner: it goes on to its next debt, and gets no event of its own.
    """
    seen = shown(m, id)
    assert seen is not None, "only an open question is answered"
    m = answer_asked(m, seen.asked, value, change, by)
    for member in reversed((id, *seen.path)[:-1]):
        m = relay(m, member, value, by)
    return m


def answer_asked(m: Machine, id: str, value: Con, change: Change, by: By) -> Machine:
    """The run that asked gets its outcome, and its files change.

    Where the question is an undo its code stays as it is, for it is about to be taken back: also where it was itself
    unwinding when that began.
    """
    run = m.runs[id]
    code = run.code
    files = run.files.apply(change) if change else None
    after = resume(value, code.stack) if isinstance(code, Waiting) else code
    return record(m, id, Outcome(value, change, by), code=after, files=files)


def relay(m: Machine, id: str, value: Con, by: By) -> Machine:
    """A run that waits for the outcome of a question further down: one that passes it, or one that compensates."""
    run = m.runs[id]
    code = run.code
    if isinstance(code, Passing):
        return record(m, id, Outcome(ok(value), (), by), code=resume(ok(value), code.origin.stack))
    assert isinstance(code, Undoing), "who waits for another's outcome passes it or compensates"
    return put(m, but(run, code=next_debt(code, value)))


def next_debt(code: Undoing, value: Con) -> Undoing:
    """The first debt is answered: noted as paid or failed, and done with."""
    debt = code.todo[0]
    paid, failed = code.paid, code.failed
    if value.name == "Ok":
        paid = (*paid, debt.op)
    else:
        failed = (*failed, debt.op)
    return attrs.evolve(code, todo=code.todo[1:], raised=False, paid=paid, failed=failed)
