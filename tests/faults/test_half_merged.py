"""A merge that was killed half-way is finished by what changes something, and not hidden by what only looks."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from shepherd_dsl.scope.journal import is_interrupted, journal
from shepherd_dsl.testing import crash
from shepherd_dsl.trace import points
from tests.support.cli import shepherd
from tests.support.workspaces import make_poems, run_script, tree_hash


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One whose run 1 is half merged; `before` and `after` have the hashes of what it had and will have."""
    folder = make_poems(tmp_path / "repo")
    monkeypatch.chdir(folder)
    assert run_script("echo run >new; echo run >>poem.txt; rm gone.txt", "true", "--keep").status == 0
    child = os.fork()
    if child == 0:
        try:
            crash.install("merge.put:1", points.set_hook)
            shepherd("merge", "1")
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert is_interrupted(folder)
    return folder


def whole(folder: Path) -> bool:
    return (
        not (folder / "gone.txt").exists()
        and (folder / "new").exists()
        and (folder / "poem.txt").read_text().endswith("run\n")
    )


@pytest.mark.parametrize("line", ["log", "runs", "show 1@2", "diff 1", "replay 1", "log --json"])
def test_what_only_looks_says_so_and_changes_nothing(workspace: Path, line: str) -> None:
    before = tree_hash(workspace)
    printed = shepherd(*line.split())
    assert printed.status == 0
    assert printed.err.count("interrupted half-way") == 1
    assert printed.err.startswith("warning ")
    assert "[merge.interrupted]" in printed.err
    assert tree_hash(workspace) == before
    assert is_interrupted(workspace)


@pytest.mark.parametrize("line", ["undo", "undo 1", "revert 1@0", "merge", "fork 1@2", "discard 1"])
def test_a_dry_run_stops(workspace: Path, line: str) -> None:
    before = tree_hash(workspace)
    printed = shepherd(*line.split(), "--dry-run")
    assert (printed.status, printed.out) == (2, "")
    assert "[merge.interrupted]" in printed.err
    assert tree_hash(workspace) == before


@pytest.mark.parametrize("line", ["fork 1@2", "merge 1", "discard 1", "resume 1 -q", "run -q main.shep true true"])
def test_what_changes_something_finishes_it(workspace: Path, line: str) -> None:
    printed = shepherd(*line.split())
    assert printed.status == 0, printed.err
    assert whole(workspace)
    assert not is_interrupted(workspace)
    assert "interrupted" not in shepherd("log").err


def test_an_undo_takes_back_the_merge_that_it_finished(workspace: Path) -> None:
    printed = shepherd("undo")
    assert printed.status == 0, printed.err
    assert "took back the last merge of run 1" in printed.out
    assert (workspace / "gone.txt").exists()
    assert not (workspace / "new").exists()


def test_the_doctor_finds_it_and_finishes_it(workspace: Path) -> None:
    found = shepherd("doctor", "--quick")
    assert found.status == 1
    assert "✗ merge " in found.out
    assert "✓ merge " in shepherd("doctor", "--quick", "--clean").out
    assert whole(workspace)
    assert " merge " not in shepherd("doctor", "--quick").out


def test_a_merge_that_is_going_on_is_not_interrupted(workspace: Path) -> None:
    with journal(workspace):
        assert not is_interrupted(workspace)
    assert is_interrupted(workspace)
