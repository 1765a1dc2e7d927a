"""Looking at a real folder: which entries it holds, reading only what may have changed since the last look.

As in Git's index, a file whose stat is what it was is not read again, unless the stat cannot be trusted: a file
changed in the same tick of the file system's clock as the last look has the same times before and after.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

import attrs

from shepherd_dsl.core.content import LARGE, Content, PutBlob
from shepherd_dsl.core.event import Change, Entry
from shepherd_dsl.core.files import EMPTY_FOLDER, LINK, git_blob_hash, normal_path
from shepherd_dsl.scope.beneath import Beneath
from shepherd_dsl.scope.ignore import Ignored

_TRIES = 4
_VERSION = 1


@attrs.frozen(slots=True)
class Seen:
    """An entry as it was found: `stamp` is (mtime ns, ctime ns, size, inode, mode), and `racy` says that a later change
    could leave the same stamp: in the same tick of the clock, or by a process that has the file in its memory."""

    entry: Entry
    stamp: tuple[int, ...]
    racy: bool


FOLDER_SEEN = Seen(EMPTY_FOLDER, (), False)
"""An empty folder; it has no content to change."""


@attrs.frozen(slots=True)
class Survey:
    """What a folder held.

    `seen` has every entry by path; `skipped` lists what is not carried (sockets, FIFOs, devices, what may not be read,
    names too long); `unstable` lists files that changed each time they were read, which are held as last read;
    `replaced` those for whose bytes `put_blob` kept others (without a secret): `seen` has what was kept; `linked` those
    that have another name, by a hard link.
    """

    seen: dict[str, Seen]
    skipped: tuple[str, ...]
    unstable: tuple[str, ...]
    replaced: tuple[str, ...]
    linked: tuple[str, ...] = ()


def stamp(found: os.stat_result) -> tuple[int, ...]:
    """What of a stat changes when the file does."""
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_mode)


def seen_now(entry: Entry, found: os.stat_result, now: int) -> Seen:
    """`entry`, found with that stat when the file system's clock (`Beneath.clock`) stood at `now`."""
    return Seen(entry, stamp(found), found.st_ctime_ns >= now)


def survey(
    at: Beneath,
    before: Mapping[str, Seen],
    *,
    now: int,
    put_blob: PutBlob,
    ignored: Ignored,
    tracked: Callable[[str], bool],
) -> Survey:
    """What is below `at`, given what was seen `before`. `now` is the file system's clock when the survey began.

    Bytes that were not there before go to `put_blob`. A path that is `ignored` counts only where it is `tracked`.
    """
    seen: dict[str, Seen] = {}
    skipped: list[str] = []
    unstable: list[str] = []
    replaced: list[str] = []
    linked: list[str] = []
    todo = [""]
    while todo:
        folder = todo.pop()
        prefix = f"{folder}/" if folder else ""
        try:
            inside = at.list(folder)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError:
            skipped.append(folder)
            continue
        if not inside and folder:
            seen[folder] = FOLDER_SEEN
            continue
        carried = not folder
        for name, found in inside:
            path = prefix + name
            is_folder = stat.S_ISDIR(found.st_mode)
            if ignored(path, is_folder) and not tracked(path):
                continue
            if normal_path(path) is None or not (
                is_folder or stat.S_IFMT(found.st_mode) in (stat.S_IFREG, stat.S_IFLNK)
            ):
                skipped.append(path)
            elif is_folder:
                todo.append(path)
                carried = True
            else:
                try:
                    seen[path] = look(at, path, found, before.get(path), now, put_blob, unstable, replaced)
                    carried = True
                    if found.st_nlink > 1 and stat.S_ISREG(found.st_mode):
                        linked.append(path)
                except (FileNotFoundError, NotADirectoryError):
                    continue
                except PermissionError:
                    skipped.append(path)
        if not carried:
            seen[folder] = FOLDER_SEEN
    return Survey(seen, tuple(sorted(skipped)), tuple(sorted(unstable)), tuple(sorted(replaced)), tuple(sorted(linked)))


