"""The kernel's requests to the FUSE server, answered from trees (`fuse_tree`).

An inode number is a scope's number and a node's number in it, so that it stays what it is as long as the scope does.
The kernel may keep all it is told, for nothing is changed but through it; only the names of scopes it asks for anew
each time. Nothing is put to the disk: scopes are derived.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import stat
import traceback
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import attrs
import pyfuse3
from pyfuse3 import EntryAttributes, FileInfo, FUSEError
from rpds import HashTrieMap

from shepherd_dsl.scope.fuse_contents import Contents, write_all
from shepherd_dsl.scope.fuse_tree import ROOT, Clock, Node, Room, Share, Tree, fail
from shepherd_dsl.scope.limits import MEMORY

_SHIFT: Final = 40
_MASK: Final = (1 << _SHIFT) - 1
_DOTS: Final = 2
_FOREVER: Final = 86400.0
_TOP: Final = pyfuse3.ROOT_INODE
_MOST_ATTRIBUTES: Final = 4096
"""Bytes of the attributes of one file, as on most disks."""
_ROW_BYTES: Final = 80
_FOR_LISTINGS: Final = 4
"""What a row of a listing takes; and all of them may take one in so many bytes, apart from what they list: a full scope
can be cleared."""


@attrs.define(slots=True, eq=False)
class Served:
    """A scope: its number, its name in the root folder, its tree, and by node the files of it that are open and what
    the kernel was told last."""

    index: int
    name: bytes
    tree: Tree
    open: dict[int, Opened] = attrs.field(factory=dict)
    told: dict[int, tuple[Node, EntryAttributes]] = attrs.field(factory=dict)

    def is_written(self) -> bool:
        """Whether a process has a file open, or in its memory, that it may write."""
        return any(file.writers for file in self.open.values())


@attrs.define(slots=True, eq=False)
class Opened:
    """A file that is open: once for all who have it open. `fd` is of its content, for writing too where `is_own`."""

    scope: Served
    number: int
    fd: int
    is_own: bool
    holders: int = 0
    writers: int = 0


@attrs.frozen(slots=True, eq=False)
class _Handle:
    file: Opened
    writes: bool


@attrs.define(slots=True, eq=False)
class _Listing:
    scope: Served | None
    folder: int
    rows: list[tuple[bytes, int]] = attrs.field(factory=list)
    share: Share | None = None


def _answer(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Let errors of the system be the answer. One of our own must not end the server, and with it every command."""

    @functools.wraps(method)
    async def answered(self: Requests, *args: Any) -> Any:
        try:
            return await method(self, *args)
        except OSError as error:
            raise FUSEError(error.errno or errno.EIO) from None
        except FUSEError:
            raise
        except Exception:
            self.problem = " ".join(traceback.format_exc().split("\n")[-4:]).strip()
            raise FUSEError(errno.EIO) from None

    return answered


