"""The bare Git repository of a workspace: made without a Git process, read with pygit2."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shepherd_dsl.core.content import Content
from shepherd_dsl.errors import CorruptError, StoreError
from shepherd_dsl.trace.faults import damaged, storing
from shepherd_dsl.trace.objects import BLOB, COMMIT, TREE, object_id, read_commit
from shepherd_dsl.trace.packs import PackIndex, sync_folder, write_durably
from shepherd_dsl.trace.refs import Refs

if TYPE_CHECKING:
    import pygit2

FOLDER: Final = ".shepherd"
GIT_FOLDER: Final = "trace.git"
RUNS_FOLDER: Final = "runs"

_CONFIG: Final = """\
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
\tlogAllRefUpdates = false
[gc]
\tauto = 0
"""
# No automatic gc: packs come sealed, nothing is ever loose, and a `git push` should not start a repack of its own.

_KINDS: Final = {1: COMMIT, 2: TREE, 3: BLOB}


def init_repository(workspace: Path) -> None:
    """Make `.shepherd/` with its bare repository; does nothing where it is there. Several processes may do so at once.

    Raises StoreError.
    """
    home = workspace / FOLDER
    final = home / GIT_FOLDER
    with storing(home):
        # Traces hold whatever runs read, wrote and were told: that is for the user alone.
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        (home / RUNS_FOLDER).mkdir(exist_ok=True)
        ignore = home / ".gitignore"
        if not ignore.exists():
            write_durably(ignore, b"*\n")
        if final.is_dir():
            return
        build = home / f"tmp_{os.getpid()}_{GIT_FOLDER}"
        for folder in ("objects/pack", "objects/info", "refs/heads", "refs/tags", "info"):
            (build / folder).mkdir(parents=True, exist_ok=True)
        # No branch is ever born: a HEAD that names a log is what `git fsck` calls an error, this only a notice.
        write_durably(build / "HEAD", b"ref: refs/heads/main\n")
        write_durably(build / "config", _CONFIG.encode())
        write_durably(build / "description", b"Traces of shepherd runs: refs/shepherd/log/*, refs/shepherd/runs/*\n")
        try:
            os.rename(build, final)
        except OSError:
            shutil.rmtree(build, ignore_errors=True)
            if not final.is_dir():
                raise
        sync_folder(home)


class Repository:
    """Objects and refs of the trace repository. Objects are checked against their names when read."""

    __slots__ = ("_objects", "git", "index", "refs")

    def __init__(self, git: Path) -> None:
        """Open the repository at `git`. Raises StoreError (`store.missing`) where there is none."""
        if not (git / "objects" / "pack").is_dir():
            raise StoreError(
                "store.missing", "there is no trace here", where=str(git), hint="run `shepherd init` in the workspace"
            )
        self.git = git
        self.refs = Refs(git)
        self.index = PackIndex(git / "objects")
        self._objects: pygit2.Odb | None = None

    @property
    def pack_folder(self) -> Path:
        """Where packs are."""
        return self.git / "objects" / "pack"

    def read(self, oid: str, kind: bytes) -> bytes:
        """The body of an object. Raises CorruptError where it is missing, damaged or of another kind."""
        found = self.index.whole(oid)  # spares most commands the Git library, half of whose time is its import
        if found is not None and found[0] == kind and object_id(kind, found[1]) == oid:
            return found[1]
        objects = self._open()
        try:
            number, body = objects.read(oid)
        except KeyError:
            raise CorruptError(
                "store.object_missing",
                f"the {kind.decode()} {oid} is missing",
                where=str(self.git),
                hint="fetch it from a copy of the trace: git fetch <copy> 'refs/shepherd/*:refs/shepherd/*'",
            ) from None
        except Exception as error:  # libgit2 reports damage by several classes, GitError among them
            raise damaged(oid, kind, self.git, str(error)) from error
        data = bytes(body)
        if _KINDS.get(number) != kind or object_id(kind, data) != oid:
            raise damaged(oid, kind, self.git, "its content does not have this hash")
        return data

    def content(self, oid: str) -> Content:
        """The content of a blob; a large one can be read only as long as the repository is as it is. Errors as `read`,
        for a large one as it is read."""
        found = self.index.large(oid)
        return self.read(oid, BLOB) if found is None else found

    def parent_of(self, commit: str) -> str:
        """The first parent of a commit. Raises CorruptError where it has none or cannot be read."""
        try:
            return read_commit(self.read(commit, COMMIT))[1][0]
        except (ValueError, IndexError) as error:
            raise damaged(commit, COMMIT, self.git, "it has no parent, but the log says so") from error

    def contains(self, oid: str) -> bool:
        """Whether the object is there."""
        return self.index.contains(oid)

    def _open(self) -> pygit2.Odb:
        if self._objects is None:
            import pygit2

            # Not `pygit2.Repository`: that reads the user's own Git configuration, and refuses a folder of another
            # owner. Objects are named by their content, so neither has a say in what they are.
            try:
                self._objects = pygit2.Odb(str(self.git / "objects"))
            except (pygit2.GitError, OSError, ValueError) as error:
                raise CorruptError(
                    "store.repository",
                    f"the objects of the trace cannot be opened ({error})",
                    where=str(self.git),
                    hint="check who may read this folder",
                ) from error
        return self._objects