def look(
    at: Beneath,
    path: str,
    found: os.stat_result,
    old: Seen | None,
    now: int,
    put_blob: PutBlob,
    unstable: list[str],
    replaced: list[str],
) -> Seen:
    """The file or link at `path`, of which `found` is the stat; not read where it is as `old` says."""
    if old is not None and not old.racy and old.stamp == stamp(found):
        return old
    # Before the first look into it: what is written to memory after that may not change the stat.
    written = stat.S_ISREG(found.st_mode) and at.may_be_written(path)
    if stat.S_ISREG(found.st_mode) and found.st_size > LARGE:
        seen = _look_long(at, path, old, now, put_blob, unstable, replaced)
        return attrs.evolve(seen, racy=seen.racy or written)
    steady = False
    for _ in range(_TRIES):
        data, after = at.read(path)
        steady = _same_file(found, after)
        if steady:
            break
        found = after
    if not steady:
        unstable.append(path)
    mode = LINK if stat.S_ISLNK(after.st_mode) else after.st_mode
    entry = Entry(mode, kept(path, data, old, put_blob, replaced))
    return seen_now(entry, after, now) if steady and not written else Seen(entry, stamp(after), True)


def _look_long(
    at: Beneath,
    path: str,
    old: Seen | None,
    now: int,
    put_blob: PutBlob,
    unstable: list[str],
    replaced: list[str],
) -> Seen:
    """As `look`, at a file that is read piece by piece: first for its hash, then to be kept."""
    for left in reversed(range(_TRIES)):
        data, before = at.read(path)
        try:
            hash = git_blob_hash(data)
            after = at.stat(path)
            steady = after is not None and _same_file(before, after)
            if not steady and left:
                continue
            others: list[str] = []
            entry = Entry(before.st_mode, kept(path, data, old, put_blob, others, hash))
            after = at.stat(path)
            steady = steady and after is not None and _same_file(before, after)
        except OSError as error:
            if error.errno != errno.ESTALE:
                raise
            continue
        if steady:
            replaced += others
            return seen_now(entry, before, now)
        unstable.append(path)
        return Seen(entry, stamp(before), True)
    raise PermissionError(errno.EAGAIN, "the file changes all the time", path)


def kept(
    path: str,
    data: Content,
    old: Seen | None,
    put_blob: PutBlob,
    replaced: list[str],
    hash: str | None = None,
) -> str:
    """The hash under which the bytes of `path` are kept; the path goes to `replaced` where others are kept instead.

    `hash` is that of the bytes, where it is known.
    """
    hash = git_blob_hash(data) if hash is None else hash
    if old is not None and old.entry.hash == hash:
        return hash
    found = put_blob(data)
    if found != hash:
        replaced.append(path)
    return found


def _same_file(before: os.stat_result, after: os.stat_result) -> bool:
    """Whether the file stayed as it was. Lending ourselves the permission to read one changes its ctime only."""
    x, y = stamp(before), stamp(after)
    return x == y or (x[:1] + x[2:] == y[:1] + y[2:] and not before.st_mode & 0o400)


def compare(before: Mapping[str, Seen], after: Mapping[str, Seen]) -> Change:
    """How what was seen differs."""
    change: list[tuple[str, Entry | None]] = []
    for path, item in after.items():
        old = before.get(path)
        if old is not item and (old is None or old.entry != item.entry):
            change.append((path, item.entry))
    change.extend((path, None) for path in before if path not in after)
    change.sort(key=lambda pair: pair[0])
    return tuple(change)


def newer(before: Mapping[str, Seen], after: Mapping[str, Seen]) -> dict[str, int]:
    """The times (ns) of the files and links that have another one than before."""
    found = {}
    for path, item in after.items():
        old = before.get(path)
        if old is not item and item.stamp and (old is None or old.stamp[:1] != item.stamp[:1]):
            found[path] = item.stamp[0]
    return found


def times_seen(seen: Mapping[str, Seen], change: Change) -> dict[str, tuple[Entry, int]]:
    """The entries and times (ns), as they were seen, of the files and links that a change replaces or removes."""
    return {path: (seen[path].entry, seen[path].stamp[0]) for path, _ in change if path in seen and seen[path].stamp}


def save_seen(path: Path, seen: Mapping[str, Seen]) -> None:
    """Keeps `seen` in the file `path`, whole or not at all. It is a cache: not synced to the disk."""
    rows = [
        [name, item.entry.mode, item.entry.hash, *item.stamp, int(item.racy)]
        for name, item in sorted(seen.items())
        if item.stamp
    ]
    text = json.dumps([_VERSION, rows], separators=(",", ":"))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="ascii")
    temporary.replace(path)


def load_seen(path: Path) -> dict[str, Seen]:
    """What `save_seen` kept; nothing where there is none or it is damaged."""
    try:
        version, rows = json.loads(path.read_text(encoding="ascii"))
        if version != _VERSION:
            return {}
        return {row[0]: Seen(Entry(row[1], row[2]), tuple(row[3:8]), bool(row[8])) for row in rows}
    except (OSError, ValueError, TypeError, IndexError, KeyError):
        return {}
