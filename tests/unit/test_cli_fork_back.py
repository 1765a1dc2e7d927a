"""A run is forked at an event that the outermost owner recorded in it: the fork is a run like any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from shepherd_dsl.core.event import Outcome, Reverted
from shepherd_dsl.reference.find import VARIABLE
from shepherd_dsl.runtime.workspace import Workspace
from tests.support.cli import make_workspace, shepherd
from tests.support.programs import TWO_FILES
from tests.support.python_shepref import COMMAND


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with one finished run, taken back to its event 4: one file is there, the other is not."""
    folder = make_workspace(tmp_path / "repo")
    (folder / "two.shep").write_text(TWO_FILES)
    monkeypatch.chdir(folder)
    monkeypatch.setenv(VARIABLE, COMMAND)
    assert shepherd("run", "two.shep", "--quiet").status == 0
    assert shepherd("revert", "1@4").status == 0
    return folder


def last_event(folder: Path, name: str) -> int:
    """The index of the root run's last event, which is the `reverted`."""
    last = Workspace(folder).store().read(name).trace("root")[-1]
    assert isinstance(last.event, Reverted)
    return last.index


def test_a_fork_at_a_revert_is_verified_goes_on_and_is_replayed(folder: Path) -> None:
    at = last_event(folder, "1")
    assert shepherd("fork", f"1@{at}").status == 0
    store = Workspace(folder).store()
    old, new = store.read("1"), store.read("2")
    assert [one.commit for one in new.trace("root")][: at + 1] == [one.commit for one in old.trace("root")]
    assert [one.commit for one in new.trace("world")] == [one.commit for one in old.trace("world")]
    assert isinstance(new.trace("world")[-1].event, Outcome)
    assert new.trace("root")[-1].files.hash == old.trace("root")[4].files.hash
    for command in (("verify", "2"), ("resume", "2", "--quiet"), ("verify", "2"), ("replay", "2")):
        printed = shepherd(*command)
        assert printed.status == 0, (command, printed.err)
    files = store.read("2").trace("root")[-1].files
    assert files.get("one") is not None
    assert files.get("two") is not None


def test_so_again_after_a_second_revert_and_in_a_fork_of_the_fork(folder: Path) -> None:
    first = last_event(folder, "1")
    assert shepherd("revert", "1@2").status == 0
    for at in (first, first + 1):
        assert shepherd("fork", f"1@{at}").status == 0
    assert shepherd("revert", "3@0").status == 0
    assert shepherd("fork", f"3@{last_event(folder, '3')}").status == 0
    for name in ("2", "3", "4"):
        assert shepherd("verify", name).status == 0
        assert shepherd("resume", name, "--quiet").status == 0
        assert shepherd("verify", name).status == 0
        assert shepherd("replay", name).status == 0


def test_a_fork_at_a_discard_is_a_discarded_run(folder: Path) -> None:
    assert shepherd("discard", "1").status == 0
    at = Workspace(folder).store().read("1").trace("root")[-1].index
    assert shepherd("fork", f"1@{at}").status == 0
    assert shepherd("verify", "2").status == 0
    assert shepherd("replay", "2").status == 0


def test_the_reference_checker_accepts_it_where_it_is_built(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)
    assert shepherd("fork", f"1@{last_event(folder, '1')}").status == 0
    printed = shepherd("verify", "2")
    if "[checker.none]" in printed.err:
        pytest.skip("the reference checker is not built")
    assert (printed.status, printed.err) == (0, "")
