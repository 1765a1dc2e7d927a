"""Squashing: one layer of an overlay that says what several say one over the other.

Files are hard links to those of the layers, which nobody writes any more, so that contents, modes, owners, times,
attributes and links among themselves stay as they are and nothing is copied. Folders are made anew, like the topmost
one. A whiteout stays where a layer below has something that it hides; a folder that hid what is below still does.

The layers are only read, though links to their files change these files' ctimes and numbers of links, as every overlay
of them shows.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Final

import attrs

from shepherd_dsl.core.files import os_name
from shepherd_dsl.scope.beneath import Beneath
from shepherd_dsl.scope.overlay_survey import OPAQUE, is_opaque, is_whiteout

_MOST_OPEN: Final = 128
"""Folders kept open at a time, of all layers together."""
_OF_OVERLAYS: Final = "user.overlay."


class StoppedError(Exception):
    """Squashing was given up because it is not wanted any more."""


def squash(
    layers: Sequence[Path], below: Sequence[Path], into: Path, *, stopped: Callable[[], bool] = lambda: False
) -> int:
    """Make the folder `into`, which must not be there, hold what `layers` (the topmost first) say together, over the
    layers `below`; how many entries it has.

    All are of one file system. OSError passes through, and ValueError where a path is longer than a path may be:
    `into` is then half-made, as where StoppedError is raised because `stopped` said so.
    """
    with contextlib.ExitStack() as held:
        most = max(2, _MOST_OPEN // (len(layers) + len(below)))
        tops = [held.enter_context(Beneath(layer, own=False, most_open=most)) for layer in layers]
        under = [held.enter_context(Beneath(layer, own=False, most_open=most)) for layer in below]
        into.mkdir()
        return _squash(tops, under, held.enter_context(Beneath(into, own=False, most_open=most)), stopped)


@attrs.frozen(slots=True)
class _Folder:
    """A folder that the layers `sources`, the topmost first, have in common.

    `hides`: one of the layers says that what is below is not seen here. `hidden`: so says a folder above.
    """

    path: str
    sources: list[Beneath]
    hides: bool
    hidden: bool


def _squash(tops: list[Beneath], below: list[Beneath], into: Beneath, stopped: Callable[[], bool]) -> int:
    count = 0
    todo = [_down_to_opaque(_Folder("", tops, False, False))]
    made: list[_Folder] = []
    while todo:
        if stopped():
            raise StoppedError
        folder = todo.pop()
        made.append(folder)
        into.folder(folder.path, make=True)
        prefix = f"{folder.path}/" if folder.path else ""
        alone = folder.hides or folder.hidden
        for name, found in _inside(folder).items():
            count += 1
            path = prefix + name
            first, what = found[0]
            if is_whiteout(what):
                if not alone and any(layer.stat(path) is not None for layer in below):
                    os.mknod(os_name(name), stat.S_IFCHR, dir_fd=into.folder(folder.path))
            elif stat.S_ISDIR(what.st_mode):
                same = [layer for layer, _ in takewhile(lambda item: stat.S_ISDIR(item[1].st_mode), found)]
                todo.append(_down_to_opaque(_Folder(path, same, len(same) < len(found), alone)))
            else:
                os.link(
                    os_name(name),
                    os_name(name),
                    src_dir_fd=first.folder(folder.path),
                    dst_dir_fd=into.folder(folder.path),
                    follow_symlinks=False,
                )
    # Inner folders first: what is put into a folder changes its times, and a mode may forbid to put anything there.
    for folder in reversed(made):
        _make_like(folder.sources[0].folder(folder.path), into.folder(folder.path), hides=folder.hides)
    return count


def _down_to_opaque(folder: _Folder) -> _Folder:
    """The folder without the layers that a higher one hides."""
    for number, layer in enumerate(folder.sources, start=1):
        if is_opaque(layer.folder(folder.path)):
            return attrs.evolve(folder, sources=folder.sources[:number], hides=True)
    return folder


def _inside(folder: _Folder) -> dict[str, list[tuple[Beneath, os.stat_result]]]:
    """What the layers have in a folder, by name, the topmost first."""
    found: dict[str, list[tuple[Beneath, os.stat_result]]] = {}
    for layer in folder.sources:
        for name, what in layer.list(folder.path):
            found.setdefault(name, []).append((layer, what))
    return found


def _make_like(like: int, made: int, *, hides: bool) -> None:
    """Give a folder the owner, the attributes, the mode and the times of another."""
    found = os.fstat(like)
    own = os.fstat(made)
    if (found.st_uid, found.st_gid) != (own.st_uid, own.st_gid):
        os.chown(made, found.st_uid, found.st_gid)
    for name in os.listxattr(like):
        if name.startswith("user.") and not name.startswith(_OF_OVERLAYS):
            os.setxattr(made, name, os.getxattr(like, name))
        elif not name.startswith("user."):
            # The system gives them, and may have given the new folder others.
            with contextlib.suppress(OSError):
                os.setxattr(made, name, os.getxattr(like, name))
    if hides:
        os.setxattr(made, OPAQUE, b"y")
    os.fchmod(made, stat.S_IMODE(found.st_mode))
    os.utime(made, ns=(found.st_atime_ns, found.st_mtime_ns))
