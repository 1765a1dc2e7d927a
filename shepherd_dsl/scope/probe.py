"""Chooses the backend for a machine, and says why: for the driver and for `shepherd doctor`.

A faster backend (an overlay, FUSE, reflinks) is one more module with a `ScopeBackend` that passes
`conformance.scope`, and one more entry in `CANDIDATES`: its `usable` finds out, at the folder where copies will stand,
whether the machine can do it. The first usable candidate is chosen. Nothing else knows which backends there are.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import attrs

from shepherd_dsl.core.content import ReadBlob
from shepherd_dsl.errors import UserError
from shepherd_dsl.scope.ignore import Ignored
from shepherd_dsl.scope.protocol import ScopeBackend

Make = Callable[[Path, ReadBlob, Ignored], ScopeBackend]


@attrs.frozen(slots=True)
class Candidate:
    """A backend: `usable(folder)` gives (whether it works there, why or why not), `make` makes one."""

    name: str
    usable: Callable[[Path], tuple[bool, str]]
    make: Make


@attrs.frozen(slots=True)
class Probed:
    """What was found of one candidate; `chosen` is true of exactly one."""

    name: str
    usable: bool
    chosen: bool
    reason: str


def _copy(folder: Path, read_blob: ReadBlob, ignored: Ignored) -> ScopeBackend:
    from shepherd_dsl.scope.copy import CopyBackend

    return CopyBackend(folder, read_blob=read_blob, ignored=ignored)


def _overlay(folder: Path, read_blob: ReadBlob, ignored: Ignored) -> ScopeBackend:
    from shepherd_dsl.scope.overlay import OverlayBackend

    return OverlayBackend(folder, read_blob=read_blob, ignored=ignored)


def _overlay_usable(folder: Path) -> tuple[bool, str]:
    from shepherd_dsl.scope.overlay_probe import overlay_usable

    return overlay_usable(folder)


def _fuse(folder: Path, read_blob: ReadBlob, ignored: Ignored) -> ScopeBackend:
    from shepherd_dsl.scope.fuse import FuseBackend

    return FuseBackend(folder, read_blob=read_blob, ignored=ignored)


def _fuse_usable(folder: Path) -> tuple[bool, str]:
    from shepherd_dsl.scope.fuse_probe import fuse_usable

    return fuse_usable(folder)


def _reflink(folder: Path, read_blob: ReadBlob, ignored: Ignored) -> ScopeBackend:
    from shepherd_dsl.scope.reflink import ReflinkBackend

    return ReflinkBackend(folder, read_blob=read_blob, ignored=ignored)


def _reflink_usable(folder: Path) -> tuple[bool, str]:
    if sys.platform != "linux":
        return False, "only the reflinks of Linux are known here"
    from shepherd_dsl.scope.reflink import reflink_usable

    return reflink_usable(folder)


CANDIDATES: tuple[Candidate, ...] = (
    Candidate("overlay", _overlay_usable, _overlay),
    Candidate("fuse", _fuse_usable, _fuse),
    Candidate("reflink", _reflink_usable, _reflink),
    Candidate("copy", lambda folder: (True, "works on any file system; a fork copies the files"), _copy),
)
"""The backends of this version, the fastest first. The last one works everywhere."""


def probe(folder: Path, *, wanted: str | None = None) -> tuple[Probed, ...]:
    """What each candidate says of `folder`, and which is chosen: `wanted`, else the first that is usable.

    Raises UserError where `wanted` is not a backend, or not usable there.
    """
    found = [(candidate.name, *candidate.usable(folder)) for candidate in CANDIDATES]
    usable = [name for name, works, _ in found if works]
    if wanted is not None and wanted not in usable:
        why = {name: reason for name, _, reason in found}.get(wanted, "there is no such backend")
        raise UserError(
            "scope.backend",
            f"the scope backend {wanted} cannot be used: {why}",
            where=str(folder),
            hint=f"Usable here: {', '.join(usable)}.",
        )
    chosen = wanted or usable[0]
    return tuple(Probed(name, works, name == chosen, reason) for name, works, reason in found)


def open_backend(folder: Path, *, read_blob: ReadBlob, ignored: Ignored, wanted: str | None = None) -> ScopeBackend:
    """The chosen backend for the copies of one tree, below `folder`; beside it are those of other trees.

    Raises UserError as `probe` does.
    """
    # Finding out takes time: nothing is asked of those that come after the one that is used.
    for candidate in CANDIDATES:
        if candidate.name == (wanted or candidate.name) and candidate.usable(folder.parent)[0]:
            return candidate.make(folder, read_blob, ignored)
    chosen = next(found.name for found in probe(folder.parent, wanted=wanted) if found.chosen)
    make = next(candidate.make for candidate in CANDIDATES if candidate.name == chosen)
    return make(folder, read_blob, ignored)
