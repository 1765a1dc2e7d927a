"""What checks of scopes work with: blobs, a backend, and a look at a folder by other means than the backend's."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Literal, TypeAlias

import attrs

from shepherd_dsl.core.content import Content as Blob
from shepherd_dsl.core.content import Large, ReadBlob
from shepherd_dsl.core.event import Change, Entry
from shepherd_dsl.core.files import EMPTY_FOLDER, LINK, Files, git_blob_hash, os_name, path_of_os
from shepherd_dsl.scope.opened import read_file
from shepherd_dsl.scope.protocol import Scope, ScopeBackend

Content: TypeAlias = "bytes | tuple[int, bytes] | None"
"""A file's bytes, or its (mode, bytes); None for an empty folder."""


Lack: TypeAlias = Literal["folder moves", "kept links", "O_TMPFILE", "mapped reads", "shared forks"]
"""What an ordinary folder does, or a fork could, and a backend's may not:

    folder moves   a folder that the scope was opened or forked with is renamed in one step; without, `rename` says
                   EXDEV
    kept links     after a fork, two names of one file are one still in the original; without, what is written to one of
                   them makes it a file of its own. And a second name of a file that the scope was opened with has the
                   inode number of the first
    O_TMPFILE      files that never had a name; without, `open` says EOPNOTSUPP
    mapped reads   memory that is mapped from a file for reading alone shows what others write to the file later;
                   without, it may go on showing what was there
    shared forks   a fork shares what its original has on the disk, holes too; without, it is written anew, of the
                   recorded files alone: extended attributes are never in it
"""


@attrs.frozen(slots=True)
class ScopeCase:
    """A backend to be checked: `make(folder, read_blob)` gives one that keeps its copies below `folder`.

    What it `lacks` is checked to be missing in the way that is said.
    """

    name: str
    make: Callable[[Path, ReadBlob], ScopeBackend]
    lacks: frozenset[Lack] = attrs.field(default=frozenset(), kw_only=True)


class Lab:
    """Blobs and one backend to be checked with them; public for tests of a backend's own."""

    def __init__(self, case: ScopeCase, folder: Path) -> None:
        self.blobs: dict[str, bytes] = {}
        self._large = folder / "large"
        self.home = folder / "scopes"
        self.case = case
        self.backend = case.make(self.home, self.read)

    def read(self, hash: str) -> Blob:
        """The bytes of a blob."""
        large = self._large / hash
        return read_file(large) if large.exists() else self.blobs[hash]

    def keep(self, data: Blob) -> str:
        """Keeps a blob, a large one in a file; its hash."""
        hash = git_blob_hash(data)
        if isinstance(data, Large):
            self._large.mkdir(exist_ok=True)
            with open(self._large / hash, "wb") as file:
                file.writelines(data.parts())
        else:
            self.blobs[hash] = data
        return hash

    def files(self, content: Mapping[str, Content]) -> Files:
        """Files with that content; a file without a mode is 100644."""
        return Files.of((path, self.entry(what)) for path, what in content.items())

    def entry(self, what: Content) -> Entry:
        """The entry of a content."""
        if what is None:
            return EMPTY_FOLDER
        mode, data = what if isinstance(what, tuple) else (0o100644, what)
        return Entry(mode, self.keep(data))

    def expect(self, scope: Scope, files: Files) -> None:
        """The folder holds exactly `files`."""
        want = {path: (entry.mode, entry.hash) for path, entry in files.items()}
        found = {
            path: (mode, git_blob_hash(data) if data is not None else "") for path, mode, data in walk(scope.folder)
        }
        assert found == want, _difference(found, want)

    def changes(self, scope: Scope) -> Change:
        """The changes, after which scope and folder must agree with them."""
        before = scope.files
        change = scope.changes(self.keep)
        assert [path for path, _ in change] == sorted({path for path, _ in change}), "sorted, each path once"
        assert scope.files == before.apply(change), "`files` is not what `changes` says"
        assert before.diff(scope.files) == change, "`changes` says more than there is"
        self.expect(scope, scope.files)
        for _, entry in change:
            assert entry is None or entry == EMPTY_FOLDER or entry.hash in self.blobs, "a content was not handed over"
        return change

    def special(self, scope: Scope) -> tuple[Change, tuple[str, ...]]:
        """The changes and what was skipped, where the folder holds more than can be carried."""
        return scope.changes(self.keep), scope.skipped

    def start(self, content: Mapping[str, Content], run: str = "root") -> Scope:
        """An open scope of a run with that content."""
        scope = self.backend.open(run, self.files(content))
        self.expect(scope, scope.files)
        return scope


