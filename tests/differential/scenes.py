"""Scenes made by hand for what chance seldom aims at: the requests that `spec/corpus/scenes.jsonl` stores."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from functools import reduce
from itertools import count
from typing import Any

import attrs

from shepherd_dsl.core.event import Change, End, Entry, Event, Injected, Intent, Outcome, Reverted
from shepherd_dsl.core.expr import Comp, Expr
from shepherd_dsl.core.files import Files
from shepherd_dsl.core.forest import Machine, log_since
from shepherd_dsl.core.grant import Clause, Pattern, Request, request_value
from shepherd_dsl.core.machine import Finished, advance, answer, outer_stop, start, world_asks
from shepherd_dsl.core.oracle import Query, query_of, run_to_end
from shepherd_dsl.core.program import Def, Program
from shepherd_dsl.core.root_fork import fork_root
from shepherd_dsl.core.run import ROOT, WORLD, Done
from shepherd_dsl.core.value import UNKNOWN, Agent, Con, Handle, Value, err, ok, record
from shepherd_dsl.core.wire import value_text
from shepherd_dsl.core.wire_log import Script, script_text
from shepherd_dsl.reference.requests import request
from tests.differential.cases import Log, log_json, log_of, run_request
from tests.laws.test_unwinding_within_unwinding import scene as ending_within
from tests.support.build import ALL, OPS, call, do, p, program, ret, seq
from tests.support.build import request as clauses
from tests.support.generate import BASE, BLOBS, HASHES, LOOP
from tests.support.scenes import POST, POST0, F, G, S, W, passes, plain
from tests.support.tamper import EDITS

Answers = Callable[[Query], tuple[Con, Change]]
Act = Callable[[Machine], Machine]
Body = tuple[tuple[str, ...], Comp]
ENTRIES = tuple(Entry(0o100644, name) for name in HASHES)
USUAL = tuple(Clause(op) for op in ("run.*", "inbox.take", "file.*", "ask", "post"))
"""What is granted unless a scene says more: a short request makes a short log."""
MAX_TURNS = 200


def scenes() -> Iterator[str]:
    """All of them, as requests."""
    for scene in (
        ending,
        files,
        messages,
        nonsense,
        picks,
        limits,
        patterns,
        lent,
        copies_of_copies,
        passing,
        owners,
        debts,
        undone,
        steps,
        world,
        forks,
        answers,
        merges,
        checks,
    ):
        yield from scene()


def played(
    made: Program,
    oracle: Answers = plain,
    *,
    grant: Request = USUAL,
    acts: Mapping[int, Act] | None = None,
    turns: int = MAX_TURNS,
) -> Machine:
    """The tree of `main` at its end, or after so many stops; `acts` is what the outermost owner does itself at them."""
    m = advance(start(made, "main", (), grant, BASE, read_blob=BLOBS.__getitem__))
    for turn in range(turns):
        stop = outer_stop(m)
        act = (acts or {}).get(turn)
        if act is not None:
            m = act(m)
        elif isinstance(stop, Finished):
            break
        else:
            m = answer(m, *oracle(query_of(m, stop)))
        m = advance(m)
    return m


def asked(made: Program, m: Machine, grant: Request = USUAL) -> str:
    """The request to run what led to a tree."""
    return run_request(made, "main", (), grant, BASE, BLOBS, m)


def told(made: Program, script: Script, grant: Request = USUAL) -> str:
    """The request to run `main` with these answers, well-formed or not."""
    agent, args, granted = '"main"', "[]", value_text(request_value(grant))
    return request(
        "run", made, BASE, BLOBS, agent=agent, args=args, grant=granted, script=script_text(script), acts="[]"
    )


def forked(m: Machine, *places: int) -> Act:
    """The act that forks another tree from outside, and the fork again, whatever there is."""
    return lambda _: reduce(fork_root, places, m)


def in_turn(*answers: tuple[Con, Change], ops: Container[str] = (*OPS, "mail", "run.pick")) -> Answers:
    """The oracle that gives these answers to some operations one after the other, and else plain ones."""
    left = list(answers)
    return lambda query: left.pop(0) if left and query.op in ops else plain(query)


def inner(name: str) -> Expr:
    """What the outcome in a variable carries."""
    return p("con_arg", f"${name}", 0)


def spawn(agent: str, *args: object, grant: Value | None = None) -> Comp:
    """`do run.spawn(agent, [args…], request)`."""
    return do("run.spawn", Agent(agent), p("list", *args), request_value(USUAL) if grant is None else grant)


def body_of(*parts: Any) -> Comp:
    """One part after the other; a pair names what comes of its part."""
    return seq(*parts)


def to_end(run: object) -> Comp:
    """Drive a run to its end, passing all that it asks."""
    return call("drive'", run)


def kept(*parts: Comp) -> Body:
    """An agent that does these and ends with what came of each."""
    names = [f"x{at}" for at in range(len(parts))]
    return (), body_of(*zip(names, parts, strict=True), ret(p("list", *[f"${name}" for name in names])))


# ── scenes ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def ending() -> Iterator[str]:
    """A run that is discarded while it discards: run, checked as it is and edited, followed by other programs."""
    made, nothing, contents = ending_within(), Files.empty(), dict[str, bytes]()
    m = start(made, "main", (), ALL, nothing, read_blob=contents.__getitem__)
    m = run_to_end(m, lambda query: (ok(query.args[0] if query.args else True), ()))
    yield run_request(made, "main", (), ALL, nothing, contents, m)
    log = log_of(m)
    edits = [edit(log) for edit in EDITS]
    for one in (log, log[: len(log) // 2], *[edited[: at + 2] for edited, at in edits]):
        yield request("check", made, nothing, contents, log=log_json(one))
    other = attrs.evolve(made, defs={**made.defs, "poster": Def(made.defs["poster"].params, ret("something else"))})
    yield request("diverge", other, nothing, contents, log=log_json(log))


def files() -> Iterator[str]:
    """Files of every kind, read, written and removed, by a run and by the one it makes afterwards."""
    child = kept(do("file.read", "a.txt"), do("file.write", "a.txt", "three\n"), do("file.list", "**"))
    main = kept(
        do("file.write", "a.txt", "two\n"),
        do("file.read", "a.txt"),
        *[do("file.write", path, "one\n") for path in ("src/x.py", "bin", "link", "src", "hollow/x", "link/x")],
        *[do("file.write", path, "one\n") for path in ("a.txt/below/it", "src/x.py/below", ".Shepherd/x")],
        *[do("file.read", path) for path in ("link", "link/x", "hollow", "hollow/y", "src", "nowhere/x", "src/x.py")],
        *[do("file.remove", path) for path in ("link/x", "hollow/x", "src", "src/x.py", "src/y.py", "a.txt/x/y")],
        *[do("file.list", glob) for glob in ("**", "a.txt/**", "**/x", "src/**", "h*", "*/*")],
        do("file.read"),
        do("file.read", 1),
        do("file.write", "a.txt", record(no="text")),
        spawn("child"),
    )
    made = program(
        10_000, child=child, main=((), body_of(("m", main[1]), ("w", spawn("child")), ("d", to_end(W)), ret("$d")))
    )
    yield asked(made, played(made))


def messages() -> Iterator[str]:
    """Messages before and while a run asks, taken one by one; a copy has those of its moment."""
    worker = kept(do("inbox.take"), do("inbox.take"), do("ask", 1), do("inbox.take"), do("inbox.take"))
    main = body_of(
        ("w", spawn("worker")),
        *[do("run.inject", W, text) for text in ("one", "two")],
        do("run.next", W),
        *[do("run.inject", W, text) for text in ("three", "four")],
        do("run.pass", W),
        ("f", do("run.fork", W, 2)),
        ("g", do("run.fork", W, 8)),
        *[(f"d{at}", to_end(run)) for at, run in enumerate((W, F, G))],
        ret(p("list", "$d0", "$d1", "$d2")),
    )
    made = program(10_000, worker=worker, main=((), main))
    yield asked(made, played(made))


def nonsense() -> Iterator[str]:
    """Operations with arguments of the wrong number or kind, on a run at an intent; on one that was given away."""
    inside = p("list", p("record", "run", W))
    wrong = (
        *[do(op) for op in ("run.next", "run.pass", "run.merge", "run.discard", "run.pick", "run.fork", "run.unknown")],
        *[do(op, "x") for op in ("run.next", "run.pass", "run.merge", "run.discard", "run.pick")],
        *[do(op, W, 0, 0) for op in ("run.answer", "run.inject", "run.trace", "run.fork", "run.revert", "run.next")],
        do("run.deny", W, "a", "b"),
        do("run.deny", W, 3),
        *[do(op, W, inside) for op in ("run.answer", "run.inject", "run.deny")],
        *[do(op, W, "x") for op in ("run.trace", "run.fork", "run.revert")],
        *[do(op, W, True) for op in ("run.trace", "run.fork", "run.revert")],
        *[do(op, "x", 0) for op in ("run.trace", "run.fork", "run.revert", "run.answer", "run.inject")],
        *[do(op, W, at) for op in ("run.fork", "run.revert") for at in (-1, 2, 10**30)],
        *[do("run.trace", W, at) for at in (-3, 1, 2, 99)],
        do("run.pick", p("list")),
        do("run.pick", p("list", W, "x")),
        do("run.spawn", "worker", p("list"), clauses()),
        spawn("worker", 1),
        spawn("worker", grant="all"),
        spawn("worker", grant=(record(op="*", args=(), limit=Con("None")),)),
        do("inbox.take", 1),
    )
    foreign = (
        *[do(op, W) for op in ("run.next", "run.pass", "run.merge", "run.discard")],
        *[do(op, W, 0) for op in ("run.answer", "run.inject", "run.fork", "run.revert")],
        do("run.deny", W, "no"),
        do("run.pick", p("list", W)),
    )
    main = body_of(
        ("w", spawn("worker")),
        do("run.next", W),
        ("x", kept(*wrong)[1]),
        ("k", spawn("keep", W)),
        ("y", kept(*foreign)[1]),
        do("ask", inside),
        ret("$x"),
    )
    made = program(
        10_000, worker=((), body_of(do("ask", 1), ret(1))), keep=(("r",), do("run.next", "$r")), main=((), main)
    )
    yield asked(made, played(made))


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


def limits() -> Iterator[str]:
    """Limited clauses: shared by all that a run makes, counted by copies, and copies of copies, from their moment."""
    asks = kept(*[do("ask", at) for at in range(4)])
    two = clauses(Clause("ask", limit=2), Clause("post", limit=0), Clause("run.*"))
    boss = body_of(
        ("a", spawn("asks")), ("d", to_end(inner("a"))), ("p", do("post", 1)), ("b", do("ask", 9)), ret("$d")
    )
    main = body_of(
        ("w", spawn("asks", grant=two)),
        ("d", to_end(W)),
        ("f", do("run.fork", W, 2)),
        ("g", do("run.fork", F, 1)),
        ("e", to_end(G)),
        ("e2", to_end(F)),
        do("run.revert", W, 0),
        ("e3", to_end(W)),
        ("s", spawn("boss", grant=two)),
        ("e4", to_end(S)),
        ("h", do("run.fork", S, 3)),
        ("k", do("run.fork", inner("h"), 2)),
        ("e5", to_end(inner("k"))),
        ret(p("list", "$d", "$e", "$e2", "$e3", "$e4", "$e5")),
    )
    made = program(10_000, asks=asks, boss=((), boss), main=((), main))
    yield asked(made, played(made))


def patterns() -> Iterator[str]:
    """Clauses with patterns: an argument that is missing, or another, and a limit that counts only what it allows."""
    grant = (
        Clause("ask", (Pattern("is", value="q"),), 1),
        Clause("ask", (Pattern("any"), Pattern("any"))),
        Clause("file.*", (Pattern("path", "src/**"), Pattern("text", "*\n"))),
        Clause("fire", (Pattern("words", "go *"),), 2),
        Clause("run.*"),
    )
    worker = kept(
        *[do("ask", what) for what in ("q", "r", "q")],
        *[do("file.read", path) for path in ("src/x.py", "a.txt", "src")],
        *[do("file.write", "src/x.py", text) for text in ("one\n", "no line")],
        do("file.read"),
        do("file.list"),
        *[do("fire", what) for what in ("go", "go on", "stop", "go 'away", "go home")],
        do("post", 1),
        do("runner.x"),
    )
    main = body_of(("w", spawn("worker", grant=request_value(grant))), ("d", to_end(W)), ret("$d"))
    made = program(10_000, worker=worker, main=((), main))
    yield asked(made, played(made, grant=ALL), ALL)


def lent() -> Iterator[str]:
    """A run lent, and lent on: taken back while it is below, given back by whoever ends, read from outside."""
    leaf = kept(*[do("ask", at) for at in range(6)])
    on = body_of(*passes("$r", 1), do("ask", "on"), *passes("$r", 1), ret("on"))
    over = body_of(("s", spawn("on", "$r")), to_end(S), *passes("$r", 1), ret("$r"))

    def main(*parts: object) -> Program:
        body = body_of(("l", spawn("leaf")), ("w", spawn("over", inner("l"))), *parts)
        return program(10_000, leaf=leaf, on=(("r",), on), over=(("r",), over), main=((), body))

    look = [("t", do("run.trace", W, 0))]
    rest = [("x", to_end(W)), *look, ("y", do("run.next", inner("l"))), ret(p("list", "$x", "$t", "$y"))]
    last = p("sub", p("len", inner("t")), 1)
    for parts in (
        [*passes(W, 2), do("run.revert", W, 3), *rest],
        [*passes(W, 1), ("f", do("run.fork", W, 3)), do("run.revert", F, 0), ("z", to_end(F)), *rest],
        [to_end(W), *look, ("f", do("run.fork", W, last)), ("z", do("run.revert", W, last)), *rest],
    ):
        made = main(*parts)
        yield asked(made, played(made))


def copies_of_copies() -> Iterator[str]:
    """A copy of a copy at an inherited event: what was below then had gone back when the worker ended."""
    lend = body_of(("s", spawn("inner", "$r")), to_end(inner("s")), do("ask", "later"), ret("$r"))
    main = body_of(
        ("l", spawn("leaf")),
        ("w", spawn("lend", inner("l"))),
        to_end(W),
        ("t", do("run.trace", W, 0)),
        ("f", do("run.fork", W, p("sub", p("len", inner("t")), 1))),
        ("g", do("run.fork", F, 1)),
        ("x", to_end(F)),
        ("y", to_end(G)),
        ("z", do("run.revert", G, 1)),
        to_end(G),
        ret(p("list", "$x", "$y", "$z")),
    )
    made = program(
        10_000,
        leaf=((), body_of(do("ask", "x"), ret(1))),
        inner=(("r",), body_of(*passes("$r", 1), ret(2))),
        lend=(("r",), lend),
        main=((), main),
    )
    yield asked(made, played(made))


def passing() -> Iterator[str]:
    """A supervisor that passes what another passes, put in a message, copied and taken back in the midst of it."""
    top = body_of(
        do("run.next", "$r"), do("run.inject", "$r", "note"), do("run.pass", "$r"), ("d", to_end("$r")), ret("$d")
    )
    agents = {
        "worker": kept(do("ask", "q"), do("post", "p")),
        "middle": (("r",), body_of(("d", to_end("$r")), ret("$d"))),
        "top": (("r",), top),
    }
    owned = [("l", spawn("worker")), ("m", spawn("middle", inner("l"))), ("w", spawn("top", inner("m")))]

    def main(*parts: object) -> Program:
        return program(10_000, **agents, main=((), body_of(*owned, do("run.next", W), *parts)))

    end = [("x", to_end(W)), ("i", do("inbox.take")), ret(p("list", "$x", "$i"))]
    for parts in (
        [("f", do("run.fork", W, 4)), ("y", do("run.pass", F)), to_end(F), *end],
        [do("run.inject", W, 1), do("run.revert", W, 5), ("y", do("run.pass", W)), *end],
        [("y", do("run.answer", W, 7)), do("run.next", W), ("z", do("run.deny", W, "no")), *end],
    ):
        made = main(*parts)
        yield asked(made, played(made))
    made = main(do("run.pass", W), *end)
    m = played(made)
    told = [at for at, (run, event) in enumerate(log_of(m)) if run == ROOT and isinstance(event, Outcome)]
    root = [commit for commit in log_since(m, 0) if commit.run == ROOT]
    for at in told[3:7:2]:
        index = next(commit.index for commit in root if commit.seq == at)
        again = played(made, acts={0: forked(m, index)})
        yield asked(made, again)


def owners() -> Iterator[str]:
    """An owner that answers or denies what its run asks, an operation that can be compensated too: nothing is owed."""
    last = kept(do("run.discard", W), do("run.trace", W, 0))[1]
    act = [part for at in range(3) for part in (do("run.next", W), do("run.answer", W, at))]
    deny = [do("run.next", W), do("run.deny", W, "no"), do("run.next", W), do("run.deny", W, "")]
    for parts in (act, [*deny, *passes(W, 1), *act[:2]]):
        made = program(10_000, worker=POST0, main=((), body_of(("w", spawn("worker")), *parts, ("x", last), ret("$x"))))
        yield asked(made, played(made))


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


def undone() -> Iterator[str]:
    """Compensations that are refused, unknown, answered by an owner, given up; and reverts to what they took away."""
    worker = kept(do("ask", 1), do("post", 2), do("ask", 3), do("post", 4))
    again = [do("run.revert", W, at) for at in (8, 7, 6, 5, 4, 3)]
    for said in ((UNKNOWN, ok(1)), (err("no", "gone"), ok(1))):
        body = body_of(("w", spawn("worker")), *passes(W, 4), ("x", kept(do("run.revert", W, 0), *again)[1]), ret("$x"))
        made = program(10_000, worker=worker, main=((), body))
        yield asked(made, played(made, in_turn(*[(one, ()) for one in said], ops={"retract"})))
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


def steps() -> Iterator[str]:
    """As many local steps between two events as there may be, and one less: from the start, and after an answer."""
    for parts in ([call("loop'", 9)], [do("ask", 1), call("loop'", 9)]):

        def made(most: int, parts: list[Comp] = parts) -> Program:
            return program(most, **{"loop'": (LOOP.params, LOOP.body)}, main=((), body_of(*parts)))

        least = next(most for most in count(1) if isinstance(played(made(most)).runs[ROOT].code, Done))
        for most in (least - 1, least):
            yield asked(made(most), played(made(most)))


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


def forks() -> Iterator[str]:
    """Trees forked from outside: at once again, below a supervisor, and never within a step."""
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
    yield request("check", made, BASE, BLOBS, log=log_json(log_of(fork_root(begun, trace.index))))


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


def merges() -> Iterator[str]:
    """Merges: changed alike, by one side, by both; a file against what the other put below it, either way."""
    change = [do("file.write", path, "two\n") for path in ("a.txt", "src/x.py")]
    child = body_of(
        *change,
        do("file.remove", "hollow"),
        do("file.write", "new", "one\n"),
        do("file.write", "deep/x/y", "one\n"),
        ret(1),
    )
    for mine in (
        [],
        [do("file.write", "a.txt", "three\n"), do("file.remove", "src/x.py")],
        [do("file.write", "new/z.txt", "one\n")],
        [do("file.write", "deep", "one\n"), do("file.write", "hollow/x", "one\n")],
        [*change[:1], do("file.remove", "src/x.py"), do("file.write", "new", "one\n")],
    ):
        body = body_of(
            do("file.write", "a.txt", "three\n"),
            do("file.write", "src/y.py", ""),
            ("w", spawn("child")),
            ("v", spawn("still")),
            do("file.write", "src/y.py", "two\n"),
            *mine,
            to_end(W),
            to_end(inner("v")),
            ("x", kept(do("run.merge", inner("v")), do("run.merge", W), do("run.merge", W), do("file.list", "**"))[1]),
            ret("$x"),
        )
        made = program(10_000, child=((), child), still=((), ret(1)), main=((), body))
        yield asked(made, played(made))


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
                for op, args in (("run.pass", ()), ("run.inject", ("x",))):
                    act = (WORLD, Intent(op, (Handle(0), *args)))
                    edits += [[*log[:place], act, *log[place:]] for place in (at - 1, at, at + 1)]
        for edit in edits:
            yield request("check", made, BASE, BLOBS, log=log_json(edit[: at + 4]))


def forge(log: Log, at: int, event: Event) -> Log:
    """The log with another event in one place."""
    return [*log[:at], (log[at][0], event), *log[at + 1 :]]
