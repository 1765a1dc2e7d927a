"""Recorded runs: the same answers give the same hashes everywhere, and every event can be gone back to and forked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shepherd_dsl.check import load
from shepherd_dsl.core.event import Reverted
from shepherd_dsl.core.run import ROOT
from shepherd_dsl.core.value import Con, ok
from shepherd_dsl.errors import RefusedError, RevisionError
from shepherd_dsl.handlers.context import HandlerContext, open_context
from shepherd_dsl.handlers.protocol import Request
from shepherd_dsl.lower import lower
from shepherd_dsl.runtime.actions import (
    TakenBack,
    fork_run,
    last_action,
    merge_run,
    plan_back,
    replay_run,
    resume_run,
    run_task,
    take_back,
    undo_merge_of,
)
from shepherd_dsl.runtime.trees import Task
from shepherd_dsl.runtime.workspace import Workspace
from shepherd_dsl.trace.protocol import Recorded
from shepherd_dsl.trace.store import open_store
from shepherd_dsl.trace.verify import verify_tree
from tests.faults.world import EFFECTS, Ledger, Watch, context_of, files_of, resume, run, task_of

PROGRAM = (
    EFFECTS
    + """
agent worker(name: Text) -> Text
  grants ledger.build, ledger.post, file.write("**")
{
  do file.write("${name}.txt", "first ${name}")
  do ledger.build(name)
  let posted = do ledger.post(name)
  do file.write("${name}.txt", "second ${name}")
  return posted
}

agent boss(worker: Run[Text]) -> Text grants run {
  supervise worker {
    outcome ledger.build(_) -> n when n < 2 => {
      revert worker to 1
      inject "again" into worker
    }
  }
  let posted = await worker
  merge worker else { fail "conflict" }
  return posted
}

agent main() -> List[Text]
  grants run, all(worker), all(boss), ledger.add
{
  let a = spawn worker("a")
  let b = spawn worker("b")
  let chief = spawn boss(a)
  let found = await all [chief, b]
  merge chief else { fail "conflict" }
  merge b else { fail "conflict" }
  do ledger.add("end")
  return found
}
"""
)


class Quiet(Ledger):
    """The ledger, whose answers do not depend on what other runs did: how often this run built."""

    async def perform(self, request: Request) -> Con:
        """See `Ledger`."""
        outcome = await super().perform(request)
        if request.op == "ledger.build":
            return ok(sum(line["op"] == request.op and line["text"] == request.args[0] for line in self.lines()))
        return outcome


def new_workspace(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "kept.txt").write_bytes(b"kept")
    Workspace.init(folder)
    return folder


def entries(root: Path, name: str = "1") -> list[Recorded]:
    return list(open_store(root).read(name).entries())


def sound(root: Path, name: str) -> None:
    assert verify_tree(open_store(root), name) == ()
    assert replay_run(Workspace(root), name).identical


def back(root: Path, name: str, to: int | None, *, keep: bool = False) -> TakenBack:
    handlers = {"ledger": Quiet(root.parent / "ledger")}
    return take_back(Workspace(root), name, to, context=context_of(root), display=Watch(), keep=keep, handlers=handlers)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a run of four runs, kept apart."""
    root = new_workspace(tmp_path_factory.mktemp("original") / "w")
    ended = run(root, task_of(root.parent, PROGRAM), {"ledger": Quiet(root.parent / "ledger")}, keep=True)
    assert ended.kind == "done", ended.value
    assert ended.value == ("a", "b")
    assert any(isinstance(entry.event, Reverted) for entry in entries(root))
    assert len(open_store(root).read("1").runs()) == 4
    return root


@pytest.fixture
def root(original: Path, tmp_path: Path) -> Path:
    shutil.copytree(original.parent, tmp_path / "copy")
    return tmp_path / "copy" / "w"


def root_events(root: Path, name: str = "1") -> list[Recorded]:
    return [entry for entry in entries(root, name) if entry.run == ROOT]


