"""A trace is read whoever owns it and whatever the reader's own Git configuration says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shepherd_dsl.errors import CorruptError
from shepherd_dsl.trace.repository import Repository
from tests.support.cli import make_workspace, run_work, shepherd


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = make_workspace(tmp_path / "repo")
    monkeypatch.chdir(folder)
    assert run_work(folder, "--quiet").status == 0
    return folder


def log_with_home(folder: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """`shepherd log` as a process of its own: libgit2 looks for the configuration once in a process."""
    environ = {**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home), "COLUMNS": "100"}
    return subprocess.run(
        [sys.executable, "-m", "shepherd_dsl.cli.main", "log"],
        cwd=folder, env=environ, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_the_users_git_configuration_has_no_say(workspace: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "git").mkdir(parents=True)
    for place in (".gitconfig", "git/config"):
        (home / place).write_text("this is [no configuration\n")
    printed = log_with_home(workspace, home)
    assert (printed.returncode, printed.stderr) == (0, "")
    assert printed.stdout == shepherd("log").out


def test_a_home_that_cannot_be_read_has_no_say(workspace: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    # Unreadable for everyone, the superuser too: a configuration that is a folder, below a name that is a loop.
    (home / ".gitconfig").symlink_to(".gitconfig")
    printed = log_with_home(workspace, home)
    assert (printed.returncode, printed.stdout) == (0, shepherd("log").out)


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can give files away")
def test_a_trace_of_another_owner_is_read(workspace: Path, tmp_path: Path) -> None:
    expected = shepherd("log").out
    for path in (workspace, *workspace.rglob("*")):
        os.chown(path, 12345, 12345, follow_symlinks=False)
    home = tmp_path / "home"
    home.mkdir()
    printed = log_with_home(workspace, home)
    assert (printed.returncode, printed.stdout) == (0, expected)


def test_objects_that_cannot_be_opened_are_named_as_such(workspace: Path) -> None:
    git = workspace / ".shepherd" / "trace.git"
    repository = Repository(git)
    (git / "objects").rename(git / "elsewhere")
    with pytest.raises(CorruptError) as caught:
        repository.read("0" * 40, b"commit")
    assert (caught.value.code, caught.value.where) == ("store.repository", str(git))
