"""Hand-made scenes for rules that chance seldom aims at: copies of copies, unwinding through owners, deep programs."""

from __future__ import annotations

import tracemalloc

import pytest

from shepherd_dsl.core.event import End, Event, Forked, Injected, Intent, Outcome, Reverted, Undo
from shepherd_dsl.core.expr import Comp, Lit
from shepherd_dsl.core.forest import Machine, log_since
from shepherd_dsl.core.grant import Clause
from shepherd_dsl.core.machine import AnswerError, Asked, Finished, advance, answer, outer_stop, start, world_asks
from shepherd_dsl.core.oracle import Query, run_to_end
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.replay import check
from shepherd_dsl.core.root_fork import fork_root
from shepherd_dsl.core.run import commits
from shepherd_dsl.core.value import UNKNOWN, Con, Handle, Value, err, ok, record
from tests.support.build import ALL, call, do, drive, iff, p, program, request, ret, seq, spawn
from tests.support.generate import BASE, BLOBS, LOOP

W, F, G, S = (p("con_arg", f"${name}", 0) for name in "wfgs")


def begin(made: Program, *args: Value) -> Machine:
    return advance(start(made, "main", args, ALL, BASE, read_blob=BLOBS.__getitem__))


def plain(query: Query) -> tuple[Con, tuple[()]]:
    return ok(f"{query.op}{query.trace.index}"), ()


def run(made: Program, oracle=plain) -> Machine:  # type: ignore[no-untyped-def]
    m = run_to_end(begin(made), oracle)
    log = [(commit.run, commit.event) for commit in log_since(m, 0)]
    assert check(made, log, BASE, read_blob=BLOBS.__getitem__).accepted
    return m


def events(m: Machine, id: str) -> list[Event]:
    return [commit.event for commit in commits(m.runs[id].trace)]


def kinds(m: Machine, id: str) -> list[str]:
    return [type(event).__name__ for event in events(m, id)]


def result(m: Machine) -> Value:
    return m.runs["root"].code.value  # type: ignore[union-attr]


def unwrap(value: Value) -> Value:
    assert isinstance(value, Con)
    assert value.name == "Ok", value
    return value.args[0]


POST = (("n",), seq(("a", do("post", "one")), ("b", do("post", "two")), ("c", do("ask", "q")), ret("done")))
POST0 = ((), POST[1])


def passes(handle: object, count: int) -> list[Comp]:
    return [part for _ in range(count) for part in (do("run.next", handle), do("run.pass", handle))]


# ── deep ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def deep(count: int) -> Program:
    body = iff(p("le", "$n", 0), do("ask", "bottom"), seq(("a", call("deep", p("sub", "$n", 1))), ret("$a")))
    return program(10**7, deep=(("n",), body), main=((), seq(("w", spawn("deep", count)), ("d", drive(W)), ret("$d"))))


def peak(made: Program) -> int:
    tracemalloc.start()
    run(made)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


def test_a_hundred_thousand_calls_deep() -> None:
    assert result(run(deep(100_000))) == Con("Done", (ok("ask1"),))


def test_frames_take_linear_memory_and_tail_calls_none() -> None:
    assert peak(deep(8_000)) < 3 * peak(deep(4_000)) < 20_000_000
    loop = program(10**7, **{"loop'": (LOOP.params, LOOP.body)}, main=((), call("loop'", 10_000)))
    assert peak(loop) < 2_000_000


@pytest.mark.parametrize(("grow", "code"), [("list", "depth"), ("concat", "size")])
def test_values_too_large_for_a_trace_are_a_fault(grow: str, code: str) -> None:
    """A value doubled sixty times has few parts and no end of text."""
    more = p("list", "$v") if grow == "list" else p("list", "$v", "$v")
    loop = (("n", "v"), iff(p("le", "$n", 0), do("ask", "$v"), call("loop", p("sub", "$n", 1), more)))
    made = program(10**6, loop=loop, main=((), seq(("x", call("loop", 60 if code == "size" else 200, 1)), ret(1))))
    assert result_error(run(made)) == code


def result_error(m: Machine) -> Value | None:
    value = m.runs["root"].code.error  # type: ignore[union-attr]
    return value.get("code")  # type: ignore[no-any-return]