def test_every_event_can_be_gone_back_to_and_the_run_goes_on_from_there(original: Path, tmp_path: Path) -> None:
    events = root_events(original)
    for event in events:
        folder = tmp_path / str(event.index)
        shutil.copytree(original.parent, folder)
        root = folder / "w"
        before = entries(root)
        back(root, "1", event.index)
        now = root_events(root)
        last = now[-1].event
        assert isinstance(last, Reverted)
        assert last.to == event.index
        assert now[-1].files.hash == event.files.hash
        after = entries(root)
        assert [entry.commit for entry in after][: len(before)] == [entry.commit for entry in before]
        sound(root, "1")
        ended = resume(root, "1", {"ledger": Quiet(root.parent / "ledger")}, keep=True)
        assert ended.kind == "done", ended.value
        assert ended.value == ("a", "b")
        sound(root, "1")
        files = root_events(root)[-1].files
        assert files.hash == events[-1].files.hash


def test_a_fork_at_every_event_shares_the_past_and_goes_on_alone(root: Path) -> None:
    events = root_events(root)
    before = [entry.commit for entry in entries(root)]
    handlers = {"ledger": Quiet(root.parent / "ledger")}
    for event in events[::2]:
        name = fork_run(Workspace(root), "1", event.index)
        made = root_events(root, name)
        assert [entry.commit for entry in made][: event.index + 1] == [
            entry.commit for entry in events[: event.index + 1]
        ]
        assert made[event.index].files.hash == event.files.hash
        ended = resume(root, name, handlers, keep=True)
        assert ended.kind == "done", (event.index, ended.value)
        sound(root, name)
        # A fork made from the fork is the same again.
        again = fork_run(Workspace(root), name, event.index)
        assert [entry.commit for entry in root_events(root, again)][: event.index + 1] == [
            entry.commit for entry in events[: event.index + 1]
        ]
    assert [entry.commit for entry in entries(root)] == before


def test_a_revert_is_undone_unless_something_was_compensated(root: Path) -> None:
    ends = root_events(root)
    last = ends[-1]
    # The end alone: nothing was compensated.
    back(root, "1", last.index - 1)
    action = last_action(Workspace(root), "1")
    assert (action.kind, action.to) == ("revert", last.index)
    back(root, "1", action.to)
    assert root_events(root)[-1].files.hash == last.files.hash
    # Undoing that undoes it again.
    assert last_action(Workspace(root), "1").kind == "revert"
    sound(root, "1")
    done = back(root, "1", 0)
    assert sorted(done.compensated) == ["ledger.drop"] * 2
    action = last_action(Workspace(root), "1")
    before = [entry.commit for entry in entries(root)]
    with pytest.raises(RefusedError) as caught:
        back(root, "1", action.to)
    assert caught.value.code == "run.compensated"
    assert [entry.commit for entry in entries(root)] == before


def test_a_merge_is_refused_where_the_user_edited_and_a_revert_puts_the_workspace_back(root: Path) -> None:
    workspace = Workspace(root)
    old = files_of(root)
    (root / "a.txt").write_text("mine")
    with pytest.raises(RefusedError) as caught:
        merge_run(workspace, "1")
    assert caught.value.paths == ("a.txt",)
    assert files_of(root) == {**old, "a.txt": b"mine"}
    (root / "a.txt").unlink()
    (root / "mine.txt").write_text("mine")
    merge_run(workspace, "1")
    assert files_of(root)["a.txt"] == b"second a"
    # An edit of what was merged stands in the way of the revert, which then does nothing at all.
    (root / "b.txt").write_text("edited")
    before = [entry.commit for entry in entries(root)]
    with pytest.raises(RefusedError) as caught:
        back(root, "1", 0)
    assert caught.value.paths == ("b.txt",)
    with pytest.raises(RefusedError):
        plan_back(workspace, "1", 0)
    assert [entry.commit for entry in entries(root)] == before
    (root / "b.txt").write_text("second b")
    back(root, "1", 0)
    assert files_of(root) == {**old, "mine.txt": b"mine"}


def test_the_last_merge_is_undone(root: Path) -> None:
    workspace = Workspace(root)
    old = files_of(root)
    merge_run(workspace, "1")
    assert last_action(workspace, "1").kind == "merge"
    merged = files_of(root)
    undo_merge_of(workspace, "1")
    assert files_of(root) == old
    # That is undone as well.
    assert last_action(workspace, "1").kind == "unmerge"
    undo_merge_of(workspace, "1")
    assert files_of(root) == merged
    assert last_action(workspace, "1").kind == "unmerge"


