"""What may come from outside, and what the machine says of itself there: answers, questions, the outer owner."""

from __future__ import annotations

import pytest

from shepherd_dsl.core.event import Entry, Outcome
from shepherd_dsl.core.machine import AnswerError, Asked, Finished, advance, answer, outer_stop, start, world_asks
from shepherd_dsl.core.oracle import outer, query_of, run_to_end
from shepherd_dsl.core.replay import replay
from shepherd_dsl.core.value import UNKNOWN, Con, Handle, Value, err, ok, record
from tests.support.build import ALL, do, drive, p, program, ret, seq, spawn
from tests.support.generate import BASE, BLOBS, HASHES

ENTRY = Entry(0o100644, HASHES[1])
W = p("con_arg", "$w", 0)


def begin(*parts: object, **agents: object):  # type: ignore[no-untyped-def]
    made = program(10_000, **agents, main=((), seq(*parts)))  # type: ignore[arg-type]
    return advance(start(made, "main", (), ALL, BASE, read_blob=BLOBS.__getitem__))


def nested(depth: int) -> Value:
    value: Value = 1
    for _ in range(depth):
        value = (value,)
    return value


@pytest.mark.parametrize(
    "value",
    [
        1,
        Con("Ok"),
        Con("Ok", (1, 2)),
        Con("Unknown", (1,)),
        Con("Maybe"),
        Con("Err"),
        Con("Err", (1,)),
        Con("Err", (record(code=1, text="x"),)),
        Con("Err", (record(code="x"),)),
        Con("Err", (record(code="x", text="y", more="z"),)),
        ok(Handle(0)),
        ok((1, record(a=Handle(0)))),
        ok(nested(101)),
    ],
    ids=str,
)
def test_an_answer_that_is_none_is_refused(value: Con) -> None:
    m = begin(do("ask", 1), ret(1))
    with pytest.raises(AnswerError):
        answer(m, value)


@pytest.mark.parametrize("value", [ok(1), ok(nested(100)), err("x", "y"), UNKNOWN], ids=lambda value: str(value)[:20])
def test_an_answer_is_recorded_as_the_worlds(value: Con) -> None:
    m = advance(answer(begin(("a", do("ask", 1)), ret("$a")), value))
    event = m.runs["root"].trace.parent.event  # type: ignore[union-attr]
    assert isinstance(event, Outcome)
    assert (event.answer, event.by, event.files) == (value, "world", ())


@pytest.mark.parametrize(
    ("op", "change"),
    [
        ("ask", (("a", ENTRY),)),
        ("write", (("b", ENTRY), ("a", ENTRY))),
        ("write", (("a", ENTRY), ("a", None))),
        ("write", (("../a", ENTRY),)),
        ("write", (("/a", None),)),
        ("write", (("", ENTRY),)),
        ("write", (("a", Entry(0o100644, "beef")),)),
        ("write", (("a", Entry(0, HASHES[1])),)),
    ],
)
def test_a_change_that_is_none_is_refused(op: str, change: object) -> None:
    with pytest.raises(AnswerError):
        answer(begin(do(op, 1), ret(1)), ok(1), change)  # type: ignore[arg-type]


def test_a_change_is_applied_to_the_run_that_asked_alone() -> None:
    m = begin(("w", spawn("w")), drive(W), ret(1), w=((), seq(do("write", 1), ret(1))))
    m = advance(answer(m, ok(1), (("new/file", ENTRY), ("src/x.py", None))))
    assert m.runs["root.0"].files.get("new/file") == ENTRY
    assert m.runs["root.0"].files.get("src/x.py") is None
    assert m.runs["root"].files == BASE
    assert m.runs["root.0"].base == BASE


def test_a_pick_is_answered_by_an_index_and_recorded_as_a_run() -> None:
    parts = (
        *[(name, spawn("w")) for name in ("a", "b")],
        *[do("run.next", p("con_arg", f"${name}", 0)) for name in ("a", "b")],
        ("x", do("run.pick", p("list", p("con_arg", "$a", 0), p("con_arg", "$b", 0)))),
        ret("$x"),
    )
    for value, recorded in (
        (ok(1), ok(Handle(1))),
        (ok(0), ok(Handle(0))),
        (ok(2), err("index", "the index picked is not in the list")),
        (ok(-1), err("index", "the index picked is not in the list")),
        (ok(True), err("index", "the index picked is not in the list")),
        (UNKNOWN, UNKNOWN),
    ):
        m = begin(*parts, w=((), seq(do("ask", 1), ret(1))))
        stop = outer_stop(m)
        assert isinstance(stop, Asked)
        assert (stop.run, stop.op, stop.chain) == ("root", "run.pick", ("root",))
        with pytest.raises(AnswerError):
            answer(m, value, (("a", ENTRY),))
        m = answer(m, value)
        assert m.runs["root"].trace.event.answer == recorded  # type: ignore[union-attr]
        assert m.runs["root"].trace.event.by == "world"  # type: ignore[union-attr]


