"""The trees behind scopes over FUSE, and the bytes of their files: without a kernel."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import stat
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rpds import HashTrieMap

from shepherd_dsl.scope import fuse_contents, fuse_tree
from shepherd_dsl.scope.fuse_contents import Contents
from shepherd_dsl.scope.fuse_tree import FILES, STAGE, Clock, FrozenBase, Room, Tree

FILE = stat.S_IFREG | 0o644
FOLDER = stat.S_IFDIR | 0o755
LINK = stat.S_IFLNK | 0o777


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Contents]:
    folder = os.open(tmp_path, os.O_RDONLY)
    yield Contents(folder, lambda: None)
    os.close(folder)


def tree_of(folder: Path, names: list[str]) -> Tree:
    """A tree over a base with those files."""
    (folder / "base").mkdir()
    for name in names:
        (folder / "base" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "base" / name).write_bytes(name.encode())
    return Tree(FrozenBase(folder / "base", [(name, FILE, f"{name}'s") for name in names]), Clock())


def number_of(tree: Tree, path: bytes) -> int:
    found = tree.find(path)
    assert found is not None
    assert found[1] is not None
    return found[1]


def touched(tree: Tree) -> dict[bytes, bool]:
    """The paths that were touched, and whether something is there."""
    return {path: number is not None for path, number in tree.changed()}


def refused(act: Callable[[], object], name: str) -> None:
    with pytest.raises(OSError, match=r"\w") as found:
        act()
    assert found.value.errno == getattr(errno, name)


def test_a_fork_takes_the_same_however_many_files_there_are(tmp_path: Path) -> None:
    taken = []
    for number in (10, 2000):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        tree = tree_of(folder, [f"d{item % 30}/f{item}" for item in range(number)])
        for item in range(number):
            tree.add(FILES, b"new%d" % item, FILE)
        tree.forget_touched(1 << 63)
        tracemalloc.start()
        copies = [tree.fork() for _ in range(100)]
        taken.append(tracemalloc.get_traced_memory()[0] / len(copies))
        tracemalloc.stop()
    assert taken[1] < taken[0] * 1.2
    assert taken[1] < 8192


def test_each_goes_on_by_itself(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, ["a", "d/b"])
    copy = tree.fork()
    copy.remove(FILES, b"a", is_folder=False)
    copy.add(number_of(copy, b"d"), b"new", FILE)
    assert number_of(tree, b"a")
    assert tree.find(b"d/new") == ((number_of(tree, b"d"), b"new"), None)
    assert touched(tree) == {}
    assert touched(copy) == {b"a": False, b"d/new": True}


def test_a_fork_has_no_share_in_files_that_were_removed_or_are_staged(tmp_path: Path, store: Contents) -> None:
    tree = tree_of(tmp_path, ["a", "b"])
    tree.add(STAGE, b"half", FILE)
    removed = tree.remove(FILES, b"a", is_folder=False)
    copy = tree.fork()
    assert tree.get(removed).places == ()
    assert copy.get(removed).places == ()
    assert not copy.get(STAGE).children
    tree.forget_removed(removed)
    assert tree.child(FILES, b"a") is None
    assert tree.child(STAGE, b"half") is not None


def test_hard_links_part_in_a_fork(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, ["a"])
    number = number_of(tree, b"a")
    tree.link(number, FILES, b"b")
    tree.link(number, FILES, b"c")
    assert len(tree.get(number).places) == 3
    copy = tree.fork()
    assert len({number_of(copy, name) for name in (b"a", b"b", b"c")}) == 3
    assert {copy.get(number_of(copy, name)).places for name in (b"a", b"b", b"c")} == {
        ((FILES, b"a"),), ((FILES, b"b"),), ((FILES, b"c"),),
    }  # fmt: skip
    assert number_of(tree, b"b") == number_of(tree, b"c") == number


def test_only_the_highest_touched_place_is_told(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, ["d/e/f", "d/g"])
    new = tree.add(number_of(tree, b"d"), b"new", FOLDER)
    inner = tree.add(new, b"inner", FOLDER)
    tree.add(inner, b"file", FILE)
    assert touched(tree) == {b"d/new": True}
    tree.rename((FILES, b"d"), (FILES, b"moved"), replace=True)
    assert touched(tree) == {b"d": False, b"moved": True}
    until = tree._clock.now()
    tree.add(inner, b"later", FILE)
    tree.forget_touched(until)
    assert touched(tree) == {b"moved/new/inner/later": True}


def test_what_is_below_a_removed_folder_of_the_base_is_not_told(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, ["d/f"])
    folder = number_of(tree, b"d")
    file = tree.remove(folder, b"f", is_folder=False)
    tree.forget_removed(file)
    tree.forget_removed(tree.remove(FILES, b"d", is_folder=True))
    assert touched(tree) == {b"d": False}
    assert tree.fork().child(FILES, b"d") is None
    refused(lambda: tree.add(folder, b"f", FILE), "ENOENT")


def test_what_may_not_be_done(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, ["a", "b", "d/f", "e/g"])
    refused(lambda: tree.add(FILES, b"a", FILE), "EEXIST")
    refused(lambda: tree.add(FILES, b"n" * 256, FILE), "ENAMETOOLONG")
    refused(lambda: tree.remove(FILES, b"missing", is_folder=False), "ENOENT")
    refused(lambda: tree.remove(FILES, b"d", is_folder=True), "ENOTEMPTY")
    refused(lambda: tree.remove(FILES, b"d", is_folder=False), "EISDIR")
    refused(lambda: tree.remove(1, b"files", is_folder=True), "EPERM")
    refused(lambda: tree.rename((FILES, b"a"), (FILES, b"b"), replace=False), "EEXIST")
    refused(lambda: tree.rename((FILES, b"d"), (FILES, b"e"), replace=True), "ENOTEMPTY")
    refused(lambda: tree.rename((FILES, b"a"), (FILES, b"e"), replace=True), "EISDIR")
    refused(lambda: tree.exchange((FILES, b"a"), (FILES, b"missing")), "ENOENT")
    assert touched(tree) == {}


def test_what_a_tree_keeps_in_memory_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = tree_of(tmp_path, ["a"])
    monkeypatch.setattr(fuse_tree, "_MOST_TOUCHED", 10)
    for number in range(25):
        tree.add(FILES, b"new%d" % number, FILE)
        tree.remove(FILES, b"new%d" % number, is_folder=False)
        assert len(tree.touched) <= 11
    assert touched(tree) == {b"": True}
    tree.forget_touched(tree._clock.now())
    assert touched(tree) == {}
    monkeypatch.setattr(fuse_tree, "_MOST_NODES", len(tree._nodes) + 1)
    tree.add(FILES, b"last", FILE)
    refused(lambda: tree.add(FILES, b"one too many", FILE), "ENOSPC")


def test_what_is_made_takes_its_share_of_the_memory_and_gives_it_back(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    room = Room(100_000)
    tree = Tree(FrozenBase(tmp_path / "base", []), Clock(), room=room)

    def fill() -> list[bytes]:
        made: list[bytes] = []
        with contextlib.suppress(OSError):
            while True:
                tree.add(FILES, b"link%d" % len(made), LINK, target=b"x" * 4000)
                made.append(b"link%d" % len(made))
        return made

    def clear(tree: Tree, names: list[bytes]) -> None:
        for name in names:
            tree.forget_removed(tree.remove(FILES, name, is_folder=False))

    made = fill()
    assert 10 < len(made) < 25
    first = number_of(tree, b"link0")
    refused(lambda: tree.link(first, FILES, b"second"), "ENOSPC")
    refused(lambda: tree.set_attributes(first, HashTrieMap({b"user.a": bytes(4000)})), "ENOSPC")
    copy = tree.fork()
    clear(tree, made)
    assert fill() == []  # the fork has them still
    clear(copy, made)
    gc.collect()  # of the errors above
    assert room.left == 100_000
    again = fill()
    assert len(again) == len(made)
    clear(tree, again)
    number = tree.add(FILES, b"file", FILE)
    tree.set_attributes(number, HashTrieMap({b"user.a": bytes(4000)}))
    for name in (b"second", b"third"):
        tree.link(number, FILES, name)
    room.left, before = 0, room.left
    tree.set_attributes(number, HashTrieMap())  # what takes away is not refused
    clear(tree, [b"second", b"third", b"file"])
    assert before + room.left == 100_000


def test_a_content_goes_when_nobody_has_it(tmp_path: Path, store: Contents) -> None:
    token = object()
    one, fd = store.make(token, 1)
    os.write(fd, b"bytes")
    os.close(fd)
    two, fd = store.copy(one, 3, token)
    assert (os.pread(fd, 10, 0), len(list(tmp_path.iterdir()))) == (b"byt", 2)
    os.close(fd)
    del one
    assert len(list(tmp_path.iterdir())) == 1
    del two
    assert list(tmp_path.iterdir()) == []


def test_a_long_copy_pauses_between_its_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuse_contents, "_PIECE", 1 << 10)
    monkeypatch.setattr(fuse_contents.fcntl, "ioctl", _no_reflink)
    folder = os.open(tmp_path, os.O_RDONLY)
    breaths: list[int] = []
    store = Contents(folder, lambda: breaths.append(1))
    data = os.urandom(20 << 10)
    of, fd = store.make(None, 1)
    os.write(fd, data)
    os.close(fd)
    for _ in range(2):
        breaths.clear()
        copied, fd = store.copy(of, len(data), None)
        assert os.pread(fd, 1 << 20, 0) == data
        os.close(fd)
        del copied
        assert len(breaths) >= 20
        monkeypatch.setattr(os, "copy_file_range", _no_copy)  # then by reading and writing
    os.close(folder)


def _no_reflink(*_: object) -> int:
    raise OSError(95, "no reflinks")


def _no_copy(*_: object) -> int:
    raise OSError(18, "another file system")


def test_a_copy_that_fails_leaves_nothing(tmp_path: Path, store: Contents, monkeypatch: pytest.MonkeyPatch) -> None:
    of, fd = store.make(None, 1)
    os.write(fd, b"x" * 100)
    os.close(fd)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fuse_contents.fcntl, "ioctl", _no_reflink)
    monkeypatch.setattr(os, "copy_file_range", full)
    refused(lambda: store.copy(of, 100, None), "ENOSPC")
    assert [path.name.encode() for path in tmp_path.iterdir()] == [of.name]
