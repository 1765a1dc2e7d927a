"""Runs that the real driver recorded, before the checker in Lean: accepted as they are, rejected when edited."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shepherd_dsl.check import load
from shepherd_dsl.core.event import Forked, Outcome, Reverted, Undo
from shepherd_dsl.core.forest import log_since
from shepherd_dsl.core.machine import start
from shepherd_dsl.core.oracle import run_to_end
from shepherd_dsl.handlers.context import open_context
from shepherd_dsl.lower import lower
from shepherd_dsl.reference.find import VARIABLE
from shepherd_dsl.runtime.actions import fork_run, run_task
from shepherd_dsl.runtime.trees import Task
from shepherd_dsl.runtime.verify import Verified, verify_log, verify_tree
from shepherd_dsl.runtime.workspace import Workspace
from shepherd_dsl.testing.scripted import MAX_ANSWERS, Script, scripted_files
from tests.differential.shepref import Shepref, command
from tests.examples.programs import programs
from tests.faults import test_kill as kills
from tests.faults import test_recorded as recorded
from tests.faults.world import Watch, resume, run, task_of
from tests.support.cli import make_workspace, run_work, shepherd
from tests.support.tamper import EDITS, Log, forge


@pytest.fixture(scope="module")
def checker() -> Iterator[Shepref]:
    with Shepref() as one:
        yield one


def accepted(root: Path, name: str, checker: Shepref) -> Verified:
    """The verdict on a run, which must be that it is accepted."""
    verdict = verify_tree(Workspace(root).store().read(name), checker)
    assert verdict.agrees
    assert verdict.accepted, f"{name}, entry {verdict.followed}: {verdict.problem}; possible: {verdict.expected}"
    return verdict


# ── the command ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a run of recorded answers, a real shell and the real tracker."""
    folder = make_workspace(tmp_path_factory.mktemp("verify") / "repo")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run_work(folder, "--quiet").status == 0
        assert shepherd("run", "work.shep:twice", "--quiet").status == 0
    return folder


