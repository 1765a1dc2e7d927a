"""File operations below one folder that never follow a symbolic link.

A path goes component by component through `openat` with `O_NOFOLLOW`, so that neither `..` nor a link that a process
put in the way leads out. What replaces a file is written whole in a staging folder of the same file system and renamed
over it: a reader sees the old bytes or the new ones. No function recurses and few folders are open at a time, so a
path may be as deep as a path can be.

Paths are texts (`core.names`), normal ones; ValueError otherwise. OSError passes through.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import stat
from collections.abc import Iterator
from functools import partial
from io import FileIO
from pathlib import Path
from types import TracebackType

from shepherd_dsl.core.content import LARGE, PIECE, Content, Large, parts_of, whole
from shepherd_dsl.core.event import Entry
from shepherd_dsl.core.files import EMPTY_FOLDER, LINK, git_blob_hash, normal_path, os_name, path_of_os
from shepherd_dsl.scope.metadata import Metadata, dress, metadata_of, metadata_of_stat, of_new_file, own
from shepherd_dsl.scope.opened import (
    FILE,
    FOLDER,
    allow,
    from_start,
    identity,
    readable,
    step,
    without_files,
    write_piece,
)

_MAX_OPEN = 64


class Beneath:
    """Operations below `folder`. `stage` is a folder of the same file system that nobody else uses; it may be inside.

    With `own`, all below is ours: what stands in the way is removed, and a file or folder whose permissions are in the
    way is given others (a file's only for the moment; folders' permissions are not part of a run's files). Without, an
    OSError is raised instead.

    Folders found on the way, at most `most_open` of them, are kept open until `forget` or `close`: call `forget` when
    others may have moved them.
    """

    def __init__(
        self, folder: Path, stage: Path | None = None, *, own: bool = True, most_open: int = _MAX_OPEN
    ) -> None:
        self._own = own
        self._most_open = most_open
        self._top = os.open(folder, FOLDER)
        self._open: dict[str, int] = {}
        self._count = 0
        self._stage = -1
        if stage is not None:
            try:
                stage.mkdir(parents=True, exist_ok=True)
                self._stage = os.open(stage, FOLDER)
            except BaseException:
                os.close(self._top)
                raise

    def __enter__(self) -> Beneath:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes everything; no other method may be called then."""
        self.forget()
        for fd in (self._top, self._stage):
            if fd >= 0:
                os.close(fd)
        self._top = self._stage = -1

    def forget(self) -> None:
        """Closes the folders found on the way."""
        for fd in self._open.values():
            os.close(fd)
        self._open.clear()

    def folder(self, path: str, *, make: bool = False, mode: int = 0o777) -> int:
        """A descriptor of the folder `path` ("" for the top), good until the next call of any method.

        With `make`, folders that are missing are made, with the permissions `mode` as far as the umask leaves them, and
        with `own` what stands in their place is removed. Raises
        FileNotFoundError, or NotADirectoryError where a component is something else, a symbolic link included.
        """
        if not path:
            return self._top
        found = self._open.get(path)
        if found is not None:
            return found
        names = _names(path)
        level = len(names)
        at = self._top
        while level > 1:
            level -= 1
            above = self._open.get("/".join(names[:level]))
            if above is not None:
                at = above
                break
        else:
            level = 0
        for depth in range(level, len(names)):
            try:
                at = self._enter(at, names[depth])
            except (FileNotFoundError, NotADirectoryError):
                if not make:
                    raise
                if self._own:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(os_name(names[depth]), dir_fd=at)
                os.mkdir(os_name(names[depth]), mode, dir_fd=at)
                at = self._enter(at, names[depth])
            self._keep("/".join(names[: depth + 1]), at)
        return at

    def stat(self, path: str) -> os.stat_result | None:
        """What is at `path` itself (a link is not followed); None where nothing is, or a component is no folder."""
        try:
            fd, name = self._place(path)
            return os.stat(name, dir_fd=fd, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def list(self, path: str) -> list[tuple[str, os.stat_result]]:
        """(name, stat) of what is inside the folder `path`, sorted by name; what vanishes meanwhile is left out."""
        out: list[tuple[str, os.stat_result]] = []
        with os.scandir(from_start(self.folder(path))) as inside:
            for item in inside:
                with contextlib.suppress(FileNotFoundError):
                    out.append((path_of_os(os.fsencode(item.name)), item.stat(follow_symlinks=False)))
        out.sort(key=lambda pair: pair[0])
        return out

    def read(self, path: str, *, lend: bool = False) -> tuple[Content, os.stat_result]:
        """The bytes of the regular file `path` (the target, of a symbolic link) and its stat after reading.

        A large file is read as its pieces are asked for; the stat is then that of before. With `lend`, as with `own`,
        its owner is lent the permission for the moment where needed. Raises OSError with EINVAL for anything else than
        a file or a link.
        """
        fd, name = self._place(path)
        before = os.stat(name, dir_fd=fd, follow_symlinks=False)
        if stat.S_ISLNK(before.st_mode):
            return os.readlink(name, dir_fd=fd), before
        if not stat.S_ISREG(before.st_mode):
            raise OSError(errno.EINVAL, "neither a file nor a link", path)
        lend = lend or self._own
        with readable(fd, name, before.st_mode, lend=lend) as file:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode):
                raise OSError(errno.EINVAL, "neither a file nor a link", path)
            if found.st_size > LARGE:
                return Large(found.st_size, partial(self._pieces, path, found, lend)), found
            data = FileIO(file, closefd=False).readall()  # once in memory, not twice
        return data, os.stat(name, dir_fd=fd, follow_symlinks=False)

    def _pieces(self, path: str, like: os.stat_result, lend: bool) -> Iterator[bytes]:
        """The bytes of a file from the first to where it ended when its stat was `like`."""
        fd, name = self._place(path)
        with readable(fd, name, like.st_mode, lend=lend) as file:
            found = os.fstat(file)
            if (found.st_dev, found.st_ino) != (like.st_dev, like.st_ino):
                raise OSError(errno.ESTALE, "the file changed while it was read", path)
            for at in range(0, like.st_size, PIECE):
                part = os.pread(file, min(PIECE, like.st_size - at), at)
                yield part

    def metadata(self, path: str) -> Metadata | None:
        """What the thing at `path` itself has beside content and mode; None where nothing is."""
        found = self.stat(path) if path else os.fstat(self._top)
        path_only = getattr(os, "O_PATH", None)
        if found is None or path_only is None:
            return None if found is None else metadata_of_stat(found)
        if not path:
            return metadata_of(self._top)
        fd, name = self._place(path)
        try:
            thing = os.open(name, path_only | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
        except FileNotFoundError:
            return None
        try:
            return metadata_of(thing)
        finally:
            os.close(thing)

    def vouched(self, path: str, entry: Entry) -> Metadata | None:
        """What the regular file `path` has beside content and mode, if it is one file that has both as `entry` says:
        so nobody exchanges it between two looks. None where it is not, or may not be read."""
        try:
            fd, name = self._place(path)
            with readable(fd, name, entry.mode, lend=False) as file:
                found = os.fstat(file)
                data = Large(found.st_size, lambda: iter(partial(os.read, file, PIECE), b""))
                same = found.st_mode == entry.mode and git_blob_hash(data) == entry.hash
                return metadata_of(file) if same else None
        except OSError:
            return None

    def metadata_of_new(self, folder: str) -> Metadata:
        """What a file gets that is made in a folder."""
        return of_new_file(self.folder(folder))

    def can_own(self, like: Metadata) -> bool:
        """Whether the process may give a file this owner and group."""
        name = self.stage(Entry(0o100600, ""), b"")
        file = os.open(os_name(name), os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._stage)
        try:
            return own(file, like)
        finally:
            os.close(file)
            os.unlink(os_name(name), dir_fd=self._stage)

    def stage(
        self,
        entry: Entry,
        data: Content,
        name: str | None = None,
        *,
        sync: bool = False,
        time: int | None = None,
        like: Metadata | None = None,
    ) -> str:
        """Writes what `entry` says, with `data` as its bytes, into the staging folder; gives its name there.

        Blocks of zeros become holes. It was changed at `time` (ns), without it now; or it has the metadata `like`, its
        time too. With `sync` it is on the disk afterwards (the staging folder itself: `sync_stage`).
        """
        time = time if like is None else like.time
        if name is None:
            self._count += 1
            name = f"{os.getpid()}-{self._count}"
        raw = os_name(name)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(raw, dir_fd=self._stage)
        if entry.mode == LINK:
            os.symlink(whole(data), raw, dir_fd=self._stage)
            if like is not None:
                with contextlib.suppress(OSError):
                    os.chown(raw, like.uid, like.gid, dir_fd=self._stage, follow_symlinks=False)
            if time is not None:
                os.utime(raw, ns=(time, time), dir_fd=self._stage, follow_symlinks=False)
            return name
        file = os.open(
            raw, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=self._stage
        )
        try:
            offset = 0
            for part in parts_of(data):
                write_piece(file, part, offset)
                offset += len(part)
            if like is None:
                os.fchmod(file, entry.mode & 0o7777)
            else:
                dress(file, like, entry.mode)
            if time is not None:
                os.utime(file, ns=(time, time))
            if sync:
                os.fsync(file)
        finally:
            os.close(file)
        return name

    def place(self, staged: str, path: str) -> os.stat_result:
        """Renames what was staged to `path`, over the file that is there, with folders on the way as needed; its stat.

        A folder that is there is removed with `own`; IsADirectoryError is raised without.
        """
        head, _, last = path.rpartition("/")
        fd, name = self.folder(head, make=True), os_name(_names(last)[0])
        try:
            os.rename(os_name(staged), name, src_dir_fd=self._stage, dst_dir_fd=fd)
        except OSError as error:
            if not self._own or error.errno not in (errno.EISDIR, errno.ENOTEMPTY, errno.EEXIST):
                raise
            self.remove(path)
            fd = self.folder(head, make=True)
            os.rename(os_name(staged), name, src_dir_fd=self._stage, dst_dir_fd=fd)
        return os.stat(name, dir_fd=fd, follow_symlinks=False)

    def put(self, path: str, entry: Entry, data: Content, *, time: int | None = None) -> os.stat_result:
        """Makes `path` what `entry` says, with `data` as its bytes, changed at `time` (ns, else now), whatever is there
        now; its stat."""
        if entry == EMPTY_FOLDER:
            return os.fstat(self.folder(path, make=True))
        return self.place(self.stage(entry, data, time=time), path)

    def set_time(self, path: str, time: int) -> os.stat_result | None:
        """Makes the file or link `path` one that was changed at `time` (ns); its stat, None where it is so already."""
        fd, name = self._place(path)
        found = os.stat(name, dir_fd=fd, follow_symlinks=False)
        if found.st_mtime_ns == time:
            return None
        os.utime(name, ns=(found.st_atime_ns, time), dir_fd=fd, follow_symlinks=False)
        return os.stat(name, dir_fd=fd, follow_symlinks=False)

    def chmod(self, path: str, mode: int) -> None:
        """Gives the regular file `path` the permissions of `mode`, where it stands.

        They are on the disk afterwards, if it may be read then.
        """
        fd, name = self._place(path)
        path_only = getattr(os, "O_PATH", None)
        if path_only is not None:
            file = os.open(name, path_only | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
            try:
                os.chmod(f"/proc/self/fd/{file}", stat.S_IMODE(mode))
            finally:
                os.close(file)
        with contextlib.suppress(PermissionError), readable(fd, name, mode, lend=False) as file:
            os.fchmod(file, stat.S_IMODE(mode))
            os.fsync(file)

    def dress_folder(self, path: str, like: Metadata) -> None:
        """Gives the folder `path` the metadata, as far as the process may; its time by `set_folder_time`."""
        dress(self.folder(path), like, like.mode)

    def set_folder_time(self, path: str, time: int) -> None:
        """Makes the folder `path` one that was changed at `time` (ns)."""
        fd = self.folder(path)
        os.utime(fd, ns=(os.fstat(fd).st_atime_ns, time))

    def separate(self, path: str) -> os.stat_result:
        """Makes the regular file `path` one of its own, that shares nothing with other names of it; its stat."""
        data, found = self.read(path)
        return self.put(path, Entry(found.st_mode, ""), data, time=found.st_mtime_ns)

    def unlink(self, path: str) -> bool:
        """Removes the file, link or the like at `path`; whether it did (not where it is a folder or nothing)."""
        try:
            fd, name = self._place(path)
            os.unlink(name, dir_fd=fd)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return False
        except PermissionError:  # POSIX has EPERM for a folder
            found = self.stat(path)
            if found is None or not stat.S_ISDIR(found.st_mode):
                raise
            return False
        return True

    def rmdir(self, path: str) -> bool:
        """Removes the folder `path` if it is empty; whether it did."""
        self._forget_below(path)
        try:
            fd, name = self._place(path)
            os.rmdir(name, dir_fd=fd)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                return False
            raise
        return True

    def remove(self, path: str) -> None:
        """Removes whatever is at `path`, a folder with all it holds; nothing where nothing is."""
        if self.unlink(path) or self.rmdir(path):
            return
        found = self.stat(path)
        if found is None:
            return
        self._forget_below(path)
        fd, name = self._place(path)
        allow(fd, name)
        self._count += 1
        gone = b"gone-%d-%d" % (os.getpid(), self._count)
        try:
            os.rename(name, gone, src_dir_fd=fd, dst_dir_fd=self._stage)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self._clear(path)
        else:
            self._destroy(gone)

    def _clear(self, path: str) -> None:
        """Removes a folder where it stands: one that an overlay has from a layer below cannot be moved.

        It may be deeper than a path of a run's files, and than folders can be open at a time: the way back is `..`.
        """
        above, name = self._place(path)
        at = os.open(name, FOLDER, dir_fd=above)
        way: list[tuple[bytes, list[bytes], tuple[int, int]]] = []
        try:
            inner = without_files(at)
            while inner or way:
                if inner:
                    down = inner.pop()
                    way.append((down, inner, identity(at)))
                    at = step(at, down)
                    inner = without_files(at)
                    continue
                gone, inner, above_it = way.pop()
                at = step(at, b"..")
                if identity(at) != above_it:
                    raise OSError(errno.ESTALE, "a folder was moved while it was removed", path)
                os.rmdir(gone, dir_fd=at)
        finally:
            os.close(at)
        os.rmdir(name, dir_fd=above)

    def empty_stage(self) -> None:
        """Removes what an interrupted process left in the staging folder."""
        for name in sorted(os.fsencode(name) for name in os.listdir(from_start(self._stage))):
            try:
                os.unlink(name, dir_fd=self._stage)
            except OSError:
                self._destroy(name)

    def sync_stage(self) -> None:
        """Puts the names in the staging folder on the disk."""
        os.fsync(self._stage)

    def sync_folder(self, path: str) -> None:
        """Puts the names in the folder `path` on the disk; nothing where there is none any more."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.fsync(self.folder(path))

    def clock(self) -> int:
        """The time (ns) that the file system would give to a change made now."""
        file = os.open(b"clock", os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=self._stage)
        try:
            os.write(file, b"x")
            os.ftruncate(file, 0)
            return os.fstat(file).st_ctime_ns
        finally:
            os.close(file)

    def may_be_written(self, path: str) -> bool:
        """Whether a process has the regular file `path` open, or in its memory, for writing, as far as is known.

        What it writes to its memory later may then change neither the file's times nor its size. It is known on Linux,
        of files that are ours, where the file system has leases: the kernel gives none to read what others may write.
        """
        set_lease = getattr(fcntl, "F_SETLEASE", None)
        if set_lease is None:
            return False
        fd, name = self._place(path)
        try:
            file = os.open(name, FILE, dir_fd=fd)
        except PermissionError:
            return True
        try:
            # Who opens it in this very moment waits, and we are told so: by a signal that does nothing.
            fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(file, set_lease, fcntl.F_RDLCK)
            fcntl.fcntl(file, set_lease, fcntl.F_UNLCK)
        except OSError as error:
            return error.errno == errno.EAGAIN
        finally:
            os.close(file)
        return False

    def _place(self, path: str) -> tuple[int, bytes]:
        head, _, last = path.rpartition("/")
        name = os_name(_names(last)[0])
        return self.folder(head), name

    def _enter(self, above: int, name: str) -> int:
        raw = os_name(name)
        try:
            return os.open(raw, FOLDER, dir_fd=above)
        except PermissionError:
            if not self._own or not allow(above, raw):
                raise
            return os.open(raw, FOLDER, dir_fd=above)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EMLINK):
                raise NotADirectoryError(errno.ENOTDIR, "a symbolic link, not a folder", name) from None
            raise

    def _keep(self, path: str, fd: int) -> None:
        if len(self._open) >= self._most_open:
            oldest = next(iter(self._open))
            os.close(self._open.pop(oldest))
        self._open[path] = fd

    def _forget_below(self, path: str) -> None:
        for known in [known for known in self._open if known == path or known.startswith(f"{path}/")]:
            os.close(self._open.pop(known))

    def _destroy(self, first: bytes) -> None:
        """Removes a folder of the staging folder. Inner folders move up beside it first, so depth does not matter.

        Out of a subvolume of btrfs they cannot move: there they move up to its topmost folder.
        """
        stages = [(self._stage, [first])]
        try:
            while stages:
                stage, todo = stages[-1]
                if not todo:
                    if len(stages) > 1:
                        os.close(stage)
                    stages.pop()
                    continue
                name = todo[-1]
                allow(stage, name)
                fd = os.open(name, FOLDER, dir_fd=stage)
                moved, left = self._move_up(fd, stage)
                todo += moved
                if left:
                    stages.append((fd, [*left]))
                    continue
                os.close(fd)
                if not moved:
                    todo.pop()
                    os.rmdir(name, dir_fd=stage)
        finally:
            for fd, _ in stages[1:]:
                os.close(fd)

    def _move_up(self, fd: int, stage: int) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
        """Unlinks what a folder holds and moves inner folders to `stage`: their names there; and those that cannot."""
        moved, left = list[bytes](), list[bytes]()
        for inner in [os.fsencode(inner) for inner in os.listdir(from_start(fd))]:
            try:
                os.unlink(inner, dir_fd=fd)
            except OSError:
                allow(fd, inner)
                self._count += 1
                name = b"gone-%d-%d" % (os.getpid(), self._count)
                try:
                    os.rename(inner, name, src_dir_fd=fd, dst_dir_fd=stage)
                    moved.append(name)
                except OSError as error:
                    if error.errno != errno.EXDEV:
                        raise
                    left.append(inner)
        return tuple(moved), tuple(left)


def _names(path: str) -> list[str]:
    if normal_path(path) is None:
        raise ValueError(f"not a normal path: {path!r}")
    return path.split("/")
