"""The trees of files that the FUSE server keeps: persistent, so that a fork is another name for the same tree.

A tree maps numbers to nodes, over a frozen base that any number of trees share; a node of a folder maps names to such
numbers. Both maps are persistent and nodes are immutable: a change puts new nodes into the map of one tree, and no
other sees it. What stands where a base had something, or stands there no more, is known from the new nodes alone.

    1 (ROOT)    the scope: the folder that has the other two
    2 (FILES)   the run's files
    3 (STAGE)   files being written, to be renamed into the run's files
    4 …         what the base has; from `_NEW` on: what was made since
"""

from __future__ import annotations

import errno
import itertools
import os
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NoReturn, TypeAlias

import attrs
from rpds import HashTrieMap

from shepherd_dsl.core.names import os_name
from shepherd_dsl.scope.fuse_contents import Content
from shepherd_dsl.scope.limits import MEMORY

ROOT: Final = 1
FILES: Final = 2
STAGE: Final = 3
_NEW: Final = 1 << 32
_LONGEST_NAME: Final = 255
_MOST_NODES: Final = 2_000_000
_MOST_TOUCHED: Final = 200_000
"""So many of a tree are kept in memory: no more can be made, and all is looked at where more was touched."""
_UNKNOWN: Final = -1
_NODE_BYTES: Final = 1000
_NAME_BYTES: Final = 700
_ATTRIBUTE_BYTES: Final = 220
"""What a node, a name of it and an attribute take at most, beside their bytes."""

Place: TypeAlias = tuple[int, bytes]
"""A folder's number and a name in it."""

_ALL: Final[Place] = (ROOT, b"files")
"""Touched, it stands for all files."""

Children: TypeAlias = "HashTrieMap[bytes, int]"

_NOTHING: Final[Children] = HashTrieMap()


class Room:
    """The memory that is left for what processes make, in bytes."""

    __slots__ = ("left",)

    def __init__(self, size: int = MEMORY) -> None:
        self.left = size

    def take(self, size: int, *, number: int = errno.ENOSPC) -> Share:
        """A share of it, given back when nothing refers to it any more; OSError `number` where there is not so much."""
        if size > self.left:
            fail(number)
        return Share(self, size)


class Share:
    """Memory that is taken."""

    __slots__ = ("_room", "size")

    def __init__(self, room: Room, size: int) -> None:
        self._room, self.size = room, size
        room.left -= size

    def __del__(self) -> None:
        self._room.left += self.size


@attrs.frozen(slots=True)
class Node:
    """A file, folder, link or the like; times are in ns. `places` are where it stands, several for hard links, none
    when it was removed. `children` is for folders, `content` for files, `target` for links. A file takes up `blocks` of
    512 bytes on the disk: fewer than its size has where there are holes. All that it is in forks and was before holds
    the same `share` of the memory; what a base has needs none."""

    mode: int
    mtime: int
    ctime: int
    atime: int
    places: tuple[Place, ...]
    size: int = 0
    blocks: int = 0
    children: Children = _NOTHING
    content: Content | None = None
    target: bytes = b""
    attributes: HashTrieMap[bytes, bytes] | None = None
    share: Share | None = attrs.field(default=None, eq=False, repr=False)

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.mode)


_GONE: Final = Node(0, 0, 0, 0, ())


def fail(number: int) -> NoReturn:
    """Raise the OSError of that number."""
    raise OSError(number, os.strerror(number))


class Clock:
    """The time of the file system: no two changes have the same."""

    def __init__(self) -> None:
        self._last = 0

    def now(self) -> int:
        """Nanoseconds since the epoch."""
        self._last = max(self._last + 1, time.time_ns())
        return self._last