def test_the_command_finds_what_is_built_in_the_checkout(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command()
    monkeypatch.chdir(workspace)
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    printed = shepherd("verify", "1")
    assert (printed.status, printed.err) == (0, "")
    assert printed.out.startswith("accepted run 1: ")


def test_the_command_names_the_event_of_an_edited_copy(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lean = command()
    assert lean.environment is not None
    monkeypatch.chdir(workspace)
    monkeypatch.setenv(VARIABLE, shlex.join(["env", f"LEAN_PATH={lean.environment['LEAN_PATH']}", *lean.argv]))
    name, at = forge(workspace, "1", EDITS[0])
    printed = shepherd("verify", name)
    assert (printed.status, printed.err) == (1, "")
    assert printed.out.startswith(f"rejected run {name} at event {name}@{at}: ")


@pytest.mark.parametrize("name", ["1", "2"])
@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_an_edited_run_is_rejected_at_the_right_event(
    edit: Callable[[Log], tuple[Log, int]], name: str, workspace: Path, checker: Shepref
) -> None:
    accepted(workspace, name, checker)
    forged, at = forge(workspace, name, edit)
    verdict = verify_tree(Workspace(workspace).store().read(forged), checker)
    assert verdict.agrees
    assert (verdict.accepted, verdict.followed) == (False, at)


def test_a_run_reverted_forked_and_undone_from_the_command_line(
    workspace: Path, tmp_path: Path, checker: Shepref, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "copy"
    shutil.copytree(workspace, root, symlinks=True)
    monkeypatch.chdir(root)
    model = ("--model", "cassette:answers.jsonl")
    assert shepherd("revert", "1@4").status == 0
    accepted(root, "1", checker)
    assert shepherd("resume", "1", "--keep", "--quiet", *model).status == 0
    accepted(root, "1", checker)
    assert shepherd("revert", "2@2").status == 0
    assert shepherd("undo", "2").status == 0
    accepted(root, "2", checker)
    forks = [shepherd("fork", f"{place}", "--json").json() for place in ("1@4", "2@6")]
    assert all(forks)
    names = Workspace(root).store().names()[-2:]
    for name in names:
        accepted(root, name, checker)
        assert shepherd("resume", name, "--keep", "--quiet", *model).status == 0
        accepted(root, name, checker)
        assert shepherd("discard", name).status == 0
        accepted(root, name, checker)


# ── the examples ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", programs(), ids=lambda path: path.stem)
def test_the_tests_of_the_examples(path: Path, checker: Shepref) -> None:
    lowered = lower(load(path))
    for test in lowered.tests:
        files, blobs = scripted_files(test.script)
        m = start(test.program, test.agent, (), test.request, files, read_blob=blobs.__getitem__)
        m = run_to_end(m, Script(test.script), max_answers=MAX_ANSWERS)
        log = [(commit.run, commit.event) for commit in log_since(m, 0)]
        verdict = verify_log(test.program, log, files, read_blob=blobs.__getitem__, checker=checker)
        assert verdict.agrees, test.name
        assert verdict.accepted, test.name


def test_an_overseen_worker_with_recorded_answers_and_real_tests(tmp_path: Path, checker: Shepref) -> None:
    root = recorded.new_workspace(tmp_path / "w")
    (root / "src").mkdir()
    (root / "test_login.py").write_text("from src.login import answer\n\ndef test_it(): assert answer() == 42\n")
    cassette = tmp_path / "answers.jsonl"
    cassette.write_text("".join(json.dumps(line) + "\n" for line in recorded.ANSWERS))
    lowered = lower(load(recorded.EXAMPLES / "oversee.shep"))
    info = lowered.agents["audit"]
    task = Task(
        program=lowered.program, agent=info.name, args=("it returns 42",), request=info.request, info={"agent": "audit"}
    )
    context = open_context(root, environ=dict(os.environ), model=f"cassette:{cassette}")
    assert run_task(Workspace(root), task, context=context, display=Watch(), keep=True).kind == "done"
    accepted(root, "1", checker)


# ── reverts, forks and crashes ───────────────────────────────────────────────────────────────────────────────────────


def test_a_run_that_is_taken_back_within_and_from_outside_and_forked(tmp_path: Path, checker: Shepref) -> None:
    root = recorded.new_workspace(tmp_path / "w")
    handlers = {"ledger": recorded.Quiet(root.parent / "ledger")}
    ended = run(root, task_of(root.parent, recorded.PROGRAM), handlers, keep=True)
    assert ended.kind == "done", ended.value
    accepted(root, "1", checker)
    last = recorded.root_events(root)[-1].index
    for at in (last // 3, 2 * last // 3):
        name = fork_run(Workspace(root), "1", at)
        accepted(root, name, checker)
        assert resume(root, name, handlers, keep=True).kind == "done"
        accepted(root, name, checker)
    recorded.back(root, "1", last // 2)
    accepted(root, "1", checker)
    recorded.back(root, "1", 0)
    accepted(root, "1", checker)
    events = [entry.event for entry in recorded.entries(root)]
    for kind in (Reverted, Undo):
        assert any(isinstance(event, kind) for event in events), kind
    assert any(isinstance(entry.event, Forked) for entry in recorded.entries(root, "2"))


def test_runs_that_were_killed_and_went_on(tmp_path: Path, checker: Shepref) -> None:
    task = task_of(tmp_path, kills.PROGRAM)
    found = kills.places(kills.new_workspace(tmp_path / "count"), task)
    names = ("handler.before", "handler.after", "append.synced", "scope.changed")
    unknown = 0
    for name in names:
        for number in range(1, 1 + max(n for point, n in found if point == name), 2):
            root = kills.new_workspace(tmp_path / f"{name}{number}")

            def action(watch: Watch, place: tuple[str, int] = (name, number), root: Path = root) -> None:
                kills.kill_at(place)
                run(root, task, {"ledger": kills.ledger_of(root)}, watch=watch)

            _, status = kills.in_child(action)
            assert status == -signal.SIGKILL
            if "1" not in Workspace(root).store().names():
                continue
            accepted(root, "1", checker)
            assert resume(root, "1", {"ledger": kills.ledger_of(root)}).kind == "done"
            accepted(root, "1", checker)
            events = [entry.event for entry in recorded.entries(root)]
            unknown += any(isinstance(event, Outcome) and event.answer.name == "Unknown" for event in events)
    assert unknown, "no crash left an outcome unknown"
