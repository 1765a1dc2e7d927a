"""What the command line says of runs, models, notes and long values, in words that a person uses."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from shepherd_dsl.cli.detail import note_lines
from shepherd_dsl.cli.ending import bounded
from shepherd_dsl.core.value import ok
from shepherd_dsl.core.wire import value_text
from shepherd_dsl.handlers.context import open_context
from shepherd_dsl.handlers.model.handler import chosen_model
from shepherd_dsl.runtime.attempts import BEGUN, HELD, LATE, MARK
from tests.support.cli import make_workspace, run_work, shepherd

NESTED = """\
agent main() -> Int
  grants run, file.write("**")
{
  let spare = spawn leaf("spare")
  let first = spawn leaf("first")
  let done = spawn tend(first)
  await all [done, spare]
  let again = fork spare at 0
  discard again
  return 1
}

agent tend(given: Run[Int]) -> Int
  grants run, file.write("**")
{
  let mine = spawn leaf("mine")
  await all [given, mine]
  merge given else { fail "conflict" }
  return 2
}

agent leaf(name: Text) -> Int
  grants file.write("**")
{
  do file.write("${name}.txt", "x")
  return 1
}
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = make_workspace(tmp_path / "repo")
    (folder / "nested.shep").write_text(NESTED)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("SHEPHERD_MODEL", raising=False)
    return folder


def texts(*line: str) -> list[tuple[str, str, str]]:
    return [(row["run"], row["text"], row["result"]) for row in shepherd("log", *line, "--json").json()["events"]]


def test_handles_stand_as_the_names_of_runs(workspace: Path) -> None:
    printed = shepherd("run", "nested.shep")
    assert printed.status == 0, printed.err
    found = texts("1")
    for row in (
        ("root", 'spawn leaf("spare")', "run 1.0"),
        ("root", 'spawn leaf("first")', "run 1.1"),
        ("root", "spawn tend(run 1.1)", "run 1.2"),
        ("root.2", "tend(run 1.1)", ""),
        ("root.2", 'spawn leaf("mine")', "run 1.2.0"),
        ("root", "fork(run 1.0, 0)", "run 1.3(root.0)"),
    ):
        assert row in found, found
    assert any(run == "root.2" and text == "merge(run 1.1)" for run, text, _ in found), found
    assert any(run == "root" and text == "discard(run 1.3(root.0))" for run, text, _ in found), found
    # Live, while it runs, they are the same, and each line says whose it is.
    assert "spawn tend(run 1.1)" in printed.err
    assert "merge(run 1.1)" in printed.err
    assert "(1.2)" in printed.err
    assert "(.2)" not in printed.err


def test_names_follow_what_is_live_after_a_revert(workspace: Path) -> None:
    assert shepherd("run", "nested.shep", "--quiet").status == 0
    assert shepherd("revert", "1@2").status == 0
    assert shepherd("resume", "1", "--quiet").status == 0
    live, every = texts("1"), texts("1", "--all")
    second = {result for run, text, result in every if (run, text) == ("root", 'spawn leaf("first")')}
    assert ("root", 'spawn leaf("spare")', "run 1.0") in live
    names = [result for run, text, result in live if (run, text) == ("root", 'spawn leaf("first")')]
    assert len(names) == 1
    assert second >= {"run 1.1", names[0]}
    assert ("root", f"spawn tend({names[0]})") in [(run, text) for run, text, _ in live]


def test_show_names_runs_too(workspace: Path) -> None:
    assert shepherd("run", "nested.shep", "--quiet").status == 0
    place = next(
        row["index"] for row in shepherd("log", "1", "--json").json()["events"] if row["text"] == "spawn tend(run 1.1)"
    )
    assert "run 1.1" in shepherd("show", f"1@{place}").out


