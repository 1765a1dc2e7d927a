"""Taking a run back moves nothing else: no step of the run, and no file that the run had not made by then."""

from __future__ import annotations

from pathlib import Path

import pytest

from shepherd_dsl.check import load
from shepherd_dsl.core.event import Reverted
from shepherd_dsl.errors import RefusedError
from shepherd_dsl.handlers.context import open_context
from shepherd_dsl.lower import lower
from shepherd_dsl.runtime import actions
from shepherd_dsl.runtime.actions import last_action, plan_back, run_task, take_back
from shepherd_dsl.runtime.display import Silent
from shepherd_dsl.runtime.trees import Task
from shepherd_dsl.runtime.workspace import Workspace
from tests.support.programs import TWO_FILES


def ran(folder: Path) -> Workspace:
    workspace = Workspace.init(folder)
    (folder / "main.shep").write_text(TWO_FILES)
    lowered = lower(load(folder / "main.shep"))
    info = lowered.agents["main"]
    task = Task(program=lowered.program, agent=info.name, args=(), request=info.request, info={})
    ended = run_task(workspace, task, context=open_context(folder), display=Silent())
    assert ended.kind == "done"
    return workspace


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".shepherd")


def back(workspace: Workspace, to: int | None) -> int:
    """Take the run back to `to`, by default undo the last time; how many events the root run has then."""
    if to is None:
        to = last_action(workspace, "1").to
    take_back(workspace, "1", to, context=open_context(workspace.root), display=Silent())
    return len(workspace.store().read("1").trace("root"))


def test_a_revert_records_itself_and_nothing_of_the_run(tmp_path: Path) -> None:
    workspace = ran(tmp_path)
    length = len(workspace.store().read("1").trace("root"))
    assert names(tmp_path) == ["main.shep", "one", "two"]
    for turn in range(1, 4):
        planned = plan_back(workspace, "1", 2).plan.undone
        assert planned == (length - 3 if turn == 1 else 0)
        assert back(workspace, 2) == length + turn
        assert names(tmp_path) == ["main.shep"]
        assert isinstance(workspace.store().read("1").trace("root")[-1].event, Reverted)


def test_undo_goes_back_and_forth_between_two_states(tmp_path: Path) -> None:
    workspace = ran(tmp_path)
    back(workspace, 2)
    for _ in range(2):
        back(workspace, None)
        assert names(tmp_path) == ["main.shep", "one", "two"]
        back(workspace, None)
        assert names(tmp_path) == ["main.shep"]


def test_a_fork_that_never_ran_is_discarded_as_planned(tmp_path: Path) -> None:
    from shepherd_dsl.runtime.actions import fork_run

    workspace = ran(tmp_path)
    fork = fork_run(workspace, "1", 2)
    planned = plan_back(workspace, fork, None, keep=True).plan.undone
    done = take_back(workspace, fork, None, context=open_context(tmp_path), display=Silent(), keep=True)
    assert done.undone == planned
    assert names(tmp_path) == ["main.shep", "one", "two"]


def test_undo_passes_over_what_a_trace_records_as_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = ran(tmp_path)
    length = len(workspace.store().read("1").trace("root"))
    allowed, context = plan_back(workspace, "1", None), open_context(tmp_path)
    take_back(workspace, "1", None, context=context, display=Silent())
    # A plan refuses it before anything is recorded; a trace may have it all the same.
    monkeypatch.setattr(actions, "plan_back", lambda *_, **__: allowed)
    entries = len(workspace.store().read("1"))
    with pytest.raises(RefusedError):
        take_back(workspace, "1", None, context=context, display=Silent())
    assert len(workspace.store().read("1")) == entries + 2
    assert last_action(workspace, "1").to == length - 1
