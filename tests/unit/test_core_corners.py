"""Corners of the rules that the laws hardly reach: who is at an intent, who hears first, what starts again."""

from __future__ import annotations

import inspect

import pytest

from shepherd_dsl.core.event import End, Entry, Injected, Intent, Outcome
from shepherd_dsl.core.expr import Comp
from shepherd_dsl.core.forest import Machine, log_since
from shepherd_dsl.core.grant import ANY, Clause, Pattern, matches, pattern_covers
from shepherd_dsl.core.machine import AnswerError, Asked, advance, answer, outer_stop, start, step, world_asks
from shepherd_dsl.core.oracle import run_to_end
from shepherd_dsl.core.root_fork import fork_root_at
from shepherd_dsl.core.run import Driving, Failed, Running, layer, question_of
from shepherd_dsl.core.step import Faults, local_step, run_locally
from shepherd_dsl.core.value import UNIT, Con, Handle, Record, Value, ok
from tests.support.build import call, do, drive, p, program, ret, seq, spawn
from tests.support.generate import HASHES
from tests.support.same import same_state
from tests.support.scenes import F, G, W, begin, events, kinds, plain, result, run, unwrapped_error

ENTRY = Entry(0o100644, HASHES[1])


# What a pattern takes


@pytest.mark.parametrize("value", [0, 1, False, UNIT, (), "", "any"])
def test_the_pattern_any_takes_any_value(value: Value) -> None:
    assert matches(Clause("ask", (ANY,)), "ask", (value,))


@pytest.mark.parametrize("value", [0, 1, False, UNIT, (), "", "any"])
def test_the_pattern_of_one_value_takes_that_value(value: Value) -> None:
    clause = Clause("ask", (Pattern("is", value=value),))
    assert matches(clause, "ask", (value,))
    assert not matches(clause, "ask", (2,))
    assert not matches(clause, "ask", ())


def test_a_pattern_without_its_value_takes_none() -> None:
    assert not matches(Clause("ask", (Pattern("is"),)), "ask", (UNIT,))


def test_one_value_is_covered_by_what_takes_it() -> None:
    for value in (0, 1, False, UNIT):
        one = Pattern("is", value=value)
        assert pattern_covers(one, one)
        assert pattern_covers(ANY, one)
        assert not pattern_covers(one, ANY)
        assert not pattern_covers(one, Pattern("is", value="other"))
        assert not pattern_covers(Pattern("text", "*"), one)
    assert not pattern_covers(Pattern("text", "*"), Pattern("is"))


def test_a_layer_lists_the_clauses_that_have_a_limit() -> None:
    clauses = (Clause("a"), Clause("b", (), 0), Clause("c"), Clause("d", (), 2))
    assert layer("root", clauses).limited == (1, 3)


def test_only_clauses_with_a_limit_are_counted() -> None:
    made = program(main=((), seq(do("ask", 1), do("ask", 2), do("fire", 1), ret(1))))
    clauses = (Clause("ask", (), 5), Clause("ask"), Clause("fire", (), 0), Clause("write", (), 1))
    m = run_to_end(start(made, "main", (), clauses, chain().runs["root"].files, read_blob=bytes), plain)
    assert dict(m.used.items()) == {("root", 0): 2}
    assert kinds(m, "root").count("Denied") == 1


# Calls


@pytest.mark.parametrize("args", [(), (1, 2)])
def test_a_call_with_another_number_of_arguments_fails_the_run(args: tuple[Value, ...]) -> None:
    made = program(worker=(("n",), ret("$n")), main=((), call("worker", *args)))
    code = begin(made).runs["root"].code
    assert isinstance(code, Failed)
    assert code.error.get("code") == "name"  # type: ignore[union-attr]


@pytest.mark.parametrize("args", [(), (1, 2)])
def test_one_step_and_all_steps_say_the_same_of_a_call(args: tuple[Value, ...]) -> None:
    made = program(worker=(("n",), ret("$n")))
    code = Running(call("worker", *args), None, None, 0)
    one, (_, all_) = local_step(made, code), run_locally(made, code)
    assert isinstance(one, Faults)
    assert isinstance(all_, Faults)
    assert same_state(one.error, all_.error)


# What comes from outside


