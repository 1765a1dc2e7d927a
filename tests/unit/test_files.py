"""`Files` is the map from paths to entries that `core.md` says, and its hashes are Git's."""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shepherd_dsl.core.event import Change, Entry
from shepherd_dsl.core.files import EMPTY_FOLDER, LINK, Files, git_blob_hash, normal_path

STEADY = settings(deadline=None, derandomize=True, database=None)

BLOBS = {git_blob_hash(data): data for data in (b"", b"x", b"y\n", b"\0\xff")}
HASHES = sorted(BLOBS)

names = st.sampled_from(["a", "b", "a-", "a.b", ".git", "é", "\uef80", "%", "\n"])
paths = st.lists(names, min_size=1, max_size=4).map("/".join)
modes = st.sampled_from([0o100644, 0o100755, 0o100664, 0o100600, 0o100775, 0o104755, 0o100000, LINK])
entries = st.builds(Entry, modes, st.sampled_from(HASHES)) | st.just(EMPTY_FOLDER)
changes = st.dictionaries(paths, entries | st.none(), max_size=6).map(lambda found: tuple(sorted(found.items())))
files = st.lists(changes, max_size=3).map(lambda steps: applied(Files.empty(), steps))


def applied(start: Files, steps: Sequence[Change]) -> Files:
    for step in steps:
        start = start.apply(step)
    return start


def model_apply(now: dict[str, Entry], change: Change) -> dict[str, Entry]:
    """What `contract.md` says of a change, on a plain map."""
    out = dict(now)
    for path, entry in change:
        if entry is None:
            out.pop(path, None)
    for path, entry in sorted((path, entry) for path, entry in change if entry is not None):
        above = [path[:end] for end in range(len(path)) if path[end] == "/"]
        below = [other for other in out if other.startswith(f"{path}/")]
        if entry == EMPTY_FOLDER and below:
            continue
        for other in [*above, *below]:
            out.pop(other, None)
        out[path] = entry
    return out


@STEADY
@given(st.lists(changes, max_size=4))
def test_is_the_map_that_the_contract_says(steps: list[Change]) -> None:
    now: dict[str, Entry] = {}
    value = Files.empty()
    for step in steps:
        now = model_apply(now, step)
        value = value.apply(step)
        assert list(value.items()) == sorted(now.items())
    for path in {path for step in steps for path, _ in step}:
        assert value.get(path) == now.get(path)
        below = [pair for pair in sorted(now.items()) if pair[0].startswith(f"{path}/")]
        assert list(value.under(path)) == below
        assert value.is_folder(path) == (bool(below) or now.get(path) == EMPTY_FOLDER)
    assert Files.of(now.items()) == value
    assert Files.of(reversed(now.items())).hash == value.hash


@STEADY
@given(files, files)
def test_diff_turns_one_into_the_other(left: Files, right: Files) -> None:
    change = left.diff(right)
    assert left.apply(change) == right
    a, b = dict(left.items()), dict(right.items())
    assert change == tuple((path, b.get(path)) for path in sorted(a.keys() | b.keys()) if a.get(path) != b.get(path))
    assert (change == ()) == (left == right)


def loader(value: Files) -> tuple[dict[str, bytes], list[str], object]:
    """The trees of `value`, the list of those that were asked for, and the function that gives them."""
    trees = dict(value.tree_objects(lambda oid: False))
    asked: list[str] = []

    def load(oid: str) -> list[tuple[bytes, int, str]]:
        asked.append(oid)
        return parse(trees[oid])

    return trees, asked, load


def parse(body: bytes) -> list[tuple[bytes, int, str]]:
    out = []
    while body:
        head, _, rest = body.partition(b"\0")
        mode, _, name = head.partition(b" ")
        out.append((name, int(mode, 8), rest[:20].hex()))
        body = rest[20:]
    return out


@STEADY
@given(files, changes)
def test_comes_back_from_git(value: Files, change: Change) -> None:
    _, _, load = loader(value)
    extras = json.loads(value.manifest or b"{}")
    back = Files.from_git(value.git_tree, extras, load)  # type: ignore[arg-type]
    assert (back.hash, back.manifest) == (value.hash, value.manifest)
    assert back.diff(value) == ()
    assert list(back.items()) == list(value.items())
    again = Files.from_git(value.git_tree, extras, load).apply(change)  # type: ignore[arg-type]
    assert again.hash == value.apply(change).hash
    assert again.manifest == value.apply(change).manifest


@STEADY
@given(files)
def test_hash_is_a_function_of_the_entries(value: Files) -> None:
    other = Files.empty()
    pairs = list(value.items())
    random.Random(1).shuffle(pairs)
    for pair in pairs:
        other = other.apply((pair,))
    assert other.hash == value.hash
    assert hash(other) == hash(value)


