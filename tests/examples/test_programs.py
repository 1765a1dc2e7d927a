"""Each program of `examples/` checks, lowers and reports what is stored; together they show every construct."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from shepherd_dsl.check import load
from shepherd_dsl.core.wire import program_from, program_text
from shepherd_dsl.lower import lower
from shepherd_dsl.lower.walk import everything
from shepherd_dsl.syntax import tree
from tests.examples.programs import output, programs


@pytest.mark.parametrize("path", programs(), ids=lambda path: path.stem)
def test_a_program_reports_what_is_stored(path: Path) -> None:
    assert output(path) == path.with_suffix(".txt").read_text("utf-8")


@pytest.mark.parametrize("path", programs(), ids=lambda path: path.stem)
def test_every_test_of_an_example_passes(path: Path) -> None:
    lines = path.with_suffix(".txt").read_text("utf-8").splitlines()
    assert len(lines) > 1
    assert lines[-1].endswith(" passed, 0 failed")


@pytest.mark.parametrize("path", programs(), ids=lambda path: path.stem)
def test_lowering_twice_gives_the_same_text(path: Path) -> None:
    import json

    once, again = lower(load(path)).program, lower(load(path)).program
    text = program_text(once)
    assert program_text(again) == text
    assert program_text(program_from(json.loads(text))) == text


def test_the_examples_show_every_construct() -> None:
    kinds = {
        kind
        for kind in vars(tree).values()
        if isinstance(kind, type) and attrs.has(kind) and "span" in {field.name for field in attrs.fields(kind)}
    }
    shown = {type(node) for path in programs() for node in everything(load(path).entry.module)}
    assert sorted(kind.__name__ for kind in kinds - shown) == []
