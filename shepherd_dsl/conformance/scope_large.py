"""Checks of scopes at a scale: very many files, and a very large one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final, TypeAlias

import attrs

from shepherd_dsl.conformance.scope_lab import Lab, ScopeCase, place_of, room, write_at
from shepherd_dsl.core.event import Entry
from shepherd_dsl.core.files import Files
from shepherd_dsl.scope.protocol import Scope

_PIECE: Final = 1 << 20
_LOOKED_AT: Final = 300
"""Files, of the very many, that are looked into."""


@attrs.frozen(slots=True, kw_only=True)
class Scale:
    """How large the large is: so many `files`, and one of `size` bytes, with holes."""

    files: int
    size: int

    def __str__(self) -> str:
        """In words."""
        return f"{self.files:,} files, and one of {self.size >> 20:,} MiB"


SAMPLE: Final = Scale(files=2_500, size=48 << 20)
"""What takes seconds."""
FULL: Final = Scale(files=100_000, size=5 << 30)
"""What takes minutes, and room for several times that file, in memory too."""

LargeCheck: TypeAlias = Callable[[ScopeCase, Path, Scale], None]


def very_many_files(case: ScopeCase, folder: Path, scale: Scale) -> None:
    """Of very many files a few change, in the scope and in a fork of it, and change back."""
    lab = Lab(case, folder)
    content = {f"d{i % 50}/e{i % 1000}/f{i}": b"%d" % i for i in range(scale.files)}
    scope = lab.backend.open("root", lab.files(content))
    begin = scope.files
    sample = Random(1).sample(sorted(content), _LOOKED_AT)
    _expect_files(lab, scope, begin, sample)
    assert scope.changes(lab.keep) == ()
    changed, gone = sample[:20], sample[20:40]
    for path in changed:
        place_of(scope, path).write_bytes(b"changed " + path.encode())
    for path in gone:
        place_of(scope, path).unlink()
    found = dict(scope.changes(lab.keep))
    assert {path: found.get(path) for path in changed} == {
        path: lab.entry(b"changed " + path.encode()) for path in changed
    }
    assert found.keys() >= set(gone)
    assert len(found) <= len(changed) + 2 * len(gone), "a file went, and its folder may be an empty one now"
    files = scope.files
    lab.backend.fork("root", "copy")
    copy = lab.backend.open("copy", files)
    _expect_files(lab, copy, files, sample)
    scope.sync(begin)
    _expect_files(lab, scope, begin, sample)
    _expect_files(lab, copy, files, sample)
    assert scope.changes(lab.keep) == copy.changes(lab.keep) == ()
    copy.close()
    scope.close()


def _expect_files(lab: Lab, scope: Scope, files: Files, sample: list[str]) -> None:
    """As many files as there should be, and those of the sample right."""
    assert sum(len(names) for _, _, names in os.walk(scope.folder)) == sum(
        1 for _, entry in files.items() if entry.hash
    )
    for path in sample:
        entry, place = files.get(path), place_of(scope, path)
        if entry is None:
            assert not os.path.lexists(place), f"{path} is there"
        else:
            assert (place.stat().st_mode, place.read_bytes()) == (entry.mode, lab.blobs[entry.hash]), path


def a_very_large_file(case: ScopeCase, folder: Path, scale: Scale) -> None:
    """A very large file, most of it holes, is made, forked, changed in the fork, removed and brought back."""
    lab = Lab(case, folder)
    scope = lab.backend.open("root", lab.files({"a": b"1"}))
    begin, place = scope.files, place_of(scope, "large")
    piece = Random(2).randbytes(_PIECE)
    place.write_bytes(b"")
    os.truncate(place, scale.size)
    for at in (0, scale.size // 2, scale.size - _PIECE):
        write_at(place, at, piece)
    assert (place.stat().st_size, room(place) < 8 * _PIECE) == (scale.size, True)
    hash = _blob_hash(place)
    assert scope.changes(lab.keep) == (("large", Entry(0o100644, hash)),)
    assert room(place) < 8 * _PIECE
    files = scope.files
    lab.backend.fork("root", "copy")
    copy = lab.backend.open("copy", files)
    write_at(place_of(copy, "large"), scale.size // 3, b"of the copy")
    if "shared forks" not in case.lacks:
        assert room(place_of(copy, "large")) < 8 * _PIECE
    assert _blob_hash(place) == hash != _blob_hash(place_of(copy, "large"))
    copy.close()
    lab.backend.remove("copy")
    scope.sync(begin)
    assert not place.exists()
    scope.sync(files)
    assert (place.stat().st_size, _blob_hash(place)) == (scale.size, hash)
    assert scope.changes(lab.keep) == ()
    scope.close()


def _blob_hash(path: Path) -> str:
    """The Git blob hash of a file, a piece at a time."""
    found = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with open(path, "rb") as file:
        while part := file.read(16 * _PIECE):
            found.update(part)
    return found.hexdigest()


LARGE: tuple[LargeCheck, ...] = (very_many_files, a_very_large_file)
"""The checks that take a scale."""
