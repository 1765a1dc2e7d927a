"""Small promises of the core that no larger test looks at."""

from __future__ import annotations

import pytest

from shepherd_dsl.core.event import Denied, End, Entry, Event, Forked, Injected, Intent, Outcome, Reverted, Start, Undo
from shepherd_dsl.core.expr import Call
from shepherd_dsl.core.fault import Fault
from shepherd_dsl.core.file_ops import MAX_READ, perform
from shepherd_dsl.core.files import EMPTY_FOLDER, LINK, Files, git_blob_hash
from shepherd_dsl.core.machine import advance, start
from shepherd_dsl.core.match import match_path
from shepherd_dsl.core.match_cover import words_cover
from shepherd_dsl.core.prim import PRIMITIVES, apply
from shepherd_dsl.core.run import length
from shepherd_dsl.core.step import check_size, enter, evaluate
from shepherd_dsl.core.trace_value import event_value
from shepherd_dsl.core.value import Agent, Con, Dec, Record, Value, ok, record
from shepherd_dsl.core.wire import WireError, comp_from, parse, value_from, value_text
from tests.support.build import ALL, call, do, p, program, ret, seq

FULL, OVER = b"x" * MAX_READ, b"x" * (MAX_READ + 1)
CONTENTS = {git_blob_hash(data): data for data in (b"a", FULL, OVER)}
FILES = Files.of(
    [
        ("b.txt", Entry(0o100644, git_blob_hash(b"a"))),
        ("a/z.txt", Entry(0o100644, git_blob_hash(FULL))),
        ("a/b.txt", Entry(0o100644, git_blob_hash(OVER))),
        ("c", Entry(LINK, git_blob_hash(b"a"))),
        ("hollow", EMPTY_FOLDER),
    ]
)


def error_of(answer: Con) -> Value | None:
    assert answer.name == "Err"
    (error,) = answer.args
    assert isinstance(error, Record)
    return error.get("code")


def code_of(fault: pytest.ExceptionInfo[Fault]) -> str:
    return fault.value.code


def test_the_names_in_a_folder_are_sorted() -> None:
    assert FILES.names("") == ("a", "b.txt", "c", "hollow")
    assert FILES.names("a") == ("b.txt", "z.txt")
    assert FILES.names("hollow") == FILES.names("b.txt") == FILES.names("nowhere") == ()


def test_files_are_shown_by_the_beginning_of_their_hash() -> None:
    assert repr(FILES) == f"<Files {FILES.hash[:12]}>"


@pytest.mark.parametrize(
    ("op", "args"),
    [
        ("file.read", ("b.txt", 1)),
        ("file.remove", ("b.txt", 1)),
        ("file.write", ("b.txt",)),
        ("file.write", ("b.txt", "x", "y")),
    ],
)
def test_operations_on_files_take_their_number_of_arguments(op: str, args: tuple[Value, ...]) -> None:
    answer, change = perform(FILES, CONTENTS.__getitem__, op, args)
    assert (error_of(answer), change) == ("type", ())


def test_a_file_is_read_up_to_the_bound() -> None:
    assert perform(FILES, CONTENTS.__getitem__, "file.read", ("a/z.txt",)) == (ok(FULL.decode()), ())
    answer, change = perform(FILES, CONTENTS.__getitem__, "file.read", ("a/b.txt",))
    assert (error_of(answer), change) == ("too_large", ())


def test_an_open_quote_covers_nothing_and_is_covered() -> None:
    assert words_cover("a", '"open')
    assert words_cover('"open', "'open")
    assert not words_cover('"open', "a")


def test_a_primitive_says_how_many_arguments_it_takes() -> None:
    for primitive in PRIMITIVES.values():
        for count in range(6):
            assert primitive.takes(count) is (primitive.low <= count <= primitive.high)
        assert primitive.takes(primitive.low)
        assert primitive.takes(primitive.high)


def test_what_is_evaluated_must_be_there() -> None:
    with pytest.raises(Fault) as found:
        evaluate(p("no_such_primitive", 1), None)
    assert code_of(found) == "name"
    with pytest.raises(Fault) as found:
        evaluate(p("add", "$nowhere", 1), ("here", 1, None))
    assert code_of(found) == "name"


