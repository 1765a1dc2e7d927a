"""Hand-made scenes for rules that chance seldom aims at: deep programs, copies of copies, runs given away."""

from __future__ import annotations

import tracemalloc

import pytest

from shepherd_dsl.core.event import Outcome
from shepherd_dsl.core.forest import Machine, log_since
from shepherd_dsl.core.grant import Clause
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.value import Con, Value, ok, record
from tests.support.build import call, do, drive, iff, p, program, request, ret, seq, spawn
from tests.support.generate import LOOP
from tests.support.scenes import F, G, S, W, events, kinds, passes, result, run, unwrapped_error

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
