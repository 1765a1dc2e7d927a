"""What is done with scopes of any backend, and what must hold then: when a driver is killed, when files are ignored."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from shepherd_dsl.conformance.scope import Lab, walk
from shepherd_dsl.core.files import EMPTY_FOLDER, Files
from shepherd_dsl.scope.protocol import ScopeBackend


def points(few: int) -> int:
    """At how many steps a test kills: `few`, or as many as SHEPHERD_KILL_POINTS says (300 for a whole round)."""
    return int(os.environ.get("SHEPHERD_KILL_POINTS", few))


def states(lab: Lab) -> tuple[Files, Files]:
    """Files between which a file and a folder change places."""
    return lab.files({"a": b"1", "d/b": b"2", "d/c": b"3"}), lab.files({"a": b"1", "d": b"now a file", "x/y": None})


def write_and_remove(folder: Path) -> None:
    """A process at work."""
    (folder / "d" / "new").write_bytes(b"new")
    (folder / "a").unlink()


def scenario(lab: Lab, work: Callable[[Path], None] = write_and_remove) -> None:
    """Opens, writes, forks, goes back, forks the fork, ends."""
    one, two = states(lab)
    scope = lab.backend.open("root", one)
    work(scope.folder)
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
    scope.close()
    lab.backend.close()


def expect_any_files(lab: Lab, where: str) -> None:
    """Any run of the scenario can be opened with any of its files, and holds them and nothing else."""
    one, two = states(lab)
    for run, files in (("root", two), ("root.0", one), ("root.1", one), ("root", one)):
        scope = lab.backend.open(run, files)
        lab.expect(scope, files)
        assert lab.changes(scope) == (), where
        scope.close()


def held(folder: Path) -> set[str]:
    """The paths below a folder."""
    return {path for path, _, _ in walk(folder)}


def expect_ignored_goes_along(lab: Lab, backend: ScopeBackend) -> None:
    """A fork has what `build/`, which the backend ignores, held, and each goes on by itself."""
    scope = backend.open("root", lab.files({"a": b"1", "d/b": b"2"}))
    (scope.folder / "build").mkdir()
    (scope.folder / "build" / "big").write_bytes(b"made by a command")
    (scope.folder / "a").write_bytes(b"one")
    scope.changes(lab.keep)
    backend.fork("root", "root.0")
    copy = backend.open("root.0", scope.files)
    assert held(scope.folder) == held(copy.folder) == {"a", "d/b", "build/big"}
    (copy.folder / "build" / "big").write_bytes(b"another")
    (copy.folder / "a").write_bytes(b"two")
    (copy.folder / "d" / "b").unlink()
    assert scope.changes(lab.keep) == ()
    assert dict(copy.changes(lab.keep)) == {"a": lab.entry(b"two"), "d": EMPTY_FOLDER, "d/b": None}
    assert (scope.folder / "build" / "big").read_bytes() == b"made by a command"
    assert (scope.folder / "a").read_bytes() == b"one"