def place_of(scope: Scope, path: str) -> Path:
    """Where a path of the run's files is."""
    return scope.folder / os.fsdecode(os_name(path))


def rename(of: Path, to: Path) -> int:
    """Rename as a process does; the number of the error, 0 where it is done."""
    try:
        os.rename(of, to)
    except OSError as error:
        return error.errno or -1
    return 0


def room(path: Path | int) -> int:
    """Bytes that a file takes up on the disk, which holes do not; a descriptor is as good as a path."""
    return os.stat(path).st_blocks * 512


def write_at(path: Path, at: int, data: bytes) -> None:
    """Write into a file that is there, as a process does that does not put another in its place."""
    with open(path, "r+b", buffering=0) as file:
        file.seek(at)
        file.write(data)


def clear(folder: Path) -> None:
    """Remove all that a folder holds."""
    for found in sorted(folder.rglob("*"), reverse=True):
        found.unlink() if found.is_symlink() or not found.is_dir() else found.rmdir()


_DISTURBANCES = ("write", "new", "append", "remove", "chmod", "link", "hard link", "mkdir", "clear", "replace")


def disturb(folder: Path, chance: Random) -> None:
    """One thing that a process may do to what a folder holds: to files, links and folders, at random."""
    inside = sorted(path for path in folder.rglob("*"))
    files = [path for path in inside if path.is_file() and not path.is_symlink()]
    folders = [folder, *(path for path in inside if path.is_dir() and not path.is_symlink())]
    what = chance.choice(
        ("write", "new", "append", "remove", "chmod", "link", "hard link", "mkdir", "clear", "replace")
    )
    new = chance.choice(folders) / f"n{chance.randrange(40)}"
    old = chance.choice(files) if files else None
    if what == "clear" and folders[1:]:
        shutil.rmtree(chance.choice(folders[1:]))
    elif what == "replace" and folders[1:]:
        gone = chance.choice(folders[1:])
        shutil.rmtree(gone)
        if chance.random() < 0.5:
            gone.write_bytes(b"now a file")
        else:
            (gone / "again").mkdir(parents=True)
            (gone / "again" / "f").write_bytes(b"%d" % chance.randrange(9))
    elif what == "write" and old is not None:
        old.write_bytes(b"%d" % chance.randrange(1 << 30))
    elif what == "append" and old is not None:
        with open(old, "ab") as file:
            file.write(b"+")
    elif what == "remove" and old is not None:
        old.unlink()
    elif what == "chmod" and old is not None:
        old.chmod(chance.choice((0o600, 0o640, 0o755)))
    elif os.path.lexists(new):
        return
    elif what == "link":
        new.symlink_to(chance.choice(("n1", "..", "/etc", "nowhere")))
    elif what == "hard link" and old is not None:
        os.link(old, new)
    elif what == "mkdir":
        new.mkdir()
    else:
        new.write_bytes(b"%d" % chance.randrange(1 << 30))


def walk(folder: Path) -> list[tuple[str, int, bytes | None]]:
    """(path, mode, bytes) of every file, link and empty folder below `folder`, read with plain system calls."""
    out: list[tuple[str, int, bytes | None]] = []
    todo = [(b"", os.open(folder, os.O_RDONLY | os.O_DIRECTORY))]
    while todo:
        prefix, fd = todo.pop()
        names = [os.fsencode(name) for name in os.listdir(fd)]
        if not names and prefix:
            out.append((path_of_os(prefix[:-1]), 0o040000, None))
        for name in names:
            found = os.stat(name, dir_fd=fd, follow_symlinks=False)
            path = prefix + name
            if stat.S_ISDIR(found.st_mode):
                todo.append((path + b"/", os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)))
            elif stat.S_ISLNK(found.st_mode):
                out.append((path_of_os(path), LINK, os.readlink(name, dir_fd=fd)))
            elif stat.S_ISREG(found.st_mode):
                file = os.open(name, os.O_RDONLY, dir_fd=fd)
                with os.fdopen(file, "rb") as opened:
                    out.append((path_of_os(path), found.st_mode, opened.read()))
        os.close(fd)
    return out


def _difference(found: Mapping[str, object], want: Mapping[str, object]) -> str:
    wrong = [path for path in sorted(found.keys() | want.keys()) if found.get(path) != want.get(path)]
    return "; ".join(f"{path!r}: is {found.get(path)}, should be {want.get(path)}" for path in wrong[:5])
