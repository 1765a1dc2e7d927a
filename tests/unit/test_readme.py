"""What the README shows is true: its program checks and its tests pass, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

from shepherd_dsl.check import load_source
from shepherd_dsl.lower import lower
from shepherd_dsl.testing.scripted import run_tests

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def test_the_page_of_the_language_checks_and_passes() -> None:
    found = re.search(r"## The language in one page\n\n```\n(.*?)```", README, re.DOTALL)
    assert found is not None
    lowered = lower(load_source(found.group(1), file="README.md"))
    assert set(lowered.agents) == {"implement", "oversee", "review"}
    results = run_tests(lowered)
    assert [result.reason for result in results] == [""]


def test_links_lead_to_files() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_session_is_there() -> None:
    session = README.partition("<!-- session:begin")[2].partition("<!-- session:end")[0]
    for command in ("run", "log", "diff", "revert", "fork", "resume", "replay"):
        assert f"$ shepherd {command}" in session
