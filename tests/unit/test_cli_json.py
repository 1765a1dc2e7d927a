"""`--json`: every command prints what `spec/cli.schema.json` describes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from shepherd_dsl.cli.main import COMMANDS
from shepherd_dsl.reference.find import VARIABLE
from tests.support.cli import make_workspace, run_work, shepherd
from tests.support.python_shepref import COMMAND

SCHEMA = json.loads((Path(__file__).parents[2] / "spec" / "cli.schema.json").read_text("utf-8"))
DOCS = (Path(__file__).parents[2] / "docs" / "cli.md").read_text("utf-8")

# form: the command lines that print it, in order, in a workspace with one finished run
LINES: list[tuple[str, list[str], int]] = [
    ("init", ["init"], 0),
    ("check", ["check", "work.shep"], 0),
    ("check", ["check", "bad.shep", "work.shep"], 2),
    ("test", ["test", "work.shep"], 0),
    ("fmt", ["fmt", "--check", "work.shep"], 0),
    ("lower", ["lower", "work.shep"], 0),
    ("run", ["run", "work.shep:twice"], 0),
    ("runs", ["runs"], 0),
    ("log", ["log"], 0),
    ("log", ["log", "--all", "--events", "1"], 0),
    ("show", ["show", "1@0"], 0),
    ("show", ["show", "1@last_green"], 0),
    ("diff", ["diff", "1"], 0),
    ("replay", ["replay", "1"], 0),
    ("replay_with", ["replay", "1", "--with", "work.shep"], 0),
    ("verify", ["verify", "1"], 0),
    ("fork", ["fork", "1@4", "--dry-run"], 0),
    ("fork", ["fork", "1@4", "--by", "2"], 0),
    ("run", ["resume", "3", "--keep", "--model", "cassette:answers.jsonl"], 0),
    ("merge_run", ["merge", "3", "--dry-run"], 0),
    ("merge_run", ["merge", "3"], 0),
    ("back_plan", ["revert", "1@4", "--dry-run"], 0),
    ("undo_merge", ["undo", "1", "--dry-run"], 0),
    ("back", ["revert", "2@2"], 0),
    ("back_plan", ["undo", "2", "--dry-run"], 0),
    ("back", ["undo", "2"], 0),
    ("back_plan", ["discard", "4", "--dry-run"], 0),
    ("back", ["discard", "4"], 0),
    ("undo_merge", ["undo", "1"], 0),
    ("explain", ["explain", "usage"], 0),
    ("explain", ["explain"], 0),
    ("explain", ["explain", "revert"], 0),
    ("doctor", ["doctor"], 0),
    ("version", ["version"], 0),
]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = make_workspace(tmp_path_factory.mktemp("json") / "repo")
        patch.chdir(folder)
        patch.setenv(VARIABLE, COMMAND)
        (folder / "bad.shep").write_text("agent a() -> Int { return x }\n")
        assert run_work(folder, "--quiet").status == 0
        yield folder


def validate(document: object, form: str) -> None:
    jsonschema.Draft202012Validator({**SCHEMA, "$ref": f"#/$defs/{form}"}).validate(document)


@pytest.mark.parametrize(("form", "line", "status"), LINES, ids=[" ".join(line) for _, line, _ in LINES])
def test_form(form: str, line: list[str], status: int, workspace: Path) -> None:
    printed = shepherd(*line, "--json")
    assert printed.status == status, printed.err
    validate(printed.json(), form)


@pytest.mark.parametrize(
    "line", [["log", "77"], ["revert"], ["show", "1@99"], ["run", "no.shep"], ["lower", "bad.shep"], ["nonsense"]]
)
def test_errors(line: list[str], workspace: Path) -> None:
    printed = shepherd(*line, "--json")
    assert (printed.status, printed.out) == (2, "")
    validate(json.loads(printed.err), "failure")


def test_every_command_has_a_form_and_is_shown() -> None:
    with_json = {line[0] for _, line, _ in LINES}
    assert set(COMMANDS) - with_json == {"completion"}
    helpers = {"entry", "error", "merge", "failure", "conflict", "lines"}
    assert {form for form, _, _ in LINES} == set(SCHEMA["$defs"]) - helpers
    for command in COMMANDS:
        assert f"### shepherd {command}" in DOCS


def test_the_page_is_what_the_commands_say() -> None:
    """`python -m tools.cli_docs` writes it anew."""
    from tools.cli_docs import page

    assert page() == DOCS