def test_what_is_called_must_be_an_agent_with_its_arguments() -> None:
    made = program(worker=(("n",), ret("$n")))
    body, env = enter(made, call("worker", 3), None)
    assert body is made.defs["worker"].body
    assert env == ("n", 3, None)
    for wrong, code in ((call("worker"), "name"), (call("worker", 1, 2), "name"), (call("nobody"), "name")):
        with pytest.raises(Fault) as found:
            enter(made, wrong, None)
        assert code_of(found) == code
    with pytest.raises(Fault) as found:
        enter(made, Call(p("list", 1), ()), None)
    assert code_of(found) == "type"


def test_what_enters_a_trace_is_bounded_in_depth_number_and_length() -> None:
    def nested(depth: int) -> Value:
        value: Value = 1
        for _ in range(depth):
            value = (value,)
        return value

    check_size(nested(100))
    with pytest.raises(Fault) as found:
        check_size(nested(101))
    assert code_of(found) == "depth"
    check_size((1,) * ((1 << 20) - 1))
    with pytest.raises(Fault) as found:
        check_size((1,) * (1 << 20))
    assert code_of(found) == "size"
    half = "x" * (1 << 23)
    check_size((half, half))
    for value in ((half, half, "x"), (half, (half, ("x",)))):
        with pytest.raises(Fault) as found:
            check_size(value)
        assert code_of(found) == "size"


def test_a_type_of_a_variant_lists_types() -> None:
    with pytest.raises(Fault) as found:
        apply("decode", (Con("Variant", (("A", 3),)), "A"))
    assert code_of(found) == "type"


def test_a_record_has_what_it_has() -> None:
    assert record(a=1, b=2).get("b") == 2
    assert record(a=1, b=2).get("c") is None


@pytest.mark.parametrize(
    ("event", "value"),
    [
        (Start(1, "1" * 40, "f", (1,), (), "2" * 40), Con("Start", (Agent("f"), (1,)))),
        (Intent("ask", (1,)), Con("Intent", ("ask", (1,)))),
        (Outcome(ok(1), (), "world"), Con("Outcome", (ok(1), "world"))),
        (Denied("ask", (1,)), Con("Denied", ("ask", (1,)))),
        (Injected(1), Con("Injected", (1,))),
        (Forked("root", 3), Con("Forked", (3,))),
        (Undo(3, "retract", (1,)), Con("Undo", (3, "retract", (1,)))),
        (Reverted(3), Con("Reverted", (3,))),
        (End("done", 1), Con("End", ("done",))),
    ],
)
def test_a_program_sees_an_event_as_its_name_and_parts(event: Event, value: Con) -> None:
    assert event_value(event) == value


def test_what_is_not_granted_is_answered_so() -> None:
    made = program(100, main=((), seq(("a", do("ask", 1)), ret("$a"))))
    m = advance(start(made, "main", (), tuple(clause for clause in ALL if clause.op != "ask"), FILES, read_blob=bytes))
    assert error_of(m.runs["root"].code.value) == "denied"  # type: ignore[union-attr]


def test_a_run_without_events_has_length_nought() -> None:
    m = start(program(100, main=((), ret(1))), "main", (), ALL, FILES, read_blob=bytes)
    assert length(m.runs["world"]) == 0
    assert length(m.runs["root"]) == 1


@pytest.mark.parametrize("path", ["a/b/c", "a/x/b/c", "a/x/y/b/c", "a/b/x/c", "a/x/b/y/c", "a/b/b/c"])
def test_folders_between_are_any_number(path: str) -> None:
    assert match_path(path, "a/**/b/**/c")
    assert match_path(f"{path}/d", "a/**/b/**/c/**")
    assert not match_path(path, "a/**/b/**/b/**/b/**/c")


def test_the_largest_decimal_is_read_back() -> None:
    for value in (Dec(2**65_536 - 1, 0), Dec(-(2**65_536 - 1), 1), Dec(1, 16_384)):
        assert value_from(parse(value_text(value))) == value
    with pytest.raises(WireError, match="too large"):
        value_from({"dec": f"0.{'0' * 16_384}1"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"lets":[["a",{"return":{"val":1}}]]}', 'at $: no key "in"'),
        ('{"lets":[["a",{"return":{"val":1}}]],"in":{"return":{"var":"a"}},"x":1}', 'at $: unknown key "x"'),
        ('{"if":[{"val":1},{"return":{"val":1}},{"return":{"val":1}}],"x":1}', 'at $: unknown key "x"'),
    ],
)
def test_a_computation_has_no_other_keys(text: str, message: str) -> None:
    with pytest.raises(WireError) as found:
        comp_from(parse(text))
    assert str(found.value) == message
