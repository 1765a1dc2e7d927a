"""What a primitive says of an argument that is not what it takes: its name, the place, what is wanted, what came."""

from __future__ import annotations

import pytest

from shepherd_dsl.core.fault import KINDS, Fault
from shepherd_dsl.core.prim import PRIMITIVES, apply
from shepherd_dsl.core.value import Agent, Blob, Con, Dec, Handle, Value, record

FITS: dict[str, tuple[Value, ...]] = {
    **dict.fromkeys(("add", "sub", "mul", "div", "mod", "lt", "le"), (6, 3)),
    "not": (True,),
    "neg": (1,),
    "dec_int": (Dec(15, 1),),
    "int_dec": (1,),
    **dict.fromkeys(("text_len", "text_trim", "text_lower", "text_upper", "text_int", "words", "json_parse"), ("1",)),
    **dict.fromkeys(("text_split", "text_contains", "text_starts", "text_ends", "text_find"), ("a b", "a")),
    **dict.fromkeys(("match_text", "match_path", "match_words"), ("a b", "a")),
    "text_join": (("a", "b"), "a"),
    "text_slice": ("abc", 1, 2),
    "text_replace": ("abc", "b", "x"),
    **dict.fromkeys(("len", "reverse"), ((1, 2),)),
    "get": ((1, 2), 0),
    "cons": (1, (2,)),
    "append": ((1,), 2),
    "concat": ((1,), (2,)),
    "contains": ((1,), 2),
    "range": (1, 3),
    "slice": ((1, 2), 0, 1),
    "record": ("a", 1),
    "field": (record(a=1), "a"),
    "with": (record(a=1), "a", 2),
    "labels": (record(a=1),),
    "con": ("A", 1),
    "con_name": (Con("A"),),
    "agent_name": (Agent("f"),),
    "blob_size": (Blob("0" * 40, 3),),
    "blob_hash": (Blob("0" * 40, 3),),
    "raise": (record(code="a", text="b"),),
    "con_arg": (Con("A", (1,)), 0),
    "fail": ("a", "b"),
    "decode": ("Int", 1),
    "is_con": (Con("A", (1,)), "A", 1),
}
FREE = {
    ("cons", 1),
    ("append", 2),
    ("contains", 2),
    ("with", 3),
    ("con", 2),
    ("record", 2),
    ("decode", 2),
    ("is_con", 1),
}
"""Arguments that may be anything."""
NUMBERS = ("add", "sub", "mul", "neg", "lt", "le")
"""These take a dec for an int."""
PLACES = [(name, at) for name, args in FITS.items() for at in range(1, len(args) + 1) if (name, at) not in FREE]


def test_every_primitive_that_faults_so_is_here() -> None:
    assert PRIMITIVES.keys() - FITS.keys() == {"eq", "text", "list", "kind", "json_print"}


@pytest.mark.parametrize(
    "wrong", [Handle(0), Con("Wrong", (1,)), Dec(5, 1), (1,)], ids=lambda value: KINDS[type(value)]
)
@pytest.mark.parametrize(("name", "at"), PLACES)
def test_the_argument_is_named_by_its_place(name: str, at: int, wrong: Value) -> None:
    args = FITS[name]
    if name == "decode":
        return  # its first argument is a type, which other tests are about
    if type(args[at - 1]) is type(wrong) or (isinstance(wrong, Dec) and name in NUMBERS):
        return
    if name == "match_words" and at == 1 and isinstance(wrong, tuple):
        wrong = ("a", 2)
    with pytest.raises(Fault) as found:
        apply(name, (*args[: at - 1], wrong, *args[at:]))
    assert found.value.code == "type"
    assert found.value.text.startswith(f"{name}: argument {at} must be ")


@pytest.mark.parametrize(("name", "at"), PLACES)
def test_what_fits_is_taken(name: str, at: int) -> None:
    if name in ("fail", "raise"):
        with pytest.raises(Fault) as found:
            apply(name, FITS[name])
        assert (found.value.code, found.value.text) == ("a", "b")
    else:
        apply(name, FITS[name])


MOST = 2**65_536 - 1


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("add", (MOST, 1)),
        ("sub", (-MOST, 1)),
        ("mul", (MOST, 2)),
        ("add", (Dec(MOST, 0), Dec(1, 0))),
        ("sub", (Dec(-MOST, 0), Dec(1, 0))),
        ("mul", (Dec(MOST, 0), Dec(2, 0))),
        ("mul", (Dec(1, 10_000), Dec(1, 10_000))),
        ("text_int", ("1" + "0" * 19_729,)),
        ("text_int", ("9" * 19_729,)),
        ("range", (0, (1 << 20) + 1)),
        ("append", ((1,) * (1 << 20), 1)),
        ("cons", (1, (1,) * (1 << 20))),
        ("concat", ((1,) * (1 << 19), (1,) * ((1 << 19) + 1))),
        ("text_split", ("a" * ((1 << 20) + 1), "")),
        ("text_replace", ("a" * (1 << 20), "a", "x" * 17)),
        ("text_join", (("a" * (1 << 20),) * 17, "")),
    ],
)
def test_what_is_too_large_is_so_by_its_own_name(name: str, args: tuple[Value, ...]) -> None:
    with pytest.raises(Fault) as found:
        apply(name, args)
    assert found.value.code == "size"
    assert found.value.text.startswith(f"{name}: ")


def test_leading_noughts_do_not_count() -> None:
    assert apply("text_int", ("0" * 20_000 + "7",)) == Con("Some", (7,))
    assert apply("text_int", ("-" + "0" * 20_000,)) == Con("Some", (0,))
    assert apply("text_int", ("-007",)) == Con("Some", (-7,))
    assert apply("range", (0, 1 << 20)) == tuple(range(1 << 20))
    assert apply("div", (-7, 2)) == -4