def test_the_bound_on_local_steps_is_exact() -> None:
    for steps, kind in ((21, "Failed"), (22, "Done")):
        made = program(steps, **{"loop'": (LOOP.params, LOOP.body)}, main=((), call("loop'", 9)))
        assert type(run(made).runs["root"].code).__name__ == kind, steps


# ── copies ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_copy_of_a_copy_at_an_inherited_event_copies_what_was_below_then() -> None:
    """At its event 1 the worker owned a run that had gone back when it ended, so that its first copy never had it."""
    lent = seq(("s", spawn("inner", "$r")), drive(p("con_arg", "$s", 0)), do("ask", "later"), ret("$r"))
    made = program(
        10_000,
        leaf=((), seq(do("ask", "x"), ret(1))),
        inner=(("r",), seq(*passes("$r", 1), ret(2))),
        lend=(("r",), lent),
        main=(
            (),
            seq(
                ("l", spawn("leaf")),
                ("w", spawn("lend", p("con_arg", "$l", 0))),
                drive(W),
                ("t", do("run.trace", W, 0)),
                ("f", do("run.fork", W, p("sub", p("len", p("con_arg", "$t", 0)), 1))),
                ("g", do("run.fork", F, 1)),
                drive(F),
                drive(G),
                ret(1),
            ),
        ),
    )
    m = run(made)
    assert sorted(id for id in m.runs if "(" in id) == [
        "root.2(root.1)",
        "root.2(root.1.0)",
        "root.3(root.2(root.0))",
        "root.3(root.2(root.1))",
        "root.3(root.2(root.1)).0",
    ]
    # What the copy was lent goes back to the one who made the copy, at its end.
    assert m.runs["root.3(root.2(root.0))"].owner == "root"
    assert m.runs["root.3(root.2(root.0))"].givers == ()
    assert kinds(m, "root.3(root.2(root.1))")[-1] == "End"
    assert events(m, "root.3(root.2(root.0))")[-1].kind == "discarded"  # type: ignore[union-attr]


def test_a_copy_of_a_passing_supervisor_passes_at_once() -> None:
    """The stop that its owner has been told of is there in the copy too."""
    worker = ((), seq(("a", do("ask", "q")), ret("$a")))
    middle = (("r",), seq(("d", drive("$r")), ret("$d")))
    top = (
        ("r",),
        seq(do("run.next", "$r"), do("run.inject", "$r", "note"), do("run.pass", "$r"), ("d", drive("$r")), ret("$d")),
    )
    made = program(
        10_000,
        worker=worker,
        middle=middle,
        top=top,
        main=(
            (),
            seq(
                ("l", spawn("worker")),
                ("m", spawn("middle", p("con_arg", "$l", 0))),
                ("w", spawn("top", p("con_arg", "$m", 0))),
                do("run.next", W),
                ("f", do("run.fork", W, 4)),
                ("x", drive(F)),
                ("y", drive(W)),
                ret(p("list", "$x", "$y")),
            ),
        ),
    )
    m = run(made, lambda query: (ok("same"), ()))
    left, right = result(m)  # type: ignore[misc]
    assert left == right
    passed = [event for event in events(m, "root.3(root.2)") if isinstance(event, Outcome)]
    assert all(event.answer.name == "Ok" for event in passed)


def test_limits_count_for_a_copy_from_where_its_original_stood() -> None:
    worker = ((), seq(("a", do("ask", 1)), ("b", do("ask", 2)), ("c", do("ask", 3)), ret(p("list", "$a", "$b", "$c"))))
    limit = request(Clause("ask", limit=2), Clause("run.*"))
    made = program(
        10_000,
        worker=worker,
        main=(
            (),
            seq(
                ("w", spawn("worker", grant=limit)),
                ("d", drive(W)),
                ("f", do("run.fork", W, 2)),
                ("e", drive(F)),
                ret(p("list", "$d", "$e")),
            ),
        ),
    )
    m = run(made)
    for id in ("root.0", "root.1(root.0)"):
        assert kinds(m, id).count("Intent") == 2, id
        assert kinds(m, id)[-2:] == ["Denied", "End"], id
    assert m.used[("root.0", 0)] == m.used[("root.1(root.0)", 0)] == 2


