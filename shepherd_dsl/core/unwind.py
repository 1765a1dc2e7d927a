"""Taking back: debts, compensation, revert and discard (`core.md`, "Taking back")."""

from __future__ import annotations

import attrs

from shepherd_dsl.core.event import End, Forked, Intent, Outcome, Reverted, Undo
from shepherd_dsl.core.expr import Lit, Prim, Return
from shepherd_dsl.core.forest import (
    Head,
    Machine,
    below,
    handles_today,
    heads,
    is_below,
    is_live,
    own,
    put,
    record,
)
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.run import (
    Commit,
    Debt,
    Discarded,
    Driving,
    Passing,
    Run,
    Running,
    Undoing,
    Waiting,
    but,
    live_commits,
    nth,
    question_of,
    settled,
)
from shepherd_dsl.core.shown import is_machine_op, reply, taken_up
from shepherd_dsl.core.step import Ends, Faults, resume
from shepherd_dsl.core.value import UNIT, Con, Record, equal, err, ok
from shepherd_dsl.core.value import record as record_value

ABANDONED = err("abandoned", "the run was taken back before the answer came")


@attrs.frozen(slots=True, eq=False)
class Plan:
    """What a revert or discard of `run` would do: which commits go, what is owed, what cannot be taken back.

    `to` is None for a discard. `heads` is what stood below then. `undone` counts the live events that are taken back.
    `irreversible` lists operations that the world did, or may have done, for good; `unknown` those with a compensation
    which is not made, for nobody knows whether they were done. Both newest first, a copy's only since it was forked.
    """

    run: str
    to: int | None
    heads: tuple[Head, ...]
    debts: tuple[Debt, ...]
    undone: int
    irreversible: tuple[str, ...]
    unknown: tuple[str, ...]


# ── what is owed ─────────────────────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen(slots=True, eq=False)
class Answered:
    """An intent or undo with its outcome, as a pair of commits of one trace."""

    question: Commit
    outcome: Commit


def answered(trace: Commit | None, *, after: int) -> list[Answered]:
    """The answered questions of a trace whose outcome has an index over `after`, oldest first."""
    found = []
    at = trace
    while at is not None and at.index > after:
        if isinstance(at.event, Outcome):
            question = question_of(at.parent)
            assert question is not None, "an outcome answers a question"
            found.append(Answered(question, at))
        at = at.parent
    found.reverse()
    return found


def last_forked(trace: Commit | None) -> int:
    """The index of the last `forked` event, -1 where there is none."""
    at = trace
    while at is not None:
        if isinstance(at.event, Forked):
            return at.index
        at = at.parent
    return -1


def is_abandoned(event: Outcome) -> bool:
    """Whether the outcome only says that the question was given up."""
    return event.by == "machine" and equal(event.answer, ABANDONED)


def debts(program: Program, run: Run, *, after: int) -> list[Debt]:
    """What `run` owes for outcomes with an index over `after`, newest first: a fold over its trace.

    A run owes its compensable outcomes `Ok(v)` by the world since its last `forked`, but for those whose undo has an
    outcome. One that passed another's intent owes nothing for it: its own operation was `run.pass`. And no operation
    that the machine answers compensates anything.
    """
    owed: dict[int, Debt] = {}
    for pair in answered(run.trace, after=after):
        question, event = pair.question.event, pair.outcome.event
        assert isinstance(event, Outcome)
        if isinstance(question, Undo):
            if not is_abandoned(event):
                owed.pop(question.at, None)
        elif (
            isinstance(question, Intent)
            and not is_machine_op(question.op)
            and event.by == "world"
            and event.answer.name == "Ok"
        ):
            declared = program.ops.get(question.op)
            if declared is not None and declared.undo is not None and not is_machine_op(declared.undo):
                at = pair.outcome.index
                owed[at] = Debt(run.id, at, declared.undo, event.answer.args, pair.outcome.seq)
    if not owed:
        return []
    floor = last_forked(run.trace)
    return [debt for at, debt in sorted(owed.items(), reverse=True) if at > floor]


