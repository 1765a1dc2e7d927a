"""The state of a Python agent is its replayed prefix: forks, reverts, crashes, edits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from shepherd_dsl import (
    AgentError,
    DivergenceError,
    Run,
    agent,
    merge,
    next_stop,
    pass_,
    read,
    resume,
    revert,
    run,
    shell,
    try_do,
    write,
)
from shepherd_dsl.agents.agent import Agent
from shepherd_dsl.agents.build import build
from shepherd_dsl.agents.handler import PythonHandler
from shepherd_dsl.core.event import Intent
from shepherd_dsl.core.run import ROOT
from shepherd_dsl.handlers.context import open_context
from shepherd_dsl.runtime.actions import fork_run, replay_run, take_back
from shepherd_dsl.runtime.display import Silent
from shepherd_dsl.runtime.workspace import Workspace
from tests.support.scopes import stands


@pytest.fixture(autouse=True)
def no_function_is_left() -> Iterator[None]:
    """Every thread of an agent has ended when its tree is closed."""
    yield
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("shepherd agent")]
    assert not left


@agent(grants=["file.write", "file.read", "shell.run"])
def work(feature: str) -> str:
    write("a.txt", feature)
    denied = try_do("http.request", {"method": "GET", "url": "x", "headers": [], "body": ""})
    write("b.txt", denied.error.code if denied.error else "")
    end = shell("cat a.txt b.txt")
    write("c.txt", end.out)
    return read("c.txt")


@agent(grants=["run", work])
def lead(feature: str) -> str:
    worker = work(feature)
    while (stop := next_stop(worker)) is not None:
        pass_(stop.run)
    merge(worker)
    return worker.result() + read("c.txt")


def trace(space: Path, tree: str) -> list[Any]:
    return list(Workspace(space).store().read(tree).trace(ROOT))


@pytest.mark.parametrize(
    ("make", "expected", "every"), [(work, "xdenied", 1), (lead, "xdeniedxdenied", 11)], ids=["one", "nested"]
)
def test_forks_at_each_event_end_the_same(tmp_path: Path, make: Agent[[str], str], expected: str, every: int) -> None:
    """A fork at any event goes on from there: the function is executed again up to it.

    Of the supervisor, whose trace is long, every eleventh event is tried: kinds of events come in rows of two and four.
    """
    ran = run(make("x"), workspace=tmp_path, keep=True)
    assert ran.result() == expected
    whole = trace(tmp_path, ran.tree)
    for at in range(0, len(whole) - 1, every):
        tree = fork_run(Workspace(tmp_path), ran.tree, at)
        again = resume(tree, workspace=tmp_path, agents=[make], keep=True)
        assert again.result() == expected, f"forked at {at}"
        copy = trace(tmp_path, tree)
        assert len(copy) == len(whole) + 1  # and the `forked`
        assert copy[-1].files.hash == whole[-1].files.hash
        assert replay_run(Workspace(tmp_path), tree).identical


@pytest.mark.parametrize("to", [0, 2, 4, 7, 9])
def test_a_reverted_run_goes_on(tmp_path: Path, to: int) -> None:
    """After a revert from outside, `resume` finds the function by what the tree recorded of it."""
    ran = run(lead("x"), workspace=tmp_path)
    place = Workspace(tmp_path)
    take_back(place, ran.tree, to, context=open_context(tmp_path), display=Silent())
    assert not (tmp_path / "c.txt").exists()
    assert resume(ran.tree, workspace=tmp_path).result() == "xdeniedxdenied"
    assert (tmp_path / "c.txt").read_text() == "xdenied"
    assert replay_run(place, ran.tree).identical


@agent(grants=["run", work])
def alternate(one: Run[str], two: Run[str]) -> list[str]:
    while (stop := next_stop(one, two)) is not None:
        pass_(stop.run)
    return [one.result(), two.result()]


def test_keeping_functions_changes_nothing(tmp_path: Path) -> None:
    """Whether a function is kept or executed again from the trace is not to be seen in any event."""
    logs = []
    for kept in (64, 1, 0):
        (tmp_path / str(kept)).mkdir()
        space = Workspace.init(tmp_path / str(kept))
        handler = PythonHandler(open_context(space.root), build([alternate, work]), kept=kept)
        ran = run(alternate(work("x"), work("y")), workspace=space, handlers={"python": handler}, keep=True)
        assert ran.result() == ["xdenied", "ydenied"]
        assert handler.kept <= kept
        logs.append([(entry.run, entry.commit) for entry in space.store().read(ran.tree).entries()])
    assert logs[0] == logs[1] == logs[2]


# ── divergence ───────────────────────────────────────────────────────────────────────────────────────────────────────


def edited(body: str) -> ModuleType:
    """The agent `work` with another body."""
    module = ModuleType("edited")
    source = "from shepherd_dsl import *\nfrom shepherd_dsl import agent, read, shell, try_do, write\n\n\n"
    source = source.replace("from shepherd_dsl import *\n", "")
    source += '@agent(grants=["file.write", "file.read", "shell.run"])\ndef work(feature: str) -> str:\n'
    source += "".join(f"    {line}\n" for line in body.splitlines())
    exec(compile(source, "edited.py", "exec"), module.__dict__)
    return module


EDITS = {
    "another argument": ('write("a.txt", feature + "!")\nreturn ""', 2, 'file.write("a.txt", "x")', '"x!"'),
    "another effect": ('write("a.txt", feature)\nreturn shell("ls").out', 6, "http.request", "asks shell.run"),
    "an earlier end": ('write("a.txt", feature)\nreturn "short"', 6, "http.request", 'returns "short"'),
    "a failure": ('write("a.txt", feature)\nraise ValueError("no")', 6, "http.request", "fails: ValueError: no"),
}


@pytest.mark.parametrize("name", list(EDITS))
def test_an_edited_function_diverges(tmp_path: Path, name: str) -> None:
    """The first place is named: the event, what was recorded, and what the function does now. Nothing is recorded."""
    body, event, recorded, now = EDITS[name]
    ran = run(work("x"), workspace=tmp_path, keep=True)
    place = Workspace(tmp_path)
    tree = fork_run(place, ran.tree, len(trace(tmp_path, ran.tree)) - 5)
    before = [entry.commit for entry in place.store().read(tree).entries()]
    module = edited(body)
    with pytest.raises(DivergenceError) as caught:
        resume(tree, workspace=tmp_path, agents=[module.work])
    text = str(caught.value)
    assert f"event {event} records" in text
    assert recorded in text
    assert now in text
    assert f"shepherd fork {tree}@{event - 1}" in text
    after = [entry.commit for entry in Workspace(tmp_path).store().read(tree).entries()]
    assert after[: len(before)] == before
    last = trace(tmp_path, tree)[-1].event
    assert isinstance(last, Intent)
    assert last.op == "python.step"
    assert resume(tree, workspace=tmp_path, agents=[work], keep=True).result() == "xdenied"


def test_an_edit_behind_the_recorded_part_is_taken(tmp_path: Path) -> None:
    """What was not asked yet may be asked otherwise."""
    ran = run(work("x"), workspace=tmp_path, keep=True)
    tree = fork_run(Workspace(tmp_path), ran.tree, 5)
    module = edited('write("a.txt", feature)\nreturn shell("cat a.txt").out + " edited"')
    assert resume(tree, workspace=tmp_path, agents=[module.work], keep=True).result() == "x edited"


_calls = 0


@agent(grants=["file.write"])
def forgetful() -> None:
    """Not deterministic: it counts in a global variable how often it was executed."""
    global _calls
    _calls += 1
    write("a.txt", f"execution {_calls}")
    write("b.txt", "")


@agent(grants=["run", forgetful])
def strict(worker: Run[None]) -> None:
    worker.result()
    revert(worker, 4)
    worker.result()


def test_a_function_that_is_not_deterministic(tmp_path: Path) -> None:
    """It is found out when it has to be executed again, and the tree stands still."""
    with pytest.raises(DivergenceError, match=r"event 2 records .*execution 1.* now .*execution 2") as caught:
        run(strict(forgetful()), workspace=tmp_path)
    assert "root.0" in str(caught.value)


# ── other processes ──────────────────────────────────────────────────────────────────────────────────────────────────

PROGRAM = """
import os, sys, time
from pathlib import Path
from shepherd_dsl import Run, agent, merge, run, shell, write

