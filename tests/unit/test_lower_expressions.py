"""Differential: a lowered expression has the value that the same expression has by a direct evaluation in Python.

Programs are generated well-typed. A counter says which forms were reached; one that never was fails the suite.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import attrs
import hypothesis.strategies as st
from hypothesis import HealthCheck, given, settings

from shepherd_dsl.core.event import Change
from shepherd_dsl.core.files import Files
from shepherd_dsl.core.machine import start
from shepherd_dsl.core.oracle import Query, run_to_end
from shepherd_dsl.core.run import Done
from shepherd_dsl.core.value import Con, Value, equal
from tests.support.programs import faults, lowered

REACHED: Counter[str] = Counter()
Env = dict[str, Value]


@attrs.frozen
class Piece:
    """An expression: its text, and what it is worth where variables have values."""

    text: str
    value: Callable[[Env], Value]


@st.composite
def expression(draw: Any, kind: str, depth: int, scope: tuple[tuple[str, str], ...]) -> Piece:
    """A well-typed expression of the kind `Int`, `Bool`, `Text`, `List` (of Int) or `Option` (of Int)."""

    def sub(of: str, extra: tuple[tuple[str, str], ...] = ()) -> Piece:
        found = draw(expression(of, depth - 1, (*scope, *extra)))
        assert isinstance(found, Piece)
        return found

    here = [name for name, of in scope if of == kind]
    forms = ["literal", *(["variable"] if here else [])]
    if depth > 0:
        forms += ["if", "match", "let", *FORMS[kind]]
    form = draw(st.sampled_from(forms))
    REACHED[form] += 1
    name = f"v{len(scope)}"
    match form:
        case "variable":
            chosen = draw(st.sampled_from(here))
            return Piece(chosen, lambda env: env[chosen])
        case "if":
            cond, then, orelse = sub("Bool"), sub(kind), sub(kind)
            text = f"(if {cond.text} {{ {then.text} }} else {{ {orelse.text} }})"
            return Piece(text, lambda env: then.value(env) if cond.value(env) else orelse.value(env))
        case "let":
            bound, body = sub("Int"), sub(kind, ((name, "Int"),))
            text = f"(if true {{\nlet {name} = {bound.text}\n{body.text}\n}} else {{ {LITERAL[kind]} }})"
            return Piece(text, lambda env: body.value({**env, name: bound.value(env)}))
        case "match":
            subject, some, none = sub("Option"), sub(kind, ((name, "Int"),)), sub(kind)
            guard = sub("Bool", ((name, "Int"),))
            text = (
                f"(match {subject.text} {{\nSome(0) => {none.text}\nSome({name}) when {guard.text} => {some.text}\n"
                f"_ => {none.text}\n}})"
            )

            def matched(env: Env) -> Value:
                found = subject.value(env)
                assert isinstance(found, Con)
                if not found.args or equal(found.args[0], 0):
                    return none.value(env)
                inner = {**env, name: found.args[0]}
                return some.value(inner) if guard.value(inner) else none.value(env)

            return Piece(text, matched)
        case "+" | "-" | "*":
            left, right = sub("Int"), sub("Int")
            work: dict[str, Callable[[Any, Any], Any]] = {
                "+": lambda a, b: a + b,
                "-": lambda a, b: a - b,
                "*": lambda a, b: a * b,
            }
            return Piece(
                f"({left.text} {form} {right.text})", lambda env: work[form](left.value(env), right.value(env))
            )
        case "len" | "sum":
            items = sub("List")
            return Piece(f"{form}({items.text})", lambda env: {"len": len, "sum": sum}[form](items.value(env)))  # type: ignore[operator]
        case "fold":
            items, begin, step = sub("List"), sub("Int"), sub("Int", ((name, "Int"), (name + "x", "Int")))
            text = f"fold({items.text}, {begin.text}, ({name}, {name}x) => {step.text})"

            def folded(env: Env) -> Value:
                total = begin.value(env)
                for item in items.value(env):  # type: ignore[union-attr]
                    total = step.value({**env, name: total, name + "x": item})
                return total

            return Piece(text, folded)
        case "<" | "==" | "and" | "or":
            of = "Bool" if form in ("and", "or") else "Int"
            left, right = sub(of), sub(of)
            test: dict[str, Callable[[Any, Any], bool]] = {
                "<": lambda a, b: a < b,
                "==": lambda a, b: a == b,
                "and": lambda a, b: a and b,
                "or": lambda a, b: a or b,
            }
            return Piece(
                f"({left.text} {form} {right.text})", lambda env: test[form](left.value(env), right.value(env))
            )
        case "not":
            operand = sub("Bool")
            return Piece(f"(not {operand.text})", lambda env: not operand.value(env))
        case "text":
            left, number = sub("Text"), sub("Int")
            # An interpolated expression stays on the line of its text.
            shown = f'"${{{left.text}}}-${{{number.text}}}"'
            if "\n" in shown:
                shown = f'({left.text} + "-" + text({number.text}))'
            return Piece(shown, lambda env: f"{left.value(env)}-{number.value(env)}")
        case "for":
            items, where, body = sub("List"), sub("Bool", ((name, "Int"),)), sub("Int", ((name, "Int"),))
            text = f"(for {name} in {items.text} where {where.text} {{ {body.text} }})"

            def looped(env: Env) -> Value:
                inner = [{**env, name: item} for item in items.value(env)]  # type: ignore[union-attr]
                return tuple(body.value(one) for one in inner if where.value(one))

            return Piece(text, looped)
        case "list":
            pieces = [sub("Int") for _ in range(draw(st.integers(0, 3)))]
            return Piece(
                f"concat([{', '.join(p.text for p in pieces)}], [1])",
                lambda env: (*(p.value(env) for p in pieces), 1),
            )
        case "map":
            items, body = sub("List"), sub("Int", ((name, "Int"),))
            return Piece(
                f"map({items.text}, {name} => {body.text})",
                lambda env: tuple(body.value({**env, name: item}) for item in items.value(env)),  # type: ignore[union-attr]
            )
        case "some":
            inner_piece = sub("Int")
            return Piece(f"Some({inner_piece.text})", lambda env: Con("Some", (inner_piece.value(env),)))
        case "find":
            items, test_piece = sub("List"), sub("Bool", ((name, "Int"),))

            def found_first(env: Env) -> Value:
                for item in items.value(env):  # type: ignore[union-attr]
                    if test_piece.value({**env, name: item}):
                        return Con("Some", (item,))
                return Con("None")

            return Piece(f"find({items.text}, {name} => {test_piece.text})", found_first)
    return draw(literal(kind))  # type: ignore[no-any-return]


@st.composite
def literal(draw: Any, kind: str) -> Piece:
    """A literal of a kind."""
    match kind:
        case "Int":
            number = draw(st.integers(0, 9))
            return Piece(str(number), lambda _: number)
        case "Bool":
            truth = draw(st.booleans())
            return Piece("true" if truth else "false", lambda _: truth)
        case "Text":
            letters = draw(st.text("abc", max_size=3))
            return Piece(f'"{letters}"', lambda _: letters)
        case "List":
            numbers = draw(st.lists(st.integers(0, 9), min_size=1, max_size=3))
            return Piece(f"{numbers}", lambda _: tuple(numbers))
    return Piece("None", lambda _: Con("None"))


LITERAL = {"Int": "0", "Bool": "false", "Text": '""', "List": "[1]", "Option": "None"}
FORMS = {
    "Int": ["+", "-", "*", "len", "sum", "fold"],
    "Bool": ["<", "==", "and", "or", "not"],
    "Text": ["text"],
    "List": ["for", "list", "map"],
    "Option": ["some", "find"],
}
TYPES = {"Int": "Int", "Bool": "Bool", "Text": "Text", "List": "List[Int]", "Option": "Option[Int]"}


def agrees(kind: str, piece: Piece) -> None:
    """The lowered expression has the value that the direct evaluation gives."""
    found = lowered(f"agent main(n: Int) -> {TYPES[kind]} {{\nreturn {piece.text}\n}}\n")
    assert faults(found.program) == []
    info = found.agents["main"]
    m = start(found.program, info.name, (3,), info.request, Files.empty(), read_blob=lambda _: b"")
    code = run_to_end(m, nobody).runs["root"].code
    assert isinstance(code, Done), (piece.text, code)
    assert equal(code.value, piece.value({"n": 3})), piece.text


def nobody(query: Query) -> tuple[Con, Change]:
    """An oracle that is never asked."""
    raise AssertionError(f"asked for {query.op}")


def test_a_lowered_expression_has_the_value_of_the_source() -> None:
    @settings(
        max_examples=200,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(st.sampled_from(sorted(TYPES)).flatmap(lambda k: st.tuples(st.just(k), expression(k, 3, (("n", "Int"),)))))
    def law(pair: tuple[str, Piece]) -> None:
        agrees(*pair)

    law()
    wanted = {"literal", "variable", "if", "match", "let", *(form for forms in FORMS.values() for form in forms)}
    assert wanted - set(REACHED) == set()
