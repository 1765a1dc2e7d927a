"""The plain-copy backend passes the suite for scopes, and what is its own."""

from __future__ import annotations

import mmap
import os
import signal
import time
from pathlib import Path
from random import Random

import pytest

from shepherd_dsl.conformance.scope import CHECKS, Check, Content, Lab, ScopeCase, walk
from shepherd_dsl.core.content import LARGE
from shepherd_dsl.core.event import Entry
from shepherd_dsl.core.files import EMPTY_FOLDER, LINK, Files, git_blob_hash
from shepherd_dsl.errors import ScopeError, UserError
from shepherd_dsl.scope.beneath import Beneath
from shepherd_dsl.scope.copy import CopyBackend, CopyScope, escape_run
from shepherd_dsl.scope.ignore import ignored_by, nothing_ignored
from shepherd_dsl.scope.probe import open_backend, probe
from shepherd_dsl.testing.memory_scope import MemoryBackend
from tests.support.scopes import COPY_LACKS

CASE = ScopeCase("copy", lambda folder, read_blob: CopyBackend(folder, read_blob=read_blob), lacks=COPY_LACKS)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_conforms(check: Check, tmp_path: Path) -> None:
    check(CASE, tmp_path)


def held(scope: CopyScope) -> dict[str, bytes | None]:
    return {path: data for path, _, data in walk(scope.folder)}


def test_ignored_files_are_neither_reported_nor_touched(tmp_path: Path) -> None:
    lab = Lab(CASE, tmp_path)
    backend = CopyBackend(tmp_path / "s", read_blob=lab.read, ignored=ignored_by(["out/"]))
    start = lab.files({"src/a.py": b"a", "out/kept": b"1", ".env": b"of the program"})
    scope = backend.open("root", start)
    for path in ("src/__pycache__/a.pyc", "out/new", ".venv/bin/python", ".git/HEAD", ".shepherd/x"):
        (scope.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (scope.folder / path).write_bytes(b"ignored")
    assert scope.changes(lab.keep) == ()
    (scope.folder / "out/kept").write_bytes(b"2")
    (scope.folder / ".env").unlink()
    assert dict(scope.changes(lab.keep)) == {"out/kept": lab.entry(b"2"), ".env": None}
    scope.sync(start)
    assert scope.changes(lab.keep) == ()
    ignored = {"src/__pycache__/a.pyc", "out/new", ".venv/bin/python", ".git/HEAD", ".shepherd/x"}
    assert held(scope).keys() == {*ignored, "src/a.py", "out/kept", ".env"}
    scope.close()
    again = backend.open("root", start)
    assert held(again).keys() == {*ignored, "src/a.py", "out/kept", ".env"}
    again.sync(lab.files({"out/kept": b"1"}))
    assert held(again).keys() == {"out/new", ".venv/bin/python", ".git/HEAD", ".shepherd/x", "out/kept"}
    assert again.changes(lab.keep) == ()
    again.close()


def test_a_folder_with_only_ignored_files_is_an_empty_one(tmp_path: Path) -> None:
    lab = Lab(CASE, tmp_path)
    scope = CopyBackend(tmp_path / "s", read_blob=lab.read, ignored=ignored_by([])).open("root", Files.empty())
    (scope.folder / "d/__pycache__").mkdir(parents=True)
    (scope.folder / "d/__pycache__/x").write_bytes(b"1")
    assert scope.changes(lab.keep) == (("d", EMPTY_FOLDER),)
    assert scope.changes(lab.keep) == ()
    scope.close()


def test_reopening_reads_only_what_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(CASE, tmp_path)
    scope = lab.start({f"f{number}": b"%d" % number for number in range(50)})
    files = scope.files
    time.sleep(0.05)
    lab.changes(scope)  # after the tick in which they were written
    scope.close()
    (scope.folder / "f7").write_bytes(b"behind the back")
    reads: list[str] = []
    real = Beneath.read

    def read(self: Beneath, path: str) -> tuple[bytes, os.stat_result]:
        reads.append(path)
        return real(self, path)

    monkeypatch.setattr(Beneath, "read", read)
    again = lab.backend.open("root", files)
    assert reads == ["f7"]
    lab.expect(again, files)
    again.close()


def test_a_damaged_cache_is_no_cache(tmp_path: Path) -> None:
    lab = Lab(CASE, tmp_path)
    scope = lab.start({"a": b"1", "b/c": b"2"})
    files = scope.files
    scope.close()
    seen = scope.folder.parent / "seen"
    whole = seen.read_bytes()
    for broken in (b"", whole[:40], b"[1,[[]]]", b"\xff"):
        seen.write_bytes(broken)
        again = lab.backend.open("root", files)
        lab.expect(again, files)
        assert lab.changes(again) == ()
        again.close()


def test_killed_in_the_middle_of_a_sync(tmp_path: Path) -> None:
    lab = Lab(CASE, tmp_path)
    one: dict[str, Content] = {f"d{number % 3}/f{number}": b"1" for number in range(12)}
    two: dict[str, Content] = {**{f"d{number % 3}/f{number}": b"2" for number in range(0, 12, 2)}, "d1": b"now a file"}
    two = {path: what for path, what in two.items() if not path.startswith("d1/")} | {"e/f": (LINK, b"x"), "e/g": None}
    files = {"one": lab.files(one), "two": lab.files(two)}
    for number in range(12):
        run = f"root.{number}"
        lab.backend.open(run, files["one"]).close()
        child = os.fork()
        if child == 0:
            left = number

            def read(hash: str) -> bytes:
                nonlocal left
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return lab.blobs[hash]

            CopyBackend(lab.home, read_blob=read).open(run, files["two"])
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) == (number < 6), "6 contents are written"
        scope = lab.backend.open(run, files["one" if number % 2 else "two"])
        lab.expect(scope, files["one" if number % 2 else "two"])
        assert lab.changes(scope) == ()
        assert [path.name for path in (scope.folder.parent / "stage").iterdir()] == ["clock"]
        scope.close()


