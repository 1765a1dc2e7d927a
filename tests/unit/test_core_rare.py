"""Paths of the core that hardly any program takes."""

from __future__ import annotations

from shepherd_dsl.core.event import Injected
from shepherd_dsl.core.forest import record as recorded
from shepherd_dsl.core.machine import advance, answer, start
from shepherd_dsl.core.prim_text import shown
from shepherd_dsl.core.value import Value, ok
from shepherd_dsl.core.wire import parse
from shepherd_dsl.core.wire_log import script_from, script_text
from tests.support.build import ALL, do, p, program, ret, seq, spawn
from tests.support.generate import BASE, BLOBS


def test_a_script_is_sorted_by_run_and_by_number_of_events() -> None:
    places = [("root.0", 3), ("root", 12), ("root", 2), ("root.0", 1), ("root(root.0)", 7)]
    script = {place: (ok(index), ()) for index, place in enumerate(places)}
    back = script_from(parse(script_text(script)))
    assert list(back) == [("root", 2), ("root", 12), ("root(root.0)", 7), ("root.0", 1), ("root.0", 3)]
    assert script_text(dict(reversed(script.items()))) == script_text(script)
    assert back == script


def test_a_machine_gives_its_runs_by_name() -> None:
    m = start(program(100, main=((), ret(1))), "main", (), ALL, BASE, read_blob=BLOBS.__getitem__)
    assert m.run("root") is m.runs["root"]


def test_a_text_is_shown_as_it_is() -> None:
    assert shown("text", 'a "b"') == 'a "b"'
    assert shown("text", 3) == "3"


def nested(depth: int) -> Value:
    value: Value = "deep"
    for _ in range(depth):
        value = (value,)
    return value


def test_events_too_deep_to_be_read_are_an_error() -> None:
    """No run makes such events; a log from elsewhere may hold them."""
    worker = ((), seq(("a", do("ask", 1)), ret("$a")))
    read = ("t", do("run.trace", p("con_arg", "$w", 0), 0))
    made = program(
        1_000,
        worker=worker,
        main=((), seq(("w", spawn("worker")), ("x", do("ask", 1)), read, ret(p("con_name", "$t")))),
    )
    for depth, name in ((150, "Ok"), (250, "Err")):
        m = advance(start(made, "main", (), ALL, BASE, read_blob=BLOBS.__getitem__))
        m = recorded(m, "root.0", Injected(nested(depth)), code=m.runs["root.0"].code)
        m = advance(answer(m, ok(1)))
        assert m.runs["root"].code.value == name  # type: ignore[union-attr]
        read_event = m.runs["root"].trace.parent.event  # type: ignore[union-attr]
        if name == "Err":
            assert read_event.answer.args[0].get("code") == "depth"  # type: ignore[union-attr]
