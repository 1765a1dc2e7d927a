"""Primitives at their bounds: the largest that is taken, and what is one larger."""

from __future__ import annotations

import pytest

from shepherd_dsl.core import match
from shepherd_dsl.core.fault import Fault
from shepherd_dsl.core.jsontext import int_text
from shepherd_dsl.core.limits import DEC_SCALE, INT_BITS, LIST_ITEMS, TEXT_CHARS, VALUE_DEPTH, VALUE_NODES
from shepherd_dsl.core.prim import PRIMITIVES, apply
from shepherd_dsl.core.value import Con, Dec, Value, ok, record, some


def fault(name: str, *args: Value) -> str:
    with pytest.raises(Fault) as caught:
        apply(name, args)
    return caught.value.code


def error(name: str, *args: Value) -> str:
    found = apply(name, args)
    assert isinstance(found, Con)
    assert found.name == "Err"
    assert isinstance(found.args[0], str)
    return found.args[0]


# Lists


def test_a_text_is_split_into_at_most_as_many_parts_as_a_list_has() -> None:
    for count in (0, 1, 2, 3):
        assert apply("text_split", ("," * count, ",")) == ("",) * (count + 1)
    assert apply("text_split", ("," * (LIST_ITEMS - 1), ",")) == ("",) * LIST_ITEMS
    assert fault("text_split", "," * LIST_ITEMS, ",") == "size"


def test_a_text_is_split_into_at_most_as_many_characters_as_a_list_has() -> None:
    assert apply("text_split", ("a" * LIST_ITEMS, "")) == ("a",) * LIST_ITEMS
    assert fault("text_split", "a" * (LIST_ITEMS + 1), "") == "size"


def test_a_list_grows_up_to_its_bound() -> None:
    full, short = (1,) * LIST_ITEMS, (1,) * (LIST_ITEMS - 1)
    assert apply("append", (short, 1)) == full
    assert apply("cons", (1, short)) == full
    assert apply("concat", (short, (1,))) == full
    assert apply("concat", (full, ())) == full
    assert fault("append", full, 1) == fault("cons", 1, full) == fault("concat", full, (1,)) == "size"


