"""What root's tests do as a user without rights."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import traceback
import unittest
from collections.abc import Callable
from pathlib import Path

import pytest

from shepherd_dsl.scope.bases import remove_tree

NOBODY = 65_534

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="the other tests are those of a plain user already")


def python_for_all(program: str, *options: str) -> str:
    """An interpreter with which a plain user can run `program`; the test is skipped where there is none."""
    for python in (sys.executable, "/usr/bin/python3"):
        with contextlib.suppress(OSError):
            tried = subprocess.run([python, "-I", *options, "-c", program], user=NOBODY, cwd="/", capture_output=True)
            if tried.returncode == 0:
                return python
    pytest.skip(f"a plain user may not execute {sys.executable} with this: {program}")


def do_as_plain_user(
    action: Callable[[Path], None], place: Path | None = None, *, python: str = sys.executable
) -> None:
    """Do `action` with a folder of its own (`place`, else a new one) in a process of a user without rights, to whom
    `sys.executable` is `python`. An action that raises fails the test, or skips it by a SkipTest."""
    # Not below what pytest gives: others may not enter that.
    folder = place or Path(tempfile.mkdtemp(prefix="shepherd-plain-"))
    os.chown(folder, NOBODY, NOBODY)
    said, saying = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            sys.executable = python
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            action(folder)
            os._exit(0)
        except unittest.SkipTest as skipped:
            os.write(saying, str(skipped).encode())
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.close(saying)
    with os.fdopen(said) as why_not:
        skipped = why_not.read()
    _, status = os.waitpid(child, 0)
    if place is None:
        remove_tree(folder)
    assert status == 0
    if skipped:
        pytest.skip(skipped)
