"""Real processes: several runs of one workspace at once, two writers of one run, and interruption."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shepherd_dsl.runtime.workspace import Workspace
from shepherd_dsl.scope.jail import probe_jail
from shepherd_dsl.trace.store import open_store
from shepherd_dsl.trace.verify import verify_tree
from tests.support.processes import processes_with
from tests.support.scopes import needs_fuse, needs_overlay, stands

SHEPHERD = [sys.executable, "-m", "shepherd_dsl.cli.main"]
ENVIRON = {**os.environ, "NO_COLOR": "1", "PYTHONPATH": os.getcwd()}
PATIENCE_S = 60.0
BACKENDS = ["copy", pytest.param("overlay", marks=needs_overlay), pytest.param("fuse", marks=needs_fuse)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "w"
    folder.mkdir()
    Workspace.init(folder)
    shared = tmp_path / "shared"
    shared.mkdir()
    (folder / ".shepherd" / "config.toml").write_text('[jail]\nread = ["../shared"]\n')
    return folder


def start(root: Path, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*SHEPHERD, *args],
        cwd=root,
        env=ENVIRON,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )


def shepherd(root: Path, *args: str) -> subprocess.CompletedProcess[str]:
    process = start(root, *args)
    out, error = process.communicate(timeout=PATIENCE_S)
    assert "Traceback" not in out + error, error
    return subprocess.CompletedProcess(args, process.returncode, out, error)


def until(holds: Callable[[], bool], what: str = "") -> None:
    """Wait for something."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def wait_for_work(root: Path) -> None:
    """Until the command of `SLEEPER` has begun."""
    until(lambda: stands(root, "at-work"), "the command did not begin")


MANY = """
agent main(name: Text) -> Text
  grants file.write("**"), shell.script
{
  do file.write("${name}.txt", name)
  do shell.script("echo ${name} > ${name}.made")
  do file.write("${name}.more", name)
  return name
}
"""


def test_eight_runs_of_one_workspace_at_once(root: Path) -> None:
    (root / "many.shep").write_text(MANY)
    runs = [start(root, "run", "many.shep", f"n{number}", "--json") for number in range(8)]
    while any(process.poll() is None for process in runs):
        listed = shepherd(root, "runs", "--json")
        assert listed.returncode == 0, listed.stderr
        for name in open_store(root).names()[:2]:
            logged = shepherd(root, "log", name, "--all")
            assert logged.returncode == 0, logged.stderr
    names = set()
    for process in runs:
        out, error = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, error
        answer = json.loads(out)
        assert answer["state"] == "done"
        assert answer["refused"] is None
        names.add(answer["run"])
    assert names == {str(number) for number in range(1, 9)}
    for number in range(8):
        assert (root / f"n{number}.txt").read_text() == f"n{number}"
        assert (root / f"n{number}.made").read_text() == f"n{number}\n"
        assert (root / f"n{number}.more").read_text() == f"n{number}"
    store = open_store(root)
    assert all(verify_tree(store, name) == () for name in names)
    fsck = subprocess.run(["git", "-C", str(store.git), "fsck", "--strict"], capture_output=True, check=False)
    assert fsck.returncode == 0


ASLEEP = f"98.7{os.getpid()}"
"""So many seconds sleep the commands of this process, by which they are known."""

# The file in the run's folder says that the command is at work, the one outside that it is to end.
SLEEPER = """
agent main(go: Text) -> Text
  grants shell.script, file.write("**")
{
  do file.write("first.txt", "first")
  match try do shell.script("touch at-work; if [ -e ${go} ]; then exit 0; fi; sleep SECONDS") {
    Ok(_) => return "ok"
    Err(e) => return e.code
    Unknown => return "unknown"
  }
}
""".replace("SECONDS", ASLEEP)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_can_be_resumed_and_leaves_no_process(root: Path, number: signal.Signals) -> None:
    (root / "sleeper.shep").write_text(SLEEPER)
    go = root.parent / "shared" / "go"
    process = start(root, "run", "sleeper.shep", str(go))
    wait_for_work(root)
    process.send_signal(number)
    _, error = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, error
    assert "Traceback" not in error
    assert "shepherd resume 1" in error
    assert processes_with(ASLEEP) == []
    assert not (root / "first.txt").exists()
    # The command was ended in time and its files are dropped: it is performed anew, and that is said.
    go.touch()
    done = shepherd(root, "resume", "1")
    assert done.returncode == 0, done.stderr
    assert "ok" in done.stdout
    assert "performed anew" in done.stderr
    assert (root / "first.txt").read_text() == "first"
    assert shepherd(root, "replay", "1").returncode == 0