@pytest.mark.parametrize(("count", "fits"), [(0, True), (LIST_ITEMS, True), (LIST_ITEMS + 1, False)])
def test_a_command_has_at_most_as_many_words_as_a_list(count: int, fits: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Splitting so long a command takes seconds; what counts here is what becomes of its words."""
    monkeypatch.setattr(match, "words", lambda text: (text,) * count)
    if fits:
        assert apply("words", ("a",)) == some(("a",) * count)
    else:
        assert fault("words", "a") == "size"


# Numbers

MOST = 2**INT_BITS - 1


@pytest.mark.parametrize(
    "most",
    [MOST, -MOST, Dec(MOST, 0), Dec(-MOST, 0), Dec(MOST, DEC_SCALE)],
    ids=["int", "-int", "dec", "-dec", "fraction"],
)
def test_the_largest_number_is_reckoned_with(most: int | Dec) -> None:
    assert apply("mul", (most, 1)) == most
    assert apply("add", (most, 0)) == most
    assert apply("sub", (most, 0)) == most
    assert apply("neg", (apply("neg", (most,)),)) == most
    assert fault("mul", most, 3) == "size"


def test_the_largest_integer_is_read_from_a_text() -> None:
    for number in (MOST, -MOST):
        assert apply("text_int", (int_text(number),)) == some(number)
        assert apply("json_parse", (int_text(number),)) == ok(number)
    assert fault("text_int", int_text(MOST + 1)) == "size"
    assert "too large" in error("json_parse", int_text(MOST + 1))


# Arguments


@pytest.mark.parametrize(("name", "low", "high"), [("list", 0, 1), ("text", 0, 1), ("record", 0, 2), ("con", 1, 1)])
def test_what_takes_any_number_of_arguments_takes_so_many(name: str, low: int, high: int) -> None:
    """A list has so many elements, and a record so many fields, which are two arguments each."""
    primitive = PRIMITIVES[name]
    assert (primitive.low, primitive.high) == (low, high * LIST_ITEMS)
    too_many = (1,) * (primitive.high + 1)
    with pytest.raises(Fault) as caught:
        apply(name, too_many)
    assert caught.value.code == "name"
    assert caught.value.text == f"{name}: expected at most {primitive.high} arguments, got {len(too_many)}"


def test_every_other_primitive_takes_one_number_of_arguments() -> None:
    for primitive in PRIMITIVES.values():
        if primitive.name in ("list", "text", "record", "con"):
            continue
        assert primitive.low == primitive.high in (1, 2, 3)
        for count in {0, 1, 2, 3, 4} - {primitive.low}:
            with pytest.raises(Fault) as caught:
                primitive.apply(*[1] * count)
            wanted = f"{primitive.name}: expected {primitive.low} arguments, got {count}"
            assert (caught.value.code, caught.value.text) == ("name", wanted)


# Texts


def test_a_text_grows_up_to_its_bound() -> None:
    half = "x" * (TEXT_CHARS // 2)
    assert apply("text_len", (apply("text", (half, half)),)) == TEXT_CHARS
    assert fault("text", half, half, "x") == "size"
    assert apply("text_len", (apply("text_join", ((half, half[1:]), "-")),)) == TEXT_CHARS
    assert fault("text_join", (half, half), "-") == "size"
    assert apply("text_len", (apply("text_replace", (half, "x", "yy")),)) == TEXT_CHARS
    assert fault("text_replace", half + "x", "x", "yy") == "size"


def test_only_the_letters_of_ascii_have_two_cases() -> None:
    small, large = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    others = "".join(chr(code) for code in range(0x250) if chr(code) not in small + large)
    assert apply("text_lower", (large + small + others,)) == small + small + others
    assert apply("text_upper", (large + small + others,)) == large + large + others


def test_only_the_white_space_of_ascii_is_trimmed() -> None:
    white = " \t\n\r\v\f"
    assert apply("text_trim", (f"{white}a{white}b{white}",)) == f"a{white}b"
    for code in range(0x3000 + 1):
        if chr(code) not in white and not 0xD800 <= code <= 0xDFFF:
            assert apply("text_trim", (f" {chr(code)} ",)) == chr(code)


# JSON


def nested(depth: int, name: str) -> Value:
    value: Value = 1
    for _ in range(depth):
        value = {
            "list": (value,),
            "record": record(a=value),
            "Some": some(value),
            "one": Con("A", (value,)),
            "two": Con("A", (1, value)),
        }[name]
    return value


@pytest.mark.parametrize("name", ["list", "record", "Some", "one", "two"])
def test_json_is_printed_100_deep(name: str) -> None:
    assert VALUE_DEPTH == 100
    apply("json_print", (nested(100, name),))
    assert fault("json_print", nested(101, name)) == "depth"


def schema(depth: int, name: str) -> Value:
    found: Value = "Int"
    for _ in range(depth):
        found = {
            "list": Con("List", (found,)),
            "Option": Con("Option", (found,)),
            "record": Con("Rec", ((("a", found),),)),
            "one": Con("Var", ((("A", (found,)),),)),
            "two": Con("Var", ((("A", ("Int", found)),),)),
        }[name]
    return found


def parsed(depth: int, name: str) -> Value:
    value: Value = 1
    for _ in range(depth):
        value = {
            "list": (value,),
            "Option": value,
            "record": record(a=value),
            "one": record([("A", value)]),
            "two": record([("A", (1, value))]),
        }[name]
    return value


@pytest.mark.parametrize("name", ["list", "Option", "record", "one", "two"])
def test_json_is_decoded_100_deep(name: str) -> None:
    found = apply("decode", (schema(100, name), parsed(100, name)))
    assert isinstance(found, Con)
    assert found.name == "Ok"
    assert fault("decode", schema(101, name), parsed(101, name)) == "depth"


def test_a_type_names_each_label_and_each_variant_once() -> None:
    twice = (("a", "Int"), ("a", "Text"))
    assert fault("decode", Con("Rec", (twice,)), record(a=1)) == "type"
    assert fault("decode", Con("Var", ((("A", ()), ("A", ("Int",))),)), "A") == "type"


def test_a_label_may_be_called_as_a_type() -> None:
    names = Con("Rec", ((("Int", "Text"), ("Text", "Int")),))
    value = record([("Int", "a"), ("Text", 1)])
    assert apply("decode", (names, value)) == ok(value)


def test_json_numbers_have_at_most_so_many_digits_after_the_point() -> None:
    assert apply("json_parse", (f"1e-{DEC_SCALE}",)) == ok(Dec(1, DEC_SCALE))
    assert "too large" in error("json_parse", f"1e-{DEC_SCALE + 1}")
    assert apply("json_parse", (f"10e-{DEC_SCALE + 1}",)) == ok(Dec(1, DEC_SCALE))


def test_json_numbers_have_at_most_so_many_bits() -> None:
    assert apply("json_parse", ("1e19728",)) == ok(Dec(10**19_728, 0))
    assert (10**19_728).bit_length() <= INT_BITS < (9 * 10**19_728).bit_length()
    assert "too large" in error("json_parse", "9e19728")
    assert "too large" in error("json_parse", "1e19729")
    assert "too large" in error("json_parse", "9" * 19_729)
    assert "too large" in error("json_parse", "1" * 19_730)


@pytest.mark.parametrize("name", ["text", "json_print"])
def test_a_value_that_is_printed_has_its_bound(name: str) -> None:
    with pytest.raises(Fault) as caught:
        apply(name, ((1,) * VALUE_NODES,))
    assert caught.value.code == "size"
    assert caught.value.text == f"{name}: a value that is printed holds at most {VALUE_NODES} values"
    shared: Value = 1
    for _ in range(60):
        shared = (shared, shared)
    assert fault(name, shared) == "size"