class Requests(pyfuse3.Operations):
    """Answers the kernel. `problem` is the last mistake of our own."""

    supports_dot_lookup = False

    def __init__(self, contents: Contents, clock: Clock, space: int, memory: int = MEMORY) -> None:
        """`space` is a descriptor on the file system that the bytes are on; `memory` is for what commands make."""
        super().__init__()
        self._listings = Room(memory // _FOR_LISTINGS)
        self.scopes: dict[int, Served] = {}
        self.names: dict[bytes, Served] = {}
        self.problem = ""
        self._contents = contents
        self._clock = clock
        self._space = space
        self._user, self._group = os.geteuid(), os.getegid()
        self._known: dict[int, int] = {}
        self._handles: dict[int, _Handle | _Listing] = {}
        self._next = 0

    # ── for the server ───────────────────────────────────────────────────────────────────────────────────────────────

    def drop(self, scope: Served) -> None:
        """A scope has no name any more. Who still has files of it open goes on with them, and with nothing else."""
        if self.names.get(scope.name) is scope:
            del self.names[scope.name]
        if not scope.open:
            self.scopes.pop(scope.index, None)

    # ── names ────────────────────────────────────────────────────────────────────────────────────────────────────────

    @_answer
    async def lookup(self, parent: int, name: bytes, ctx: object) -> EntryAttributes:
        if parent == _TOP:
            scope = self.names.get(name) or fail(errno.ENOENT)
            entry = self._entry(scope, ROOT, known=True)
            entry.entry_timeout = 0  # its name may mean another one soon
            return entry
        scope, folder = self._at(parent)
        number = scope.tree.child(folder, name)
        if number is None:
            nothing = EntryAttributes()
            nothing.st_ino = 0
            nothing.entry_timeout = _FOREVER
            return nothing
        return self._entry(scope, number, known=True)

    async def forget(self, inodes: Iterable[tuple[int, int]]) -> None:
        for inode, count in inodes:
            left = self._known.get(inode, 0) - count
            if left > 0:
                self._known[inode] = left
                continue
            self._known.pop(inode, None)
            scope = self.scopes.get(inode >> _SHIFT)
            if scope is not None:
                scope.told.pop(inode & _MASK, None)
                if (inode & _MASK) not in scope.open:
                    scope.tree.forget_removed(inode & _MASK)

    @_answer
    async def mkdir(self, parent: int, name: bytes, mode: int, ctx: Any) -> EntryAttributes:
        scope, folder = self._at(parent)
        return self._entry(scope, scope.tree.add(folder, name, mode & ~ctx.umask), known=True)

    @_answer
    async def mknod(self, parent: int, name: bytes, mode: int, rdev: int, ctx: Any) -> EntryAttributes:
        scope, folder = self._at(parent)
        if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            fail(errno.EPERM)
        content = None
        if stat.S_ISREG(mode):
            content, fd = self._contents.make(scope.tree.token, self._clock.now())
            os.close(fd)
        return self._entry(scope, scope.tree.add(folder, name, mode & ~ctx.umask, content=content), known=True)

    @_answer
    async def symlink(self, parent: int, name: bytes, target: bytes, ctx: object) -> EntryAttributes:
        scope, folder = self._at(parent)
        return self._entry(scope, scope.tree.add(folder, name, stat.S_IFLNK | 0o777, target=target), known=True)

    @_answer
    async def link(self, inode: int, parent: int, name: bytes, ctx: object) -> EntryAttributes:
        scope, number = self._at(inode)
        other, folder = self._at(parent)
        if other is not scope:
            fail(errno.EXDEV)
        scope.tree.link(number, folder, name)
        return self._entry(scope, number, known=True)

    @_answer
    async def unlink(self, parent: int, name: bytes, ctx: object) -> None:
        scope, folder = self._at(parent)
        self._removed(scope, scope.tree.remove(folder, name, is_folder=False))

    @_answer
    async def rmdir(self, parent: int, name: bytes, ctx: object) -> None:
        scope, folder = self._at(parent)
        self._removed(scope, scope.tree.remove(folder, name, is_folder=True))

    @_answer
    async def rename(self, parent: int, name: bytes, new_parent: int, new_name: bytes, flags: int, ctx: object) -> None:
        scope, folder = self._at(parent)
        other, new_folder = self._at(new_parent)
        if other is not scope:
            fail(errno.EXDEV)
        if flags & ~(pyfuse3.RENAME_EXCHANGE | pyfuse3.RENAME_NOREPLACE):
            fail(errno.EINVAL)
        if flags & pyfuse3.RENAME_EXCHANGE:
            scope.tree.exchange((folder, name), (new_folder, new_name))
            return
        replaced = scope.tree.rename(
            (folder, name), (new_folder, new_name), replace=not flags & pyfuse3.RENAME_NOREPLACE
        )
        if replaced is not None:
            self._removed(scope, replaced)

    @_answer
    async def readlink(self, inode: int, ctx: object) -> bytes:
        scope, number = self._at(inode)
        return scope.tree.get(number).target

    # ── folders ──────────────────────────────────────────────────────────────────────────────────────────────────────

    @_answer
    async def opendir(self, inode: int, ctx: object) -> int:
        if inode == _TOP:
            return self._keep(_Listing(None, 0))
        scope, folder = self._at(inode)
        scope.tree.get(folder)
        return self._keep(_Listing(scope, folder))

    @_answer
    async def readdir(self, handle: int, start: int, token: pyfuse3.ReaddirToken) -> None:
        listing = self._handles[handle]
        assert isinstance(listing, _Listing)
        scope = listing.scope
        if scope is None:
            return  # the names of scopes are nobody's to list
        children = scope.tree.get(listing.folder).children
        if start == 0:
            places = scope.tree.get(listing.folder).places
            listing.rows, listing.share = [], None
            listing.share = self._listings.take(_ROW_BYTES * len(children), number=errno.ENOMEM)
            listing.rows = [(b".", listing.folder), (b"..", places[0][0] if places else ROOT), *children.items()]
        for at in range(start, len(listing.rows)):
            name, number = listing.rows[at]
            if at >= _DOTS and children.get(name) != number:
                continue  # it went, or was replaced, since the listing began
            if not pyfuse3.readdir_reply(token, name, self._entry(scope, number), at + 1):
                return
            if at < _DOTS:
                continue  # the kernel does not count these
            inode = scope.index << _SHIFT | number
            self._known[inode] = self._known.get(inode, 0) + 1

    @_answer
    async def releasedir(self, handle: int) -> None:
        self._handles.pop(handle, None)

    # ── attributes ───────────────────────────────────────────────────────────────────────────────────────────────────

    @_answer
    async def getattr(self, inode: int, ctx: object) -> EntryAttributes:
        if inode == _TOP:
            entry = EntryAttributes()
            entry.st_ino = _TOP
            entry.st_mode = stat.S_IFDIR | 0o700
            entry.st_uid, entry.st_gid = self._user, self._group
            return entry
        return self._entry(*self._at(inode))

    @_answer
    async def setattr(self, inode: int, attr: Any, fields: Any, handle: int | None, ctx: object) -> EntryAttributes:
        scope, number = self._at(inode)
        if (fields.update_uid and attr.st_uid != self._user) or (fields.update_gid and attr.st_gid != self._group):
            fail(errno.EPERM)
        if fields.update_size:
            self._truncate(scope, number, attr.st_size)
        node = scope.tree.get(number)
        now = self._clock.now()
        mode, mtime, atime = node.mode, node.mtime, node.atime
        if fields.update_mode:
            mode = stat.S_IFMT(mode) | stat.S_IMODE(attr.st_mode)
        elif (fields.update_uid or fields.update_gid) and not node.is_folder:
            mode = _without_privileges(mode)
        if fields.update_mtime:
            mtime = attr.st_mtime_ns
        if fields.update_atime:
            atime = attr.st_atime_ns
        after = attrs.evolve(node, mode=mode, mtime=mtime, atime=atime, ctime=now)
        if mode != node.mode and not node.is_folder:
            scope.tree.put(number, after)
        else:
            scope.tree.set_quietly(number, after)
        return self._entry(scope, number)

    @_answer
    async def statfs(self, ctx: object) -> pyfuse3.StatvfsData:
        found, said = os.fstatvfs(self._space), pyfuse3.StatvfsData()
        for field in (
            "f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree", "f_favail"
        ):  # fmt: skip
            setattr(said, field, getattr(found, field))
        said.f_namemax = 255
        return said

    @_answer
    async def getxattr(self, inode: int, name: bytes, ctx: object) -> bytes:
        found = None
        if name.startswith(b"user."):
            scope, number = self._at(inode)
            attributes = scope.tree.get(number).attributes
            found = None if attributes is None else attributes.get(name)
        return fail(errno.ENODATA) if found is None else found

    @_answer
    async def setxattr(self, inode: int, name: bytes, value: bytes, ctx: object) -> None:
        if not name.startswith(b"user."):
            fail(errno.EOPNOTSUPP)
        scope, number = self._at(inode)
        node = scope.tree.get(number)
        there: HashTrieMap[bytes, bytes] = node.attributes or HashTrieMap()
        if sum(len(key) + len(value) for key, value in there.items()) + len(name) + len(value) > _MOST_ATTRIBUTES:
            fail(errno.ENOSPC)
        scope.tree.set_attributes(number, there.insert(name, value))

    @_answer
    async def listxattr(self, inode: int, ctx: object) -> list[bytes]:
        scope, number = self._at(inode)
        return sorted(scope.tree.get(number).attributes or {})

    @_answer
    async def removexattr(self, inode: int, name: bytes, ctx: object) -> None:
        scope, number = self._at(inode)
        node = scope.tree.get(number)
        if node.attributes is None or name not in node.attributes:
            fail(errno.ENODATA)
        scope.tree.set_attributes(number, node.attributes.remove(name))

    # ── open files ───────────────────────────────────────────────────────────────────────────────────────────────────

    @_answer
    async def open(self, inode: int, flags: int, ctx: object) -> FileInfo:
        scope, number = self._at(inode)
        if flags & os.O_TRUNC and flags & os.O_ACCMODE != os.O_RDONLY:
            self._truncate(scope, number, 0)
        return self._opened(scope, number, flags)

    @_answer
    async def create(
        self, parent: int, name: bytes, mode: int, flags: int, ctx: Any
    ) -> tuple[FileInfo, EntryAttributes]:
        scope, folder = self._at(parent)
        content, fd = self._contents.make(scope.tree.token, self._clock.now())
        try:
            number = scope.tree.add(folder, name, stat.S_IFREG | stat.S_IMODE(mode & ~ctx.umask), content=content)
        except BaseException:
            os.close(fd)
            raise
        scope.open[number] = Opened(scope, number, fd, True)
        return self._opened(scope, number, flags), self._entry(scope, number, known=True)

    @_answer
    async def read(self, handle: int, at: int, size: int) -> bytes:
        return os.pread(self._file(handle).fd, size, at)

    @_answer
    async def write(self, handle: int, at: int, data: bytes) -> int:
        file = self._file(handle)
        self._make_own(file, None)
        try:
            written = write_all(file.fd, data, at)
        except OSError:  # a full disk, when some of it may be there
            self._note_bytes(file, os.fstat(file.fd).st_size, shorter=True)
            raise
        self._note_bytes(file, at + written, shorter=False)
        return written

    @_answer
    async def release(self, handle: int) -> None:
        found = self._handles.pop(handle, None)
        if not isinstance(found, _Handle):
            return
        file = found.file
        file.holders -= 1
        file.writers -= found.writes
        if file.holders:
            return
        os.close(file.fd)
        del file.scope.open[file.number]
        if self.names.get(file.scope.name) is not file.scope and not file.scope.open:
            self.scopes.pop(file.scope.index, None)
        elif file.scope.index << _SHIFT | file.number not in self._known:
            file.scope.tree.forget_removed(file.number)

    def _opened(self, scope: Served, number: int, flags: int) -> FileInfo:
        """A handle for who opens a file with these flags."""
        file = scope.open.get(number)
        if file is None:
            node = scope.tree.get(number)
            if node.content is None:
                fail(errno.EISDIR if node.is_folder else errno.ENXIO)
            is_own = node.content.owner is scope.tree.token
            file = scope.open[number] = Opened(
                scope, number, node.content.open(os.O_RDWR if is_own else os.O_RDONLY), is_own
            )
        writes = flags & os.O_ACCMODE != os.O_RDONLY
        file.holders += 1
        file.writers += writes
        return FileInfo(fh=self._keep(_Handle(file, writes)), keep_cache=True)

    def _make_own(self, file: Opened, most: int | None) -> None:
        """Let an open file have a content that its scope may write, with at most so many bytes of the old one."""
        tree = file.scope.tree
        node = tree.get(file.number)
        assert node.content is not None
        if node.content.owner is tree.token and file.is_own:
            return
        if node.content.owner is tree.token:
            fd = node.content.open(os.O_RDWR)
        else:
            content, fd = self._contents.copy(node.content, node.size if most is None else most, tree.token)
            tree.set_quietly(file.number, attrs.evolve(node, content=content))
        os.dup2(fd, file.fd, inheritable=False)
        os.close(fd)
        file.is_own = True

    def _truncate(self, scope: Served, number: int, size: int) -> None:
        node = scope.tree.get(number)
        if node.content is None:
            fail(errno.EISDIR if node.is_folder else errno.EINVAL)
        file = scope.open.get(number)
        passing = file is None
        if file is None:
            file = Opened(scope, number, node.content.open(os.O_RDONLY), False)
        try:
            self._make_own(file, size)
            os.ftruncate(file.fd, size)
            self._note_bytes(file, size, shorter=True)
        finally:
            if passing:
                os.close(file.fd)

    def _note_bytes(self, file: Opened, end: int, *, shorter: bool) -> None:
        """Bytes of a file up to `end` were written, or it is that long now."""
        tree, number = file.scope.tree, file.number
        node = tree.get(number)
        now = self._clock.now()
        assert node.content is not None
        node.content.stamp = now
        node.content.hash = None
        size = end if shorter else max(node.size, end)
        mode, blocks = _without_privileges(node.mode), os.fstat(file.fd).st_blocks
        tree.put(number, attrs.evolve(node, mode=mode, mtime=now, ctime=now, size=size, blocks=blocks))
        if mode != node.mode:
            with contextlib.suppress(OSError):  # the kernel does not know it any more
                pyfuse3.invalidate_inode(file.scope.index << _SHIFT | number, attr_only=True)

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _at(self, inode: int) -> tuple[Served, int]:
        scope = self.scopes.get(inode >> _SHIFT)
        if scope is None:
            fail(errno.EPERM if inode == _TOP else errno.ESTALE)
        return scope, inode & _MASK

    def _file(self, handle: int) -> Opened:
        found = self._handles.get(handle)
        return found.file if isinstance(found, _Handle) else fail(errno.EBADF)

    def _keep(self, handle: _Handle | _Listing) -> int:
        self._next += 1
        self._handles[self._next] = handle
        return self._next

    def _removed(self, scope: Served, number: int) -> None:
        """A name of a node went. The kernel always knows a node that it takes a name from."""
        if scope.index << _SHIFT | number not in self._known and number not in scope.open:
            scope.tree.forget_removed(number)

    def _entry(self, scope: Served, number: int, *, known: bool = False) -> EntryAttributes:
        """What the kernel is told of a node; `known`: it will know one reference more."""
        node: Node = scope.tree.get(number)
        inode = scope.index << _SHIFT | number
        if known:
            self._known[inode] = self._known.get(inode, 0) + 1
        told = scope.told.get(number)
        if told is not None and told[0] is node:
            return told[1]
        entry: Any = EntryAttributes()
        entry.st_ino = inode
        entry.entry_timeout = entry.attr_timeout = _FOREVER
        entry.st_mode = node.mode
        entry.st_nlink = 1 if node.is_folder else len(node.places)
        entry.st_uid, entry.st_gid = self._user, self._group
        entry.st_size = node.size
        entry.st_blocks = node.blocks
        entry.st_mtime_ns = node.mtime
        entry.st_ctime_ns = node.ctime
        entry.st_atime_ns = node.atime
        scope.told[number] = node, entry
        return entry  # type: ignore[no-any-return]


def _without_privileges(mode: int) -> int:
    """A mode without what a change of the bytes takes away: the rights of its owner or group for who executes it."""
    mode &= ~stat.S_ISUID
    return mode & ~stat.S_ISGID if mode & stat.S_IXGRP else mode
