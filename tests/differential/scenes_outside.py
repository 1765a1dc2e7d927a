"""Scenes of what comes from outside: answers, taking back and its debts, forks, logs that are checked."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from shepherd_dsl.core.event import Change, End, Forked, Injected, Intent, Outcome, Reverted
from shepherd_dsl.core.files import Files
from shepherd_dsl.core.forest import Machine
from shepherd_dsl.core.grant import Clause, request_value
from shepherd_dsl.core.machine import advance, start, world_asks
from shepherd_dsl.core.oracle import run_to_end
from shepherd_dsl.core.program import Def, Operation
from shepherd_dsl.core.root_fork import fork_root, fork_root_at
from shepherd_dsl.core.run import ROOT, WORLD
from shepherd_dsl.core.value import UNKNOWN, Con, Handle, Value, err, ok, record
from shepherd_dsl.core.wire_log import Script
from shepherd_dsl.reference.requests import request
from tests.differential.cases import Log, log_json, log_of, run_request
from tests.differential.scene_tools import (
    ENTRIES,
    USUAL,
    Act,
    asked,
    body_of,
    forge,
    forked,
    in_turn,
    inner,
    kept,
    played,
    spawn,
    to_end,
    told,
)
from tests.laws.test_unwinding_within_unwinding import scene as ending_within
from tests.support.build import ALL, do, p, program, ret
from tests.support.generate import BASE, BLOBS
from tests.support.scenes import POST, POST0, F, W, passes
from tests.support.tamper import EDITS


def ending() -> Iterator[str]:
    """A run that is discarded while it discards: run, checked after an edit, followed by another program."""
    made, nothing, contents = ending_within(), Files.empty(), dict[str, bytes]()
    m = start(made, "main", (), ALL, nothing, read_blob=contents.__getitem__)
    m = run_to_end(m, lambda query: (ok(query.args[0] if query.args else True), ()))
    yield run_request(made, "main", (), ALL, nothing, contents, m)
    log = log_of(m)
    for edited, at in [edit(log) for edit in EDITS]:
        yield request("check", made, nothing, contents, log=log_json(edited[: at + 2]))
    other = attrs.evolve(made, defs={**made.defs, "poster": Def(made.defs["poster"].params, ret("something else"))})
    yield request("diverge", other, nothing, contents, log=log_json(log[:24]))


def picks() -> Iterator[str]:
    """What the world may say to `run.pick`: either of two, places outside the list, no place, an error, unknown."""
    pick = do("run.pick", p("list", inner("a"), inner("b")))
    tries = 8
    main = body_of(
        *[(name, spawn("worker")) for name in "ab"],
        *[do("run.next", inner(name)) for name in "ab"],
        ("p", kept(*[pick] * tries)[1]),
        do("run.pass", p("con_arg", p("get", "$p", 1), 0)),
        ("q", do("run.pick", p("list", inner("b"), inner("a")))),
        ret(p("list", "$p", "$q")),
    )
    said = (ok(0), ok(1), ok(2), ok(-1), ok("x"), err("none", "of them"), UNKNOWN, ok(True))
    made = program(10_000, worker=((), body_of(do("ask", 1), ret(1))), main=((), main))
    first = 10
    script: dict[tuple[str, int], tuple[Con, Change]] = {
        (ROOT, first + 2 * at): (one, ()) for at, one in enumerate((*said, UNKNOWN, ok(0)))
    }
    yield told(made, {**script, ("root.1", 2): (ok("asked"), ())})
    log = log_of(played(made, in_turn(*[(one, ()) for one in said])))
    at = next(at for at, (_, event) in enumerate(log) if isinstance(event, Outcome) and event.by == "world")
    for forged in (ok(Handle(1)), ok(Handle(2)), ok(0), ok("x")):
        yield request("check", made, BASE, BLOBS, log=log_json(forge(log, at, Outcome(forged, (), "world"))[: at + 3]))


def debts() -> Iterator[str]:
    """What is told of what was done when it is taken back: done for good, perhaps done, refused, with files."""
    grant = (*ALL, Clause("mail"))
    ops = ("post", "fire", "write", "mail", "retract")
    worker = ((), body_of(*[do(op, at) for at in range(3) for op in ops], do("ask", 1), ret(1)))
    change: Change = (("a.txt", ENTRIES[2]), ("new", ENTRIES[1]))
    said = [(ok(at), change if at == 2 else ()) for at in range(len(ops))]
    said += [(UNKNOWN, (("a.txt", None),) if at == 2 else ()) for at in range(len(ops))]
    said += [(err("no", "not so"), (("new", ENTRIES[3]),) if at == 2 else ()) for at in range(len(ops))]
    parts = [("w", spawn("worker", grant=request_value(grant))), *passes(W, len(said))]
    for back in (
        [("x", do("run.discard", W))],
        [
            do("run.next", W),
            ("f", do("run.fork", W, 20)),
            do("run.pass", W),
            *passes(F, 2),
            ("x", do("run.discard", F)),
        ],
    ):
        made = program(10_000, worker=worker, main=((), body_of(*parts, *back, ret("$x"))))
        yield asked(made, played(made, in_turn(*said), grant=grant), grant)


def declared() -> Iterator[str]:
    """Two operations compensated by different ones, and one that says it is compensated by an operation on runs."""
    ops = {
        "make": Operation("compensable", "unmake"),
        "post": Operation("compensable", "retract"),
        "odd": Operation("compensable", "run.trace"),
    }
    grant = (Clause("run.*"), *[Clause(op) for op in ops])
    worker = ((), body_of(*[do(op, at) for at in range(2) for op in ops], ret(1)))
    body = body_of(
        ("w", spawn("worker", grant=request_value(grant))), *passes(W, 6), ("x", do("run.discard", W)), ret("$x")
    )
    made = attrs.evolve(program(10_000, worker=worker, main=((), body)), ops=ops)
    yield asked(made, played(made, in_turn((ok(1), ()), (err("no", "no"), ()), ops={"retract"}), grant=grant), grant)


def undone() -> Iterator[str]:
    """Compensations that are refused, unknown, answered by an owner, given up; and reverts to what they took away."""
    worker = kept(do("ask", 1), do("post", 2), do("ask", 3), do("post", 4))
    again = [do("run.revert", W, at) for at in (8, 7, 6, 5, 4, 3)]
    body = body_of(("w", spawn("worker")), *passes(W, 4), ("x", kept(do("run.revert", W, 0), *again)[1]), ret("$x"))
    made = program(10_000, worker=worker, main=((), body))
    yield asked(made, played(made, in_turn((UNKNOWN, ()), (err("no", "gone"), ()), ops={"retract"})))
    own = body_of(("k", spawn("worker")), *passes(inner("k"), 2), do("run.revert", inner("k"), 0), do("ask", 1), ret(1))
    body = body_of(("w", spawn("own")), *passes(W, 3), do("run.next", W), ("x", do("run.revert", W, 10)), ret("$x"))
    made = program(10_000, worker=worker, own=((), own), main=((), body))
    yield asked(made, played(made))
    boss = (("r",), body_of(*passes("$r", 2), ("x", do("run.discard", "$r")), ("a", do("ask", "after")), ret("$x")))
    lend = [("l", spawn("worker")), ("w", spawn("boss", inner("l"))), *passes(W, 2)]
    end = [("d", to_end(W)), ("t", do("run.trace", inner("l"), 0)), ret(p("list", "$d", "$t"))]
    for parts in (
        [("x", do("run.next", W)), do("run.answer", W, "mine"), do("run.next", W), do("run.deny", W, "never")],
        [do("run.next", W), ("x", do("run.discard", W)), do("run.next", inner("l"))],
        [do("run.next", W), ("x", do("run.revert", W, 8)), do("run.next", inner("l"))],
    ):
        made = program(10_000, worker=POST0, boss=boss, main=((), body_of(*lend, *parts, *end)))
        yield asked(made, played(made))
    body = body_of(("w", spawn("two")), *passes(W, 2), do("run.next", W), ("x", do("run.discard", W)), ret("$x"))
    made = program(10_000, two=((), body_of(do("post", 1), do("post", 2), ret("end"))), main=((), body))
    yield asked(made, played(made, turns=3))
    kid = (POST[0], POST[1])
    ends = body_of(
        ("a", spawn("kid", 1)), *passes(inner("a"), 2), ("b", spawn("kid", 2)), *passes(inner("b"), 1), ret("over")
    )
    last = body_of(("x", ends), ret(p("fail", "over", "and out")))
    body = body_of(("w", spawn("ends")), ("d", to_end(W)), ret("$d"))
    made = program(10_000, kid=kid, ends=((), last), main=((), body))
    yield asked(made, played(made))


def world() -> Iterator[str]:
    """What the outermost owner does of its own: messages, discards, reverts, also of what ended or was undone."""
    worker = ((), body_of(("i", do("inbox.take")), do("post", 1), do("ask", 2), ret("$i")))
    body = body_of(("w", spawn("worker")), ("d", to_end(W)), ("i", do("inbox.take")), ret(p("list", "$d", "$i")))
    made = program(10_000, worker=worker, main=((), body))

    def act(op: str, *args: Value) -> Act:
        return lambda m: m if m.stack[0] == WORLD else world_asks(m, op, (Handle(0), *args))

    for acts in (
        {0: act("run.inject", "one"), 1: act("run.inject", "two")},
        {1: act("run.revert", 3), 2: act("run.revert", 99), 4: act("run.inject", "again")},
        {1: act("run.discard"), 3: act("run.discard"), 4: act("run.inject", "late"), 5: act("run.revert", 2)},
    ):
        yield asked(made, played(made, acts=acts))
    pick = do("run.pick", p("list", inner("a"), inner("b")))
    boss = body_of(*[(name, spawn("leaf")) for name in "ab"], *[do("run.next", inner(name)) for name in "ab"], pick)
    made = program(
        10_000,
        leaf=((), do("ask", 1)),
        boss=((), boss),
        main=((), body_of(("w", spawn("boss")), ("d", to_end(W)), ("i", do("inbox.take")), ret("$i"))),
    )
    yield asked(made, played(made, in_turn((ok(1), ())), acts={0: act("run.inject", "while picking")}))
    boss = body_of(("a", spawn("poster")), *passes(inner("a"), 2), ret("over"))
    made = program(10_000, poster=POST0, boss=((), boss), main=((), body_of(("w", spawn("boss")), to_end(W))))

    def again(m: Machine) -> Machine:
        trace = m.runs[ROOT].trace
        assert trace is not None
        return world_asks(m, "run.revert", (Handle(0), trace.index - 3))

    yield asked(made, played(made, acts={3: again}))


def forks() -> Iterator[str]:
    """Trees forked from outside: at once again, below a supervisor, and never within a step of the outside."""
    worker = ((), body_of(do("ask", 1), do("post", 2), ret("end")))
    boss = (("r",), body_of(("d", to_end("$r")), ret("$d")))
    body = body_of(("l", spawn("worker")), ("w", spawn("boss", inner("l"))), ("d", to_end(W)), ret("$d"))
    made = program(10_000, worker=worker, boss=boss, main=((), body))
    m = played(made)
    for at in (2, 11):
        twice = played(made, acts={0: forked(m, at, at + 1)})
        yield asked(made, twice)
        log = log_of(twice)
        yield request("check", made, BASE, BLOBS, log=log_json(log))
    begun = advance(start(made, "main", (), USUAL, BASE, read_blob=BLOBS.__getitem__))
    begun = world_asks(begun, "run.inject", (Handle(0), 1))
    trace = begun.runs[ROOT].trace
    assert trace is not None
    log = log_of(fork_root_at(begun, trace.index))
    yield request("check", made, BASE, BLOBS, log=log_json(log))
    yield request("check", made, BASE, BLOBS, log=log_json([*log[: begun.size - 1], *log[begun.size :]]))


def forks_after_the_world() -> Iterator[str]:
    """Trees forked where the outermost owner put an event, where it was refused one, and while it takes back."""
    worker = ((), body_of(("i", do("inbox.take")), do("post", 1), do("ask", 2), ret("$i")))
    parts = [("w", spawn("worker")), *passes(W, 1), ("d", to_end(W)), ("i", do("inbox.take"))]
    made = program(10_000, worker=worker, main=((), body_of(do("post", 0), *parts, ret(p("list", "$d", "$i")))))

    def act(op: str, *args: Value) -> Act:
        return lambda m: world_asks(m, op, (Handle(0), *args))

    def fork(m: Machine) -> Machine:
        return fork_root(m) or m

    before = played(made, turns=1).runs[ROOT].trace
    assert before is not None
    for first in (act("run.inject", "one"), act("run.revert", 99), act("run.discard"), act("run.revert", 4)):
        acted = played(made, acts={1: first}, turns=2)
        trace = acted.runs[ROOT].trace
        assert trace is not None
        yield asked(made, played(made, acts={1: lambda m, first=first: fork(first(m))}))  # type: ignore[misc]
        for at in range(before.index + 1, trace.index + 1):
            yield asked(made, played(made, acts={0: forked(acted, at)}))
    log = log_of(played(made, turns=1))
    after = 1 + next(at for at, (run, event) in enumerate(log) if run == "root.0" and isinstance(event, Intent))
    yield request("check", made, BASE, BLOBS, log=log_json([*log[:after], ("root.0", Forked("root.0", 0))]))
    # While an undo of the root run is open the taking back is given up; while one of a run below is, there is no fork.
    back, discard = act("run.revert", 0), act("run.discard")
    for acts in ({1: back, 2: fork}, {1: back, 2: fork, 3: discard}, {2: back, 3: fork, 5: fork, 6: discard}):
        yield asked(made, played(made, acts=acts))


def answers() -> Iterator[str]:
    """Answers from outside that are none, and a change to files by an operation that makes none."""
    made = program(10_000, main=kept(do("ask", 1), do("write", 2), do("fire", 3), do("mail", 4)))
    grant = (*ALL, Clause("mail"))
    one, two = (("a.txt", ENTRIES[1]),), (("b", ENTRIES[1]), ("b/c", ENTRIES[2]), ("b/c/d", ENTRIES[3]))
    good: Script = {
        (ROOT, 2): (ok(1), ()),
        (ROOT, 4): (ok(2), two),
        (ROOT, 6): (UNKNOWN, one),
        (ROOT, 8): (err("a", "b"), one),
    }
    wrong: list[tuple[int, Con, Change]] = [
        (2, ok(1), one),
        (4, ok((Handle(0),)), ()),
        (4, Con("Err", (record(code="a"),)), ()),
        (4, Con("Err", (record(code=1, text="b"),)), ()),
    ]
    for script in (good, *[{**good, (ROOT, at): (value, change)} for at, value, change in wrong]):
        yield told(made, script, grant)


def checks() -> Iterator[str]:
    """The log of a supervised run with one entry left out, put in or changed, and against another program."""
    worker = ((), body_of(("a", do("ask", 1)), do("file.write", "a.txt", "two\n"), do("post", 3), ret("$a")))
    parts = [*passes(W, 2), do("run.inject", W, "note"), do("run.revert", W, 2), ("d", to_end(W))]
    made = program(10_000, worker=worker, main=((), body_of(("w", spawn("worker")), *parts, ret("$d"))))
    log = log_of(played(made))
    other = attrs.evolve(made, steps=made.steps + 1)
    for changed in (made, other):
        yield request("check", changed, BASE, BLOBS, log=log_json(log))
        yield request("diverge", changed, BASE, BLOBS, log=log_json(log))
    change: Change = (("a.txt", ENTRIES[1]),)
    seen: set[str] = set()
    for at, (_, event) in enumerate(log):
        edits: list[Log] = []
        match event:
            case Outcome(by=by) if by not in seen:
                seen.add(by)
                edits += [
                    forge(log, at, attrs.evolve(event, by=other)) for other in ("owner", "machine") if other != by
                ]
                edits += [
                    forge(log, at, attrs.evolve(event, files=files)) for files in (change, ()) if files != event.files
                ]
                edits.append([*log[:at], *log[at + 1 :]])
            case Reverted():
                edits.append(forge(log, at, Reverted(event.to + 1)))
            case End():
                edits.append(forge(log, at, End("failed", event.value)))
            case Injected():
                act = (WORLD, Intent("run.pass", (Handle(0),)))
                edits += [[*log[:place], act, *log[place:]] for place in (at - 1, at, at + 1)]
        for edit in edits:
            yield request("check", made, BASE, BLOBS, log=log_json(edit[: at + 4]))