def made_undone(trace: Commit | None, to: int) -> list[str]:
    """Operations whose effects the state after event `to` counts on, but which were compensated since."""
    target = nth(trace, to)
    counted: set[int] | None = None
    gone = []
    for pair in answered(trace, after=to):
        question, event = pair.question.event, pair.outcome.event
        if (
            isinstance(question, Undo)
            and question.at <= to
            and isinstance(event, Outcome)
            and event.answer.name != "Err"
        ):
            if counted is None:
                counted = {commit.index for commit in live_commits(target)}
            if question.at in counted:
                gone.append(question.op)
    return gone


# ── the plan ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def plan(m: Machine, id: str, to: int | None) -> Plan | Con:
    """What taking run `id` back to event `to` (None: discarding it) would do, or the `Err` that refuses it.

    Refused: no such event (`step`), a run owned then that is no longer below (`moved`), effects the earlier state
    counts on that were compensated since (`compensated`). Nothing is changed by a plan.
    """
    run = m.runs[id]
    then: list[Head] = []
    if to is not None:
        target = nth(run.trace, to)
        if target is None:
            last = -1 if run.trace is None else run.trace.index
            return err("step", f"there is no event {to}; the last one is {last}")
        then = heads(m, id, target)
        moved = [head.id for head in then if head.id not in m.runs or not is_below(m, head.id, id)]
        if moved:
            return err("moved", "no longer below the run: " + ", ".join(moved))
        gone = made_undone(run.trace, to)
        for head in then:
            gone += made_undone(m.runs[head.id].trace, head.commit.index)
        if gone:
            return err("compensated", "these effects were compensated and are gone: " + ", ".join(gone))
    kept = {head.id: head.commit.index for head in then}
    if to is not None:
        kept[id] = to
    members = [*below(m.runs, id), run]
    owed = [debt for member in members for debt in debts(m.program, member, after=kept.get(member.id, -1))]
    owed.sort(key=lambda debt: -debt.seq)
    undone = 0
    lasting: list[tuple[int, str, str]] = []
    for member in members:
        stays: list[tuple[int, tuple[int, str, str]]] = []
        for commit in live_commits(member.trace):
            if commit.index <= kept.get(member.id, -1):
                break
            undone += not isinstance(commit.event, Forked)
            stays += [(commit.index, item) for item in _lasting(m.program, commit)]
        if stays:
            floor = last_forked(member.trace)
            lasting += [item for index, item in stays if index > floor]
    lasting.sort(key=lambda item: -item[0])
    return Plan(
        id,
        to,
        tuple(then),
        tuple(owed),
        undone,
        tuple(op for _, op, kind in lasting if kind == "irreversible"),
        tuple(op for _, op, kind in lasting if kind == "unknown"),
    )


def _lasting(program: Program, commit: Commit) -> list[tuple[int, str, str]]:
    """(place in the log, operation, why it stays) where the commit is an outcome that cannot be taken back."""
    event = commit.event
    if not isinstance(event, Outcome) or event.by != "world":
        return []
    question = question_of(commit.parent)
    if question is None or not isinstance(question.event, Intent) or is_machine_op(question.event.op):
        return []
    op, answer = question.event.op, event.answer.name
    declared = program.ops.get(op)
    kind = "irreversible" if declared is None else declared.effect_class
    if kind == "irreversible" and answer != "Err":
        return [(commit.seq, op, "irreversible")]
    return [(commit.seq, op, "unknown")] if kind == "compensable" and answer == "Unknown" else []


# ── doing it ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def begin(m: Machine, asker: str, origin: Waiting | Running, id: str, to: int | None) -> Machine | Con:
    """The asker starts taking run `id` back: open intents are abandoned, the debts are listed. Or the `Err`."""
    made = plan(m, id, to)
    if isinstance(made, Con):
        return made
    m = abandon(m, id)
    code = Undoing(id, to, made.debts, False, (), made.unknown, made.undone, made.irreversible, origin)
    return put(m, but(m.runs[asker], code=code))