def test_the_question_says_who_asks_and_who_waits() -> None:
    m = begin(
        ("w", spawn("middle")),
        drive(W),
        ret(1),
        middle=((), seq(("w", spawn("leaf")), drive(W), ret(1))),
        leaf=((), seq(do("file.read", "a.txt"), do("ask", "what"), ret(1))),
    )
    stop = outer_stop(m)
    assert isinstance(stop, Asked)
    assert (stop.run, stop.op, stop.args, stop.chain) == ("root.0.0", "ask", ("what",), ("root", "root.0", "root.0.0"))
    assert stop.index == m.runs["root.0.0"].trace.index == 3  # type: ignore[union-attr]
    query = query_of(m, stop)
    assert (query.run, query.trace, query.op, query.args) == (stop.run, m.runs["root.0.0"].trace, "ask", ("what",))


def test_nothing_can_be_answered_at_the_end() -> None:
    m = begin(ret(1))
    assert isinstance(outer_stop(m), Finished)
    assert outer(m, lambda query: (ok(1), ())) is None
    with pytest.raises(AnswerError):
        answer(m, ok(1))


def test_only_three_operations_are_the_worlds_own() -> None:
    m = begin(do("ask", 1), ret(1))
    for op in ("run.fork", "run.trace", "ask", "run.merge", "run.next"):
        with pytest.raises(AnswerError):
            world_asks(m, op, (Handle(0),))
    for op, args in (("run.inject", ()), ("run.revert", (Handle(0),)), ("run.discard", (Handle(7),))):
        after = world_asks(m, op, args)
        event = after.runs["world"].trace.event  # type: ignore[union-attr]
        assert isinstance(event, Outcome)
        assert event.answer.args[0].get("code") == "type"  # type: ignore[union-attr]
        assert after.stack == m.stack


def test_a_program_that_asks_for_ever_is_left_at_a_stop() -> None:
    made = program(100, again=((), seq(do("ask", 1), ret(1))), main=((), seq(*[do("ask", 1)] * 30, ret(1))))
    m = start(made, "main", (), ALL, BASE, read_blob=BLOBS.__getitem__)
    for count in (0, 1, 7):
        left = run_to_end(m, lambda query: (ok(1), ()), max_answers=count)
        assert left.runs["root"].trace.index == 1 + 2 * count  # type: ignore[union-attr]
        assert isinstance(outer_stop(left), Asked)


def test_replay_names_the_entry_it_cannot_follow() -> None:
    made = program(100, main=((), ret(1)))
    with pytest.raises(ValueError, match="empty"):
        replay(made, (), BASE, read_blob=BLOBS.__getitem__)
    m = advance(start(made, "main", (), ALL, BASE, read_blob=BLOBS.__getitem__))
    log = [("root", m.runs["root"].trace.parent.event), ("root", Outcome(ok(1), (), "world"))]  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="entry 1"):
        replay(made, log, BASE, read_blob=BLOBS.__getitem__)


def test_a_written_text_is_read_back_and_an_unknown_content_is_an_error() -> None:
    m = begin(
        do("file.write", "new.txt", "brand new"), ("a", do("file.read", "new.txt")), ("b", do("write", 1)), ret("$a")
    )
    m = advance(answer(m, ok(1), (("x", Entry(0o100644, "0" * 40)),)))
    assert m.runs["root"].code.value == ok("brand new")  # type: ignore[union-attr]
    m = begin(do("write", 1), ("a", do("file.read", "x")), ret("$a"))
    m = advance(answer(m, ok(1), (("x", Entry(0o100644, "0" * 40)),)))
    assert m.runs["root"].code.value.args[0].get("code") == "not_found"  # type: ignore[union-attr]
