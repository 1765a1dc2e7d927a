"""Runs as data (`core.md`, "A run"): code, commits, traces and run ids.

Everything here is immutable and shared: a fork copies no trace, no environment and no files.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from shepherd_dsl.core.event import Event, Forked, Injected, Intent, Undo
from shepherd_dsl.core.expr import Comp
from shepherd_dsl.core.grant import Request
from shepherd_dsl.core.value import Value

if TYPE_CHECKING:
    from rpds import HashTrieMap

    from shepherd_dsl.core.files import Files

WORLD = "world"
ROOT = "root"

# Environments and stacks are linked tuples rather than classes: the inner loop of the machine builds one a step.
Env: TypeAlias = Any
"""`None`, or `(name, value, rest)`: the bindings in scope, innermost first."""

Stack: TypeAlias = Any
"""`None`, or `(name, body, env, rest)`: `K`, the frames `let(x, c, ρ)`, innermost first."""


def made(maker: str, count: int) -> str:
    """The id of the run that `maker` makes after `count` others."""
    return f"{maker}.{count}"


def copy_id(fork: str, old: str) -> str:
    """The id of the copy of `old` in the fork whose own id is `fork`."""
    return f"{fork}({old})"


def maker_of(run: str) -> str:
    """The run that made `run`, which is a `made` id."""
    return run[: run.rindex(".")]


def split_copy(run: str) -> tuple[str, str] | None:
    """`(fork, old)` where `run` is `copy(fork, old)`, None where it was started or is a root."""
    if not run.endswith(")"):
        return None
    level = 0
    for index in range(len(run) - 1, -1, -1):
        if run[index] == ")":
            level += 1
        elif run[index] == "(":
            level -= 1
            if level == 0:
                return run[:index], run[index + 1 : -1]
    return None


# ── code ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen(slots=True, eq=False)
class Running:
    """`running c ρ K`, after `steps` local steps since the last event."""

    comp: Comp
    env: Env
    stack: Stack
    steps: int


@attrs.frozen(slots=True, eq=False)
class Waiting:
    """`waiting op v`: an intent is open. Operations on runs are answered by the machine in its next step."""

    op: str
    args: tuple[Value, ...]
    stack: Stack


@attrs.frozen(slots=True, eq=False)
class Passing:
    """`passing chain op v`: the open intent `run.pass` shows the intent of the last run of `chain` outward.

    `chain` begins with the run passed; `op` and `args` are what the innermost run asked. `origin` is the code to take
    up again when this step is redone. What comes of it is `Ok(outcome)`: an `Err` would say that nothing was passed.
    """

    chain: tuple[str, ...]
    op: str
    args: tuple[Value, ...]
    origin: Waiting


@attrs.frozen(slots=True, eq=False)
class Driving:
    """`driving r`: the open intent `run.next` waits for r's next stop."""

    run: str
    origin: Waiting


@attrs.frozen(slots=True, eq=False)
class Debt:
    """A compensation due: `run` undoes its outcome `at` by `op(args)`; `seq` is the outcome's place in the log."""

    run: str
    at: int
    op: str
    args: tuple[Value, ...]
    seq: int


@attrs.frozen(slots=True, eq=False)
class Undoing:
    """`undoing r k todo`: compensations are being made before `run` goes back to `to`, or is discarded (`to` None).

    `raised`: the undo of the first of `todo` is recorded and open. `paid` and `failed` name the compensating
    operations that were answered so far; `undone` and `lasting` are the plan's count of events and its irreversible
    operations, for the answer. `origin` is the open intent, or the code to go on with where an ending run
    discards what it made.
    """

    run: str
    to: int | None
    todo: tuple[Debt, ...]
    raised: bool
    paid: tuple[str, ...]
    failed: tuple[str, ...]
    undone: int
    lasting: tuple[str, ...]
    origin: Waiting | Running


@attrs.frozen(slots=True, eq=False)
class Done:
    """The run ended with a value."""

    value: Value


@attrs.frozen(slots=True, eq=False)
class Failed:
    """The run ended with an error value `{code, text}`."""

    error: Value


@attrs.frozen(slots=True, eq=False)
class Discarded:
    """The owner discarded the run."""


Code: TypeAlias = Running | Waiting | Passing | Driving | Undoing | Done | Failed | Discarded

ENDED = (Done, Failed, Discarded)


