"""The private folders of commands go, whatever a command made of them."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from shepherd_dsl.cli.doctor import examine
from shepherd_dsl.handlers.private import PREFIX, abandoned
from tests.support.plain_user import as_root, do_as_plain_user, python_for_all
from tests.unit.test_handlers_shell import exit_of, perform

DEEP = (
    "import os, sys\nos.chdir(os.environ['TMPDIR'])\n"
    "for _ in range(3000): os.mkdir('d'); os.chdir('d')\nopen('f', 'w').close()\n"
)
SHUT = 'mkdir -p "$TMPDIR/x/y"; touch "$TMPDIR/x/y/z"; chmod 000 "$TMPDIR/x/y" "$TMPDIR/x" "$TMPDIR" "$HOME"'
SHUT_WHOLLY = f'{SHUT}; chmod 000 "${{TMPDIR%/*}}"'


class TestWhateverACommandMadeOfItsPrivateFolder:
    """It is removed, and no removal is the outcome of a command."""

    def check(self, place: Path, script: str) -> None:
        (place / "files").mkdir(exist_ok=True)
        temporary = place / "temporary"
        temporary.mkdir(exist_ok=True)
        tempfile.tempdir = str(temporary)
        assert exit_of(perform(place, "shell.script", script))[0] == 0
        assert list(temporary.iterdir()) == []

    @pytest.mark.parametrize("script", [f'{sys.executable} -c "{DEEP}"', SHUT, SHUT_WHOLLY])
    def test_it_goes_with_the_command(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
        monkeypatch.setattr(tempfile, "tempdir", None)
        self.check(tmp_path, script)

    @as_root
    @pytest.mark.parametrize("script", [SHUT, SHUT_WHOLLY])
    def test_so_it_does_for_a_plain_user(self, script: str) -> None:
        python = python_for_all("import ctypes, marshal, resource", "-S")
        do_as_plain_user(lambda place: self.check(place, script), python=python)

    @as_root
    @pytest.mark.parametrize("script", [SHUT, SHUT_WHOLLY])
    def test_what_a_crash_left_of_it_goes_later(self, script: str) -> None:
        def leave_and_find(place: Path) -> None:
            os.environ["TMPDIR"] = tempfile.tempdir = str(place)
            for _ in range(2):
                left = tempfile.mkdtemp(prefix=PREFIX)
                for name in ("home", "tmp"):
                    os.mkdir(f"{left}/{name}")
                inside = {"HOME": f"{left}/home", "TMPDIR": f"{left}/tmp", "PATH": "/usr/bin:/bin"}
                subprocess.run(["/bin/sh", "-c", script], env=inside, check=True)
            assert len(abandoned()) == 2
            os.chdir(place)
            assert [item.state for item in examine(place, quick=True) if item.name == "temporary"] == ["note"]
            assert [item.state for item in examine(place, quick=True, clean=True) if item.name == "temporary"] == ["ok"]
            assert list(place.iterdir()) == []

        examine(Path("/"), quick=True)  # loads all that it needs: a plain user might not be able to
        do_as_plain_user(leave_and_find)

    def test_a_tree_of_any_depth_does_not_stop_the_next_driver(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        temporary = tmp_path / "temporary"
        temporary.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(temporary))
        left = tempfile.mkdtemp(prefix=PREFIX)
        subprocess.run([sys.executable, "-c", DEEP], env={"TMPDIR": left}, check=True)
        self.check(tmp_path, "exit 0")

    def test_what_cannot_be_removed_is_no_outcome(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(folder: Path, *, aside: Path | None = None) -> None:
            raise OSError(errno.EIO, "broken disk")

        temporary = tmp_path / "temporary"
        (tmp_path / "files").mkdir()
        temporary.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(temporary))
        monkeypatch.setattr("shepherd_dsl.handlers.private.remove_tree", refuse)
        for _ in range(2):
            assert exit_of(perform(tmp_path, "shell.script", "exit 3")) == (3, "")
        assert len(list(temporary.iterdir())) == 2
        assert [item.state for item in examine(tmp_path, quick=True, clean=True) if item.name == "temporary"] == ["bad"]