def test_an_operation_that_is_not_declared_may_change_files() -> None:
    made = program(main=((), seq(("a", do("odd.thing", 1)), ret("$a"))))
    m = start(made, "main", (), (Clause("odd.*"),), begin(made).runs["root"].files, read_blob=bytes)
    m = advance(answer(advance(m), ok(1), (("new", ENTRY),)))
    assert m.runs["root"].files.get("new") == ENTRY


def test_a_long_path_that_is_none_is_named_by_its_beginning() -> None:
    made = program(main=((), seq(("a", do("file.read", "/" + "x" * 300)), ("b", do("write", 1)), ret("$a"))))
    m = begin(made)
    with pytest.raises(AnswerError) as caught:
        answer(m, ok(1), (("/" + "x" * 300, ENTRY),))
    assert str(caught.value) == f"not a normal relative path: '/{'x' * 199}'"
    found = result(advance(answer(m, ok(1))))
    assert isinstance(found, Con)
    assert found.args[0].get("text") == f"not a normal relative path: /{'x' * 199}"  # type: ignore[union-attr]


def test_a_program_is_answered_a_million_times_unless_told_otherwise() -> None:
    assert inspect.signature(run_to_end).parameters["max_answers"].default == 1_000_000


def test_answers_end_at_the_number_given() -> None:
    made = program(main=((), seq(do("ask", 1), do("ask", 2), do("ask", 3), ret(1))))
    for count in range(4):
        m = run_to_end(begin(made), plain, max_answers=count)
        assert kinds(m, "root").count("Outcome") == count
        assert isinstance(outer_stop(m), Asked) is (count < 3)


# Who is at an intent


FORKED_BEFORE: dict[str, tuple[Comp, int]] = {
    "run.next": (seq(("w", spawn("leaf")), ("s", do("run.next", W)), do("ask", 2), ret(1)), 3),
    "inbox.take": (seq(("s", do("inbox.take")), do("ask", 2), ret(1)), 1),
}
"""An agent, and the index of its intent of an operation that the machine answers."""


@pytest.mark.parametrize("op", FORKED_BEFORE)
@pytest.mark.parametrize("act", ["run.pass", "run.answer", "run.deny"])
def test_a_run_that_waits_for_the_machine_is_not_at_an_intent(op: str, act: str) -> None:
    """A copy made right after such an intent stands there until it is driven."""
    body, at = FORKED_BEFORE[op]
    more = {"run.pass": (), "run.answer": (1,), "run.deny": ("no",)}[act]
    made = program(
        leaf=((), seq(do("ask", 1), ret(1))),
        boss=((), body),
        main=((), seq(("w", spawn("boss")), do("run.next", W), ("f", do("run.fork", W, at)), ("x", do(act, F, *more)),
                      ret("$x"))),
    )  # fmt: skip
    m = begin(made)
    intent = events(m, "root.0")[at]
    assert isinstance(intent, Intent)
    assert intent.op == op
    assert unwrapped_error(result(m)) == "stop"


def test_a_copy_that_waits_for_the_machine_goes_on_when_it_is_driven() -> None:
    made = program(
        leaf=((), seq(do("ask", 1), ret(1))),
        boss=((), FORKED_BEFORE["run.next"][0]),
        main=((), seq(("w", spawn("boss")), do("run.next", W), ("f", do("run.fork", W, 3)), ("s", do("run.next", F)),
                      ret(p("con_name", p("con_arg", "$s", 0))))),
    )  # fmt: skip
    m = begin(made)
    assert result(m) == "Intent"
    assert kinds(m, "root.1(root.0)")[:7] == ["Start", "Intent", "Outcome", "Intent", "Forked", "Outcome", "Intent"]


def test_a_run_without_an_open_intent_has_no_question() -> None:
    assert question_of(None) is None
    for body in (ret(1), seq(do("ask", 1), ret(1))):
        m = run(program(main=((), body)))
        assert question_of(m.runs["root"].trace) is None
    trace = chain().runs["root.0.0.0"].trace
    assert trace is not None
    assert question_of(trace) is trace
    assert question_of(trace.parent) is None


# Who hears first


def chain() -> Machine:
    """`root` passes what `root.0` passes of `root.0.0`, down to `root.0.0.0`, which asks."""
    return begin(
        program(
            leaf=((), seq(do("ask", "what"), ret(1))),
            low=((), seq(("w", spawn("leaf")), drive(W), ret(1))),
            high=((), seq(("w", spawn("low")), drive(W), ret(1))),
            main=((), seq(("w", spawn("high")), drive(W), ret(1))),
        )
    )


