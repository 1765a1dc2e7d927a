"""Very many files, and a very large one: a sample by default; in full, which takes minutes, with SHEPHERD_LARGE=1."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from shepherd_dsl.conformance.scope import Lab, ScopeCase
from shepherd_dsl.core.event import Entry
from shepherd_dsl.core.files import Files
from shepherd_dsl.scope.bases import remove_tree
from shepherd_dsl.scope.copy import CopyBackend
from shepherd_dsl.scope.overlay import OverlayBackend
from shepherd_dsl.scope.protocol import ScopeBackend
from tests.support.scopes import needs_overlay

LARGE = bool(os.environ.get("SHEPHERD_LARGE"))
COUNT = 100_000 if LARGE else 2_500
SIZE = 5 << 30 if LARGE else 48 << 20

MADE: list[ScopeBackend] = []


def made(backend: ScopeBackend) -> ScopeBackend:
    MADE.append(backend)
    return backend


COPY = ScopeCase("copy", lambda folder, read_blob: made(CopyBackend(folder, read_blob=read_blob)))
OVERLAY = ScopeCase("overlay", lambda folder, read_blob: made(OverlayBackend(folder, read_blob=read_blob)))
BOTH = pytest.mark.parametrize("case", [COPY, pytest.param(OVERLAY, marks=needs_overlay)], ids=lambda case: case.name)


@pytest.fixture
def lab(case: ScopeCase, tmp_path: Path) -> Iterator[Lab]:
    yield Lab(case, tmp_path)
    while MADE:
        MADE.pop().close()
    remove_tree(tmp_path)  # gigabytes, which pytest would keep for a while


def check_files(folder: Path, files: Files, sample: list[str], lab: Lab) -> None:
    """As many files as there should be, and those of the sample right."""
    assert sum(len(names) for _, _, names in os.walk(folder)) == sum(1 for _ in files.items())
    for path in sample:
        entry = files.get(path)
        if entry is None:
            assert not os.path.lexists(folder / path)
        else:
            assert (folder / path).read_bytes() == lab.blobs[entry.hash]
            assert (folder / path).stat().st_mode == entry.mode


@BOTH
def test_very_many_files(lab: Lab) -> None:
    content = {f"d{i % 50}/e{i % 1000}/f{i}": b"%d" % i for i in range(COUNT)}
    scope = lab.backend.open("root", lab.files(content))
    begin = scope.files
    sample = Random(1).sample(sorted(content), 300)
    check_files(scope.folder, begin, sample, lab)
    assert scope.changes(lab.keep) == ()
    for path in sample[:20]:
        (scope.folder / path).write_bytes(b"changed " + path.encode())
    for path in sample[20:40]:
        (scope.folder / path).unlink()
    assert {path for path, _ in scope.changes(lab.keep)} >= set(sample[:40])
    changed = scope.files
    lab.backend.fork("root", "copy")
    copy = lab.backend.open("copy", changed)
    check_files(copy.folder, changed, sample, lab)
    scope.sync(begin)
    check_files(scope.folder, begin, sample, lab)
    check_files(copy.folder, changed, sample, lab)
    assert scope.changes(lab.keep) == copy.changes(lab.keep) == ()
    copy.close()
    scope.close()


def blob_hash(path: Path) -> str:
    """The Git blob hash of a file, a piece at a time."""
    found = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with open(path, "rb") as file:
        while part := file.read(1 << 24):
            found.update(part)
    return found.hexdigest()


@BOTH
@pytest.mark.parametrize(
    "sparse", [True, pytest.param(False, marks=pytest.mark.skipif(not LARGE, reason="SHEPHERD_LARGE is not set"))]
)
def test_a_very_large_file(lab: Lab, sparse: bool) -> None:
    scope = lab.backend.open("root", lab.files({"a": b"1"}))
    begin, path = scope.files, scope.folder / "large"
    piece = Random(2).randbytes(1 << 20)
    with open(path, "wb") as file:
        for at in (0, SIZE // 2, SIZE - len(piece)) if sparse else range(0, SIZE, len(piece)):
            file.seek(at)
            file.write(piece)
    assert path.stat().st_size == SIZE
    (found,) = scope.changes(lab.keep)
    assert found == ("large", Entry(0o100644, blob_hash(path)))
    files = scope.files
    lab.backend.fork("root", "copy")
    copy = lab.backend.open("copy", files)
    with open(copy.folder / "large", "r+b") as file:
        file.seek(SIZE // 3)
        file.write(b"of the copy")
    assert blob_hash(path) == found[1].hash != blob_hash(copy.folder / "large")
    copy.close()
    lab.backend.remove("copy")
    scope.sync(begin)
    assert not path.exists()
    scope.sync(files)
    assert blob_hash(path) == found[1].hash
    assert scope.changes(lab.keep) == ()
    scope.close()
