"""Chooses the backend for a machine, and says why: for the driver and for `shepherd doctor`.

A faster backend (an overlay, FUSE, reflinks) is one more module with a `ScopeBackend` that passes
`conformance.scope`, and one more entry in `CANDIDATES`: its `usable` finds out, at the folder where copies will stand,
whether the machine can do it. The first usable candidate is chosen. Nothing else knows which backends there are.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs

from shepherd_dsl.core.content import ReadBlob
from shepherd_dsl.errors import UserError
from shepherd_dsl.scope.falling import FallingBackend
from shepherd_dsl.scope.ignore import Ignored
from shepherd_dsl.scope.limits import MEMORY
from shepherd_dsl.scope.probed import forget
from shepherd_dsl.scope.protocol import ScopeBackend

Make = Callable[[Path, ReadBlob, Ignored, int], ScopeBackend]
"""From the folder, what reads blobs, what is ignored, and how many bytes of memory a server of files may take."""


@attrs.frozen(slots=True)
class Candidate:
    """A backend: `usable(folder)` gives (whether it works there, why or why not), `make` makes one."""

    name: str
    usable: Callable[[Path], tuple[bool, str]]
    make: Make


@attrs.frozen(slots=True)
class Probed:
    """What was found of one candidate; `chosen` is true of one at most."""

    name: str
    usable: bool
    reason: str
    chosen: bool = False


def _copy(folder: Path, read_blob: ReadBlob, ignored: Ignored, memory: int) -> ScopeBackend:
    from shepherd_dsl.scope.copy import CopyBackend

    return CopyBackend(folder, read_blob=read_blob, ignored=ignored)


def _overlay(folder: Path, read_blob: ReadBlob, ignored: Ignored, memory: int) -> ScopeBackend:
    from shepherd_dsl.scope.overlay import OverlayBackend

    return OverlayBackend(folder, read_blob=read_blob, ignored=ignored)


def _overlay_usable(folder: Path) -> tuple[bool, str]:
    from shepherd_dsl.scope.overlay_probe import overlay_usable

    return overlay_usable(folder)


def _fuse(folder: Path, read_blob: ReadBlob, ignored: Ignored, memory: int) -> ScopeBackend:
    from shepherd_dsl.scope.fuse import FuseBackend

    return FuseBackend(folder, read_blob=read_blob, ignored=ignored, memory=memory)


def _fuse_usable(folder: Path) -> tuple[bool, str]:
    from shepherd_dsl.scope.fuse_probe import fuse_usable

    return fuse_usable(folder)


def _reflink(folder: Path, read_blob: ReadBlob, ignored: Ignored, memory: int) -> ScopeBackend:
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


def look(folder: Path) -> tuple[Probed, ...]:
    """What each candidate says of `folder`; none is chosen."""
    return tuple(Probed(candidate.name, *candidate.usable(folder)) for candidate in CANDIDATES)


def choose(found: tuple[Probed, ...], folder: Path, *, wanted: str | None = None) -> tuple[Probed, ...]:
    """The same, with the one chosen that is `wanted`, else the first that is usable.

    Raises UserError where `wanted` is not a backend, or not usable in `folder`.
    """
    usable = [item.name for item in found if item.usable]
    if wanted is not None and wanted not in usable:
        why = {item.name: item.reason for item in found}.get(wanted, "there is no such backend")
        raise UserError(
            "scope.backend",
            f"the scope backend {wanted} cannot be used: {why}",
            where=str(folder),
            hint=f"Usable here: {', '.join(usable)}.",
        )
    chosen = wanted or usable[0]
    return tuple(attrs.evolve(item, chosen=item.name == chosen) for item in found)


def probe(folder: Path, *, wanted: str | None = None) -> tuple[Probed, ...]:
    """What each candidate says of `folder`, and which is chosen; see `choose`."""
    return choose(look(folder), folder, wanted=wanted)


def open_backend(
    folder: Path,
    *,
    read_blob: ReadBlob,
    ignored: Ignored,
    wanted: str | None = None,
    said: Callable[[str], None] = lambda text: None,
    memory: int = MEMORY,
) -> ScopeBackend:
    """The backend for the copies of one tree, below `folder`; beside it are those of other trees. A server of files
    takes at most `memory` bytes for what commands make.

    One that is `wanted` is that one or none: UserError as `choose` raises it. One that is not may turn out to open
    nothing; then the next takes its place, and that is `said`.
    """
    place = folder.parent

    def usable() -> Iterator[ScopeBackend]:
        # Finding out takes time: nothing is asked of those that come after the one that is used.
        for candidate in CANDIDATES:
            if candidate.usable(place)[0]:
                yield candidate.make(folder, read_blob, ignored, memory)

    def given_up(name: str, why: str, following: str) -> None:
        forget(place)
        said(f"copies are made by {following}: {name} was to be used, but {why}; `shepherd doctor` says more")

    if wanted is None:
        return FallingBackend(usable(), given_up)
    named = next((candidate for candidate in CANDIDATES if candidate.name == wanted), None)
    if named is None or not named.usable(place)[0]:
        chosen = next(item.name for item in probe(place, wanted=wanted) if item.chosen)
        named = next(candidate for candidate in CANDIDATES if candidate.name == chosen)
    return named.make(folder, read_blob, ignored, memory)