def test_an_outcome_is_heard_innermost_first() -> None:
    m = chain()
    stop = outer_stop(m)
    assert isinstance(stop, Asked)
    assert stop.chain == ("root", "root.0", "root.0.0", "root.0.0.0")
    after = answer(m, ok("this"))
    heard = log_since(after, m.size)
    assert [commit.run for commit in heard] == list(reversed(stop.chain))
    assert [commit.event.answer for commit in heard if isinstance(commit.event, Outcome)] == [
        ok("this"),
        *[ok(ok("this"))] * 3,
    ]


def test_what_is_abandoned_is_abandoned_lowest_first() -> None:
    m = chain()
    after = world_asks(m, "run.discard", (Handle(0),))
    abandoned = [commit.run for commit in log_since(after, m.size + 1)]
    assert abandoned == ["root.0.0.0", "root.0.0", "root.0", "root"]
    ended = [commit.run for commit in log_since(advance(after), after.size)]
    assert ended == ["root.0.0.0", "root.0.0", "root.0", "root", "world"]


# What cannot be taken back


LASTING = (
    ("g", do("run.discard", W)),
    ret(p("con_arg", "$g", 0)),
)


def lasting(boss: Comp, *, passes: int, **agents: Comp) -> Value:
    """The irreversible operations that the answer lists when `boss` is discarded after so many passed intents."""
    steps = [part for _ in range(passes) for part in (do("run.next", W), do("run.pass", W))]
    made = program(
        boss=((), boss),
        main=((), seq(("w", spawn("boss")), *steps, do("run.next", W), *LASTING)),
        **{name: ((), body) for name, body in agents.items()},
    )
    found = result(run(made))
    assert isinstance(found, Record)
    return found.get("irreversible")


def test_what_was_done_for_good_is_listed_once_however_often_it_was_passed() -> None:
    boss = seq(("w", spawn("leaf")), drive(W), ret(1))
    leaf = seq(do("ask", 1), do("fire", 1), do("write", 1), ret(1))
    made = lasting(boss, passes=3, leaf=leaf)
    assert made == ("fire",)


@pytest.mark.parametrize("order", ["fg", "gf"])
def test_what_was_done_for_good_is_listed_newest_first(order: str) -> None:
    """Whichever run did it."""
    fires, retracts = seq(do("fire", 1), ret(1)), seq(do("retract", 1), ret(1))
    handles = {"f": F, "g": G}
    turns = [part for name in order for part in (do("run.next", handles[name]), do("run.pass", handles[name]))]
    boss = seq(("f", spawn("fires")), ("g", spawn("retracts")), *turns, do("ask", 1), ret(1))
    found = lasting(boss, passes=2, fires=fires, retracts=retracts)
    assert found == {"fg": ("retract", "fire"), "gf": ("fire", "retract")}[order]


def test_an_undo_is_not_listed_as_done_for_good() -> None:
    boss = seq(("w", spawn("leaf")), do("run.next", W), do("run.pass", W), do("run.next", W), do("run.discard", W),
               do("ask", 2), ret(1))  # fmt: skip
    leaf = seq(do("post", 1), do("ask", 1), ret(1))
    assert lasting(boss, passes=2, leaf=leaf) == ()


def test_a_pick_is_not_listed_as_done_for_good() -> None:
    boss = seq(("w", spawn("leaf")), do("run.next", W), ("x", do("run.pick", p("list", W))), do("ask", 2), ret(1))
    leaf = seq(do("ask", 1), ret(1))
    made = program(
        leaf=((), leaf),
        boss=((), boss),
        main=((), seq(("w", spawn("boss")), do("run.next", W), *LASTING)),
    )
    m = run(made, lambda query: (ok(0), ()))
    assert [event.answer for event in events(m, "root.0") if isinstance(event, Outcome) and event.by == "world"] == [
        ok(Handle(0))
    ]
    found = result(m)
    assert isinstance(found, Record)
    assert found.get("irreversible") == ()


# Who is whose


