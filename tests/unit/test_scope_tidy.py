"""What no process uses is found and removed, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shepherd_dsl.runtime.workspace import Workspace
from shepherd_dsl.trace.store import open_store
from tests.support.cli import make_workspace, run_work, shepherd
from tests.support.scopes import needs_overlay


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace with two finished runs, and copies as they stand where their driver was killed."""
    folder = make_workspace(tmp_path / "repo")
    monkeypatch.chdir(folder)
    (folder / ".shepherd").mkdir(exist_ok=True)
    with open(folder / ".shepherd" / "config.toml", "a") as config:
        config.write('[scope]\nbackend = "copy"\n')
    for _ in range(2):
        assert run_work(folder, "--quiet").status == 0
    workspace = Workspace(folder)
    assert scopes(workspace) == []  # those of runs that have ended are gone
    for name in ("1", "2"):
        (workspace.state / "scopes" / name / "run-root" / "files").mkdir(parents=True)
    return workspace


def scopes(workspace: Workspace) -> list[str]:
    return sorted(item.name for item in (workspace.state / "scopes").iterdir() if not item.name.startswith("."))


def test_copies_of_ended_runs_are_removed(workspace: Workspace) -> None:
    assert scopes(workspace) == ["1", "2"]
    assert "no process uses; `shepherd doctor --clean` removes them" in shepherd("doctor", "--quick").out
    assert scopes(workspace) == ["1", "2"]
    printed = shepherd("doctor", "--quick", "--clean")
    assert printed.status == 0
    assert "✓ disk       removed " in printed.out
    assert scopes(workspace) == []
    assert list((workspace.state / "scopes" / ".times").iterdir()) == []
    assert "disk" not in shepherd("doctor", "--quick").out


def test_copies_of_any_depth_are_counted_and_removed(workspace: Workspace) -> None:
    (copy,) = (workspace.state / "scopes" / "1").glob("run-*")
    deep = "import os\nopen('f', 'w').write('x')\nfor _ in range(3000): os.mkdir('d'); os.chdir('d')"
    subprocess.run([sys.executable, "-c", deep], cwd=copy / "files", check=True)
    assert workspace.unused_scopes().size > 0
    assert shepherd("doctor", "--quick").status == 0
    assert "✓ disk       removed " in shepherd("doctor", "--quick", "--clean").out
    assert scopes(workspace) == []


def test_a_run_under_way_keeps_its_copies(workspace: Workspace) -> None:
    with open_store(workspace.root).locked("1") as mine:
        assert mine
        assert workspace.unused_scopes().trees == ("2",)
        shepherd("doctor", "--quick", "--clean")
    assert scopes(workspace) == ["1"]


def test_one_that_is_taken_up_meanwhile_keeps_them_too(workspace: Workspace) -> None:
    found = workspace.unused_scopes()
    with open_store(workspace.root).locked("2"):
        workspace.remove_unused_scopes(found)
    assert scopes(workspace) == ["2"]


def test_what_a_removal_left_that_was_killed_is_removed(workspace: Workspace) -> None:
    with subprocess.Popen(["true"]) as ended:
        pass
    for process in (ended.pid, 1):
        (workspace.state / "scopes" / f".gone-{process}-7" / "deep").mkdir(parents=True)
    assert workspace.unused_scopes().left == (f".gone-{ended.pid}-7",)
    shepherd("doctor", "--quick", "--clean")
    assert [item.name for item in (workspace.state / "scopes").glob(".gone-*")] == [".gone-1-7"]


def test_a_run_goes_on_after_its_copies_are_gone(workspace: Workspace) -> None:
    before = (workspace.root / "src" / "new.txt").read_bytes()
    assert shepherd("doctor", "--quick", "--clean").status == 0
    assert shepherd("fork", "1@4").status == 0
    assert shepherd("resume", "3", "--quiet", "--model", "cassette:answers.jsonl").status == 0
    assert (workspace.root / "src" / "new.txt").read_bytes() == before


@needs_overlay
def test_a_base_is_removed_an_hour_after_its_last_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace(make_workspace(tmp_path / "repo"))
    monkeypatch.chdir(workspace.root)
    assert run_work(workspace.root, "--quiet").status == 0
    bases = workspace.state / "scopes" / ".bases"
    assert scopes(workspace) == []  # the layers of a run that has ended are gone
    shepherd("doctor", "--quick", "--clean")
    (base,) = (item for item in bases.iterdir() if item.is_dir())
    assert workspace.unused_scopes().bases == ()
    os.utime(base, (1, 1))
    assert workspace.unused_scopes().bases == (base.name,)
    shepherd("doctor", "--quick", "--clean")
    assert not base.exists()
