"""The stored outputs of the command line; `cli_examples.py` says how they are made anew."""

from __future__ import annotations

import pytest

from tests.examples.cli_examples import EXAMPLES, STORED, outputs


@pytest.fixture(scope="module")
def printed() -> dict[str, str]:
    return dict(outputs())


@pytest.mark.parametrize("name", EXAMPLES)
def test_output(name: str, printed: dict[str, str]) -> None:
    assert printed[name] == (STORED / f"{name}.txt").read_text("utf-8")


def test_nothing_else_is_stored() -> None:
    assert {path.stem for path in STORED.iterdir()} == set(EXAMPLES)
