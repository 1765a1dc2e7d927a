"""`python -m tools.lean`: which Lean it uses, and what it says when there is none. Lake is played by a script."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.lean import __main__ as command
from tools.lean.modules import load
from tools.lean.native import wanted
from tools.lean.places import ROOT, ROOTS, SOURCES, LeanError

REPORT = {
    "modules": list(load(SOURCES, ROOTS)),
    "declarations": 7,
    "replayed": 7,
    "theorems": [],
    "problems": [],
}
PROBLEM = {"kind": "axiom", "name": "Shepherd.cheat", "module": "Shepherd.Value", "line": 3, "text": "is an axiom"}

Lake = Callable[..., None]


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """Puts a `lake` on an otherwise empty path."""

    def make(version: str = f"Lean (version {wanted()}, Release)", build: int = 0, report: object = REPORT) -> None:
        (tmp_path / "report").write_text("noise\n" + json.dumps(report) + "\n")
        text = f"""#!/bin/sh
case "$1 $4" in
  "env ") [ "$3" = --version ] && echo "{version}" ;;
  "build "*) echo building; exit {build} ;;
  "env "*) while read -r line; do echo "$line"; done < {tmp_path}/report ;;
esac
"""
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / "lake").write_text(text)
        (tmp_path / "bin" / "lake").chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    return make


@pytest.fixture
def no_portable(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise LeanError("no portable Lean either")

    monkeypatch.setattr(command, "install", fail)


def test_lake_is_used_where_it_is(lake: Lake, capfd: pytest.CaptureFixture[str]) -> None:
    lake()
    assert command.main(["--lean", "auto"]) == 0
    out, err = capfd.readouterr()
    assert out == ""
    assert f"Lean: native, Lean (version {wanted()}, Release)\nbuilding\naudit: 7 declarations, 0 problems" in err


def test_what_lake_cannot_build_fails(lake: Lake, capfd: pytest.CaptureFixture[str]) -> None:
    lake(build=3)
    assert command.main(["--lean", "lake"]) == 1
    assert "lake build failed with status 3" in capfd.readouterr().err


def test_a_problem_is_shown_with_its_place_and_fails(lake: Lake, capfd: pytest.CaptureFixture[str]) -> None:
    lake(report={**REPORT, "problems": [PROBLEM]})
    assert command.main([]) == 1
    assert capfd.readouterr().out.endswith("lean/Shepherd/Value.lean:3:0: error: Shepherd.cheat is an axiom\n")


def test_an_audit_without_a_result_fails(lake: Lake, capfd: pytest.CaptureFixture[str]) -> None:
    lake(report="out of memory")
    assert command.main([]) == 1
    assert "the audit ended with status 0 and without a result:\nnoise" in capfd.readouterr().err


def test_an_audit_that_left_out_a_module_fails(lake: Lake, capfd: pytest.CaptureFixture[str]) -> None:
    lake(report={**REPORT, "modules": ["Shepherd"]})
    assert command.main([]) == 1
    assert "the audit left out Shepherd.Check" in capfd.readouterr().err


@pytest.mark.usefixtures("no_portable")
def test_a_lake_of_another_version_is_not_used_and_this_is_said(lake: Lake, capfd: pytest.CaptureFixture[str]) -> None:
    lake(version="Lean (version 4.1.0, Release)")
    assert command.main([]) == 1
    err = capfd.readouterr().err
    assert f"cannot be used here: it runs Lean (version 4.1.0, Release), and lean-toolchain asks for {wanted()}" in err
    assert err.endswith("no portable Lean either\n")


@pytest.mark.usefixtures("no_portable")
def test_no_lean_at_all_is_an_error(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert command.main([]) == 1
    assert capfd.readouterr().err == "no portable Lean either\n"
    assert command.main(["--lean", "lake"]) == 1
    assert "No usable lake" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "setting", "text"),
    [
        (["--jobs", "0"], "", "--jobs: at least 1"),
        (["run"], "", "run: name a module"),
        (["bulid"], "", "invalid choice"),
        ([], "elan", "SHEPHERD_LEAN is 'elan'; it may be one of auto, lake, portable"),
    ],
)
def test_mistakes_in_the_command(
    arguments: list[str], setting: str, text: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    if setting:
        monkeypatch.setenv("SHEPHERD_LEAN", setting)
    with pytest.raises(SystemExit) as caught:
        command.main(arguments)
    assert caught.value.code == 2
    assert text in capfd.readouterr().err


def test_a_file_with_the_modules_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "T.lean").write_text("import Shepherd.Value\n#check (Shepherd.Value.unit : Shepherd.Value)\n")
    arguments = [sys.executable, "-m", "tools.lean", "lean", str(tmp_path / "T.lean")]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "Shepherd.Value.unit : Shepherd.Value\n"), done.stderr