def test_a_full_disk_is_an_error_with_a_hint(tmp_path: Path) -> None:
    def full(hash: str) -> bytes:
        raise OSError(28, "No space left on device")

    lab = Lab(CASE, tmp_path)
    with pytest.raises(ScopeError, match="No space left") as found:
        CopyBackend(tmp_path / "s", read_blob=full).open("root", lab.files({"a": b"1"}))
    assert found.value.code == "scope.io"
    assert found.value.hint
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ScopeError, match="cannot make"):
        CopyBackend(tmp_path / "file", read_blob=lab.read).open("root", Files.empty())


def test_run_ids_become_different_folder_names() -> None:
    runs = ["root", "root.0", "root.1(root.0)", "root.1(root.0).2", "", ".", "..", "a/b", "ROOT", "%", "é", "\n", "run"]
    nested = "root"
    for number in range(60):
        nested = f"root.{number}({nested})"
        runs.append(nested)
    names = [escape_run(run) for run in runs]
    assert len(set(names)) == len(runs)
    assert escape_run("root.0") == "root.0"
    for name in names:
        assert name not in (".", "..")
        assert len(name.encode()) <= 200
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789.%-ABCDEF")


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", ".", "a//b", "", "x\0y", "a/" + "n" * 256])
def test_hostile_paths_never_reach_the_file_system(tmp_path: Path, path: str) -> None:
    (tmp_path / "inside").mkdir()
    with Beneath(tmp_path / "inside", tmp_path / "stage") as at:
        for act in (
            lambda: at.put(path, Entry(0o100644, "0" * 40), b"x"),
            lambda: at.remove(path),
            lambda: at.read(path),
            lambda: at.folder(f"{path}/y", make=True),
        ):
            with pytest.raises(ValueError, match="normal path"):
                act()
    assert [item.name for item in tmp_path.iterdir() if item.name not in ("inside", "stage")] == []