def test_which_model_answers_is_said_where_one_may_be_asked(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = run_work(workspace)
    assert printed.err.count("note model: cassette:answers.jsonl (asked for with --model)") == 1
    assert "note model" not in shepherd("run", "work.shep:part", "x").err
    assert shepherd("fork", "1@4").status == 0
    monkeypatch.setenv("SHEPHERD_MODEL", "cassette:answers.jsonl")
    assert shepherd("resume", "3", "--keep").err.count("note model: cassette:answers.jsonl (from SHEPHERD_MODEL)") == 1


def test_json_has_the_model_and_no_note(workspace: Path) -> None:
    printed = run_work(workspace, "--json")
    assert (printed.json()["model"], printed.err) == ("cassette:answers.jsonl", "")
    assert shepherd("run", "work.shep:part", "x", "--json").json()["model"] is None


def test_the_embedded_model_is_named_where_none_is_chosen(workspace: Path) -> None:
    model, why = chosen_model(open_context(workspace, environ={}))
    assert model == "local"
    assert "--model" in why


def test_a_long_value_is_bounded_on_a_terminal_only(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    value = "\\n".join(f"line {number}" for number in range(300))
    (workspace / "long.shep").write_text(f'agent main() -> Text {{\n  return "{value}"\n}}\n')
    piped = shepherd("run", "long.shep")
    assert piped.status == 0, piped.err
    assert len(piped.out.splitlines()) == 301

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("tests.support.cli.io.StringIO", Terminal)
    monkeypatch.setenv("NO_COLOR", "1")
    shown = shepherd("run", "long.shep", "--quiet").out.splitlines()
    assert len(shown) == 22
    assert "280 lines; `shepherd show 2@-1` shows it whole" in shown[1]
    assert shown[-1].endswith("line 299")


def test_what_fits_is_not_cut() -> None:
    lines = [f"line {number}" for number in range(21)]
    assert bounded(lines, "1") == lines
    assert len(bounded([*lines, "one more"], "1")) == 22


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        (["run", "work.shep:part", "-1"], "an argument of the agent that begins with a dash comes after `--`"),
        (["run", "work.shep:part", "-C"], "an argument of the agent that begins with a dash comes after `--`"),
        (["check", "-x.shep"], "what begins with a dash and is no option comes after `--`"),
    ],
)
def test_a_dash_gets_a_hint(line: list[str], hint: str, workspace: Path) -> None:
    printed = shepherd(*line)
    assert printed.status == 2
    assert hint in printed.err


def test_an_argument_after_two_dashes_is_taken(workspace: Path) -> None:
    assert shepherd("run", "work.shep:part", "--quiet", "--", "-1").status == 0
    assert (workspace / "-1.txt").exists()


def test_lower_as_json_has_the_digest_that_a_trace_records(workspace: Path) -> None:
    assert shepherd("run", "work.shep:part", "x", "--quiet").status == 0
    lowered = shepherd("lower", "work.shep", "--json").json()
    start = shepherd("show", "1@0", "--json").json()["event"]["start"]
    assert lowered["digest"] == start["program"]


def test_notes_are_in_words() -> None:
    begun, held = (" ".join(note_lines(MARK, mark, on=False)) for mark in (BEGUN, HELD))
    assert "nobody knows whether it happened" in begun
    assert "nothing of it lasts" in held
    assert list(note_lines("mine", "as it\nis", on=False)) == ["", "note mine", "    as it", "    is"]
    late = list(note_lines(LATE, value_text(ok("fine")), on=False))
    assert "taken back" in late[1]
    assert late[2] == '    Ok("fine")'


def test_undo_twice_is_as_before_the_first(workspace: Path) -> None:
    assert run_work(workspace, "--quiet").status == 0
    assert shepherd("revert", "1@4").status == 0
    assert not (workspace / "src" / "new.txt").exists()
    assert shepherd("fork", "1@2").status == 0
    assert shepherd("revert", "2@1").status == 0

    def kept() -> list[tuple[str, str, str]]:
        return [row for row in texts("2") if not row[1].startswith("to event")]

    before = kept()
    assert shepherd("undo", "2").status == 0
    assert kept() != before
    assert shepherd("undo", "2").status == 0
    assert kept() == before
    assert "a second undo takes back the first one" in " ".join(shepherd("undo", "--help").out.split())
