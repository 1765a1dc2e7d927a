"""Whatever the grammar derives is parsed, whatever is parsed can be formatted; and the table is that of the grammar."""

from __future__ import annotations

from collections import Counter
from importlib import resources
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from shepherd_dsl.syntax import format_source, parse
from shepherd_dsl.syntax.diagnostics import render
from shepherd_dsl.syntax.generate import table
from shepherd_dsl.syntax.tree import same
from tests.support.grammar import expansion, source, tokens

programs = st.builds(
    lambda seed, size: source(random := Random(seed), tokens(random, size)),
    st.integers(0, 2**32),
    st.integers(1, 900),
)


def test_the_table_is_that_of_the_grammar() -> None:
    stored = resources.files("shepherd_dsl.syntax").joinpath("table.json").read_text("utf-8")
    assert stored == table(), "run python -m shepherd_dsl.syntax.generate"


def test_every_rule_is_reached_and_what_it_derives_is_parsed() -> None:
    reached: Counter[int] = Counter()
    for seed in range(240):
        random = Random(seed)
        text = source(random, tokens(random, 200 + 8 * seed, reached))
        _, diagnostics = parse(text, file="drawn")
        assert not diagnostics, render(text, diagnostics)
    assert [rule for index, rule in expansion().rules.items() if not reached[index]] == []


@settings(max_examples=80, deadline=None, derandomize=True)
@given(programs)
def test_formatting_keeps_the_tree_and_formatting_again_changes_nothing(text: str) -> None:
    module, diagnostics = parse(text, file="drawn")
    assert not diagnostics
    formatted = format_source(text)
    again, diagnostics = parse(formatted, file="formatted")
    assert not diagnostics, render(formatted, diagnostics)
    assert same(module, again)
    assert format_source(formatted) == formatted


@settings(max_examples=60, deadline=None, derandomize=True)
@given(programs)
def test_formatting_keeps_every_comment(text: str) -> None:
    def comments(of: str) -> list[str]:
        return [line[line.index("//") :].rstrip() for line in of.splitlines() if "//" in line]

    assert comments(format_source(text)) == comments(text)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    programs,
    st.integers(0, 10**6),
    st.sampled_from(["", "{", "}", "(", ")", "]", '"', "let", "${", "=>", "agent", "\n", "9x"]),
)
def test_a_damaged_program_gives_errors_and_nothing_else(text: str, place: int, damage: str) -> None:
    at = place % (len(text) + 1)
    damaged = text[:at] + damage + text[at + 1 :]
    module, diagnostics = parse(damaged, file="damaged")
    assert module.source == damaged
    for diagnostic in diagnostics:
        assert 0 <= diagnostic.span.start <= diagnostic.span.end <= len(damaged)
    assert len(render(damaged, diagnostics)) < 4000 * (1 + len(diagnostics))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(max_size=60))
def test_any_text_is_parsed_or_diagnosed(text: str) -> None:
    module, diagnostics = parse(text, file="any")
    assert module.items or diagnostics or not text.strip() or text.lstrip().startswith(("//", "\ufeff"))