def abandon(m: Machine, id: str) -> Machine:
    """Open intents and undos of run `id` and all below get `Err(abandoned)`, by the machine; lower runs first."""
    for run in [*below(m.runs, id), m.runs[id]]:
        question = question_of(run.trace)
        if question is None:
            continue
        code = run.code
        if isinstance(question.event, Undo):
            m = record(m, run.id, Outcome(ABANDONED, (), "machine"), code=code)
            continue
        waiting = code.origin if isinstance(code, Passing | Driving | Undoing) else code
        assert isinstance(waiting, Waiting)
        m = record(m, run.id, Outcome(ABANDONED, (), "machine"), code=resume(ABANDONED, waiting.stack))
    return m


def undo_step(m: Machine, active: Run, code: Undoing) -> Machine | None:
    """One step of a run that is `undoing`: raise the next undo, or finish; None while an undo is open."""
    if code.raised:
        return None
    if code.todo:
        debt = code.todo[0]
        m = record(m, debt.run, Undo(debt.at, debt.op, debt.args), code=m.runs[debt.run].code)
        return put(m, but(m.runs[active.id], code=attrs.evolve(code, raised=True)))
    m = restore(m, code.run, code.to)
    if isinstance(code.origin, Waiting):
        return reply(m, active.id, code.origin, ok(report(code)))
    return put(m, but(m.runs[active.id], code=code.origin))


def report(code: Undoing) -> Record:
    """What `run.revert` and `run.discard` answer."""
    return record_value(undone=code.undone, compensated=code.paid, failed=code.failed, irreversible=code.lasting)


def restore(m: Machine, id: str, to: int | None) -> Machine:
    """Put run `id` and what it owned then back to event `to`, and discard what else is below; lower runs first."""
    if to is None:
        for run in [*below(m.runs, id), m.runs[id]]:
            m = discard(m, run.id)
        return m
    target = nth(m.runs[id].trace, to)
    assert target is not None
    then = {head.id: head for head in heads(m, id, target)}
    # Which run is lower is a matter of who owned whom then: a run that was lent may have been given back since.
    for owned in then.values():
        m = own(m, owned.id, owned.owner, owned.givers)
    for run in list(below(m.runs, id)):
        head = then.get(run.id)
        if head is None:
            m = discard(m, run.id)
            continue
        now = m.runs[run.id]
        if now.trace is not head.commit:
            m = rewind(m, run.id, head.commit, below=True)
        elif isinstance(now.code, Undoing):
            # It was about to end, discarding what it made: that begins again, for those runs are as they were.
            m = put(m, but(now, code=settled(now.code)))
    return rewind(m, id, target, below=False)


def rewind(m: Machine, id: str, commit: Commit, *, below: bool) -> Machine:
    """`reverted(k)`: code, files, handles and inbox are again those after `commit`.

    `below` says that the run is not the one taken back but stood below it, at a stop.
    """
    handles = handles_today(m, id, commit)
    code = taken_up(m, but(m.runs[id], code=commit.code, handles=handles)) if below else commit.code
    return record(
        m,
        id,
        Reverted(commit.index),
        code=code,
        files=commit.files,
        handles=handles,
        inbox=commit.inbox,
        restored=commit if commit.restored is None else commit.restored,
    )


def discard(m: Machine, id: str) -> Machine:
    """`end(discarded)`, unless the run was discarded before."""
    run = m.runs[id]
    if isinstance(run.code, Discarded):
        return m
    return record(m, id, End("discarded", UNIT), code=Discarded())


# ── ending ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def discard_made(m: Machine, id: str, stop: Ends | Faults) -> Machine | None:
    """An agent about to end first discards the live runs it made, newest first; None when there is none left."""
    live = [kid for kid in m.runs[id].kids if not m.runs[kid].givers and is_live(m.runs[kid])]
    if not live:
        return None
    newest = max(live, key=lambda kid: m.runs[kid].born)
    again = Return(Lit(stop.value) if isinstance(stop, Ends) else Prim("raise", (Lit(stop.error),)))
    begun = begin(m, id, Running(again, None, None, 0), newest, None)
    assert not isinstance(begun, Con), "a discard is never refused"
    return begun