def test_a_limited_clause_is_shared_by_all_that_a_run_makes() -> None:
    boss = (
        (),
        seq(
            ("a", spawn("one")),
            drive(p("con_arg", "$a", 0)),
            ("b", spawn("one")),
            ("d", drive(p("con_arg", "$b", 0))),
            ret("$d"),
        ),
    )
    made = program(
        10_000,
        one=((), seq(("x", do("ask", 1)), ret("$x"))),
        boss=boss,
        main=(
            (),
            seq(
                ("w", spawn("boss", grant=request(Clause("ask", limit=1), Clause("run.*")))), ("d", drive(W)), ret("$d")
            ),
        ),
    )
    m = run(made)
    assert kinds(m, "root.0.0") == ["Start", "Intent", "Outcome", "End"]
    assert kinds(m, "root.0.1") == ["Start", "Denied", "End"]


def test_revert_refunds_no_limit() -> None:
    made = program(
        10_000,
        one=((), seq(("x", do("ask", 1)), ret("$x"))),
        main=(
            (),
            seq(
                ("w", spawn("one", grant=request(Clause("ask", limit=1)))),
                drive(W),
                do("run.revert", W, 0),
                ("d", drive(W)),
                ret("$d"),
            ),
        ),
    )
    m = run(made)
    assert kinds(m, "root.0") == ["Start", "Intent", "Outcome", "End", "Reverted", "Denied", "End"]


# ── given ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_run_that_is_held_but_not_owned_cannot_be_given() -> None:
    made = program(
        10_000,
        leaf=((), seq(do("ask", 1), ret(1))),
        keep=(("r",), seq(do("ask", 2), ret(1))),
        main=(
            (),
            seq(
                ("w", spawn("leaf")),
                ("a", spawn("keep", W)),
                ("b", spawn("keep", W)),
                ("x", do("run.next", W)),
                ret("$x"),
            ),
        ),
    )
    m = run(made)
    assert unwrapped_error(result(m)) == "own"
    assert m.runs["root.2"].handles == ("root.0",)
    assert m.runs["root.0"].givers == ("root",)
    assert m.runs["root.0"].owner == "root.1"


def unwrapped_error(value: Value) -> Value:
    assert isinstance(value, Con)
    assert value.name == "Err", value
    return value.args[0].get("code")  # type: ignore[union-attr]


def test_a_given_run_goes_back_and_is_put_back() -> None:
    """Its owner ends: it goes back to its giver. The owner is taken back: it is no longer below, so that is refused."""
    made = program(
        10_000,
        leaf=((), seq(do("ask", 1), do("ask", 2), ret("leaf"))),
        once=(("r",), seq(*passes("$r", 1), ret("once"))),
        main=(
            (),
            seq(
                ("w", spawn("leaf")),
                ("s", spawn("once", W)),
                drive(S),
                ("x", do("run.revert", S, 0)),
                ("d", drive(W)),
                ret(p("list", "$x", "$d")),
            ),
        ),
    )
    m = run(made)
    refused, done = result(m)  # type: ignore[misc]
    assert unwrapped_error(refused) == "moved"
    assert done == Con("Done", ("leaf",))
    assert m.runs["root.0"].owner == "root"


def test_an_ending_run_discards_what_it_made_newest_first_and_gives_back_the_rest() -> None:
    made = program(
        10_000,
        leaf=((), seq(do("post", 1), do("ask", 2), ret(1))),
        boss=(
            ("r",),
            seq(
                ("a", spawn("leaf")),
                ("b", spawn("leaf")),
                *passes(p("con_arg", "$a", 0), 1),
                *passes(p("con_arg", "$b", 0), 1),
                ret(p("fail", "x", "y")),
            ),
        ),
        main=((), seq(("w", spawn("leaf")), ("s", spawn("boss", W)), ("d", drive(S)), ("e", drive(W)), ret("$d"))),
    )
    m = run(made)
    order = [(commit.run, type(commit.event).__name__) for commit in log_since(m, 0)]
    ends = [run for run, kind in order if kind in ("Undo", "End")]
    assert ends == ["root.1.1", "root.1.1", "root.1.0", "root.1.0", "root.1", "root.0", "root"]
    assert kinds(m, "root.0")[-1] == "End"
    assert result(m) == Con("Failed", (record(code="x", text="y"),))


# ── taking back ──────────────────────────────────────────────────────────────────────────────────────────────────────


def scene(*last: Comp | tuple[str, Comp]) -> Program:
    """A worker that posts twice and asks, below a supervisor that passes; what main does comes last."""
    return program(
        10_000,
        worker=POST0,
        middle=(("r",), seq(("d", drive("$r")), ret("$d"))),
        main=((), seq(("l", spawn("worker")), ("w", spawn("middle", p("con_arg", "$l", 0))), *last)),
    )


