"""The suite for scopes, as a package that brings a backend of its own runs it: by the example that the suite gives."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import shepherd_dsl
from shepherd_dsl.conformance import scope
from shepherd_dsl.conformance.scope import CHECKS, LARGE, SAMPLE

BACKEND = '''
from shepherd_dsl.scope.copy import CopyBackend

class PlainScope:
    """What the protocol says of a scope, and nothing else."""
    def __init__(self, inner):
        self._inner = inner
    files = property(lambda self: self._inner.files)
    skipped = property(lambda self: self._inner.skipped)
    folder = property(lambda self: self._inner.folder)
    place = property(lambda self: self._inner.place)
    namespaces = property(lambda self: self._inner.namespaces)
    def sync(self, files):
        self._inner.sync(files)
    def changes(self, write_blob):
        return self._inner.changes(write_blob)
    def close(self):
        self._inner.close()

class PlainBackend:
    """And of a backend."""
    name = "plain"
    def __init__(self, folder, read_blob):
        self._inner = CopyBackend(folder, read_blob=read_blob)
    def open(self, run, files):
        return PlainScope(self._inner.open(run, files))
    def fork(self, run, copy):
        self._inner.fork(run, copy)
    def remove(self, run):
        self._inner.remove(run)
    def close(self, *, ended=False):
        self._inner.close(ended=ended)
'''
IMPORTS = """
from pathlib import Path
import pytest
from plain_backend import PlainBackend
from shepherd_dsl.conformance.scope import CHECKS, LARGE, SAMPLE, Check, LargeCheck, ScopeCase
"""


def run_python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python in a folder that has nothing of this project's tests, which finds the project."""
    environment = {**os.environ, "PYTHONPATH": str(Path(shepherd_dsl.__file__).parent.parent)}
    environment.pop("PYTEST_ADDOPTS", None)
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def example() -> str:
    """The program in the suite's own description."""
    assert scope.__doc__ is not None
    lines = scope.__doc__.splitlines()
    return textwrap.dedent("\n".join(line for line in lines if not line or line.startswith("    ")))


def test_the_example_runs_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "plain_backend.py").write_text(BACKEND)
    (tmp_path / "test_plain.py").write_text(IMPORTS + example())
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    said = run_python(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--basetemp", str(tmp_path / "t"))
    assert said.returncode == 0, said.stdout
    assert said.stdout.splitlines()[-1].startswith(f"{len(CHECKS) + len(LARGE)} passed in "), said.stdout


def test_the_suite_needs_nothing_that_only_tests_have(tmp_path: Path) -> None:
    program = "import sys, shepherd_dsl.conformance.scope; print({'pytest', 'hypothesis', 'tests'} & set(sys.modules))"
    assert run_python(tmp_path, "-c", program).stdout == "set()\n"


def test_every_check_is_in_the_suite_once_and_says_what_it_is() -> None:
    names = [check.__name__ for check in (*CHECKS, *LARGE)]
    assert len(names) == len(set(names))
    assert all(check.__doc__ for check in (*CHECKS, *LARGE))
    assert str(SAMPLE) == "2,500 files, and one of 48 MiB"
