"""Whether a value has a type: against a direct reading of the definition, and what is said where it has not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shepherd_dsl.core.value import NONE, UNIT, Agent, Blob, Con, Dec, Handle, Record, Value, record, some
from shepherd_dsl.handlers.fits import check_type, fits, list_of, misfit, option_of, rec_of, var_of

EXIT = rec_of(code="Int", out="Text")
TREE = var_of([("Leaf", ()), ("Node", ("Int", list_of("Text")))])

PLAIN: list[tuple[str, Value]] = [
    ("Unit", UNIT),
    ("Bool", True),
    ("Int", 1),
    ("Dec", Dec(15, 1)),
    ("Text", "x"),
    ("Blob", Blob("0" * 40, 3)),
]
LABELS = st.sampled_from(["a", "b", "c"])


def types() -> st.SearchStrategy[Value]:
    return st.recursive(
        st.sampled_from([kind for kind, _ in PLAIN]),
        lambda inner: st.one_of(
            inner.map(list_of),
            inner.map(option_of),
            st.dictionaries(LABELS, inner, max_size=3).map(lambda fields: rec_of(**fields)),
            st.dictionaries(LABELS, st.lists(inner, max_size=2).map(tuple), min_size=1, max_size=3).map(
                lambda cases: var_of(sorted(cases.items()))
            ),
        ),
        max_leaves=6,
    )


def values_of(kind: Value) -> st.SearchStrategy[Value]:
    if isinstance(kind, str):
        return st.just(dict(PLAIN)[kind])
    assert isinstance(kind, Con)
    (inner,) = kind.args
    if kind.name == "List":
        return st.lists(values_of(inner), max_size=3).map(tuple)
    if kind.name == "Option":
        return st.one_of(st.just(NONE), values_of(inner).map(some))
    assert isinstance(inner, tuple)
    pairs = [(pair[0], pair[1]) for pair in inner if isinstance(pair, tuple)]
    if kind.name == "Rec":
        fields = {str(label): values_of(item) for label, item in pairs}
        return st.fixed_dictionaries(fields).map(lambda found: record(found.items()))
    cases = [(str(name), tuple(map(values_of, args))) for name, args in pairs if isinstance(args, tuple)]
    return st.one_of(*(st.builds(Con, st.just(name), st.tuples(*args)) for name, args in cases))


@given(st.data())
def test_values_made_for_a_type_fit(data: st.DataObject) -> None:
    kind = data.draw(types())
    check_type(kind)
    assert misfit(kind, data.draw(values_of(kind))) is None


@given(st.data())
def test_values_made_for_another_type_fit_only_if_both_say_so(data: st.DataObject) -> None:
    kind, other = data.draw(types()), data.draw(types())
    value = data.draw(values_of(other))
    assert fits(kind, value) == _fits(kind, value)


def _fits(kind: Value, value: Value) -> bool:
    if isinstance(kind, str):
        return type(value) is type(dict(PLAIN)[kind])
    assert isinstance(kind, Con)
    (inner,) = kind.args
    if kind.name == "List":
        return isinstance(value, tuple) and all(_fits(inner, item) for item in value)
    if kind.name == "Option":
        if not isinstance(value, Con):
            return False
        return value == NONE or (value.name == "Some" and len(value.args) == 1 and _fits(inner, value.args[0]))
    assert isinstance(inner, tuple)
    pairs = {str(pair[0]): pair[1] for pair in inner if isinstance(pair, tuple)}
    if kind.name == "Rec":
        if not isinstance(value, Record) or {label for label, _ in value.fields} != set(pairs):
            return False
        return all(_fits(pairs[label], item) for label, item in value.fields)
    if not isinstance(value, Con) or value.name not in pairs:
        return False
    args = pairs[value.name]
    assert isinstance(args, tuple)
    return len(args) == len(value.args) and all(map(_fits, args, value.args))


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("Int", True, "at .: expected Int, got Bool"),
        ("Bool", 1, "at .: expected Bool, got Int"),
        ("Text", Agent("a"), "at .: expected Text, got agent"),
        ("Text", Handle(0), "at .: expected Text, got run"),
        (EXIT, record(code=0), "at .: the field `out` is missing"),
        (EXIT, record(code=0, out="", x=1), "at .: the field `x` is not part of the type"),
        (EXIT, record(code="0", out=""), "at .code: expected Int, got Text"),
        (list_of(EXIT), (record(code=0, out=""), record(code=0, out=UNIT)), "at [1].out: expected Text, got Unit"),
        (option_of("Int"), 1, "at .: expected Option, got Int"),
        (option_of("Int"), some("x"), "at .: expected Int, got Text"),
        (TREE, Con("Twig"), "at .: expected one of Leaf, Node, got Twig"),
        (TREE, Con("Node", (1,)), "at .: Node takes 2 arguments, got 1"),
        (TREE, Con("Node", (1, (1,))), "at .Node[1][0]: expected Text, got Int"),
        (TREE, "Leaf", "at .: expected one of Leaf, Node, got Text"),
    ],
)
def test_where_and_why(kind: Value, value: Value, said: str) -> None:
    assert misfit(kind, value) == said


@pytest.mark.parametrize(
    "kind",
    [
        "Integer",
        1,
        Con("List"),
        Con("Set", ("Int",)),
        Con("Rec", ("x",)),
        Con("Rec", ((("a", "Int"), ("a", "Int")),)),
        Con("Rec", (((1, "Int"),),)),
        Con("Var", ((("A", "Int"),),)),
        Con("Var", ((("A", ()), ("A", ())),)),
        list_of("Integer"),
    ],
)
def test_what_is_no_type(kind: Value) -> None:
    with pytest.raises(ValueError, match=r"type|case"):
        check_type(kind)


def test_deep_values_need_no_recursion() -> None:
    kind: Value = "Int"
    value: Value = 1
    for _ in range(5000):
        kind, value = list_of(kind), (value,)
    assert misfit(kind, value) is None