def test_an_undo_is_seen_by_every_owner_on_its_way_out() -> None:
    inner = (("r",), seq(*passes("$r", 2), ("x", do("run.revert", "$r", 0)), ("d", drive("$r")), ret("$x")))
    made = program(
        10_000,
        worker=POST0,
        inner=inner,
        outer=(("r",), seq(("s", spawn("inner", "$r")), ("d", drive(p("con_arg", "$s", 0))), ret("$d"))),
        main=(
            (),
            seq(("l", spawn("worker")), ("w", spawn("outer", p("con_arg", "$l", 0))), ("d", drive(W)), ret("$d")),
        ),
    )
    m = run(made)
    undone = [event for event in events(m, "root.0") if isinstance(event, Undo)]
    assert [(event.at, event.op, event.args) for event in undone] == [
        (4, "retract", ("post3",)),
        (2, "retract", ("post1",)),
    ]
    for id, depth in (("root", 2), ("root.1", 1)):
        paths = [
            len(event.answer.args[0].args[2])  # type: ignore[union-attr, arg-type]
            for event in events(m, id)
            if isinstance(event, Outcome)
            and isinstance(event.answer.args[0], Con)
            and event.answer.args[0].args[:1] == ("retract",)
        ]
        assert paths == [depth] * 2, id
    done = result(m)
    assert isinstance(done, Con)
    report = unwrap(done.args[0].args[0])  # type: ignore[union-attr]
    assert report == record(undone=4, compensated=("retract", "retract"), failed=(), irreversible=())


@pytest.mark.parametrize(("said", "failed"), [(err("no", ""), ("retract",)), (UNKNOWN, ("retract",)), (ok(1), ())])
def test_a_failing_compensation_does_not_stop_the_rest(said: Con, failed: tuple[str, ...]) -> None:
    def oracle(query: Query) -> tuple[Con, tuple[()]]:
        if query.op == "retract" and query.args == ("post3",):
            return said, ()
        return plain(query)

    made = program(
        10_000,
        worker=POST0,
        main=((), seq(("w", spawn("worker")), *passes(W, 2), ("x", do("run.discard", W)), ret("$x"))),
    )
    report = unwrap(result(run(made, oracle)))
    paid = ("retract",) if failed else ("retract", "retract")
    assert report == record(undone=5, compensated=paid, failed=failed, irreversible=())


def test_an_unknown_outcome_is_reported_and_not_compensated() -> None:
    def oracle(query: Query) -> tuple[Con, tuple[()]]:
        return (UNKNOWN if query.op in ("post", "fire") else ok(1)), ()

    worker = ((), seq(do("post", 1), do("fire", 1), do("ask", 1), ret(1)))
    made = program(
        10_000,
        worker=worker,
        main=((), seq(("w", spawn("worker")), *passes(W, 2), ("x", do("run.discard", W)), ret("$x"))),
    )
    m = run(made, oracle)
    assert unwrap(result(m)) == record(undone=5, compensated=(), failed=("post",), irreversible=("fire",))
    assert "Undo" not in kinds(m, "root.0")


def test_a_debt_made_after_a_revert_to_an_open_intent_is_paid() -> None:
    """The outcome then answers an intent further back than the event before it."""
    made = program(
        10_000,
        worker=POST0,
        main=(
            (),
            seq(
                ("w", spawn("worker")),
                do("run.next", W),
                do("run.inject", W, 1),
                do("run.revert", W, 1),
                do("run.pass", W),
                ("x", do("run.discard", W)),
                ret("$x"),
            ),
        ),
    )
    m = run(made)
    assert unwrap(result(m)).get("compensated") == ("retract",)  # type: ignore[union-attr]
    assert kinds(m, "root.0") == [
        "Start",
        "Intent",
        "Injected",
        "Outcome",
        "Reverted",
        "Outcome",
        "Undo",
        "Outcome",
        "End",
    ]


