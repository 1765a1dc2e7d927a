"""The highlighters know the words of the grammar and the shape of texts."""

from __future__ import annotations

import json
import re
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from pygments.token import Error, Keyword, Operator, String

from shepherd_dsl.syntax.highlight import ShepherdLexer
from shepherd_dsl.syntax.lexer import WORDS

ROOT = Path(__file__).parents[2]
PROGRAMS = sorted([*ROOT.glob("examples/*.shep"), *ROOT.glob("shepherd_dsl/std/*.shep")])


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.name)
def test_programs_have_no_error_tokens(path: Path) -> None:
    found = list(ShepherdLexer().get_tokens(path.read_text("utf-8")))
    assert "".join(value for _, value in found).strip() == path.read_text("utf-8").strip()
    assert [value for kind, value in found if kind is Error] == []


def test_every_word_of_the_grammar_is_a_word_for_pygments() -> None:
    for word in sorted(WORDS):
        first = next(iter(ShepherdLexer().get_tokens(f"{word} x")))
        assert first[1] == word
        assert first[0] in Keyword or first[0] is Operator.Word, word


def test_every_word_of_the_grammar_is_a_word_for_editors() -> None:
    grammar = json.loads((ROOT / "docs/shepherd.tmLanguage.json").read_text("utf-8"))
    patterns = [re.compile(pattern["match"]) for pattern in grammar["repository"]["word"]["patterns"]]
    assert [word for word in sorted(WORDS) if not any(pattern.match(f"{word} x") for pattern in patterns)] == []


def test_every_part_of_the_editors_grammar_is_there_and_compiles() -> None:
    text = (ROOT / "docs/shepherd.tmLanguage.json").read_text("utf-8")
    repository = json.loads(text)["repository"]
    assert {name for name in re.findall(r'"include": "#([\w-]+)"', text)} == set(repository)
    for pattern in re.findall(r'"(?:match|begin|end)": ("(?:[^"\\]|\\.)*")', text):
        re.compile(json.loads(pattern))


def test_what_is_interpolated_is_code_again() -> None:
    found = list(ShepherdLexer().get_tokens('"a ${ {n: "${b}"}.n } c"\n'))
    assert [value for kind, value in found if kind is String.Interpol] == ["${", "${", "}", "}"]
    assert found[-2] == (String.Double, '"')


def test_words_in_other_places_are_names() -> None:
    found = dict((value, kind) for kind, value in ShepherdLexer().get_tokens("x.merge; { run: from }"))
    assert found["merge"] not in Keyword
    assert found["from"] not in Keyword


def test_the_package_offers_the_lexer_to_pygments() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    entry = EntryPoint("shepherd", project["entry-points"]["pygments.lexers"]["shepherd"], "pygments.lexers")
    assert entry.load() is ShepherdLexer
    assert {"shepherd", "shep"} <= set(ShepherdLexer.aliases)
