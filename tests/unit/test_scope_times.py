"""Times of files: where they come from, and what becomes of a table that is lost, torn or too large."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from random import Random

import pytest

from shepherd_dsl.core.event import Entry
from shepherd_dsl.core.files import LINK, Files
from shepherd_dsl.handlers.secrets import Redactor
from shepherd_dsl.runtime.workspace import Workspace
from shepherd_dsl.scope import times as times_module
from shepherd_dsl.scope.apply import merge_into
from shepherd_dsl.scope.times import Times
from shepherd_dsl.trace.protocol import TreeWriter
from tests.support.scopes import why_not

BACKENDS = [
    pytest.param(name, marks=pytest.mark.skipif(bool(why_not(name)), reason=f"no {name} here: {why_not(name)}"))
    for name in ("overlay", "fuse", "copy")
]
OLD = 1_000_000_000_123_456_789


def files(**content: str) -> Files:
    return Files.of((path, Entry(0o100644, f"{ord(what):040x}")) for path, what in content.items())


A, B, C = files(a="1", b="1"), files(a="2", b="1"), files(a="2", b="2")


def noted(table: Times) -> None:
    table.brought(Files.empty(), A, {"a": 1, "b": 2}, {})
    table.held(A, B, {"a": 3}, {"a": (A.get("a") or Entry(0, ""), 1)})
    table.held(B, C, {"b": 4}, {"b": (B.get("b") or Entry(0, ""), 2)})


def known(table: Times, of: Files) -> dict[str, int | None]:
    time_of = table.wanted(of, fresh=False)
    return {path: time_of(path, entry) for path, entry in of.items()}


ALL = [{"a": 1, "b": 2}, {"a": 3, "b": 2}, {"a": 3, "b": 4}]


def test_each_files_have_the_times_of_then(tmp_path: Path) -> None:
    noted(Times(tmp_path / "t"))
    table = Times(tmp_path / "t")
    assert [known(table, of) for of in (A, B, C)] == ALL
    assert table.differing(A, C) == []
    assert known(table, files(a="1", b="2")) == {"a": None, "b": None}


def test_what_stays_the_same_may_have_another_time(tmp_path: Path) -> None:
    table = Times(tmp_path / "t")
    noted(table)
    again = files(a="2", b="2", c="3")
    table.held(C, again, {"a": 9, "c": 9}, {})
    assert table.differing(again, C) == [("a", 3)]
    assert table.differing(C, again) == [("a", 9)]
    # Of files that nobody knows, all that is known of the others is to be looked at.
    assert table.differing(files(a="2", d="1"), C) == [("a", 3)]


@pytest.mark.parametrize("seed", range(20))
def test_of_any_two_that_were_held_it_is_known_what_differs(seed: int) -> None:
    """Against a plain map of all times, whatever led from the one to the other."""
    chance = Random(seed)
    table = Times()
    start = files(**{name: "1" for name in "abcdef"})
    model = {start.hash: (start, dict.fromkeys("abcdef", 0))}
    table.brought(Files.empty(), start, dict.fromkeys("abcdef", 0), {})
    for moment in range(1, 40):
        before, times = chance.choice(list(model.values()))
        changed = chance.sample("abcdef", chance.randrange(1, 4))
        after = before.apply(tuple((path, Entry(0o100644, f"{chance.randrange(3):040x}")) for path in changed))
        old = {path: (entry, times[path]) for path in changed if (entry := before.get(path)) is not None}
        table.held(before, after, dict.fromkeys(changed, moment), old)
        model[after.hash] = (after, {**times, **dict.fromkeys(changed, moment)})
    for one, one_times in model.values():
        assert known(table, one) == one_times
        for other, other_times in model.values():
            same = [path for path in "abcdef" if one.get(path) == other.get(path)]
            wanted = [(path, other_times[path]) for path in same if other_times[path] != one_times[path]]
            assert table.differing(one, other) == wanted


@pytest.mark.parametrize("cut", range(0, 400, 29))
def test_a_torn_table_is_no_error(tmp_path: Path, cut: int) -> None:
    file = tmp_path / "t"
    noted(Times(file))
    whole = file.read_bytes()
    file.write_bytes(whole[:cut])
    table = Times(file)
    for of, right in zip((A, B, C), ALL, strict=True):
        assert all(value in (None, right[path]) for path, value in known(table, of).items())
    table.held(B, C, {"b": 4, "a": 3}, {})
    assert known(Times(file), C) == ALL[2]


@pytest.mark.parametrize(
    "damage",
    [b"", b"\xff\xfe\n", b"[]\n", b"[1,2,3,4]\n", b'["a","b",{"x":null},[]]\n', b"{}\n"],
)
def test_a_damaged_table_is_no_error(tmp_path: Path, damage: bytes) -> None:
    file = tmp_path / "t"
    file.write_bytes(damage)
    noted(Times(file))
    assert known(Times(file), C) == ALL[2]


def test_a_time_that_no_system_takes_is_none(tmp_path: Path) -> None:
    file = tmp_path / "t"
    noted(Times(file))
    file.write_text(file.read_text().replace('"a":3', '"a":3' + "0" * 30))
    assert known(Times(file), B)["a"] is None


def test_a_table_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    table = Times(tmp_path / "t", tmp_path / "nothing")
    noted(table)
    assert known(table, C) == ALL[2]
    (tmp_path / "file").write_bytes(b"")
    noted(Times(tmp_path / "file" / "t", tmp_path / "nothing"))


def test_a_table_does_not_grow_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(times_module, "_MOST", 4000)
    table = Times(tmp_path / "t")
    for number in range(200):
        table.held(files(a=chr(number + 1)), files(a=chr(number + 2)), {"a": number}, {})
        assert not (tmp_path / "t").exists() or (tmp_path / "t").stat().st_size <= 4000
    assert known(table, files(a=chr(201))) == {"a": 199}
    assert len(table._states) < 60


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    root = tmp_path / "w"
    (root / "d").mkdir(parents=True)
    for number, name in enumerate(("a", "d/b", "d/c")):
        (root / name).write_bytes(name.encode())
        os.utime(root / name, ns=(OLD, OLD + number))
    (root / "l").symlink_to("a")
    os.utime(root / "l", ns=(OLD, OLD + 9), follow_symlinks=False)
    return Workspace.init(root)


def imported(workspace: Workspace) -> tuple[TreeWriter, Files]:
    writer = workspace.store().create(program="x", info={})
    found = workspace.import_files(writer, redactor=Redactor()).files
    return writer, found


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_tree_begins_with_the_times_of_the_workspace(workspace: Workspace, backend: str) -> None:
    writer, found = imported(workspace)
    scopes = workspace.scopes(writer.name, read_blob=writer.blob, redactor=Redactor(), wanted=backend)
    scope = scopes.open("root", found)
    assert {path: (scope.folder / path).lstat().st_mtime_ns - OLD for path, _ in found.items()} == {
        "a": 0, "d/b": 1, "d/c": 2, "l": 9,
    }  # fmt: skip
    (scope.folder / "a").write_bytes(b"new")
    (scope.folder / "l").unlink()
    scope.changes(writer.put_blob)
    # The user goes on, and other runs import what the user has made.
    (workspace.root / "a").write_bytes(b"later")
    imported(workspace)
    scope.sync(found)
    assert (scope.folder / "a").stat().st_mtime_ns == OLD
    assert (scope.folder / "l").lstat().st_mtime_ns == OLD + 9
    scope.close()
    scopes.remove("root")
    scopes.close()
    scopes = workspace.scopes(writer.name, read_blob=writer.blob, redactor=Redactor(), wanted=backend)
    again = scopes.open("root", found)
    assert {(again.folder / path).lstat().st_mtime_ns - OLD for path, _ in found.items()} == {0, 1, 2, 9}
    scopes.close(ended=True)
    writer.close()


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_merged_into_the_workspace_is_new_there(workspace: Workspace, backend: str) -> None:
    writer, found = imported(workspace)
    scopes = workspace.scopes(writer.name, read_blob=writer.blob, redactor=Redactor(), wanted=backend)
    scope = scopes.open("root", found)
    (scope.folder / "a").write_bytes(b"made by a run")
    os.utime(scope.folder / "a", ns=(OLD, OLD))
    scope.changes(writer.put_blob)
    began = time.time_ns() - 10**9
    merge_into(workspace.root, found, scope.files, read_blob=writer.blob)
    assert (workspace.root / "a").stat().st_mtime_ns > began
    assert (workspace.root / "d" / "b").stat().st_mtime_ns == OLD + 1
    scopes.close(ended=True)
    writer.close()


def test_times_of_symbolic_links_are_their_own(tmp_path: Path) -> None:
    table = Times(tmp_path / "t")
    one = Files.of([("l", Entry(LINK, "1" * 40))])
    table.brought(Files.empty(), one, {"l": 7}, {})
    assert known(Times(tmp_path / "t"), one) == {"l": 7}


@pytest.mark.skipif(shutil.which("make") is None, reason="no make here")
@pytest.mark.parametrize("backend", BACKENDS)
def test_make_builds_what_has_to_be_built_and_nothing_else(workspace: Workspace, backend: str) -> None:
    (workspace.root / "Makefile").write_text("out: d/src\n\tcp d/src out\n\ttouch out\n")
    (workspace.root / "d" / "src").write_text("one")
    writer, found = imported(workspace)
    scopes = workspace.scopes(writer.name, read_blob=writer.blob, redactor=Redactor(), wanted=backend)
    scope = scopes.open("root", found)

    def make(*options: str) -> int:
        time.sleep(0.01)
        return subprocess.run(["make", "-s", *options], cwd=scope.folder, check=False).returncode

    def state() -> Files:
        scope.changes(writer.put_blob)
        return scope.files

    assert make() == 0
    built = state()
    (scope.folder / "d" / "src").write_text("two")
    edited = state()
    assert make() == 0
    again = state()
    (scope.folder / "d" / "src").write_text("one")
    # What was built of "two" is now the older, though nothing but the source differs from what was held before.
    half = state()
    for files, is_built in ((built, 0), (again, 0), (edited, 1), (half, 1), (found, 1), (half, 1), (built, 0)):
        scope.sync(files)
        assert make("-q") == is_built
    scopes.fork("root", "copy")
    copy = scopes.open("copy", scope.files)
    assert subprocess.run(["make", "-q"], cwd=copy.folder, check=False).returncode == 0
    scopes.close(ended=True)
    writer.close()