def test_a_revert_can_be_taken_back_unless_it_compensated() -> None:
    worker = ((), seq(("a", do("ask", 1)), ("b", do("post", 2)), ("c", do("ask", 3)), ret("end")))

    def made(to: int, back: int) -> Program:
        return program(
            10_000,
            worker=worker,
            main=(
                (),
                seq(
                    ("w", spawn("worker")),
                    *passes(W, 2),
                    do("run.revert", W, to),
                    ("x", do("run.revert", W, back)),
                    ("d", drive(W)),
                    ret(p("list", "$x", "$d")),
                ),
            ),
        )

    refused, _ = result(run(made(0, 4)))  # type: ignore[misc]
    assert unwrapped_error(refused) == "compensated"
    allowed, done = result(run(made(4, 4)))  # type: ignore[misc]
    assert unwrap(allowed) == record(undone=0, compensated=(), failed=(), irreversible=())
    assert done == Con("Done", ("end",))
    m = run(made(0, 2))
    assert unwrap(result(m)[0]).get("undone") == 0  # type: ignore[index, union-attr]
    assert [event.to for event in events(m, "root.0") if isinstance(event, Reverted)] == [0, 2]


def test_an_undo_that_was_abandoned_is_raised_again() -> None:
    """Main takes back a supervisor that is itself compensating: the open undo is given up, and still owed."""
    inner = (("r",), seq(*passes("$r", 2), ("x", do("run.discard", "$r")), ret("$x")))
    made = program(
        10_000,
        worker=POST0,
        inner=inner,
        main=(
            (),
            seq(
                ("l", spawn("worker")),
                ("w", spawn("inner", p("con_arg", "$l", 0))),
                *passes(W, 2),
                do("run.next", W),
                ("x", do("run.discard", W)),
                ret("$x"),
            ),
        ),
    )
    m = run(made)
    undos = [event.at for event in events(m, "root.0") if isinstance(event, Undo)]
    assert undos == [4, 4, 2]
    answers = [event.answer.name for event in events(m, "root.0") if isinstance(event, Outcome) and event.by != "owner"]
    assert answers == ["Ok", "Ok", "Err", "Ok", "Ok"]
    assert unwrap(result(m)).get("compensated") == ("retract", "retract")  # type: ignore[union-attr]


def test_a_supervisor_put_back_to_its_unwinding_begins_it_again() -> None:
    """It was ending, and discarding what it made; the list of debts it had then is not trusted, but made anew."""
    boss = ((), seq(("a", spawn("worker")), *passes(p("con_arg", "$a", 0), 2), ret("over")))
    made = program(
        10_000,
        worker=POST0,
        boss=boss,
        main=((), seq(("w", spawn("boss")), ("d", drive(W)), ret("$d"))),
    )
    m = begin(made)
    seen = 0
    for _ in range(30):
        stop = outer_stop(m)
        if isinstance(stop, Finished):
            break
        if stop.op == "retract" and seen == 0:
            seen = m.runs["root"].trace.index  # type: ignore[union-attr]
            m = answer(m, err("no", "not now"))
        elif stop.op == "retract" and m.runs["root.0"].trace.event is not None and seen > 0:  # type: ignore[union-attr]
            m = world_asks(m, "run.revert", (Handle(0), seen - 1))
            seen = -1
        else:
            m = answer(m, ok(stop.op))
        m = advance(m)
    log = [(commit.run, commit.event) for commit in log_since(m, 0)]
    assert seen == -1
    assert check(made, log, BASE, read_blob=BLOBS.__getitem__).accepted
    assert result(m) == Con("Done", ("over",))
    # The undo that was refused is made again, and the other one too.
    undos = [event.at for event in events(m, "root.0.0") if isinstance(event, Undo)]
    assert undos[:2] == [4, 2]
    assert len(undos) > 2


# ── the outer owner ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_world_puts_in_a_message_at_every_outer_stop() -> None:
    """Also while a run further down waits for `run.pick`."""
    boss = (
        (),
        seq(
            ("a", spawn("leaf")),
            ("b", spawn("leaf")),
            do("run.next", p("con_arg", "$a", 0)),
            do("run.next", p("con_arg", "$b", 0)),
            ("p", do("run.pick", p("list", p("con_arg", "$a", 0), p("con_arg", "$b", 0)))),
            do("run.pass", p("con_arg", "$p", 0)),
            ret("$p"),
        ),
    )
    made = program(
        10_000,
        leaf=((), seq(do("ask", 1), ret(1))),
        boss=boss,
        main=((), seq(("w", spawn("boss")), ("d", drive(W)), ("i", do("inbox.take")), ret("$i"))),
    )
    m = begin(made)
    ops = []
    while isinstance(stop := outer_stop(m), Asked):
        ops.append(stop.op)
        before = m
        m = advance(world_asks(m, "run.inject", (Handle(0), f"during {stop.op}")))
        assert outer_stop(m).op == stop.op  # type: ignore[union-attr]
        assert m.stack == before.stack
        m = advance(answer(m, ok(1)))
    assert ops == ["run.pick", "ask"]
    assert result(m) == ok(Con("Some", ("during run.pick",)))
    assert [event.value for event in events(m, "root") if isinstance(event, Injected)] == [
        "during run.pick",
        "during ask",
    ]
    log = [(commit.run, commit.event) for commit in log_since(m, 0)]
    assert check(made, log, BASE, read_blob=BLOBS.__getitem__).accepted