class FrozenBase:
    """The nodes of a base (`scope.bases`), which are read when they are first looked at."""

    def __init__(self, folder: Path, listed: Iterable[tuple[str, int, str]]) -> None:
        """The base with its files in `folder`; `listed` has the path, mode and hash of each. OSError passes through."""
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        top = os.fstat(self._folder)
        children: list[dict[bytes, int]] = [{}, {b"files": FILES, b"stage": STAGE}, {}, {}]
        places: list[Place | None] = [None, None, (ROOT, b"files"), (ROOT, b"stage")]
        files: dict[int, tuple[int, Content]] = {}

        def add(folder: int, name: bytes) -> int:
            number = children[folder][name] = len(places)
            places.append((folder, name))
            children.append({})
            return number

        for path, mode, hash in listed:
            names = [os_name(name) for name in path.split("/")]
            at = FILES
            for name in names[:-1]:
                found = children[at].get(name)
                at = add(at, name) if found is None else found
            number = add(at, names[-1])
            if hash:
                content = Content(self._folder, b"/".join(names), owner=None, hash=hash, stamp=_UNKNOWN)
                files[number] = (mode, content)
        when = top.st_mtime_ns
        self._nodes: list[Node] = []
        for number, place in enumerate(places):
            at_places = () if place is None else (place,)
            if number in files:
                mode, content = files[number]
                self._nodes.append(Node(mode, _UNKNOWN, _UNKNOWN, _UNKNOWN, at_places, content=content))
            else:
                inside: Children = HashTrieMap.convert(children[number]) if children[number] else _NOTHING
                self._nodes.append(Node(top.st_mode, when, when, when, at_places, children=inside))

    def get(self, number: int) -> Node | None:
        """The node of that number, whole."""
        if number >= len(self._nodes):
            return None
        node = self._nodes[number]
        if node.mtime == _UNKNOWN and node.content is not None:
            found = node.content.stat()
            times = (found.st_mtime_ns, found.st_mtime_ns, found.st_mtime_ns)
            if stat.S_ISLNK(node.mode):
                target = node.content.read_link()
                node = Node(node.mode | 0o777, *times, node.places, size=len(target), target=target)
            else:
                node = Node(
                    node.mode,
                    *times,
                    node.places,
                    size=found.st_size,
                    blocks=found.st_blocks,
                    content=node.content,
                )
            self._nodes[number] = node
        return node


