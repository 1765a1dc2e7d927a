"""`shepherd verify` around the checker: what it is told, what is said of its verdict, what happens without it."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import shepherd_dsl.reference.find as find_module
from shepherd_dsl.reference.find import VARIABLE, find
from shepherd_dsl.runtime.workspace import Workspace
from tests.support.cli import make_workspace, run_work, shepherd
from tests.support.python_shepref import COMMAND
from tests.support.tamper import EDITS, Log, forge


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with one finished run."""
    folder = make_workspace(tmp_path / "repo")
    monkeypatch.chdir(folder)
    monkeypatch.setenv(VARIABLE, COMMAND)
    assert run_work(folder, "--quiet").status == 0
    return folder


def a_checker(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Let the checker be a program in Python."""
    monkeypatch.setenv(VARIABLE, shlex.join([sys.executable, "-c", program]))


def test_a_recorded_run_is_accepted(folder: Path) -> None:
    printed = shepherd("verify", "1")
    assert (printed.status, printed.err) == (0, "")
    assert printed.out.startswith("accepted run 1: its program can have produced ")


def test_up_to_an_event_where_one_is_named(folder: Path) -> None:
    whole = shepherd("verify", "--json").json()
    part = shepherd("verify", "1@4", "--json").json()
    assert part["accepted"]
    assert part["events"] == 5 < whole["events"]


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_an_edited_copy_is_rejected_at_the_right_event(edit: Callable[[Log], tuple[Log, int]], folder: Path) -> None:
    name, at = forge(folder, "1", edit)
    printed = shepherd("verify", name, "--json")
    found = printed.json()
    assert (printed.status, found["accepted"], found["followed"]) == (1, False, at)
    assert found["event"] == f"{name}@{at}"
    text = shepherd("verify", name)
    assert text.status == 1
    assert text.out.startswith(f"rejected run {name} at event {name}@{at}: ")


def test_the_event_of_a_run_below_is_named(folder: Path) -> None:
    assert shepherd("run", "work.shep:twice", "--quiet").status == 0

    def edit(log: Log) -> tuple[Log, int]:
        at = next(at for at, (run, _) in enumerate(log) if run == "root.1")
        return [*log[: at + 1], *log[at + 2 :]], at + 1

    name, at = forge(folder, "2", edit)
    entry = list(Workspace(folder).store().read(name).entries())[at]
    assert (
        shepherd("verify", name, "--json").json()["event"] == name + entry.run.removeprefix("root") + f"@{entry.index}"
    )


def test_without_a_checker_the_error_says_what_to_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(find_module, "checkout", lambda: None)
    printed = shepherd("verify", "1")
    assert (printed.status, printed.out) == (2, "")
    assert "[checker.none]" in printed.err
    assert "make lean" in printed.err


def test_doctor_says_whether_there_is_a_checker(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert f"checker    {VARIABLE}, answers" in shepherd("doctor").out
    assert f"checker    {VARIABLE}\n" in shepherd("doctor", "--quick").out
    a_checker(monkeypatch, "import sys; sys.exit('no stack left')")
    assert "no stack left" in shepherd("doctor").out
    monkeypatch.setenv(VARIABLE, "/no/such/thing")
    printed = shepherd("doctor")
    assert printed.status == 0
    assert "· checker" in printed.out
    assert "names a command that is not there" in printed.out


def test_a_checkout_that_is_not_built_is_the_same_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("SHEPHERD_LEAN_CACHE", str(folder / "nothing"))
    if os.access(Path(find_module.__file__).parents[2] / ".lake" / "build" / "bin" / "shepref", os.X_OK):
        pytest.skip("Lake has built it here")
    printed = shepherd("verify", "1")
    assert (printed.status, printed.out) == (2, "")
    assert "[checker.none]" in printed.err


def test_shepref_on_the_path_comes_before_a_checkout(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)
    script = folder / "shepref"
    script.write_text(f"#!/bin/sh\nexec {COMMAND}\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    assert find().argv == (str(script),)
    assert shepherd("verify", "1", "--json").json()["checker"] == "shepref"


@pytest.mark.parametrize("command", ["/no/such/thing", "'open", "no-such-command --x"])
def test_a_command_that_is_not_there(command: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, command)
    printed = shepherd("verify", "1")
    assert printed.status == 2
    assert "[checker.command]" in printed.err


@pytest.mark.parametrize(
    ("program", "code", "text"),
    [
        ("import sys; sys.exit('no stack left')", "checker.ended", "no stack left"),
        ("import os; os.kill(os.getpid(), 9)", "checker.ended", "killed by signal 9"),
        ("input(); print('half', end='')", "checker.ended", "status 0"),
        ("input(); print('Segmentation')", "checker.answer", "Segmentation"),
        ("input(); print('[]')", "checker.answer", "[]"),
        ("input(); print('{}')", "checker.answer", "{}"),
        ('input(); print(\'{"accepted":true,"followed":99999}\')', "checker.answer", "99999"),
        ('input(); print(\'{"error":"no request"}\')', "checker.refused", "no request"),
    ],
)
def test_a_checker_that_fails_is_no_verdict(
    program: str, code: str, text: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_checker(monkeypatch, program)
    printed = shepherd("verify", "1")
    assert (printed.status, printed.out) == (2, "")
    assert f"[{code}]" in printed.err
    assert text in printed.err


def test_a_disagreement_with_the_python_core_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_checker(monkeypatch, 'input(); print(\'{"accepted":false,"expected":null,"followed":2}\')')
    printed = shepherd("verify", "1")
    assert printed.status == 1
    assert printed.err.startswith("disagreement ")
    assert printed.out.startswith("rejected run 1 at event 1@2")


def test_only_what_is_read_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "read.shep").write_text(
        'agent main() -> Text grants file.read("src/*") {\n  return do file.read("src/old.txt")\n}\n'
    )
    assert shepherd("run", "read.shep", "--quiet").status == 0
    a_checker(
        monkeypatch,
        "import json\nasked = json.loads(input())\nopen('asked.json', 'w').write(json.dumps(asked))\n"
        "print(json.dumps({'accepted': True, 'followed': len(asked['log'])}))",
    )
    assert shepherd("verify", "2").status == 0
    import json

    asked = json.loads((folder / "asked.json").read_text())
    assert list(asked["contents"].values()) == ["old\n"]
    assert len(asked["files"]) > 3
