"""Ordinary work in a scope beside the same work in the file system it lies on: `python -m bench.scopes --steady`."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any, Final

import attrs

from bench.scopes.place import Place
from bench.scopes.subject import lay
from shepherd_dsl.core.files import Files, git_blob_hash
from shepherd_dsl.scope.ignore import nothing_ignored
from shepherd_dsl.scope.importer import import_workspace
from shepherd_dsl.scope.probe import open_backend
from shepherd_dsl.scope.protocol import ScopeBackend

ROOT: Final = Path(__file__).parents[2]
SMALL_FILES: Final = 20_000
LARGE: Final = 1 << 30
"""Bytes of the file that is written to once."""

_COMMIT: Final = (
    "git init -q && git add -A && git -c gc.auto=0 -c user.name=b -c user.email=b@example.invalid commit -qm all"
)
_TESTS: Final = ("test_syntax_parse.py", "test_lower_programs.py", "test_display.py")


@attrs.frozen(slots=True)
class Work:
    """`lay` makes the workspace; `before` is done once in each place; `command` is timed.

    With `again` it is timed again and again in one place, else each time in a place of its own. `limits` are targets,
    by backend, in times the native file system.
    """

    name: str
    lay: Callable[[Path], object]
    command: str
    before: str = "true"
    again: bool = True
    limits: Mapping[str, float] = {}


def measure(home: Path, rounds: int, backends: list[str]) -> list[dict[str, Any]]:
    """Rows: each kind of work in each place, the median in ms, and how many times the native file system."""
    archive = home / "small.tar"
    _archive(archive)
    tests = " ".join(f"tests/unit/{name}" for name in _TESTS)
    works = (
        Work("git status", lambda at: lay(at / "src", 42, 2_000), "git status --porcelain", _COMMIT,
             limits={"overlay": 1.3, "fuse": 5}),
        Work("a test suite", _project, f"{sys.executable} -m pytest -q -p no:cacheprovider {tests}",
             limits={"overlay": 1.3}),
        Work("20,000 small files", lambda at: lay(at / "src", 1, 100), f"tar -xf {archive}", again=False,
             limits={"overlay": 1.3}),
        Work("1 KB into 1 GB", _large, "dd if=/dev/zero of=large bs=1k count=1 conv=notrunc", again=False),
    )  # fmt: skip
    rows: list[dict[str, Any]] = []
    for work in works:
        folder = home / "work"
        folder.mkdir()
        spent = _taken(folder, work, backends, rounds)
        shutil.rmtree(folder)
        native = statistics.median(spent["native"])
        for name, values in spent.items():
            value = statistics.median(values)
            rows.append(_row(f"{work.name}: {name}", value * 1e3, "ms", None))
            if name in work.limits:
                rows.append(_row(f"{work.name}: {name} over native", value / native, "times", work.limits[name]))
    return rows


def _row(name: str, value: float, unit: str, target: float | None) -> dict[str, Any]:
    met = None if target is None else value <= target
    return {
        "name": name, "value": round(value, 2), "unit": unit, "target": target, "direction": "lower", "met": met,
    }  # fmt: skip


def _taken(home: Path, work: Work, backends: list[str], rounds: int) -> dict[str, list[float]]:
    """Seconds of the command by place, the places in turn."""
    source = home / "source"
    source.mkdir()
    work.lay(source)
    blobs: dict[str, bytes] = {}

    def put(data: bytes) -> str:
        name = git_blob_hash(data)
        blobs[name] = data
        return name

    files = import_workspace(source, put_blob=put, ignored=nothing_ignored, has_blob=blobs.__contains__).files
    spent: dict[str, list[float]] = {name: [] for name in ("native", *backends)}
    with ExitStack() as stack:
        makers: dict[str, Callable[[int], Place]] = {"native": lambda number: _copied(source, home / f"native{number}")}
        for name in backends:
            scopes = home / "scopes" / name
            backend = open_backend(scopes, read_blob=blobs.__getitem__, ignored=nothing_ignored, wanted=name)
            stack.callback(backend.close, ended=True)
            backend.open("w", files)
            makers[name] = lambda number, backend=backend: _forked(backend, number, files)  # type: ignore[misc]
        places: dict[str, Place] = {}
        for number in range(rounds):
            for name, make in makers.items():
                if number == 0 or not work.again:
                    places[name] = make(number)
                    places[name].run(work.before)
                    if work.again:  # what is read for the first time is another question
                        places[name].run(work.command)
                spent[name].append(places[name].run(work.command))
    return spent


def _copied(source: Path, target: Path) -> Place:
    shutil.copytree(source, target, symlinks=True)
    return Place(target)


def _forked(backend: ScopeBackend, number: int, files: Files) -> Place:
    backend.fork("w", f"w.{number}")
    scope = backend.open(f"w.{number}", files)
    return Place(scope.place, scope.namespaces)


def _project(at: Path) -> None:
    """This project, as Git has it."""
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], check=True, capture_output=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        (at / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, at / name)


def _large(at: Path) -> None:
    random = Random(4)
    with open(at / "large", "wb") as file:
        for _ in range(LARGE >> 20):
            file.write(random.randbytes(1 << 20))


def _archive(path: Path) -> None:
    """An archive of small files, 20 in a folder, as package managers unpack them."""
    random = Random(5)
    with tarfile.open(path, "w") as archive:
        for number in range(SMALL_FILES):
            data = random.randbytes(random.randint(200, 4_000))
            member = tarfile.TarInfo(f"node_modules/package{number // 20}/file{number}.js")
            member.size = len(data)
            archive.addfile(member, BytesIO(data))
