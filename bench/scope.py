"""Costs of scopes: import of a workspace, copies, and looking for changes; and of the files as a value.

    python -m bench.scope

Prints a JSON list of {name, value, unit, target, direction, met}. `target` is null where there is none.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shepherd_dsl.core.event import Entry
from shepherd_dsl.core.files import Files, git_blob_hash
from shepherd_dsl.scope.apply import merge_into
from shepherd_dsl.scope.copy import CopyBackend
from shepherd_dsl.scope.ignore import ignored_by
from shepherd_dsl.scope.importer import import_workspace

COPY_FILES = 2_000
IMPORT_FILES = 10_000
VALUE_FILES = 60_000
_LINE = b"def function_%d(argument: int) -> int:\n    return argument + %d\n"


def best(act: Callable[[], object], *, times: int = 5) -> float:
    """The least time (s) that `act` took: what the rest of the machine did not add to."""
    took = []
    for _ in range(times):
        start = time.perf_counter()
        act()
        took.append(time.perf_counter() - start)
    return min(took)


def lay(folder: Path, count: int) -> None:
    """A workspace of small source files, about 1 KB each."""
    for number in range(count):
        path = folder / f"package{number % 40}" / f"part{number % 400 // 40}" / f"module{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(_LINE % (number, line) for line in range(16)))


def result(name: str, value: float, unit: str, target: float | None = None, direction: str = "lower") -> dict[str, Any]:
    """One row; `met` is null without a target."""
    met = None if target is None else (value <= target if direction == "lower" else value >= target)
    return {"name": name, "value": round(value, 3), "unit": unit, "target": target, "direction": direction, "met": met}


def imports(home: Path, blobs: dict[str, bytes]) -> list[dict[str, Any]]:
    """Import of 10,000 files, the first time and again."""
    workspace = home / "import"
    lay(workspace, IMPORT_FILES)

    def put(data: bytes) -> str:
        blobs[git_blob_hash(data)] = data
        return git_blob_hash(data)

    def fresh() -> None:
        (workspace / ".shepherd/cache/import.json").unlink(missing_ok=True)
        import_workspace(workspace, put_blob=put)

    cold = best(fresh, times=3)
    warm = best(lambda: import_workspace(workspace, put_blob=put, has_blob=blobs.__contains__))
    return [
        result("scope: import, first", IMPORT_FILES / cold, "files/s", direction="higher"),
        result("scope: import of 10,000 unchanged files", warm, "s", 1.0),
    ]


def copies(home: Path, blobs: dict[str, bytes]) -> list[dict[str, Any]]:
    """A copy of 2,000 files: made, looked through, brought from one state to another."""
    workspace = home / "copy"
    lay(workspace, COPY_FILES)

    def put(data: bytes) -> str:
        blobs[git_blob_hash(data)] = data
        return git_blob_hash(data)

    files = import_workspace(workspace, put_blob=put).files
    backend = CopyBackend(workspace / ".shepherd/scopes/1", read_blob=blobs.__getitem__, ignored=ignored_by([]))
    runs = iter(range(1000))
    made = best(lambda: backend.open(f"root.{next(runs)}", files).close(), times=3)
    scope = backend.open("root", files)
    time.sleep(0.05)
    scope.changes(put)
    idle = best(lambda: scope.changes(put))
    paths = [path for path, _ in files.items()][:: COPY_FILES // 10]

    def dirty() -> float:
        for path in paths:
            (scope.folder / path).write_bytes(os.urandom(800))
        return best(lambda: scope.changes(put), times=1)

    ten = min(dirty() for _ in range(5))
    other = scope.files

    def there_and_back() -> None:
        scope.sync(files)
        scope.sync(other)

    sync = best(there_and_back) / 2
    scope.close()
    again = best(lambda: backend.open("root", other).close(), times=3)
    merged = best(lambda: _merge_both_ways(workspace, files, other, blobs), times=3) / 2
    return [
        result("scope: make a copy of 2,000 files", made, "s"),
        result("scope: changes, none in 2,000 files", idle * 1000, "ms"),
        result("scope: changes, 10 in 2,000 files", ten * 1000, "ms"),
        result("scope: sync, 10 of 2,000 files", sync * 1000, "ms"),
        result("scope: open a copy of 2,000 files again", again * 1000, "ms"),
        result("scope: durable merge of 10 files into the workspace", merged * 1000, "ms"),
    ]


def _merge_both_ways(workspace: Path, files: Files, other: Files, blobs: dict[str, bytes]) -> None:
    merge_into(workspace, files, other, read_blob=blobs.__getitem__)
    merge_into(workspace, other, files, read_blob=blobs.__getitem__)


def values() -> list[dict[str, Any]]:
    """A change of 10 among 60,000 files as a value: applied, hashed, and found again."""
    one, two = git_blob_hash(b"1"), git_blob_hash(b"2")
    files = Files.of(
        (f"d{number % 40}/e{number % 1200 // 40}/f{number}", Entry(0o100644, one)) for number in range(VALUE_FILES)
    )
    files.hash  # noqa: B018  computed once for all
    change = tuple(sorted((f"d{number}/e{number}/f{number}", Entry(0o100644, two)) for number in range(10)))
    after = files.apply(change)
    after.hash  # noqa: B018
    return [
        result("files: apply 10 to 60,000", best(lambda: files.apply(change), times=50) * 1e6, "us"),
        result(
            "files: apply and hash 10 of 60,000", best(lambda: files.apply(change).hash, times=50) * 1e6, "us", 1000
        ),
        result("files: find 10 of 60,000", best(lambda: files.diff(after), times=50) * 1e6, "us", 1000),
    ]


def measure() -> list[dict[str, Any]]:
    """All rows."""
    blobs: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory(prefix="shepherd-bench-") as name:
        home = Path(name)
        return [*values(), *imports(home, blobs), *copies(home, blobs)]


if __name__ == "__main__":
    json.dump(measure(), sys.stdout, indent=1)
    print()
