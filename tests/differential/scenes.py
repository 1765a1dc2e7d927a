"""Scenes made by hand for what chance seldom aims at: the requests that `spec/corpus/scenes.jsonl` stores."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from shepherd_dsl.core.event import Outcome
from shepherd_dsl.core.expr import Comp
from shepherd_dsl.core.forest import log_since
from shepherd_dsl.core.grant import Clause, Pattern, request_value
from shepherd_dsl.core.limits import VALUE_DEPTH
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.run import ROOT, Done
from shepherd_dsl.core.value import Con, record
from tests.differential.scene_tools import USUAL, asked, body_of, forked, inner, kept, played, spawn, to_end
from tests.differential.scenes_outside import (
    answers,
    checks,
    debts,
    declared,
    ending,
    forks,
    forks_after_the_world,
    picks,
    undone,
    world,
)
from tests.support.build import ALL, call, do, iff, p, program, ret
from tests.support.build import request as clauses
from tests.support.generate import LOOP
from tests.support.lending import (
    FEW,
    copied_though_gone,
    copied_while_holding,
    copied_with_its_maker,
    lent_twice,
)
from tests.support.scenes import F, G, S, W, passes
from tests.support.sharing import copied_under_a_limit


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
        siblings,
        copies_of_copies,
        lent_in_copies,
        limits_in_copies,
        passing,
        owners,
        debts,
        declared,
        undone,
        steps,
        world,
        forks,
        answers,
        merges,
        checks,
        forks_after_the_world,
    ):
        yield from scene()


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
        spawn("keep", W),
        ("y", kept(*foreign)[1]),
        do("ask", inside),
        ret("$x"),
    )
    made = program(
        10_000, worker=((), body_of(do("ask", 1), ret(1))), keep=(("r",), do("run.next", "$r")), main=((), main)
    )
    yield asked(made, played(made))


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
    leaf = kept(spawn("kid"), *[do("ask", at) for at in range(5)])
    on = body_of(*passes("$r", 1), do("ask", "on"), *passes("$r", 1), ret("on"))
    over = body_of(("s", spawn("on", "$r")), to_end(S), *passes("$r", 1), ret("$r"))

    def main(*parts: object) -> Program:
        body = body_of(("l", spawn("leaf")), ("w", spawn("over", inner("l"))), *parts)
        return program(10_000, leaf=leaf, kid=((), ret(1)), on=(("r",), on), over=(("r",), over), main=((), body))

    look = [("t", do("run.trace", W, 0))]
    rest = [("x", to_end(W)), *look, ("y", do("run.next", inner("l"))), ret(p("list", "$x", "$t", "$y"))]
    last = p("sub", p("len", inner("t")), 1)
    for parts in (
        [*passes(W, 1), ("f", do("run.fork", W, 3)), do("run.revert", F, 2), ("z", to_end(F)), *rest],
        [to_end(W), *look, ("f", do("run.fork", W, last)), ("z", do("run.revert", W, last)), *rest],
    ):
        made = main(*parts)
        yield asked(made, played(made))


def siblings() -> Iterator[str]:
    """A run that was lent comes back between those made before and after it; all are discarded, the youngest first."""
    back = (("r",), body_of(*passes("$r", 1), ret(1)))
    boss = body_of(
        *[(name, spawn("leaf")) for name in "abc"], ("s", spawn("back", inner("b"))), to_end(S), do("ask", 0)
    )
    over = body_of(("w", spawn("boss")), to_end(W))
    body = body_of(("w", spawn("over")), *passes(W, 1), do("run.next", W), ("x", do("run.discard", W)), ret("$x"))
    agents = {"leaf": ((), body_of(do("ask", 1), ret(1))), "back": back, "boss": ((), boss), "over": ((), over)}
    made = program(10_000, **agents, main=((), body))
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
        ("u", do("run.trace", F, 3)),
        ret(p("list", "$x", "$y", "$z", "$u")),
    )
    made = program(
        10_000,
        leaf=((), body_of(do("ask", "x"), ret(1))),
        inner=(("r",), body_of(*passes("$r", 1), ret(2))),
        lend=(("r",), lend),
        main=((), main),
    )
    yield asked(made, played(made))


def lent_in_copies() -> Iterator[str]:
    """What was lent goes back, in a copy of a copy, to who lent it there; and what is held is the copy's."""
    for scene in (copied_with_its_maker, copied_though_gone, copied_while_holding, lent_twice):
        made = scene()
        yield asked(made, played(made, grant=FEW), FEW)


def limits_in_copies() -> Iterator[str]:
    """A copy of a copy shares the limit of the first copy's branch, not that of the original's."""
    for limit in (2, 3):
        made = copied_under_a_limit(limit)
        yield asked(made, played(made, grant=FEW), FEW)


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
    told = [commit.index for commit in log_since(m, 0) if commit.run == ROOT and isinstance(commit.event, Outcome)]
    yield asked(made, played(made, acts={0: forked(m, told[3])}))


def owners() -> Iterator[str]:
    """An owner that answers or denies what its run asks, an operation that can be compensated too: nothing is owed."""
    last = kept(do("run.discard", W), do("run.trace", W, 0))[1]
    act = [part for at in range(3) for part in (do("run.next", W), do("run.answer", W, at))]
    deny = [do("run.next", W), do("run.deny", W, "no"), do("run.next", W), do("run.deny", W, "")]
    grant = (*USUAL, Clause("fire"))
    worker = ((), body_of(do("post", 1), do("fire", 2), do("post", 3), do("ask", 4), ret("done")))
    for parts in (act, [*deny, *passes(W, 1), *act[:2]]):
        body = body_of(("w", spawn("worker", grant=request_value(grant))), *parts, ("x", last), ret("$x"))
        made = program(10_000, worker=worker, main=((), body))
        yield asked(made, played(made, grant=grant), grant)


def steps() -> Iterator[str]:
    """As many local steps between two events as there may be, and one less; a value as deep as it may be, and more."""
    for parts in ([call("loop'", 9)], [do("ask", 1), call("loop'", 9)]):

        def made(most: int, parts: list[Comp] = parts) -> Program:
            return program(most, **{"loop'": (LOOP.params, LOOP.body)}, main=((), body_of(*parts)))

        least = next(most for most in count(1) if isinstance(played(made(most)).runs[ROOT].code, Done))
        for most in (least - 1, least):
            yield asked(made(most), played(made(most)))
    grow = iff(p("le", "$n", 0), do("ask", "$v"), call("grow", p("sub", "$n", 1), p("list", "$v")))
    for deep in (VALUE_DEPTH, VALUE_DEPTH + 1):
        nested = program(10_000, grow=(("n", "v"), grow), main=((), body_of(call("grow", deep, 1), ret(1))))
        yield asked(nested, played(nested))


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
        [do("file.remove", "a.txt"), do("file.write", "a.txt/y", "one\n"), do("file.write", "new", "one\n")],
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
