"""Very many files, and a very large one: a sample by default; in full, which takes minutes, with SHEPHERD_LARGE=1."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final

import pytest

from shepherd_dsl.conformance.scope import FULL, LARGE, SAMPLE, Lab, LargeCheck, ScopeCase
from shepherd_dsl.core.event import Entry
from shepherd_dsl.scope.bases import remove_tree
from shepherd_dsl.scope.copy import CopyBackend
from shepherd_dsl.scope.fuse import FuseBackend
from shepherd_dsl.scope.overlay import OverlayBackend
from shepherd_dsl.scope.protocol import ScopeBackend
from shepherd_dsl.scope.reflink import ReflinkBackend
from tests.support.images import KINDS, mounted
from tests.support.scopes import COPY_LACKS, FUSE_LACKS, OVERLAY_LACKS, needs_fuse, needs_overlay

IN_FULL: Final = bool(os.environ.get("SHEPHERD_LARGE"))
SCALE: Final = FULL if IN_FULL else SAMPLE
SIZE: Final = SCALE.size
IMAGE_BYTES: Final = 2 * SIZE + (6 << 30)
"""What a file system on an image may hold at most."""

MADE: list[ScopeBackend] = []


def made(backend: ScopeBackend) -> ScopeBackend:
    MADE.append(backend)
    return backend


COPY = ScopeCase("copy", lambda folder, read_blob: made(CopyBackend(folder, read_blob=read_blob)), lacks=COPY_LACKS)
OVERLAY = ScopeCase(
    "overlay", lambda folder, read_blob: made(OverlayBackend(folder, read_blob=read_blob)), lacks=OVERLAY_LACKS
)
FUSE = ScopeCase("fuse", lambda folder, read_blob: made(FuseBackend(folder, read_blob=read_blob)), lacks=FUSE_LACKS)
REFLINK = {
    kind: ScopeCase(f"reflink-{kind}", lambda folder, read_blob: made(ReflinkBackend(folder, read_blob=read_blob)))
    for kind in KINDS
}
ALL = pytest.mark.parametrize(
    "case",
    [COPY, pytest.param(OVERLAY, marks=needs_overlay), pytest.param(FUSE, marks=needs_fuse), *REFLINK.values()],
    ids=lambda case: case.name,
)


@pytest.fixture
def place(case: ScopeCase, tmp_path: Path) -> Iterator[Path]:
    """A folder for a backend's copies: for reflinks, on a file system that has them."""
    kind = next((kind for kind, reflink in REFLINK.items() if reflink is case), None)
    with (
        contextlib.nullcontext(tmp_path)
        if kind is None
        else mounted(kind, limit=IMAGE_BYTES, within=tmp_path) as folder
    ):
        yield folder
        while MADE:
            MADE.pop().close()
        gc.collect()  # nothing may be open on a file system that is to be unmounted
    remove_tree(tmp_path)  # gigabytes, which pytest would keep for a while


@pytest.fixture
def lab(case: ScopeCase, place: Path) -> Lab:
    return Lab(case, place)


@ALL
@pytest.mark.parametrize("check", LARGE, ids=lambda check: check.__name__)
def test_conforms_at_scale(check: LargeCheck, case: ScopeCase, place: Path) -> None:
    check(case, place, SCALE)


def blob_hash(path: Path) -> str:
    """The Git blob hash of a file, a piece at a time."""
    found = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with open(path, "rb") as file:
        while part := file.read(1 << 24):
            found.update(part)
    return found.hexdigest()


@ALL
@pytest.mark.parametrize(
    "sparse", [True, pytest.param(False, marks=pytest.mark.skipif(not IN_FULL, reason="SHEPHERD_LARGE is not set"))]
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
