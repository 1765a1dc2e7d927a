"""Importing the user's workspace: the files a run starts from.

Nothing in the workspace is changed; what may not be read, or cannot be carried, is listed and left out.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping
from pathlib import Path

import attrs

from shepherd_dsl.core.content import PutBlob
from shepherd_dsl.core.files import Files, normal_path
from shepherd_dsl.core.names import MAX_PATH
from shepherd_dsl.errors import ScopeError
from shepherd_dsl.scope.beneath import Beneath
from shepherd_dsl.scope.guard import disguise
from shepherd_dsl.scope.ignore import Ignored, load_ignored
from shepherd_dsl.scope.survey import load_seen, save_seen, survey


@attrs.frozen(slots=True, eq=False)
class Imported:
    """A workspace's files.

    `skipped` says what could not be taken in, with the reason in words; `unstable` lists the files that changed every
    time they were read: what was read last was taken, which may be half of an edit. There are `count` files and links,
    which hold `size` bytes.
    """

    files: Files
    skipped: Mapping[str, str]
    unstable: tuple[str, ...]
    count: int
    size: int


def import_workspace(
    workspace: Path,
    *,
    put_blob: PutBlob,
    has_blob: Callable[[str], bool] | None = None,
    ignored: Ignored | None = None,
) -> Imported:
    """The files of `workspace`, apart from those `ignored` (by default what its `.shepherdignore` says).

    Contents go to `put_blob`, except those of files that have not changed since the last import; `has_blob` tells
    whether the trace still has these (without it, it is taken to). Where contents were and when is kept in
    `.shepherd/cache/`. Raises ScopeError where the workspace cannot be read.
    """
    skipped: dict[str, str] = {}
    ignored = _without_disguises(ignored if ignored is not None else load_ignored(workspace), skipped)
    cache = workspace / ".shepherd" / "cache" / "import.json"
    before = load_seen(cache)
    if has_blob is not None:
        here = {hash: has_blob(hash) for hash in dict.fromkeys(item.entry.hash for item in before.values())}
        before = {path: item for path, item in before.items() if here[item.entry.hash]}
    try:
        with Beneath(workspace, cache.parent, own=False) as at:
            found = survey(at, before, now=at.clock(), put_blob=put_blob, ignored=ignored, tracked=lambda path: False)
            skipped.update((path, _why(at, path)) for path in found.skipped)
        if found.seen != before:
            save_seen(cache, found.seen)
    except OSError as error:
        raise ScopeError(
            "scope.import",
            f"cannot read the workspace: {error.strerror or error}",
            where=str(workspace),
            hint="Name a folder that you may read, and make room for .shepherd/ in it.",
        ) from error
    files = Files.of((path, item.entry) for path, item in found.seen.items())
    sizes = [size for _, _, size, *_ in (item.stamp for item in found.seen.values() if item.stamp)]
    return Imported(files, dict(sorted(skipped.items())), found.unstable, count=len(sizes), size=sum(sizes))


def _without_disguises(ignored: Ignored, skipped: dict[str, str]) -> Ignored:
    """`ignored`, and whatever some file system takes for `.git`, `.shepherd` or the like, which goes to `skipped`: no
    change of it could be merged (`scope.guard`)."""

    def left_out(path: str, folder: bool) -> bool:
        if ignored(path, folder):
            return True
        kind = disguise(path.rpartition("/")[2])
        if kind is not None:
            skipped[path] = f"some file systems take its name for {kind}"
        return kind is not None

    return left_out


def _why(at: Beneath, path: str) -> str:
    """Why a survey left `path` out."""
    if path and normal_path(path) is None:
        return f"its path has more than {MAX_PATH:,} bytes"
    found = at.stat(path) if path else None
    if found is not None and not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        return "neither file, link nor folder"
    try:
        at.read(path)
    except (OSError, ValueError):  # of a folder, or of the top
        return "you may not read it"
    return "it changes all the time"