def settled(code: Code) -> Code:
    """The code as a commit keeps it: a step of the machine that is under way is taken up from its beginning.

    It contains no run id, only handles, so that a fork shares it.
    """
    return code.origin if isinstance(code, Passing | Driving | Undoing) else code


# ── commits ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen(slots=True, eq=False)
class Commit:
    """One event and the state right after it.

    `index` counts from 0 in the trace; `seq` is the place in the log of the tree. `code` is settled. `heads` is the
    map of all runs at that moment: what stood below this run, and how far, is looked up there (`forest.heads`).
    `used` are the counts of limited clauses. `parent` is the event before; `jump` skips back further (see `nth`);
    `restored` is set for `reverted` alone: the last commit that is live again.
    """

    run: str
    index: int
    seq: int
    event: Event
    code: Code
    files: Files
    handles: tuple[str, ...]
    inbox: tuple[Value, ...]
    made: int
    heads: HashTrieMap[str, Run]
    used: HashTrieMap[tuple[str, int], int]
    parent: Commit | None
    jump: Commit | None
    restored: Commit | None


def jump_of(parent: Commit | None) -> Commit | None:
    """The `jump` of a commit after `parent`, such that `nth` takes a logarithmic number of hops.

    Skew-binary jump pointers (Myers, "An applicative random-access stack", 1983).
    """
    if parent is None or parent.jump is None:
        return parent
    far = parent.jump
    if far.jump is not None and parent.index - far.index == far.index - far.jump.index:
        return far.jump
    return parent


def nth(head: Commit | None, index: int) -> Commit | None:
    """The commit number `index` of the trace that ends in `head`, or None where there is none."""
    if head is None or index < 0 or index > head.index:
        return None
    at: Commit | None = head
    while at is not None and at.index != index:
        at = at.jump if at.jump is not None and at.jump.index >= index else at.parent
    return at


def commits(head: Commit | None) -> list[Commit]:
    """The commits of a trace, oldest first."""
    found = []
    while head is not None:
        found.append(head)
        head = head.parent
    found.reverse()
    return found


def live_commits(head: Commit | None) -> Iterator[Commit]:
    """The live commits of the trace that ends in `head`, newest first: what was reverted, and reverts, are left out."""
    while head is not None:
        if head.restored is not None:
            head = head.restored
        yield head
        head = head.parent


def question_of(head: Commit | None) -> Commit | None:
    """The intent or undo that the next outcome of the trace answers, None where none is open.

    It is the last live event but for messages, and for `forked`, after which a copy goes on where its original was.
    """
    for commit in live_commits(head):
        event = commit.event
        if isinstance(event, Intent | Undo):
            return commit
        if not isinstance(event, Injected | Forked):
            return None
    return None


# ── runs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen(slots=True)
class Layer:
    """One layer of a grant. `origin` is the run that was spawned with it: its counts include all that run made."""

    origin: str
    clauses: Request
    limited: tuple[int, ...]


def layer(origin: str, clauses: Request) -> Layer:
    """A layer with its limited clauses listed."""
    return Layer(origin, clauses, tuple(i for i, clause in enumerate(clauses) if clause.limit is not None))


@attrs.frozen(slots=True, eq=False)
class Run:
    """A run (`core.md`): `Run = { id, owner, givers, agent, args, code, files, base, grant, handles, trace }`.

    `handles[h]` is the id that `run h` stands for. `trace` is the newest commit. `inbox` holds the messages not yet
    taken, and `made` counts the runs this one made, reverted ones included. `born` is the place in the log at which
    the run came to be; it orders runs where an order is needed. `kids` are the runs it owns, oldest first.
    """

    id: str
    owner: str | None
    givers: tuple[str, ...]
    agent: str
    args: tuple[Value, ...]
    code: Code
    files: Files
    base: Files
    grant: tuple[Layer, ...]
    handles: tuple[str, ...]
    trace: Commit | None
    inbox: tuple[Value, ...]
    made: int
    born: int
    kids: tuple[str, ...]


_FIELDS = tuple(field.name for field in attrs.fields(Run))
_ALL_OF = attrgetter(*_FIELDS)


def but(run: Run, **changes: Any) -> Run:
    """`run` with some fields changed (`attrs.evolve`, without its cost)."""
    values: Any = map(changes.get, _FIELDS, _ALL_OF(run))
    return Run(*values)


def length(run: Run) -> int:
    """How many events the run's trace has."""
    return 0 if run.trace is None else run.trace.index + 1
