"""The command line as real processes: bash completion, closed pipes, interrupts, folders that are not writable."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.cli import make_workspace, run_work
from tests.support.scopes import stands

COMMAND = Path(sys.executable).with_name("shepherd")
ENV = {**os.environ, "PATH": f"{COMMAND.parent}:{os.environ['PATH']}", "NO_COLOR": "1", "LC_ALL": "C.UTF-8"}

SLOW = """\
agent slow() -> Int
  grants shell.run("sh *"), file.write("out.txt")
{
  do file.write("out.txt", "before")
  let exit = do shell.run("sh wait.sh")
  return exit.code
}
"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_workspace(tmp_path_factory.mktemp("processes") / "repo")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run_work(folder, "--quiet").status == 0
    return folder


def command(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, *args], cwd=folder, env=ENV, capture_output=True, text=True, timeout=60)


# ── completion ───────────────────────────────────────────────────────────────────────────────────────────────────────

COMPLETE = """
eval "$(shepherd completion bash)"
compopt() { :; }
complete -p shepherd shep >/dev/null || exit 3
while IFS= read -r COMP_LINE; do
  COMP_POINT=${#COMP_LINE}
  _shepherd_complete shepherd
  echo "${COMPREPLY[*]}"
done
"""
COMPLETED = {
    "shepherd rev": "revert",
    "shep ru": "run runs",
    "shepherd log ": "1",
    "shepherd show 1@1": "1 11 10",
    "shepherd show 1@last": "last_green",
    "shepherd revert ": "1@",
    "shepherd run work.shep:tw": "twice",
    "shepherd explain merge.conf": "merge.conflict",
    "shepherd merge --dry": "--dry-run",
    "shepherd log -C / ": "",
    "shepherd show 99@": "",
}


def test_bash_completes(workspace: Path) -> None:
    done = subprocess.run(
        ["bash", "--norc", "-c", COMPLETE], input="".join(f"{line}\n" for line in COMPLETED), cwd=workspace,
        env=ENV, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stderr == ""
    found = dict(zip(COMPLETED, done.stdout.split("\n"), strict=False))
    assert {line: sorted(text.split()) for line, text in found.items()} == {
        line: sorted(text.split()) for line, text in COMPLETED.items()
    }


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_both_names(shell: str, workspace: Path) -> None:
    script = command(workspace, "completion", shell).stdout
    assert "_SHEPHERD_COMPLETE" in script
    assert "_SHEP_COMPLETE" not in script
    assert re.search(r"\bshep\b", script)


# ── pipes and interrupts ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_closed_pipe_is_no_error(workspace: Path) -> None:
    line = f"{COMMAND} explain | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], cwd=workspace, env=ENV, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1


def test_a_closed_standard_error_does_not_stop_a_run(workspace: Path) -> None:
    line = f"{COMMAND} run work.shep:twice --keep 2> >(true)"
    done = subprocess.run(["bash", "-c", line], cwd=workspace, env=ENV, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert "done" in done.stdout


@pytest.mark.parametrize("as_json", [False, True])
def test_an_interrupt_leaves_a_run_that_goes_on(as_json: bool, tmp_path: Path) -> None:
    folder = make_workspace(tmp_path / "repo")
    (folder / "slow.shep").write_text(SLOW)
    (folder / "wait.sh").write_text(f"touch begun; test -e {tmp_path}/go || sleep 60\n")
    (folder / ".shepherd" / "config.toml").write_text(f'[jail]\nread = ["{tmp_path}/go"]\n')
    process = subprocess.Popen(
        [COMMAND, "run", "slow.shep", *["--json"] * as_json], cwd=folder, env=ENV, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    for _ in range(600):
        if stands(folder, "begun"):
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    if as_json:
        assert json.loads(out)["state"] == "interrupted"
    else:
        assert "`shepherd resume 1` goes on" in err
    assert not (folder / "out.txt").exists()
    (tmp_path / "go").touch()
    resumed = command(folder, "resume")
    assert resumed.returncode == 0, resumed.stderr
    assert (folder / "out.txt").read_text() == "before"
    assert json.loads(command(folder, "replay", "--json").stdout)["identical"] is True


# ── places ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_workspace_can_be_moved_and_used_from_below(workspace: Path, tmp_path: Path) -> None:
    import shutil

    moved = tmp_path / "moved"
    shutil.copytree(workspace, moved, symlinks=True)
    below = moved / "src"
    assert command(below, "log", "1").stdout == command(workspace, "log", "1").stdout
    assert command(below, "replay", "1").returncode == 0
    assert command(below, "run", "../work.shep:twice", "-q").returncode == 0
    assert (moved / "one.txt").exists()
    assert command(tmp_path, "log", "-n", "1", "-C", str(moved)).returncode == 0


def test_no_workspace(tmp_path: Path) -> None:
    done = command(tmp_path, "log")
    assert done.returncode == 2
    assert "[workspace.none]" in done.stderr
    assert "shepherd init" in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_is_not_writable(workspace: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(workspace, copy, symlinks=True)
    for path in [copy / ".shepherd", *(copy / ".shepherd").rglob("*")]:
        if path.is_dir():
            path.chmod(0o555)
    assert command(copy, "log", "1").returncode == 0
    done = command(copy, "run", "work.shep:twice")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "[internal]" not in done.stderr


def test_colours_only_where_wanted(workspace: Path) -> None:
    def out(**more: str) -> str:
        env = {key: value for key, value in ENV.items() if key != "NO_COLOR"} | more
        return subprocess.run([COMMAND, "log", "1"], cwd=workspace, env=env, capture_output=True, text=True).stdout

    assert "\x1b" not in out()
    assert "\x1b" in out(FORCE_COLOR="1")
    assert "\x1b" not in out(FORCE_COLOR="1", NO_COLOR="1")


def test_a_short_command_imports_little(workspace: Path) -> None:
    heavy = (
        "anthropic",
        "openai",
        "httpx",
        "pygit2",
        "lark",
        "rich",
        "trio",
        "asyncio",
        "attr",
        "shepherd_dsl.runtime",
    )
    code = (
        "import sys; from shepherd_dsl.cli.main import run_main; run_main(sys.argv[1:]); "
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, "version"], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]", done