class Tree:
    """The files of one scope. `token` owns the contents that may be written in place.

    `touched` has the places that were changed since the last `forget_touched`, and when. Methods raise OSError with the
    number that the system call is to give; what the kernel checks before it asks is not checked again.
    """

    _numbers = itertools.count(_NEW)

    def __init__(
        self,
        base: FrozenBase,
        clock: Clock,
        nodes: HashTrieMap[int, Node] | None = None,
        *,
        room: Room | None = None,
    ) -> None:
        self._base = base
        self._clock = clock
        self.room = Room() if room is None else room
        self._nodes: HashTrieMap[int, Node] = HashTrieMap() if nodes is None else nodes
        self._removed: set[int] = set()
        self._linked: set[int] = set()
        self.token = object()
        self.touched: dict[Place, int] = {}

    def fork(self) -> Tree:
        """Another tree with the same files; each goes on by itself. Costs the same however many files there are.

        What are hard links here are files of their own there.
        """
        copy = Tree(self._base, self._clock, self._nodes, room=self.room)
        for number in self._removed:  # of open files alone
            copy._forget(number)
        copy.touched = dict(self.touched)
        for number in self._linked:
            copy._part(number)
        stage = copy.get(STAGE)
        if stage.children:
            copy._put(STAGE, attrs.evolve(stage, children=_NOTHING))
        self.token = object()
        return copy

    def settle(self) -> None:
        """Nobody has a file of it open, and the kernel is to know nothing of it any more: what was removed is gone."""
        for number in self._removed:
            self._forget(number)
        self._removed.clear()

    # ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def get(self, number: int) -> Node:
        """The node of that number."""
        found = self._nodes.get(number) or self._base.get(number)
        return fail(errno.ESTALE) if found is None else found

    def child(self, folder: int, name: bytes) -> int | None:
        """The number of what stands at a place."""
        if len(name) > _LONGEST_NAME:
            fail(errno.ENAMETOOLONG)
        return self.get(folder).children.get(name)

    def find(self, path: bytes) -> tuple[Place, int | None] | None:
        """The place of a path of the run's files and the number of what is there; None where its folder is missing."""
        *above, last = path.split(b"/")
        at: int | None = FILES
        for name in above:
            at = self.get(at).children.get(name) if at is not None else None
        if at is None:
            return None
        return (at, last), self.get(at).children.get(last)

    # ── changing ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def put(self, number: int, node: Node) -> None:
        """Another node at that number: its bytes, mode or target are others."""
        self._put(number, node)
        for place in node.places:
            self._touch(place, node.ctime)

    def set_attributes(self, number: int, attributes: HashTrieMap[bytes, bytes]) -> None:
        """Other extended attributes at that number."""
        node = attrs.evolve(self.get(number), ctime=self._clock.now(), attributes=attributes)
        self._put(number, self._paid(node))

    def set_quietly(self, number: int, node: Node) -> None:
        """Another node at that number, of which nothing is carried that is different."""
        self._put(number, node)

    def add(self, folder: int, name: bytes, mode: int, *, content: Content | None = None, target: bytes = b"") -> int:
        """Something new at a place where nothing is; its number."""
        self._check_free(folder, name)
        now = self._clock.now()
        node = Node(mode, now, now, now, ((folder, name),), size=len(target), content=content, target=target)
        node = self._paid(node)
        number = next(self._numbers)
        self._put(number, node)
        self._enter(folder, name, number, now)
        return number

    def link(self, number: int, folder: int, name: bytes) -> None:
        """A second name."""
        self._check_free(folder, name)
        node = self.get(number)
        if not node.places:
            fail(errno.ENOENT)
        now = self._clock.now()
        self._put(number, self._paid(attrs.evolve(node, ctime=now, places=(*node.places, (folder, name)))))
        self._linked.add(number)
        self._enter(folder, name, number, now)

    def remove(self, folder: int, name: bytes, *, is_folder: bool) -> int:
        """Take away what stands at a place; its number."""
        self._check(folder)
        number = self.child(folder, name)
        if number is None:
            fail(errno.ENOENT)
        node = self.get(number)
        if node.is_folder != is_folder:
            fail(errno.EISDIR if node.is_folder else errno.ENOTDIR)
        if is_folder and node.children:
            fail(errno.ENOTEMPTY)
        now = self._clock.now()
        self._leave(number, node, (folder, name), now)
        self._set_children(folder, self.get(folder).children.remove(name), now)
        self._touch((folder, name), now)
        return number

    def rename(self, of: Place, to: Place, *, replace: bool) -> int | None:
        """Move what stands at `of` to `to`, over what is there; the number of what was replaced."""
        self._check(of[0])
        self._check(to[0])
        number, other = self.child(*of), self.child(*to)
        if number is None:
            fail(errno.ENOENT)
        if other == number:
            return None
        node = self.get(number)
        if other is not None:
            if not replace:
                fail(errno.EEXIST)
            there = self.get(other)
            if there.is_folder != node.is_folder:
                fail(errno.EISDIR if there.is_folder else errno.ENOTDIR)
            if there.children:
                fail(errno.ENOTEMPTY)
        now = self._clock.now()
        if other is not None:
            self._leave(other, self.get(other), to, now)
        self._move(number, of, to, now)
        self._set_children(of[0], self.get(of[0]).children.remove(of[1]), now)
        self._set_children(to[0], self.get(to[0]).children.insert(to[1], number), now)
        self._touch(of, now)
        self._touch(to, now)
        return other

    def exchange(self, one: Place, two: Place) -> None:
        """Let what stands at two places change them."""
        self._check(one[0])
        self._check(two[0])
        first, second = self.child(*one), self.child(*two)
        if first is None or second is None:
            fail(errno.ENOENT)
        now = self._clock.now()
        self._move(first, one, two, now)
        self._move(second, two, one, now)
        self._set_children(one[0], self.get(one[0]).children.insert(one[1], second), now)
        self._set_children(two[0], self.get(two[0]).children.insert(two[1], first), now)
        self._touch(one, now)
        self._touch(two, now)

    def forget_removed(self, number: int) -> None:
        """Nobody has it open any more, and the kernel does not know it: if it was removed, it is gone."""
        if number in self._removed:
            self._removed.discard(number)
            self._forget(number)

    # ── what changed ─────────────────────────────────────────────────────────────────────────────────────────────────

    def changed(self) -> Iterator[tuple[bytes, int | None]]:
        """(path, number of what is there now) of the places that were touched, but for those below such a one. The
        path is empty for all files."""
        paths: dict[int, bytes | None] = {FILES: b"", ROOT: None, STAGE: None}
        if _ALL in self.touched:
            yield b"", FILES
            return
        for (folder, name), _ in list(self.touched.items()):
            above = self._path(folder, paths)
            if above is not None:
                yield above + name, self.get(folder).children.get(name)

    def _path(self, folder: int, paths: dict[int, bytes | None]) -> bytes | None:
        """The path of a folder with a slash, None where it is not among the files or something above it was touched."""
        way: list[int] = []
        while folder not in paths:
            way.append(folder)
            places = self._places(folder)
            folder = places[0][0] if places else ROOT
        path = paths[folder]
        for inner in reversed(way):
            places = self._places(inner)
            if path is not None:
                path = None if not places or places[0] in self.touched else path + places[0][1] + b"/"
            paths[inner] = path
        return path

    def touch(self, number: int) -> None:
        """It may be changed without a word: it is mapped into memory."""
        now = self._clock.now()
        for place in self.get(number).places:
            self._touch(place, now)

    def forget_touched(self, until: int) -> None:
        """What was touched until then was taken note of."""
        self.touched = {place: when for place, when in self.touched.items() if when > until}

    def note_hashes(self, rows: Iterable[tuple[int, int, str]]) -> None:
        """(number, stamp, hash): the hash of the bytes of a file, if they are still what they were at that stamp."""
        for number, when, hash in rows:
            node = self._nodes.get(number)
            if node is not None and node.content is not None and node.content.stamp == when:
                node.content.hash = hash

    def note_written(self, rows: Iterable[tuple[bytes, int | None, str | None]]) -> None:
        """(path, ctime, hash): what the driver itself put there, or took away (None): no change of a process."""
        for path, when, hash in rows:
            found = self.find(path)
            if found is None:
                continue
            place, number = found
            if when is None:
                if number is None:
                    self.touched.pop(place, None)
            elif number is not None:
                node = self.get(number)
                if node.ctime == when and len(node.places) == 1 and not node.is_folder:
                    if node.content is not None:
                        node.content.hash = hash
                    if self.touched.get(place, 0) <= when:
                        self.touched.pop(place, None)

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _part(self, number: int) -> None:
        """Let the names of a node be nodes of their own."""
        node = self.get(number)
        for folder, name in node.places[1:]:
            other = next(self._numbers)
            self._put(other, attrs.evolve(node, places=((folder, name),)))
            above = self.get(folder)
            self._put(folder, attrs.evolve(above, children=above.children.insert(name, other)))
        self._put(number, attrs.evolve(node, places=node.places[:1]))

    def _forget(self, number: int) -> None:
        """A removed node is gone. One that the base has stays known as removed."""
        if number < _NEW:
            self._nodes = self._nodes.insert(number, _GONE)
        else:
            self._nodes = self._nodes.discard(number)

    def _places(self, number: int) -> tuple[Place, ...]:
        node = self._nodes.get(number) or self._base.get(number)
        return () if node is None else node.places

    def _check(self, folder: int) -> None:
        """What a scope stands on is nobody's to remove."""
        if folder == ROOT:
            fail(errno.EPERM)

    def _touch(self, place: Place, now: int) -> None:
        if len(self.touched) >= _MOST_TOUCHED:
            self.touched = {_ALL: now}
        self.touched[place] = now

    def _check_free(self, folder: int, name: bytes) -> None:
        """Something new may stand there."""
        self._check(folder)
        if self.child(folder, name) is not None:
            fail(errno.EEXIST)
        if not self.get(folder).places:
            fail(errno.ENOENT)
        if len(self._nodes) >= _MOST_NODES:
            fail(errno.ENOSPC)

    def _paid(self, node: Node) -> Node:
        """The node with a share of the memory for all that it holds."""
        size = _NODE_BYTES + _NAME_BYTES * len(node.places) + len(node.target)
        for name, value in (node.attributes or {}).items():
            size += _ATTRIBUTE_BYTES + len(name) + len(value)
        if node.share is not None and size <= node.share.size:
            return node  # taking something away must go where nothing is left
        return attrs.evolve(node, share=self.room.take(size))

    def _put(self, number: int, node: Node) -> None:
        self._nodes = self._nodes.insert(number, node)

    def _set_children(self, folder: int, children: Children, now: int) -> None:
        self._put(folder, attrs.evolve(self.get(folder), children=children, mtime=now, ctime=now))

    def _enter(self, folder: int, name: bytes, number: int, now: int) -> None:
        self._set_children(folder, self.get(folder).children.insert(name, number), now)
        self._touch((folder, name), now)

    def _leave(self, number: int, node: Node, place: Place, now: int) -> None:
        places = tuple(item for item in node.places if item != place)
        self._put(number, attrs.evolve(node, places=places, ctime=now))
        if len(places) < 2:
            self._linked.discard(number)
        if not places:
            self._removed.add(number)

    def _move(self, number: int, of: Place, to: Place, now: int) -> None:
        node = self.get(number)
        places = tuple(to if item == of else item for item in node.places)
        self._put(number, attrs.evolve(node, places=places, ctime=now))
