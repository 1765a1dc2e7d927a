"""Importing the user's workspace: the files a run starts from.

Nothing in the workspace is changed; what may not be read, or is neither file, link nor folder, is listed and left out.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import attrs

from shepherd_dsl.core.content import PutBlob
from shepherd_dsl.core.files import Files
from shepherd_dsl.errors import ScopeError
from shepherd_dsl.scope.beneath import Beneath
from shepherd_dsl.scope.ignore import Ignored, load_ignored
from shepherd_dsl.scope.survey import load_seen, save_seen, survey


@attrs.frozen(slots=True, eq=False)
class Imported:
    """A workspace's files.

    `skipped` lists what could not be taken in; `unstable` the files that changed every time they were read: what was
    read last was taken, which may be half of an edit. There are `count` files and links, which hold `size` bytes.
    """

    files: Files
    skipped: tuple[str, ...]
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
    ignored = ignored if ignored is not None else load_ignored(workspace)
    cache = workspace / ".shepherd" / "cache" / "import.json"
    before = load_seen(cache)
    if has_blob is not None:
        here = {hash: has_blob(hash) for hash in dict.fromkeys(item.entry.hash for item in before.values())}
        before = {path: item for path, item in before.items() if here[item.entry.hash]}
    try:
        with Beneath(workspace, cache.parent, own=False) as at:
            found = survey(at, before, now=at.clock(), put_blob=put_blob, ignored=ignored, tracked=lambda path: False)
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
    return Imported(files, found.skipped, found.unstable, count=len(sizes), size=sum(sizes))
