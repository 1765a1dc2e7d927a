"""Packs and records: Git makes the same index of a pack, and what is written reads back."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shepherd_dsl.trace import packs
from shepherd_dsl.trace.log import Segment, decode_segment, encode_segment
from shepherd_dsl.trace.objects import BLOB, State, git_object, read_commit, read_tree, tree_body
from shepherd_dsl.trace.packs import PackIndex, PackWriter
from shepherd_dsl.trace.records import EntryItem, NoteItem, TreeItem, decode, encode
from shepherd_dsl.trace.repository import Repository, init_repository

OIDS = st.binary(min_size=20, max_size=20).map(bytes.hex)
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)


def blobs(count: int) -> list[bytes]:
    """Bodies of many sizes, around the boundaries of pack headers and of the small window too."""
    chance = random.Random(count)
    sizes = [0, 1, 15, 16, 17, 2047, 2048, 4095, 4096, 4097, 70_000]
    return [chance.randbytes(size) for size in sizes] + [b"%d " % n * (n % 300) for n in range(count)]


def write(objects: Path, bodies: list[bytes]) -> tuple[str, list[str]]:
    folder = objects / "pack"
    folder.mkdir(parents=True, exist_ok=True)
    pack = PackWriter(folder, unique="test")
    items = [git_object(BLOB, body) for body in bodies]
    packs.add_all(pack, [*items, *items])
    name = pack.seal(keep="x")
    return name, [item.oid for item in items]


@pytest.mark.parametrize("flush", [1 << 22, 1000])
def test_git_makes_the_same_index(tmp_path: Path, flush: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packs, "FLUSH_BYTES", flush)
    name, oids = write(tmp_path, blobs(700))
    pack = tmp_path / "pack" / f"pack-{name}.pack"
    again = tmp_path / "again.idx"
    subprocess.run(["git", "index-pack", "--strict", "-o", str(again), str(pack)], check=True, capture_output=True)
    assert again.read_bytes() == pack.with_suffix(".idx").read_bytes()
    shown = subprocess.run(["git", "verify-pack", "-v", str(pack)], check=True, capture_output=True, text=True).stdout
    assert {line[:40] for line in shown.splitlines() if " blob " in line} == set(oids)
    assert pack.with_suffix(".keep").exists()


def test_the_index_knows_what_is_there_and_notices_changes(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    index = PackIndex(tmp_path)
    bodies = blobs(300)
    oids = [git_object(BLOB, body).oid for body in bodies]
    assert not any(map(index.contains, oids))
    name, _ = write(tmp_path, bodies)
    assert all(map(index.contains, oids))
    for oid in oids:
        near = f"{int(oid, 16) ^ 1:040x}"
        assert index.contains(near) == (near in oids)
    assert not index.contains("0" * 40)
    assert not index.contains("f" * 40)
    for path in (tmp_path / "pack").iterdir():
        assert name in path.name
        path.unlink()
    assert not any(map(index.contains, oids))


def test_objects_of_many_packs_are_found_as_packs_come_and_go(tmp_path: Path) -> None:
    bodies = [b"%d " % number * (number % 50) for number in range(600)]
    index = PackIndex(tmp_path)
    held: dict[str, list[tuple[str, bytes]]] = {}
    for at in range(0, 600, 10):
        part = [*bodies[at : at + 10], bodies[at // 2]]  # some are in two packs
        name, oids = write(tmp_path, part)
        held[name] = list(zip(oids, part, strict=True))
        assert all(index.contains(oid) for oid in oids)
        assert index.whole(oids[3]) == (BLOB, part[3])
    gone = random.Random(3).sample(sorted(held), 20)
    for name in gone:
        for path in (tmp_path / "pack").glob(f"pack-{name}.*"):
            path.unlink()
    left = {oid: body for name in held.keys() - set(gone) for oid, body in held[name]}
    every = {oid for rows in held.values() for oid, _ in rows}
    assert {oid for oid in every if index.contains(oid)} == left.keys()
    assert all(index.whole(oid) == (BLOB, body) for oid, body in left.items())
    assert all(index.whole(oid) is None for oid in every - left.keys())


ITEMS = st.lists(
    st.one_of(
        st.builds(
            EntryItem,
            run=TEXTS,
            text=st.binary(max_size=99),
            summary=TEXTS,
            state=st.builds(State, tree=st.none() | OIDS, manifest=st.none() | OIDS),
            blobs=st.lists(OIDS, max_size=3).map(tuple),
            time_ms=st.integers(0, 2**60),
        ),
        st.builds(NoteItem, TEXTS, st.integers(0, 2**40), TEXTS, TEXTS),
        st.builds(TreeItem, TEXTS, TEXTS),
        st.binary(max_size=99).map(lambda body: git_object(BLOB, body)),
    ),
    max_size=6,
)


@settings(max_examples=200, deadline=None)
@given(ITEMS)
def test_records_read_back(items: list[EntryItem | NoteItem | TreeItem]) -> None:
    payload = encode(items)
    assert encode(decode(payload)) == payload
    found = list(decode(payload))
    assert [type(item) for item in found] == [type(item) for item in items]
    for left, right in zip(found, items, strict=True):
        for field in left.__slots__:
            if field != "__weakref__":
                assert getattr(left, field) == getattr(right, field)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["root", "root.0", "root.1(root.0)"]), st.integers(0, 2**45)), max_size=20),
    st.lists(st.builds(NoteItem, TEXTS, st.integers(0, 99), TEXTS, TEXTS), max_size=3),
)
def test_segments_read_back(entries: list[tuple[str, int]], notes: list[NoteItem]) -> None:
    segment = Segment(7, tuple(run for run, _ in entries), tuple(time for _, time in entries), tuple(notes))
    assert decode_segment(encode_segment(segment)) == segment


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from([b"a", b"a.b", b"a-", b"a0", b"ab", b"b"]), st.tuples(st.booleans(), OIDS)))
def test_trees_are_in_gits_order(entries: dict[bytes, tuple[bool, str]]) -> None:
    from dulwich.objects import Tree

    theirs = Tree()
    for name, (is_folder, oid) in entries.items():
        theirs.add(name, 0o040000 if is_folder else 0o100644, oid.encode())
    ours = tree_body((b"40000" if is_folder else b"100644", name, oid) for name, (is_folder, oid) in entries.items())
    assert ours == theirs.as_raw_string()
    assert {name: oid for name, _, oid in read_tree(ours)} == {name: oid for name, (_, oid) in entries.items()}


@pytest.mark.parametrize("body", [b"", b"tree", b"nothing\nauthor ", b"tree x\nother y\nauthor "])
def test_what_is_no_commit_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_commit(body)


def test_whole_objects_are_read_without_a_git_library(tmp_path: Path) -> None:
    bodies = blobs(300)
    _, oids = write(tmp_path, bodies)
    index = PackIndex(tmp_path)
    assert [index.whole(oid) for oid in oids] == [(BLOB, body) for body in bodies]
    assert index.whole("0" * 40) is None


def test_deltas_and_loose_objects_are_left_to_the_git_library(tmp_path: Path) -> None:
    init_repository(tmp_path)
    git = tmp_path / ".shepherd" / "trace.git"
    bodies = [b"line\n" * 2000 + b"%d" % number for number in range(20)]
    made = [
        subprocess.run(
            ["git", "-C", str(git), "hash-object", "-w", "--stdin"], input=body, check=True, capture_output=True
        ).stdout.decode()
        for body in bodies
    ]
    oids = [name.strip() for name in made]
    index = PackIndex(git / "objects")
    assert all(index.whole(oid) is None for oid in oids)
    pack = ["git", "-C", str(git), "pack-objects", "-q", str(git / "objects" / "pack" / "pack")]
    subprocess.run(pack, input="".join(made).encode(), check=True, capture_output=True)
    subprocess.run(["git", "-C", str(git), "prune-packed"], check=True)
    found = [index.whole(oid) for oid in oids]
    assert None in found
    assert any(found)
    assert all(item in (None, (BLOB, body)) for item, body in zip(found, bodies, strict=True))
    assert [Repository(git).read(oid, BLOB) for oid in oids] == bodies


@pytest.mark.parametrize("keep", [0, 5, 40, -30])
def test_a_torn_pack_gives_nothing(tmp_path: Path, keep: int) -> None:
    body = random.Random(1).randbytes(3000)
    name, (oid,) = write(tmp_path, [body])
    pack = tmp_path / "pack" / f"pack-{name}.pack"
    data = pack.read_bytes()
    pack.chmod(0o644)
    pack.write_bytes(data[:keep])
    assert PackIndex(tmp_path).whole(oid) is None
    pack.unlink()
    assert PackIndex(tmp_path).whole(oid) is None


def test_many_packs_hold_few_descriptors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There are as many packs as there were runs, and a process may have a thousand files open, or fewer."""
    monkeypatch.setattr(packs, "_PACKS_OPEN", 4)
    bodies = [b"%d" % number * 3 for number in range(60)]
    big = random.Random(7).randbytes(300_000)  # a pack of which not all is read at once
    oids = [write(tmp_path, [body, big + body])[1] for body in bodies]
    index = PackIndex(tmp_path)
    before = len(list(Path("/dev/fd").iterdir()))
    for body, (small, large) in zip(bodies, oids, strict=True):
        assert index.whole(small) == (BLOB, body)
        assert index.whole(large) == (BLOB, big + body)
    assert index.whole(oids[0][0]) == (BLOB, bodies[0])
    assert len(list(Path("/dev/fd").iterdir())) <= before + 4