MARK = Path(os.environ.get("MARK", "none"))


@agent(grants=["file.write", "shell.run", "shell.script"])
def slow(feature: str) -> str:
    write("a.txt", feature)
    if MARK.name == "compute" and not MARK.exists():
        MARK.write_text("")
        time.sleep(60)
    command = f"test -e {MARK} || (touch begun; sleep 60)" if MARK.name == "shell" else "true"
    from shepherd_dsl import script
    script(command)
    return shell("cat a.txt").out


@agent(grants=["run", slow])
def boss(worker: Run[str]) -> str:
    found = worker.result()
    merge(worker)
    return found + "!"


if __name__ == "__main__":
    print(run(boss(slow("x")), workspace=sys.argv[1]).result())
"""


def command(*args: str, space: Path, mark: Path, seed: str = "0") -> subprocess.Popen[str]:
    """A process of its own in `space`."""
    return subprocess.Popen(
        [sys.executable, *args],
        cwd=space,
        env={
            **os.environ,
            "MARK": str(mark),
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("where", ["compute", "shell"])
@pytest.mark.parametrize("how", ["script", "module"])
def test_resume_after_sigkill(tmp_path: Path, where: str, how: str) -> None:
    """A process killed in the middle of a function or an effect leaves a tree that `shepherd resume` goes on with."""
    space, mark = tmp_path / "space", tmp_path / where
    (space / "crew").mkdir(parents=True)
    (space / "crew/slow.py").write_text(PROGRAM)
    (space / ".shepherd").mkdir()
    (space / ".shepherd/config.toml").write_text(f'[jail]\nread = ["{mark}"]\n')
    args = ["crew/slow.py", "."] if how == "script" else ["-m", "crew.slow", "."]
    process = command(*args, space=space, mark=mark)
    until = time.monotonic() + 30
    while not mark.exists() and not stands(space, "begun"):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    mark.touch()
    assert process.stdout is not None
    process.stdout.close()
    again = command("-m", "shepherd_dsl.cli.main", "resume", "1", "--again", "--quiet", space=space, mark=mark)
    out, err = again.communicate(timeout=60)
    assert again.returncode == 0, out + err
    assert "x!" in out + err
    assert (space / "a.txt").read_text() == "x"
    assert replay_run(Workspace(space), "1").identical


def test_hash_seeds_do_not_show(tmp_path: Path) -> None:
    """The same run gives the same commits, whatever PYTHONHASHSEED is."""
    hashes = []
    for seed in ("0", "1", "4711"):
        space = tmp_path / seed
        space.mkdir()
        (space / "slow.py").write_text(PROGRAM)
        process = command("slow.py", ".", space=space, mark=Path("none"), seed=seed)
        out, err = process.communicate(timeout=60)
        assert out == "x!\n", err
        hashes.append([entry.commit for entry in Workspace(space).store().read("1").entries()])
    assert hashes[0] == hashes[1] == hashes[2]


def test_a_function_that_is_gone(tmp_path: Path) -> None:
    """Each way in which a recorded agent cannot be found has its own error; the tree stays as it is."""
    (tmp_path / "crew").mkdir()
    program = tmp_path / "crew/slow.py"
    program.write_text(PROGRAM)
    process = command("crew/slow.py", ".", space=tmp_path, mark=tmp_path / "none")
    out, err = process.communicate(timeout=60)
    assert out == "x!\n", err
    tree = fork_run(Workspace(tmp_path), "1", 5)
    cases = {
        "python.gone": PROGRAM.replace("def slow(", "def slower(")
        .replace("slow]", "slower]")
        .replace("slow(", "slower("),
        "python.signature": PROGRAM.replace("slow(feature: str)", "slow(feature: int)"),
        "python.import": "import nothing_like_this\n",
    }
    broken = PROGRAM.replace("slow(feature: str)", "slow(feature: float)")
    for code, text in [*cases.items(), ("python.import", broken), ("python.import", "raise SystemExit(3)")]:
        program.write_text(text)
        sys.modules.pop("__shepherd_main__.slow", None)
        with pytest.raises(AgentError) as caught:
            resume(tree, workspace=tmp_path)
        assert caught.value.code == code
        assert str(tmp_path) not in str(caught.value)
    program.unlink()
    with pytest.raises(AgentError, match="is not there"):
        resume(tree, workspace=tmp_path)
    program.write_text(PROGRAM)
    assert resume(tree, workspace=tmp_path).result() == "x!"


def test_agents_made_inside_functions_are_handed_over(tmp_path: Path) -> None:
    """They cannot be imported; `resume` says so, and takes them."""

    @agent(grants=["file.write"])
    def local() -> int:
        write("a.txt", "")
        return 1

    ran = run(local(), workspace=tmp_path)
    tree = fork_run(Workspace(tmp_path), ran.tree, 3)
    with pytest.raises(AgentError, match="made inside a function"):
        resume(tree, workspace=tmp_path)
    assert resume(tree, workspace=tmp_path, agents=[local]).result() == 1


def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    """KeyboardInterrupt leaves a tree to go on with."""

    class Interrupting(Silent):
        count = 0

        def recorded(self, commits: Any) -> None:
            self.count += len(commits)
            if self.count > 8:
                raise KeyboardInterrupt

    names: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        run(work("x"), workspace=tmp_path, display=Interrupting(), named=names.append)
    assert resume(names[0], workspace=tmp_path).result() == "xdenied"
