"""Every code has a failing example, every example its stored rendering, every page a text."""

from __future__ import annotations

from pathlib import Path

import pytest

from shepherd_dsl.syntax import explain
from shepherd_dsl.syntax.diagnostics import pages
from tests.examples.error_examples import FOLDER, code_of, diagnosed, examples


@pytest.mark.parametrize("path", examples(), ids=lambda path: path.stem)
def test_an_example_is_rendered_as_stored(path: Path) -> None:
    codes, text = diagnosed(path)
    assert code_of(path) in codes
    assert text == path.with_suffix(".txt").read_text("utf-8")


def test_no_code_lacks_an_example() -> None:
    shown = {code_of(path) for path in examples()}
    assert [page.code for page in pages() if page.code not in shown] == []


def test_no_example_is_for_an_unknown_code() -> None:
    known = {page.code for page in pages()}
    assert [path.name for path in examples() if code_of(path) not in known] == []


def test_no_rendering_lacks_its_example() -> None:
    stems = {path.stem for path in examples()}
    assert [path.name for path in sorted(FOLDER.glob("*.txt")) if path.stem not in stems] == []


def test_every_code_has_a_page() -> None:
    for page in pages():
        text = explain(page.code.lower())
        assert text is not None
        assert text.startswith(f"{page.code}: {page.title}\n\n")
        assert len(page.text) > 60, page.code
        assert max(map(len, text.splitlines())) <= 120, page.code


def test_there_is_no_page_for_an_unknown_code() -> None:
    assert explain("E999") is None
