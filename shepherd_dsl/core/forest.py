"""The forest of runs: the machine's state, who owns whom, what stood below a run at an earlier event."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from typing import Any

import attrs
from rpds import HashTrieMap

from shepherd_dsl.core.content import Content, ReadBlob
from shepherd_dsl.core.event import End, Event
from shepherd_dsl.core.expr import Lit, Return
from shepherd_dsl.core.files import Files
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.run import (
    ENDED,
    WORLD,
    Code,
    Commit,
    Run,
    Running,
    but,
    copy_id,
    jump_of,
    maker_of,
    settled,
    split_copy,
)
from shepherd_dsl.core.value import UNIT, Value


@attrs.frozen(slots=True, eq=False)
class LogNode:
    """One entry of the log of the tree (run id and event are the commit's), and the entries before it."""

    commit: Commit
    before: LogNode | None


@attrs.frozen(slots=True, eq=False)
class Machine:
    """The whole tree of runs at one moment (`M` in `lean/`).

    `stack` is a linked list `(active run, rest)` of `driving` links that ends in the world. `log` is append-only and
    `size` its length. `used[(run, clause)]` counts the intents that a limited clause, given when `run` was spawned,
    has allowed to it and to all it made. `written` are the texts that `file.write` put into files, by hash, and
    `read_blob` gives the bytes of a content by its hash: a function of the hash
    alone, so that the machine stays pure.
    """

    program: Program
    read_blob: ReadBlob
    runs: HashTrieMap[str, Run]
    stack: Any
    log: LogNode | None
    size: int
    used: HashTrieMap[tuple[str, int], int]
    written: HashTrieMap[str, str]

    def run(self, id: str) -> Run:
        """The run `id`. Raises KeyError where there is none."""
        return self.runs[id]


def put(m: Machine, run: Run) -> Machine:
    """The machine with `run` in place of the run of that id."""
    return Machine(m.program, m.read_blob, m.runs.insert(run.id, run), m.stack, m.log, m.size, m.used, m.written)


def with_stack(m: Machine, stack: Any) -> Machine:
    """The machine with another stack."""
    return Machine(m.program, m.read_blob, m.runs, stack, m.log, m.size, m.used, m.written)


def record(
    m: Machine,
    id: str,
    event: Event,
    *,
    code: Code,
    files: Files | None = None,
    handles: tuple[str, ...] | None = None,
    inbox: tuple[Value, ...] | None = None,
    restored: Commit | None = None,
) -> Machine:
    """Append `event` to the trace of run `id` and to the log, with the state after it. The only writer of traces.

    What is not given stays as it is. `restored` is given for `reverted` alone: the last commit that is live after it.
    """
    run = m.runs[id]
    files = run.files if files is None else files
    handles = run.handles if handles is None else handles
    inbox = run.inbox if inbox is None else inbox
    parent = run.trace
    commit = Commit(
        run.id,
        0 if parent is None else parent.index + 1,
        m.size,
        event,
        settled(code),
        files,
        handles,
        inbox,
        run.made,
        m.runs,
        m.used,
        parent,
        jump_of(parent),
        restored,
    )
    after = Run(
        run.id,
        run.owner,
        run.givers,
        run.agent,
        run.args,
        code,
        files,
        run.base,
        run.grant,
        handles,
        commit,
        inbox,
        run.made,
        run.born,
        run.kids,
    )
    return Machine(
        m.program,
        m.read_blob,
        m.runs.insert(run.id, after),
        m.stack,
        LogNode(commit, m.log),
        m.size + 1,
        m.used,
        m.written,
    )


def log_since(m: Machine, size: int) -> list[Commit]:
    """The commits of the log from place `size` on, oldest first."""
    found: list[Commit] = []
    node = m.log
    while node is not None and node.commit.seq >= size:
        found.append(node.commit)
        node = node.before
    found.reverse()
    return found


def last_inside(m: Machine) -> Commit | None:
    """The last commit of the log, those of the world apart."""
    node = m.log
    while node is not None and node.commit.run == WORLD:
        node = node.before
    return None if node is None else node.commit


# ── ownership ────────────────────────────────────────────────────────────────────────────────────────────────────────


def owns(m: Machine, asker: str, run: str) -> bool:
    """Whether `asker` owns `run` now."""
    found = m.runs.get(run)
    return found is not None and found.owner == asker


def below(runs: HashTrieMap[str, Run], id: str) -> Iterator[Run]:
    """All runs strictly below `id`, those further down first, younger ones before older ones.

    The order matters: a run's commit keeps the runs below it as they then are, so they are dealt with before it.
    """
    todo: list[tuple[str, bool]] = [(kid, False) for kid in runs[id].kids]
    while todo:
        top, opened = todo.pop()
        if opened:
            yield runs[top]
        else:
            todo.append((top, True))
            todo.extend((kid, False) for kid in runs[top].kids)


def is_below(m: Machine, id: str, above: str) -> bool:
    """Whether `id` is strictly below `above`."""
    at = m.runs[id].owner
    while at is not None:
        if at == above:
            return True
        at = m.runs[at].owner
    return False


def own(m: Machine, id: str, owner: str, givers: tuple[str, ...]) -> Machine:
    """Make `owner` the owner of run `id`. Kids stay ordered by `born`."""
    run = m.runs[id]
    if run.owner == owner:
        return m if run.givers == givers else put(m, but(run, givers=givers))
    if run.owner is not None:
        old = m.runs[run.owner]
        m = put(m, but(old, kids=tuple([kid for kid in old.kids if kid != id])))
    return adopted(put(m, but(run, owner=owner, givers=givers)), id)


def adopted(m: Machine, id: str) -> Machine:
    """The machine in which the owner that run `id` names counts it among its kids."""
    run = m.runs[id]
    assert run.owner is not None
    owner = m.runs[run.owner]
    kids = (*owner.kids, id)
    if owner.kids and m.runs[owner.kids[-1]].born > run.born:
        kids = tuple(sorted(kids, key=lambda kid: m.runs[kid].born))
    return put(m, but(owner, kids=kids))


def is_live(run: Run) -> bool:
    """Whether the run has not ended."""
    return not isinstance(run.code, ENDED)


# ── what was below a run at an earlier event ─────────────────────────────────────────────────────────────────────────


@attrs.frozen(slots=True, eq=False)
class Head:
    """A run as it stood at a commit of a run above it: how far its trace was, and who owned it. Ids are today's.

    `then` is the run as it was, with the ids of that time.
    """

    id: str
    commit: Commit
    owner: str
    givers: tuple[str, ...]
    then: Run


def renaming(id: str, commit: Commit) -> Callable[[str], str]:
    """How the ids in `commit`, inherited by the run `id`, read today: a copy inherits its original's commits as they
    are, with the ids of the original's time in them."""
    if commit.run == id:
        return lambda other: other
    parts = split_copy(id)
    assert parts is not None, "only a copy inherits commits"
    fork, old = parts
    inner = renaming(old, commit)
    return lambda other: copy_id(fork, inner(other))


def lenders(recorder: str, id: str, giver: str) -> tuple[str, ...]:
    """Who may stand, in the run `id`, for a giver from above `recorder`, whose commit `id` has in its trace.

    The giver's copy, if every fork copied it too; else the one who made the first fork, or that one's copy; and so on,
    up to the one who made the last fork.
    """
    if id == recorder:
        return (giver,)
    parts = split_copy(id)
    assert parts is not None, "only a copy inherits commits"
    fork, old = parts
    return (*[copy_id(fork, other) for other in lenders(recorder, old, giver)], maker_of(fork))


def lender(m: Machine, id: str, commit: Commit, giver: str) -> str:
    """Who has lent today, in run `id`, what `giver` had lent from above at `commit`: the first who is there.

    A copy inherits the commits of its original. Where its fork copied the giver too, the giver's copy has lent the
    copy; else the one who made the fork has. That one is there, for the copy is.
    """
    return next(other for other in lenders(commit.run, id, giver) if other in m.runs)


def givers_today(m: Machine, id: str, commit: Commit, then: Run, inside: Set[str]) -> tuple[str, ...]:
    """Those who have lent today, in run `id`, the run that was `then` at `commit`, the last one first.

    `inside` are who recorded the commit and all that stood below, with the ids of that time.
    """
    if not then.givers:
        return ()
    today = renaming(id, commit)
    near = [today(giver) for giver in then.givers if giver in inside]
    far = [lender(m, id, commit, giver) for giver in then.givers if giver not in inside]
    return (*near, *dict.fromkeys(far))


def heads(m: Machine, id: str, commit: Commit) -> list[Head]:
    """What stood below run `id` at `commit`, those further down first.

    A run may no longer be there under its id of today: a copy inherits the commits of its original, but only those runs
    were copied that stood below the original when it was forked.
    """
    if not commit.heads[commit.run].kids:
        return []
    today = renaming(id, commit)
    then = list(below(commit.heads, commit.run))
    if isinstance(commit.event, End) and commit.event.kind != "discarded":
        # With its end, what it was lent went back.
        runs = commit.heads
        lent = [kid for kid in runs[commit.run].kids if runs[kid].givers]
        gone = {run.id for kid in lent for run in (runs[kid], *below(runs, kid))}
        then = [run for run in then if run.id not in gone]
    inside = {run.id for run in then} | {commit.run}
    found = []
    for run in then:
        assert run.owner is not None
        assert run.trace is not None
        givers = givers_today(m, id, commit, run, inside)
        found.append(Head(today(run.id), run.trace, today(run.owner), givers, run))
    return found


def meant(m: Machine, recorder: str, id: str, other: str) -> str:
    """The run that an id in a commit recorded by `recorder` means in the run `id`, which has it in its trace.

    At each fork: the copy where the run was copied too, and else what it meant before.
    """
    return meanings(m, recorder, id, other)[1]


def meanings(m: Machine, recorder: str, id: str, other: str) -> tuple[str, str]:
    """The id that `other` has if every fork copied it (`renaming`), and the run that it means."""
    if id == recorder:
        return other, other
    parts = split_copy(id)
    assert parts is not None, "only a copy inherits commits"
    fork, old = parts
    today, before = meanings(m, recorder, old, other)
    now = copy_id(fork, today)
    if now in m.runs:
        return now, now
    copied = copy_id(fork, before)
    return now, copied if copied in m.runs else before


def handles_today(m: Machine, id: str, commit: Commit) -> tuple[str, ...]:
    """The handle table at `commit` as it reads for run `id` today."""
    if commit.run == id:
        return commit.handles
    return tuple([meant(m, commit.run, id, held) for held in commit.handles])


# ── handles ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def hold(table: tuple[str, ...], run: str) -> tuple[tuple[str, ...], int]:
    """A table that holds `run`, and its index there. A run already held keeps its first index."""
    if run in table:
        return table, table.index(run)
    return (*table, run), len(table)


def with_used(m: Machine, used: HashTrieMap[tuple[str, int], int]) -> Machine:
    """The machine with other counts."""
    if used is m.used:
        return m
    return Machine(m.program, m.read_blob, m.runs, m.stack, m.log, m.size, used, m.written)


def world_run(files: Files) -> Run:
    """The outermost owner: a run without program or start, whose trace records what it does to the root run."""
    code = Running(Return(Lit(UNIT)), None, None, 0)
    return Run(WORLD, None, (), "", (), code, files, files, (), (), None, (), 0, -1, ())


def with_written(m: Machine, name: str, text: str) -> Machine:
    """The machine that knows the content `text` by its hash `name`."""
    written = m.written.insert(name, text)
    return Machine(m.program, m.read_blob, m.runs, m.stack, m.log, m.size, m.used, written)


def content(m: Machine, name: str) -> Content:
    """The content named `name`: written by a run of this tree, or one that the trace holds."""
    text = m.written.get(name)
    return m.read_blob(name) if text is None else text.encode("utf-8")