def test_the_world_takes_back_the_root_run_and_its_undos_come_out() -> None:
    made = program(
        10_000, worker=POST0, main=((), seq(("w", spawn("worker")), *passes(W, 2), ("d", drive(W)), ret("$d")))
    )
    m = begin(made)
    for _ in range(2):
        m = advance(answer(m, ok("id")))
    m = advance(world_asks(m, "run.discard", (Handle(0),)))
    ops = []
    while isinstance(stop := outer_stop(m), Asked):
        ops.append((stop.op, stop.chain))
        with pytest.raises(AnswerError):
            world_asks(m, "run.inject", (Handle(0), 1))
        m = advance(answer(m, ok("gone")))
    assert ops == [("retract", ("world", "root.0"))] * 2
    assert type(m.runs["root"].code).__name__ == "Discarded"
    assert [type(event) for event in events(m, "world")] == [Intent, Outcome]
    m = advance(world_asks(m, "run.inject", (Handle(0), 1)))
    last = events(m, "world")[-1]
    assert isinstance(last, Outcome)
    assert unwrapped_error(last.answer) == "ended"


def test_a_tree_forked_from_outside_goes_on_alike() -> None:
    made = scene(("d", drive(W)), ret("$d"))
    m = run(made)
    for at in range(m.runs["root"].trace.index + 1):  # type: ignore[union-attr]
        again = run_to_end(fork_root(m, at), plain)
        assert isinstance(events(again, "root")[at + 1], Forked)
        assert type(again.runs["root"].code).__name__ == "Done", at
        log = [(commit.run, commit.event) for commit in log_since(again, 0)]
        assert check(made, log, BASE, read_blob=BLOBS.__getitem__).accepted, at


def test_a_literal_run_or_too_large_an_argument_starts_nothing() -> None:
    with pytest.raises(ValueError, match="literal"):
        begin(program(100, main=((), ret(Lit(Handle(0))))))
    deep: Value = 1
    for _ in range(200):
        deep = (deep,)
    with pytest.raises(ValueError, match="deep"):
        begin(program(100, main=(("x",), ret(1))), deep)
    with pytest.raises(ValueError, match="run"):
        begin(program(100, main=(("x",), ret(1))), (Handle(0),))
    with pytest.raises(ValueError, match="arguments"):
        begin(program(100, main=((), ret(1))), 1)


def test_the_end_of_a_run_is_its_last_event_until_it_is_taken_back() -> None:
    m = run(scene(("d", drive(W)), ret("$d")))
    for id in m.runs:
        assert all(not isinstance(event, End) for event in events(m, id)[:-1]), id


def test_a_run_seen_in_a_trace_is_held_and_can_be_looked_into() -> None:
    """It is not owned: reading is all that holding it allows."""
    seen = p("con_arg", p("con_arg", p("get", p("con_arg", "$t", 0), 2), 0), 0)
    made = program(
        10_000,
        leaf=((), seq(do("ask", 1), ret(1))),
        boss=((), seq(("a", spawn("leaf")), do("ask", 2), ret(1))),
        main=(
            (),
            seq(
                ("w", spawn("boss")),
                do("run.next", W),
                ("t", do("run.trace", W, 0)),
                ("x", do("run.trace", seen, 0)),
                ("y", do("run.next", seen)),
                ret(p("list", "$x", "$y")),
            ),
        ),
    )
    m = run(made)
    look, drove = result(m)  # type: ignore[misc]
    assert [one.name for one in unwrap(look)] == ["Start"]  # type: ignore[union-attr]
    assert unwrapped_error(drove) == "own"
    assert m.runs["root"].handles == ("root.0", "root.0.0")