def test_trees_are_what_git_writes(tmp_path: Path) -> None:
    def git(*args: str, data: bytes = b"") -> str:
        done = subprocess.run(
            ["git", *args],
            cwd=tmp_path,
            input=data,
            capture_output=True,
            check=True,
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        )
        return done.stdout.decode().strip()

    git("init", "-q", ".")
    found = [
        ("a/b.py", Entry(0o100644, "")),
        ("a-b", Entry(0o100755, "")),
        ("a.b", Entry(0o100644, "")),
        ("a/link", Entry(LINK, "")),
        ("é/\uefff", Entry(0o100644, "")),
        ("zz/y/x", Entry(0o100644, "")),
    ]
    pairs = []
    for path, entry in found:
        data = path.encode()
        oid = git("hash-object", "-w", "--stdin", data=data)
        assert oid == git_blob_hash(data)
        pairs.append((path, Entry(entry.mode, oid)))
        raw = path.encode().replace("\uefff".encode(), b"\xff")
        git("update-index", "-z", "--index-info", data=b"%o %s\t%s\0" % (entry.mode, oid.encode(), raw))
    value = Files.of(pairs)
    assert value.git_tree == git("write-tree")
    for oid, body in value.tree_objects(lambda oid: False):
        assert git("hash-object", "-t", "tree", "--stdin", data=body) == oid
    state = git("mktree", data=f"040000 tree {value.git_tree}\tfiles\n".encode())
    assert value.hash == state
    odd = value.apply((("e", EMPTY_FOLDER), ("a-b", Entry(0o100700, HASHES[0]))))
    manifest = git("hash-object", "-w", "--stdin", data=odd.manifest)
    for oid, body in odd.tree_objects(lambda oid: False):
        assert git("hash-object", "-w", "-t", "tree", "--stdin", data=body) == oid
    listing = f"040000 tree {odd.git_tree}\tfiles\n100644 blob {manifest}\tmanifest.json\n"
    assert odd.hash == git("mktree", "--missing", data=listing.encode())


def test_no_files() -> None:
    empty = Files.empty()
    assert (empty.git_tree, empty.manifest, list(empty.items())) == (None, b"", [])
    assert empty.hash == "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
    assert Files.from_git(None, {}, parse) is empty  # type: ignore[arg-type]
    assert empty.get("") is None
    assert empty.is_folder("")
    only = Files.of([("a/b", EMPTY_FOLDER)])
    assert (only.git_tree, only.manifest) == (None, b'{"empty":["a/b"]}')


def test_manifest_names_the_common_modes_once() -> None:
    entry = Entry(0o100664, HASHES[0])
    value = Files.of(
        [*((f"f{i}", entry) for i in range(9)), ("x", Entry(0o100775, HASHES[0])), ("p", Entry(0o100600, HASHES[0]))]
    )
    assert value.manifest == b'{"exec":"100775","modes":{"p":"100600"},"plain":"100664"}'
    tie = Files.of([("a", Entry(0o100644, HASHES[0])), ("b", Entry(0o100600, HASHES[0]))])
    assert tie.manifest == b'{"modes":{"b":"100600"}}'


def test_hashes_stay_what_they_were() -> None:
    """Hashes are in every trace: they may change with the format version only."""
    names = ["a", "a-", "ab", ".git/x", "x\\.git", "%", "é/日本", "\uefff", "n\n", ".gitmodules", "~1", "d/e/f"]
    pairs = [(name, Entry((0o100644, 0o100755, LINK, 0o100600)[i % 4], HASHES[i % 4])) for i, name in enumerate(names)]
    value = Files.of([*pairs, ("empty/inner", EMPTY_FOLDER)])
    assert value.git_tree == "76a4ca69dc62238b36e70accb4a1a0ba3f962bd1"
    assert value.hash == "3979720d7e2678f7ef7434e5794be25f6dd454bd"


def test_unchanged_is_the_same_object() -> None:
    value = Files.of([("a/b", Entry(0o100644, HASHES[0])), ("e", EMPTY_FOLDER)])
    assert value.apply((("a/b", Entry(0o100644, HASHES[0])), ("e", EMPTY_FOLDER), ("no", None), ("a", None))) is value


@pytest.mark.parametrize(
    "path", ["", "/a", "a/", "a//b", ".", "../a", "a/..", "a\0b", "\ud800", "n" * 256, "a/" * 2048 + "a"]
)
def test_refuses_paths_that_are_not_normal(path: str) -> None:
    assert normal_path(path) is None
    with pytest.raises(ValueError, match="normal path"):
        Files.empty().apply(((path, None),))


