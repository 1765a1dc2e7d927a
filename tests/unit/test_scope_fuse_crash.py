"""Scopes over FUSE after crashes: the driver, or the server, is killed at any step."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import pytest

from shepherd_dsl.conformance.scope import CHECKS, Check, Lab, ScopeCase
from shepherd_dsl.core.files import Files
from shepherd_dsl.errors import ScopeError
from shepherd_dsl.scope import fuse_client
from shepherd_dsl.scope.bases import remove_tree
from shepherd_dsl.scope.fuse import FuseBackend
from tests.support.scopes import needs_fuse

pytestmark = needs_fuse

SEED, POINTS = 2026, 15
"""Which steps a process is killed at, of some thousands; each way."""
NOBODY = 65_534
MADE: list[FuseBackend] = []


def make(folder: Path, read_blob: Callable[[str], bytes]) -> FuseBackend:
    MADE.append(FuseBackend(folder, read_blob=read_blob))
    return MADE[-1]


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> Iterator[None]:
    """Let go of what the backends of a test hold."""
    yield
    while MADE:
        MADE.pop().close()


CASE = ScopeCase("fuse", make)


def scenario(lab: Lab) -> None:
    """Opens, writes, forks, goes back, forks the fork, ends."""
    one, two = states(lab)
    scope = lab.backend.open("root", one)
    (scope.folder / "d" / "new").write_bytes(b"new")
    (scope.folder / "a").unlink()
    scope.changes(lab.keep)
    lab.backend.fork("root", "root.0")
    copy = lab.backend.open("root.0", scope.files)
    scope.sync(two)
    copy.sync(one)
    (copy.folder / "e").mkdir()
    copy.changes(lab.keep)
    lab.backend.fork("root.0", "root.1")
    lab.backend.open("root.1", copy.files).close()
    lab.backend.remove("root.0")
    lab.backend.close()


def states(lab: Lab) -> tuple[Files, Files]:
    return lab.files({"a": b"1", "d/b": b"2", "d/c": b"3"}), lab.files({"a": b"1", "d": b"now a file", "x/y": None})


def count_steps(at: int, act: Callable[[], None]) -> list[int]:
    """Count calls of functions of the operating system from now on, and `act` before the call number `at`."""
    steps = [0]

    def count(frame: FrameType, event: str, what: Any) -> None:
        if event == "c_call" and getattr(what, "__module__", None) in ("posix", "_socket", None):
            steps[0] += 1
            if steps[0] == at:
                act()

    sys.setprofile(count)
    return steps


def killed_at(folder: Path, step: int) -> int:
    """Run the scenario in a process that is killed at a step, -1 for never; how many steps there were, else 0."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        lab = Lab(CASE, folder)
        steps = count_steps(step, lambda: os.kill(os.getpid(), signal.SIGKILL))
        scenario(lab)
        sys.setprofile(None)
        os.write(writer, b"%d" % steps[0])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return int(said or 0)


def chosen(folder: Path, seed: int) -> list[int]:
    total = killed_at(folder, -1)
    assert total > 10 * POINTS
    return sorted(Random(seed).sample(range(1, total), POINTS))


def expect_both(lab: Lab, where: str) -> None:
    """Any run can be opened with any files, and holds them."""
    one, two = states(lab)
    for run, files in (("root", two), ("root.0", one), ("root.1", one), ("root", one)):
        scope = lab.backend.open(run, files)
        lab.expect(scope, files)
        assert lab.changes(scope) == (), where
        scope.close()


def test_the_driver_is_killed_at_any_step(tmp_path: Path) -> None:
    for number, step in enumerate(chosen(tmp_path / "whole", SEED)):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        # A few steps more or less are made each time.
        assert killed_at(folder, step) < step
        lab = Lab(CASE, folder)
        expect_both(lab, f"step {step}")
        lab.backend.close()
        # The server of the one that was killed ends by itself.
        end = time.monotonic() + 20
        while list((folder / "scopes").glob("data-*")):
            assert time.monotonic() < end
            time.sleep(0.01)
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


def test_the_server_is_killed_at_any_step(tmp_path: Path) -> None:
    """The driver goes on: a step fails with an error that says so, and the runs are opened anew."""
    failed = 0
    for number, step in enumerate(chosen(tmp_path / "whole", SEED + 1)):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        lab = Lab(CASE, folder)

        def kill(lab: Lab = lab) -> None:
            assert isinstance(lab.backend, FuseBackend)
            server = lab.backend._server
            if server is not None:
                server._process.kill()

        count_steps(step, kill)
        try:
            scenario(lab)
        except (ScopeError, OSError):  # of the scope, or of the process that worked in its folder
            failed += 1
        finally:
            sys.setprofile(None)
        expect_both(lab, f"step {step}")
        lab.backend.close()
        assert not list((folder / "scopes").glob("data-*"))
    assert failed > POINTS // 3


def python_for_all() -> str | None:
    """An interpreter with which a plain user can start the server."""
    program = f"import pyfuse3, rpds, attrs; open({fuse_client.__file__!r})"
    for python in (sys.executable, "/usr/bin/python3"):
        with contextlib.suppress(OSError):
            tried = subprocess.run([python, "-I", "-c", program], user=NOBODY, cwd="/", capture_output=True)
            if tried.returncode == 0:
                return python
    return None


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests are those of a plain user already")
@pytest.mark.skipif(
    not os.path.exists("/dev/fuse") or os.stat("/dev/fuse").st_mode & 0o006 != 0o006,
    reason="a plain user may not open /dev/fuse here",
)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_conforms_for_a_plain_user(check: Check) -> None:
    """In a user namespace, without a right that root has."""
    python = python_for_all()
    if python is None:
        pytest.skip(f"a plain user may not execute {sys.executable} with its packages, or read the package")
    # Not below what pytest gives: others may not enter that.
    place = Path(tempfile.mkdtemp(prefix="shepherd-plain-"))
    os.chown(place, NOBODY, NOBODY)
    child = os.fork()
    if child == 0:
        try:
            sys.executable = python
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            check(CASE, place)
            while MADE:
                MADE.pop().close()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    _, status = os.waitpid(child, 0)
    remove_tree(place)
    assert status == 0
