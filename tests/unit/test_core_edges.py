"""Small promises of the core that no larger test looks at."""

from __future__ import annotations

import pytest

from shepherd_dsl.core.event import Entry
from shepherd_dsl.core.expr import Call
from shepherd_dsl.core.fault import Fault
from shepherd_dsl.core.file_ops import MAX_READ, perform
from shepherd_dsl.core.files import EMPTY_FOLDER, LINK, Files, git_blob_hash
from shepherd_dsl.core.match_cover import words_cover
from shepherd_dsl.core.prim import PRIMITIVES, apply
from shepherd_dsl.core.step import check_size, enter, evaluate
from shepherd_dsl.core.value import Con, Record, Value, ok, record
from tests.support.build import call, p, program, ret

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
