"""A secret of the environment reaches no trace, no log, no error and no other user, whatever a run does with it."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pygit2
import pytest

from shepherd_dsl.cli.main import run_main
from shepherd_dsl.cli.output import report_bug, report_error
from shepherd_dsl.errors import ShepherdError

SECRET = "ghp_0123456789abcdefXYZ"

PROGRAM = """\
agent main() -> Text
  grants file.write("**"), shell.script
{
  let r = do shell.script("echo $API_TOKEN; echo $API_TOKEN > leaked.txt; touch name-$API_TOKEN; echo $API_TOKEN >&2")
  do file.write("copy.txt", r.out)
  fail "it said ${r.out}"
}
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "w"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("API_TOKEN", SECRET)
    before = os.umask(0o022)
    try:
        assert run_main(["init"]) == 0
    finally:
        os.umask(before)
    (folder / ".shepherd" / "config.toml").write_text('[shell]\nsecrets = ["API_TOKEN"]\n')
    (folder / "main.shep").write_text(PROGRAM)
    (folder / "mine.txt").write_text(f"token = {SECRET}\n")
    return folder


def test_a_whole_run_leaves_no_secret_behind(workspace: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_main(["run", "--verbose", "main.shep"]) == 1
    for command in (["log"], ["log", "--json"], ["show", "1@2"], ["show", "--json", "1"], ["diff"], ["runs"]):
        assert run_main(command) == 0
    seen = "".join(capfd.readouterr())
    assert "‹secret API_TOKEN›" in seen
    assert SECRET not in seen
    scopes = workspace / ".shepherd" / "scopes"
    for path in (workspace / ".shepherd").rglob("*"):
        # A name that holds a secret stays in the run's copy and is not recorded.
        assert SECRET not in path.name or path.is_relative_to(scopes)
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path
    git = pygit2.Repository(str(workspace / ".shepherd" / "trace.git"))
    bodies = [git.odb.read(oid)[1] for oid in git.odb]
    assert bodies
    assert not [body for body in bodies if SECRET.encode() in bytes(body)]


def test_an_argument_or_a_program_with_a_secret_is_refused(workspace: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (workspace / "bad.shep").write_text(f'agent main(x: Text) -> Text {{ return "{SECRET}" }}\n')
    (workspace / "good.shep").write_text("agent main(x: Text) -> Text { return x }\n")
    assert run_main(["run", "bad.shep", "x"]) == 2
    assert run_main(["run", "good.shep", SECRET]) == 2
    seen = "".join(capfd.readouterr())
    assert SECRET not in seen
    assert "the program contains the value of the secret API_TOKEN;" in seen
    assert "an argument contains the value of the secret API_TOKEN;" in seen


@pytest.mark.parametrize("as_json", [False, True])
def test_errors_and_tracebacks_hold_no_secret(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], as_json: bool
) -> None:
    monkeypatch.setenv("API_TOKEN", SECRET)
    monkeypatch.setenv("SHEPHERD_TRACEBACK", "1")
    try:
        raise ValueError(f"cannot use {SECRET}") from KeyError(f"\x1b[2J{SECRET}")
    except ValueError as bug:
        report_bug(bug, as_json=as_json)
    report_error(ShepherdError("x", f"no {SECRET}\x1b[2J", where=f"/{SECRET}", hint=SECRET), as_json=as_json)
    seen = "".join(capfd.readouterr())
    assert SECRET not in seen
    assert "\x1b" not in seen
    assert "‹secret API_TOKEN›" in seen


def test_the_state_is_for_the_user_alone(workspace: Path) -> None:
    assert stat.S_IMODE((workspace / ".shepherd").stat().st_mode) == 0o700


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() == 0, reason="root may read every process")
def test_a_command_cannot_read_the_environment_of_the_driver(
    workspace: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (workspace / "peek.shep").write_text(
        'agent main() -> Text grants shell.script { let r = do shell.script("cat /proc/$PPID/environ | wc -c")\n'
        "return r.out }\n"
    )
    assert run_main(["run", "--quiet", "peek.shep"]) == 0
    assert "denied" in "".join(capfd.readouterr())