WEAKER = """
import attrs, sys
from shepherd_dsl.scope import jail
full = jail.probe_jail()
jail.probe_jail = lambda: attrs.evolve(full, strength="landlock")
from shepherd_dsl.cli.main import run_main
sys.exit(run_main(sys.argv[1:]))
"""
"""The command line where no namespaces can be had."""


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("strength", ["full", "landlock"])
def test_a_command_ends_with_a_driver_that_is_killed(root: Path, strength: str, backend: str) -> None:
    jail = probe_jail()
    if jail.strength != "full" or not jail.abi:
        pytest.skip(f"the jail of this machine is `{jail.strength}`: {jail.why or 'no Landlock'}")
    with open(root / ".shepherd" / "config.toml", "a") as config:
        config.write(f'[scope]\nbackend = "{backend}"\n')
    (root / "sleeper.shep").write_text(SLEEPER.replace(f"sleep {ASLEEP}", f"sleep {ASLEEP} & sleep {ASLEEP}"))
    command = ["-m", "shepherd_dsl.cli.main"] if strength == "full" else ["-c", WEAKER]
    process = subprocess.Popen(
        [sys.executable, *command, "run", "sleeper.shep", str(root.parent / "shared" / "go")],
        cwd=root,
        env=ENVIRON,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: len(processes_with(f"sleep\0{ASLEEP}")) >= 2, "the command did not begin")
    finally:
        process.kill()
        process.communicate()
    until(lambda: processes_with(ASLEEP) == [])


def test_a_killed_driver_leaves_a_command_that_resume_ends(root: Path) -> None:
    (root / ".shepherd" / "config.toml").write_text("[jail]\noff = true\n")
    (root / "sleeper.shep").write_text(SLEEPER)
    go = root.parent / "shared" / "go"
    process = start(root, "run", "sleeper.shep", str(go))
    wait_for_work(root)
    process.kill()
    process.communicate()
    assert processes_with(ASLEEP) != []
    done = shepherd(root, "resume", "1")
    assert done.returncode == 0, done.stderr
    assert "unknown" in done.stdout
    assert "its outcome is unknown" in done.stderr
    assert processes_with(ASLEEP) == []


def test_a_killed_driver_leaves_a_command_that_discard_ends(root: Path) -> None:
    (root / ".shepherd" / "config.toml").write_text("[jail]\noff = true\n")
    (root / "sleeper.shep").write_text(SLEEPER)
    go = root.parent / "shared" / "go"
    process = start(root, "run", "sleeper.shep", str(go))
    wait_for_work(root)
    process.kill()
    process.communicate()
    done = shepherd(root, "discard", "1")
    assert done.returncode == 0, done.stderr
    assert processes_with(ASLEEP) == []


def test_doctor_ends_what_is_left_running_before_it_removes_its_files(root: Path) -> None:
    (root / ".shepherd" / "config.toml").write_text("[jail]\noff = true\n")
    (root / "sleeper.shep").write_text(SLEEPER)
    process = start(root, "run", "sleeper.shep", str(root.parent / "shared" / "go"))
    wait_for_work(root)
    until(lambda: processes_with(f"sleep\0{ASLEEP}") != [])
    assert "left running" not in shepherd(root, "doctor", "--quick").stdout
    process.kill()
    process.communicate()
    seen = shepherd(root, "doctor", "--quick").stdout
    assert "· processes  1 command left running by a shepherd that is gone: run 1: sh, sleep (group " in seen
    assert "no process uses" not in seen
    assert processes_with(ASLEEP) != []
    cleaned = shepherd(root, "doctor", "--quick", "--clean").stdout
    assert "✓ processes  ended 1 command" in cleaned
    assert "✓ disk       removed " in cleaned
    assert processes_with(ASLEEP) == []
    assert not stands(root, "at-work")
    assert "left running" not in shepherd(root, "doctor", "--quick").stdout
    assert shepherd(root, "resume", "1").returncode == 0


def test_a_second_writer_is_told_who_the_first_is(root: Path) -> None:
    (root / "sleeper.shep").write_text(SLEEPER)
    go = root.parent / "shared" / "go"
    process = start(root, "run", "sleeper.shep", str(go))
    try:
        wait_for_work(root)
        for command in (("resume", "1"), ("discard", "1"), ("revert", "1@1")):
            refused = shepherd(root, *command)
            assert refused.returncode == 1, refused.stderr
            assert "[store.locked]" in refused.stderr
            assert f"process {process.pid} " in refused.stderr
        # Looking needs no lock.
        assert "first.txt" in shepherd(root, "log", "1").stdout
        assert shepherd(root, "fork", "1@1").returncode == 0
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
