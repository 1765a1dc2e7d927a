"""Clauses as values, what they match, and that `covers` never claims too much."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shepherd_dsl.core.grant import (
    ANY,
    Clause,
    Pattern,
    PatternKind,
    clause_from,
    clause_value,
    covers,
    matches,
    request_from,
    request_value,
)
from shepherd_dsl.core.value import NONE, UNIT, Con, Value, record, some
from shepherd_dsl.core.wire import value_text
from tests.support.values import texts, values

kinds: st.SearchStrategy[PatternKind] = st.sampled_from(["text", "path", "words"])
patterns = st.one_of(st.just(ANY), st.builds(Pattern, kinds, texts), st.builds(Pattern, st.just("is"), value=values))
ops = st.sampled_from(["a", "a.b", "a.*", "a.b.*", "run.*"])
clauses = st.builds(Clause, ops, st.lists(patterns, max_size=3).map(tuple), st.none() | st.integers(0, 9))


@given(st.lists(clauses, max_size=3).map(tuple))
def test_requests_round_trip_as_values(request: tuple[Clause, ...]) -> None:
    value = request_value(request)
    assert value_text(request_value(request_from(value))) == value_text(value)
    for clause in request:
        back = clause_from(clause_value(clause))
        assert (back.op, back.limit, len(back.args)) == (clause.op, clause.limit, len(clause.args))


def test_a_clause_is_the_value_of_the_contract() -> None:
    clause = Clause(
        "shell.run",
        (ANY, Pattern("is", value=1), Pattern("text", "t*"), Pattern("path", "p"), Pattern("words", "w *")),
        2,
    )
    assert value_text(clause_value(clause)) == (
        '{"rec":{"args":[{"con":["Any"]},{"con":["Is",1]},{"con":["Text","t*"]},{"con":["Path","p"]},'
        '{"con":["Words","w *"]}],"limit":{"con":["Some",2]},"op":"shell.run"}}'
    )


@pytest.mark.parametrize(
    "value",
    [
        UNIT,
        (record(op="a"),),
        (record(op="a", args=(), limit=NONE, more=1),),
        (record(op=1, args=(), limit=NONE),),
        (record(op="", args=(), limit=NONE),),
        (record(op="*", args=(), limit=NONE),),
        (record(op="fi*.a", args=(), limit=NONE),),
        (record(op=".*", args=(), limit=NONE),),
        (record(op="a", args=UNIT, limit=NONE),),
        (record(op="a", args=("*",), limit=NONE),),
        (record(op="a", args=(Con("Glob", ("*",)),), limit=NONE),),
        (record(op="a", args=(Con("Text", (1,)),), limit=NONE),),
        (record(op="a", args=(Con("Any", (1,)),), limit=NONE),),
        (record(op="a", args=(), limit=UNIT),),
        (record(op="a", args=(), limit=some(True)),),
        (record(op="a", args=(), limit=some(-1)),),
        (record(op="a", args=(), limit=some("1")),),
    ],
)
def test_what_is_no_request_is_refused(value: Value) -> None:
    with pytest.raises(ValueError, match=r"expected|must be"):
        request_from(value)


@given(values)
def test_any_value_is_a_request_or_refused(value: Value) -> None:
    for candidate in (value, (value,)):
        try:
            request_from(candidate)
        except ValueError:
            continue
        assert type(candidate) is tuple


def clause(op: str, *args: Pattern, limit: int | None = None) -> Clause:
    return Clause(op, args, limit)


PATH, WORDS, TEXT = Pattern("path", "src/**"), Pattern("words", "pytest *"), Pattern("text", "a*")


@pytest.mark.parametrize(
    ("held", "op", "args", "expected"),
    [
        (clause("a.b"), "a.b", (1, 2), True),
        (clause("a.b"), "a.bc", (), False),
        (clause("a.*"), "a.b", (), True),
        (clause("a.*"), "a.b.c", (), True),
        (clause("a.*"), "a", (), False),
        (clause("a.*"), "ab.c", (), False),
        (clause("a", PATH), "a", ("src/x",), True),
        (clause("a", PATH), "a", ("src/x", "rest is free"), True),
        (clause("a", PATH), "a", ("src/../x",), False),
        (clause("a", PATH), "a", ("/src/x",), False),
        (clause("a", PATH), "a", ("src/./x",), False),
        (clause("a", PATH), "a", (("src", "x"),), False),
        (clause("a", PATH), "a", (), False),
        (clause("a", ANY, PATH), "a", (1,), False),
        (clause("a", ANY, ANY), "a", (), True),
        (clause("a", WORDS), "a", ("pytest -q",), True),
        (clause("a", WORDS), "a", ("pytest' -q",), False),
        (clause("a", WORDS), "a", ("sh -c pytest",), False),
        (clause("a", WORDS), "a", (("pytest", "-q"),), False),
        (clause("a", TEXT), "a", ("ab",), True),
        (clause("a", TEXT), "a", (UNIT,), False),
        (clause("a", Pattern("is", value=1)), "a", (1,), True),
        (clause("a", Pattern("is", value=1)), "a", (True,), False),
        (clause("a", Pattern("is", value=some(1))), "a", (some(1),), True),
        (clause("a", limit=0), "a", (), True),
    ],
)
def test_what_a_clause_matches(held: Clause, op: str, args: tuple[Value, ...], expected: bool) -> None:
    assert matches(held, op, args) is expected


def pattern(kind: PatternKind, glob: str) -> Pattern:
    return Pattern(kind, glob)


@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [
        (clause("a"), clause("a"), True),
        (clause("a.*"), clause("a.b"), True),
        (clause("a.*"), clause("a.b.*"), True),
        (clause("a.*"), clause("a.*"), True),
        (clause("a.b"), clause("a.*"), False),
        (clause("a"), clause("a", PATH), True),
        (clause("a", PATH), clause("a"), False),
        (clause("a", ANY), clause("a"), True),
        (clause("a", PATH), clause("a", PATH, limit=3), True),
        (clause("a", limit=3), clause("a"), False),
        (clause("a", limit=3), clause("a", limit=3), True),
        (clause("a", limit=3), clause("a", limit=4), False),
        (clause("a", PATH), clause("a", pattern("path", "src/*.py")), True),
        (clause("a", PATH), clause("a", pattern("path", "src/**/x")), True),
        (clause("a", PATH), clause("a", pattern("path", "src/**/x/**")), True),
        (clause("a", PATH), clause("a", pattern("path", "src")), False),
        (clause("a", PATH), clause("a", pattern("path", "*/x")), False),
        (clause("a", PATH), clause("a", Pattern("is", value="src/x")), True),
        (clause("a", PATH), clause("a", Pattern("is", value="src/../x")), False),
        (clause("a", pattern("text", "*")), clause("a", PATH), True),
        (clause("a", pattern("text", "*")), clause("a", WORDS), True),
        (clause("a", pattern("text", "*")), clause("a", ANY), False),
        (clause("a", pattern("text", "a*")), clause("a", pattern("text", "ab*c?")), True),
        (clause("a", pattern("text", "?")), clause("a", pattern("text", "*")), False),
        (clause("a", pattern("text", "")), clause("a", pattern("path", "x")), False),
        (clause("a", WORDS), clause("a", pattern("words", "pytest -q *")), True),
        (clause("a", WORDS), clause("a", pattern("words", "pytest")), True),
        (clause("a", WORDS), clause("a", pattern("words", "py* -q")), False),
        (clause("a", pattern("words", "pytest -q")), clause("a", WORDS), False),
        (clause("a", pattern("words", "rm '*'")), clause("a", pattern("words", "rm *")), False),
        (clause("a", Pattern("is", value=1)), clause("a", Pattern("is", value=True)), False),
        (clause("a", Pattern("is", value="x")), clause("a", pattern("text", "x")), False),
    ],
)
def test_what_a_clause_covers(outer: Clause, inner: Clause, expected: bool) -> None:
    assert covers(outer, inner) is expected


small = {
    "text": st.text("ab*?", max_size=4),
    "path": st.lists(st.sampled_from(["a", "b", "*", "?", "a*", "**"]), min_size=1, max_size=4).map("/".join),
    "words": st.lists(st.sampled_from(["a", "b", "*", "?", "'*'", "a*", "'"]), max_size=3).map(" ".join),
}
inputs = {
    "text": st.text("ab*?", max_size=5),
    "path": st.lists(st.sampled_from(["a", "b", "ab", "*"]), min_size=1, max_size=5).map("/".join),
    "words": st.lists(st.sampled_from(["a", "b", "ab", "'*'"]), max_size=4).map(" ".join),
}


@st.composite
def narrowings(draw: st.DrawFn) -> tuple[Clause, Clause, str]:
    """Two clauses over a few symbols, often of one kind, and an argument that either may match."""
    kind = draw(kinds)
    other = draw(st.sampled_from([kind, kind, kind, "text", "is"]))
    outer = Pattern(kind, draw(small[kind]))
    arg = draw(inputs[kind])
    inner = Pattern("is", value=draw(inputs[kind])) if other == "is" else Pattern(other, draw(small[other]))
    return Clause("a.*", (outer,)), Clause("a.b", (inner,)), arg


def test_what_is_covered_is_matched() -> None:
    reached: Counter[str] = Counter()

    @settings(max_examples=1500, deadline=None, database=None, derandomize=True)
    @given(narrowings())
    def law(case: tuple[Clause, Clause, str]) -> None:
        outer, inner, arg = case
        if matches(inner, "a.b", (arg,)):
            if covers(outer, inner):
                reached[f"{outer.args[0].kind} covers {inner.args[0].kind}"] += 1
                assert matches(outer, "a.b", (arg,))
            elif not matches(outer, "a.b", (arg,)):
                reached["rightly refused"] += 1

    law()
    pairs = ["text covers text", "path covers path", "words covers words", "text covers is", "path covers is"]
    assert all(reached[pair] >= 5 for pair in [*pairs, "words covers is", "rightly refused"]), reached


@given(clauses)
def test_every_clause_covers_itself(held: Clause) -> None:
    assert covers(held, held)
