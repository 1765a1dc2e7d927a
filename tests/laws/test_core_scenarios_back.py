"""Hand-made scenes for rules that chance seldom aims at: unwinding through owners, and what the outer owner does."""

from __future__ import annotations

import pytest

from shepherd_dsl.core.event import End, Forked, Injected, Intent, Outcome, Reverted, Undo
from shepherd_dsl.core.expr import Comp, Lit
from shepherd_dsl.core.forest import log_since
from shepherd_dsl.core.machine import AnswerError, Asked, Finished, advance, answer, outer_stop, world_asks
from shepherd_dsl.core.oracle import Query, run_to_end
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.replay import check
from shepherd_dsl.core.root_fork import fork_root_at
from shepherd_dsl.core.value import UNKNOWN, Con, Handle, Value, err, ok, record
from tests.support.build import do, drive, p, program, ret, seq, spawn
from tests.support.generate import BASE, BLOBS
from tests.support.scenes import POST0, W, begin, events, kinds, passes, plain, result, run, unwrap, unwrapped_error

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
        again = run_to_end(fork_root_at(m, at), plain)
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