def test_a_discarded_run_is_ended_and_its_debts_paid(root: Path) -> None:
    done = back(root, "1", None)
    assert sorted(done.compensated) == ["ledger.drop"] * 2
    assert done.irreversible == ("ledger.add",)
    sound(root, "1")


def test_an_event_that_is_not_there(root: Path) -> None:
    with pytest.raises(RevisionError):
        fork_run(Workspace(root), "1", 10_000)
    with pytest.raises(RevisionError):
        back(root, "1", 10_000)


# ── the same everywhere ──────────────────────────────────────────────────────────────────────────────────────────────

SAME = """
import json, sys
from pathlib import Path
from tests.faults.test_recorded import PROGRAM, Quiet, entries, new_workspace
from tests.faults.world import run, task_of
root = new_workspace(Path(sys.argv[1]))
run(root, task_of(root.parent, PROGRAM), {"ledger": Quiet(root.parent / "ledger")})
print(json.dumps([[entry.run, entry.index, entry.commit] for entry in entries(root)]))
"""


def test_the_same_answers_give_the_same_hashes_everywhere(tmp_path: Path) -> None:
    """Whatever the hash seed, the folder, the time zone and the locale are."""
    found = []
    for number, (seed, zone) in enumerate([("0", "UTC"), ("1", "Asia/Tokyo"), ("4242", "America/Lima")]):
        folder = tmp_path / f"{'x' * 20 * number}place"
        folder.mkdir()
        done = subprocess.run(
            [sys.executable, "-c", SAME, str(folder / "w")],
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": "C", "PYTHONPATH": os.getcwd()},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout))
    assert len(found[0]) > 40
    assert found[0] == found[1] == found[2]


EXAMPLES = Path(__file__).parent.parent.parent / "examples"
ANSWERS = [
    {"cassette": 1},
    {"when": "Write src/login.py", "reply": {"text": "def answer(): return 41"}},
    {"when": "These tests broke", "reply": {"text": "Return 42."}, "repeat": True},
    {"any": True, "reply": {"text": "def answer(): return 42"}, "repeat": True},
]


def test_an_overseen_worker_with_recorded_answers_and_real_tests(tmp_path: Path) -> None:
    """`examples/oversee.shep` on a real shell, real tests, the real tracker, and a model played from a cassette: forks
    and reverts of it at every event of its root run, which stands three owners above the worker."""
    root = new_workspace(tmp_path / "w")
    (root / "src").mkdir()
    (root / "test_login.py").write_text("from src.login import answer\n\ndef test_it(): assert answer() == 42\n")
    cassette = tmp_path / "answers.jsonl"
    cassette.write_text("".join(json.dumps(line) + "\n" for line in ANSWERS))
    lowered = lower(load(EXAMPLES / "oversee.shep"))
    info = lowered.agents["audit"]
    task = Task(
        program=lowered.program, agent=info.name, args=("it returns 42",), request=info.request, info={"agent": "audit"}
    )
    workspace = Workspace(root)

    def context() -> HandlerContext:
        return open_context(root, environ=dict(os.environ), model=f"cassette:{cassette}")

    ended = run_task(workspace, task, context=context(), display=Watch(), keep=True)
    assert ended.kind == "done", ended.value
    events = root_events(root)
    final = events[-1].files
    assert final.get("src/login.py") is not None
    log = entries(root)
    assert any(isinstance(entry.event, Reverted) for entry in log)
    sound(root, "1")
    for event in events[:: max(1, len(events) // 3)]:
        name = fork_run(workspace, "1", event.index)
        again = resume_run(workspace, name, context=context(), display=Watch(), keep=True)
        assert again.kind == "done", (event.index, again.value)
        assert root_events(root, name)[-1].files.get("src/login.py") == final.get("src/login.py")
        sound(root, name)
    assert [entry.commit for entry in entries(root)] == [entry.commit for entry in log]
    taken = take_back(workspace, "1", 1, context=context(), display=Watch())
    assert taken.compensated == ("tracker.retract",)
    assert root_events(root)[-1].files.hash == events[1].files.hash
    sound(root, "1")