@pytest.mark.parametrize("seed", range(40))
def test_blocks_of_zeros_become_holes(tmp_path: Path, seed: int) -> None:
    """Whatever lies between them, and at either end, a file holds its bytes, and room for little else."""
    chance = Random(seed)
    parts = [
        bytes(size) if chance.random() < 0.5 else chance.randbytes(size)
        for size in (chance.choice((1, 4095, 4096, 4097, 8191, 100_000, 1 << 20)) for _ in range(chance.randrange(6)))
    ]
    data = b"".join(parts)
    with Beneath(tmp_path, tmp_path / "stage") as at:
        at.put("f", Entry(0o100644, ""), data)
        at.put("dense", Entry(0o100644, ""), b"\1" * len(data))
    assert (tmp_path / "f").read_bytes() == data
    blocks = [data[start : start + 4096] for start in range(0, len(data), 4096)]
    zeros = sum(len(block) == 4096 and not any(block) for block in blocks)
    dense = (tmp_path / "dense").stat().st_blocks
    assert (tmp_path / "f").stat().st_blocks <= dense - zeros * 8


def test_the_backend_is_chosen_with_a_reason(tmp_path: Path) -> None:
    found = probe(tmp_path)
    assert [item.name for item in found] == ["overlay", "fuse", "reflink", "copy"]
    assert all(item.reason for item in found)
    (chosen,) = (item for item in found if item.chosen)
    assert chosen == next(item for item in found if item.usable)
    backend = open_backend(tmp_path / "1", read_blob=dict[str, bytes]().__getitem__, ignored=nothing_ignored)
    assert backend.name == chosen.name
    copying = open_backend(
        tmp_path / "1", read_blob=dict[str, bytes]().__getitem__, ignored=nothing_ignored, wanted="copy"
    )
    assert copying.name == "copy"
    with pytest.raises(UserError, match="there is no such backend") as refused:
        probe(tmp_path, wanted="clouds")
    assert "copy" in refused.value.hint


def test_memory_scopes_report_what_is_played() -> None:
    blobs: dict[str, bytes] = {}

    def keep(data: bytes) -> str:
        blobs[git_blob_hash(data)] = data
        return git_blob_hash(data)

    backend = MemoryBackend(read_blob=blobs.__getitem__)
    scope = backend.open("root", Files.of([("a", Entry(0o100644, keep(b"1"))), ("d/b", Entry(0o100644, keep(b"2")))]))
    scope.write("a", b"one")
    scope.write("x/y", b"xy", mode=0o100755)
    scope.link("l", "a")
    scope.make_folder("e")
    scope.remove("d")
    assert (scope.read("a"), scope.read("l")) == (b"one", b"a")
    with pytest.raises(FileNotFoundError):
        scope.read("d/b")
    files = scope.files
    change = scope.changes(keep)
    assert [path for path, _ in change] == ["a", "d/b", "e", "l", "x/y"]
    assert files.apply(change) == scope.files
    assert scope.changes(keep) == ()
    assert {entry.hash for _, entry in change if entry and entry.hash} <= blobs.keys()
    scope.write("a", b"dropped")
    assert backend.open("root", files) is scope
    assert (scope.read("a"), scope.changes(keep)) == (b"1", ())


@pytest.mark.parametrize(("clock", "reads"), [(0, ["a", "b"]), (1 << 62, [])])
def test_what_was_written_in_the_last_tick_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: int, reads: list[str]
) -> None:
    lab = Lab(CASE, tmp_path)
    monkeypatch.setattr(Beneath, "clock", lambda self: clock)
    scope = lab.start({"a": b"1", "b": b"2"})
    found: list[str] = []
    real = Beneath.read

    def read(self: Beneath, path: str) -> tuple[bytes, os.stat_result]:
        found.append(path)
        return real(self, path)

    monkeypatch.setattr(Beneath, "read", read)
    assert scope.changes(lab.keep) == ()
    assert found == reads
    scope.close()


def test_a_large_file_that_is_written_in_memory_is_read_again(tmp_path: Path) -> None:
    lab = Lab(CASE, tmp_path)
    scope = lab.start({})
    with open(scope.folder / "large", "w+b") as file:
        file.truncate(LARGE + 1)
        memory = mmap.mmap(file.fileno(), 0)
    hashes = set()
    for turn in range(3):
        memory[:1] = b"%d" % turn
        time.sleep(0.05)  # so that the time that this gives the file is older than the look
        ((_, entry),) = scope.changes(lab.keep)
        assert entry is not None
        hashes.add(entry.hash)
    assert len(hashes) == 3
    memory.close()
    scope.close()