@pytest.mark.parametrize(
    "entry",
    [Entry(0o120777, HASHES[0]), Entry(0o040000, HASHES[0]), Entry(0o100644, "abc"), Entry(0o160000, HASHES[0])],
)
def test_refuses_what_is_no_entry(entry: Entry) -> None:
    with pytest.raises(ValueError, match="not an entry"):
        Files.of([("a", entry)])


@pytest.mark.parametrize(
    ("tree", "extras"),
    [
        ([(b"..", 0o40000, HASHES[0])], {}),
        ([(b".git", 0o100644, HASHES[0])], {}),
        ([(b"%61", 0o100644, HASHES[0])], {}),
        ([(b"a", 0o160000, HASHES[0])], {}),
        ([(b"a", 0o100644, HASHES[0])], {"modes": {"a": "100755"}}),
        ([(b"a", 0o100644, HASHES[0])], {"empty": ["a"]}),
        ([(b"a", 0o40000, "4b825dc642cb6eb9a060e54bf8d69288fbee4904")], {}),
        ([], {"modes": {"b": "100600"}}),
        ([], {"empty": ["../b"]}),
        ([], {"empty": ["b", "b"]}),
        ([], {"other": 1}),
    ],
)
def test_refuses_trees_that_are_not_ours(tree: list[tuple[bytes, int, str]], extras: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        list(Files.from_git("1" * 40, extras, lambda oid: tree).items())


def test_a_path_as_deep_as_a_path_can_be() -> None:
    path = "/".join(["d"] * 2048)
    value = Files.of([(path, Entry(0o100600, HASHES[0]))])
    assert value.get(path) == Entry(0o100600, HASHES[0])
    assert value.diff(Files.empty()) == ((path, None),)
    assert value.apply(((path, None),)) == Files.empty()
    _, _, load = loader(value)
    assert list(Files.from_git(value.git_tree, json.loads(value.manifest), load).items()) == list(value.items())  # type: ignore[arg-type]
    assert len(list(value.tree_objects(lambda oid: False))) == 2048


def big(mode: int = 0o100644) -> Files:
    return Files.of((f"d{i % 40}/e{i % 1200 // 40}/f{i}", Entry(mode, HASHES[0])) for i in range(12_000))


def test_cost_is_the_difference() -> None:
    value = big()
    trees, asked, load = loader(value)
    back = Files.from_git(value.git_tree, {}, load)  # type: ignore[arg-type]
    change = (("d1/e2/new", Entry(0o100644, HASHES[1])), ("d3/e4/new", Entry(0o100755, HASHES[1])))
    after = back.apply(change)
    assert after.hash == value.apply(change).hash
    assert back.diff(after) == change
    assert value.diff(after) == change
    assert len(asked) == 5  # the top, and two times two on the way
    new = list(after.tree_objects(trees.__contains__))
    assert len(new) == 5
    assert new[-1][0] == after.git_tree


@pytest.mark.parametrize("mode", [0o100644, 0o100664])
def test_a_small_change_of_many_files_is_quick(mode: int) -> None:
    value = big(mode)
    value.hash  # noqa: B018  warms it
    value.apply((("x", Entry(0o100644, HASHES[1])),)).hash  # noqa: B018
    times = []
    for turn in range(20):
        change = tuple(sorted((f"d{i}/e{(i + turn) % 30}/new", Entry(mode, HASHES[1])) for i in range(10)))
        start = time.perf_counter()
        after = value.apply(change)
        after.hash  # noqa: B018
        assert value.diff(after) == change
        times.append(time.perf_counter() - start)
    assert min(times) < 0.02  # 0.5 ms when nothing else runs


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ({"modes": {"d/a": "100600"}}, {"modes": {"d/a": "100640"}}),
        ({"modes": {"d/a": "100600"}}, {}),
        ({"plain": "100664"}, {"plain": "100600"}),
        ({"exec": "100700"}, {"exec": "100775"}),
        ({"empty": ["d/e"]}, {"empty": ["d/f"]}),
    ],
)
def test_one_git_tree_with_different_manifests(left: dict[str, object], right: dict[str, object]) -> None:
    pairs = [("d/a", 0o100644), ("d/b", 0o100755), ("x", 0o100644), ("y", 0o100644)]
    value = Files.of((path, Entry(mode, HASHES[0])) for path, mode in pairs)
    _, _, load = loader(value)
    one, two, same = (Files.from_git(value.git_tree, extras, load) for extras in (left, right, left))  # type: ignore[arg-type]
    assert one.diff(same) == ()
    change = one.diff(two)
    assert change != ()
    assert one.apply(change) == two
    assert one != two