def test_a_run_that_comes_back_stands_where_it_stood() -> None:
    """Runs are kept oldest first, also where one was lent meanwhile."""
    made = program(
        leaf=((), seq(do("ask", "leaf"), ret(1))),
        keeper=(("w",), seq(do("ask", "keeper"), ret(2))),
        main=(
            (),
            seq(
                ("w", spawn("leaf")),
                ("f", spawn("leaf")),
                ("g", spawn("keeper", W)),
                drive(G),
                do("ask", "main"),
                ret(3),
            ),
        ),
    )
    m = begin(made)
    assert m.runs["root"].kids == ("root.1", "root.2")
    assert m.runs["root.2"].kids == ("root.0",)
    m = advance(answer(m, ok(1)))
    assert m.runs["root"].kids == ("root.0", "root.1", "root.2")
    assert m.runs["root.2"].kids == ()
    before = m.size
    m = advance(world_asks(m, "run.discard", (Handle(0),)))
    ended = [commit.run for commit in log_since(m, before) if isinstance(commit.event, End)]
    assert ended == ["root.2", "root.1", "root.0", "root"]


# The outermost owner


def test_the_world_drives_the_root_run_as_any_owner_would() -> None:
    world = chain().runs["world"]
    assert isinstance(world.code, Driving)
    assert world.code.run == "root"
    assert world.code.origin.op == "run.next"
    (asked,) = world.code.origin.args
    assert isinstance(asked, Handle)
    assert world.handles[asked.index] == "root"
    assert world.code.origin.stack is None


def test_the_world_drives_a_forked_tree_as_it_drove_the_first() -> None:
    m = chain()
    for at in range(len(events(m, "root"))):
        forked = fork_root_at(m, at)
        assert same_state(forked.runs["world"].code, m.runs["world"].code)
        assert same_state(forked.stack, m.stack)


@pytest.mark.parametrize("op", ["run.inject", "run.revert", "run.discard"])
@pytest.mark.parametrize("what", [Handle(1), Handle(2), 0, "root"])
def test_the_world_holds_no_run_but_the_root_run(op: str, what: Value) -> None:
    more = {"run.inject": ("hello",), "run.revert": (1,), "run.discard": ()}[op]
    m = chain()
    after = world_asks(m, op, (what, *more))
    event = events(after, "world")[-1]
    assert isinstance(event, Outcome)
    assert unwrapped_error(event.answer) == "type"
    assert outer_stop(after).chain == outer_stop(m).chain  # type: ignore[union-attr]


def stepped(m: Machine, run: str, kind: type) -> Machine:
    """The machine right after the first event of that kind of the run."""
    while m.log is None or m.log.commit.run != run or not isinstance(m.log.commit.event, kind):
        after = step(m)
        assert after is not None
        m = after
    return m


def test_a_tree_is_forked_where_a_run_below_was_driving() -> None:
    """A message to the root run may come between any two steps: also where a run below it drives another."""
    made = program(
        leaf=((), seq(do("ask", "what"), ret(7))),
        boss=((), seq(("w", spawn("leaf")), ("d", drive(W)), ret("$d"))),
        main=((), seq(("w", spawn("boss")), ("d", drive(W)), ret("$d"))),
    )
    m = start(made, "main", (), (Clause("run.*"), Clause("ask")), chain().runs["root"].files, read_blob=bytes)
    m = stepped(stepped(m, "root.0", Intent), "root.0.0", Intent)
    assert isinstance(m.runs["root.0"].code, Driving)
    m = world_asks(m, "run.inject", (Handle(0), "hello"))
    at = len(events(m, "root")) - 1
    assert isinstance(events(m, "root")[at], Injected)
    forked = fork_root_at(m, at)
    once, again = run_to_end(m, plain), run_to_end(forked, plain)
    assert result(once) == result(again) == Con("Done", (Con("Done", (7,)),))


def test_two_messages_of_the_world_do_not_disturb_each_other() -> None:
    m = chain()
    for text in ("one", "two"):
        m = world_asks(m, "run.inject", (Handle(0), text))
    assert m.runs["root"].inbox == ("one", "two")
    assert kinds(m, "world") == ["Intent", "Outcome"] * 2
    stop = outer_stop(m)
    assert isinstance(stop, Asked)
    assert stop.run == "root.0.0.0"


def test_a_tree_with_messages_of_the_world_is_checked_and_run_again() -> None:
    made = program(main=((), seq(("a", do("ask", 1)), ("b", do("inbox.take")), ret("$b"))))
    assert result(run(made)) == ok(Con("None"))
