"""Contents that are passed piece by piece: kept whole, without secrets, and never all in memory."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from shepherd_dsl.core.content import LARGE, PIECE, Large, whole
from shepherd_dsl.core.event import Entry
from shepherd_dsl.core.file_ops import MAX_READ, perform
from shepherd_dsl.core.files import Files, git_blob_hash
from shepherd_dsl.core.value import Con, Record
from shepherd_dsl.errors import CorruptError
from shepherd_dsl.handlers.secrets import Redactor
from shepherd_dsl.scope.beneath import Beneath
from shepherd_dsl.scope.ignore import nothing_ignored
from shepherd_dsl.scope.importer import import_workspace
from shepherd_dsl.trace.objects import BLOB, GitObject, git_object
from shepherd_dsl.trace.packs import PackIndex, PackWriter

SIZE = LARGE + 12_345
_LIMIT_MB = 120
"""What a command may have in memory that handles a file of more."""


def pieces(data: bytes, size: int = PIECE) -> Large:
    return Large(len(data), lambda: iter([data[at : at + size] for at in range(0, len(data), size)]))


def packed(folder: Path, content: Large) -> tuple[str, Path]:
    """A pack with one blob; the blob's name and the pack's path."""
    (folder / "pack").mkdir(parents=True, exist_ok=True)
    writer = PackWriter(folder / "pack", unique="x")
    oid = writer.add_blob(content)
    writer.seal(keep="x")
    return oid, writer.path


@pytest.mark.parametrize("kind", ["random", "zeros", "text"])
def test_a_pack_of_pieces_is_one_that_git_reads(tmp_path: Path, kind: str) -> None:
    data = {
        "random": random.Random(1).randbytes(SIZE),
        "zeros": bytes(SIZE),
        "text": (b"a line of text\n" * (SIZE // 15 + 1))[:SIZE],
    }[kind]
    oid, path = packed(tmp_path, pieces(data, 77_777))
    assert oid == git_object(BLOB, data).oid
    found = PackIndex(tmp_path).large(oid)
    assert found is not None
    assert len(found) == SIZE
    assert whole(found) == data == whole(found)  # it can be read again
    assert all(len(part) <= PIECE for part in found.parts())
    again = path.with_suffix(".again")
    subprocess.run(["git", "index-pack", "--strict", "-o", again, path], check=True, capture_output=True)
    assert again.read_bytes() == path.with_suffix(".idx").read_bytes()


def test_small_ones_and_others_are_not_large(tmp_path: Path) -> None:
    oid, _ = packed(tmp_path, pieces(b"small"))
    index = PackIndex(tmp_path)
    assert index.large(oid) is None
    assert index.whole(oid) == (BLOB, b"small")
    assert index.large("0" * 40) is None


@pytest.mark.parametrize("where", [200, SIZE // 2, -100])
def test_damage_is_found_before_the_last_piece_is_given(tmp_path: Path, where: int) -> None:
    data = random.Random(2).randbytes(SIZE)
    oid, path = packed(tmp_path, pieces(data))
    path.chmod(0o600)
    broken = bytearray(path.read_bytes())
    broken[where] ^= 0x55
    path.write_bytes(broken)
    found = PackIndex(tmp_path).large(oid)
    assert found is not None
    given: list[bytes] = []
    with pytest.raises(CorruptError, match=oid):
        given.extend(found.parts())
    assert sum(map(len, given)) < SIZE


def test_objects_beyond_two_gigabytes_of_a_pack_are_found(tmp_path: Path) -> None:
    """The index has a table of its own for large offsets; the pack is one with a hole before its last object."""
    (tmp_path / "pack").mkdir()
    writer = PackWriter(tmp_path / "pack", unique="x")
    first, second = git_object(BLOB, b"first"), git_object(BLOB, b"second")
    writer.add(first)
    writer._flush()
    os.lseek(writer._fd, 3 << 30, os.SEEK_SET)
    writer._at = 3 << 30
    _add(writer, second)
    writer._flush()
    path = tmp_path / "pack" / f"pack-{'1' * 40}.pack"
    os.rename(writer._path, path)
    os.close(writer._fd)
    from shepherd_dsl.trace.packs import _index

    path.with_suffix(".idx").write_bytes(_index(writer._entries, bytes(20)))
    with open(path, "ab") as file:
        file.write(bytes(20))
    index = PackIndex(tmp_path)
    assert index.whole(first.oid) == (BLOB, b"first")
    assert index.whole(second.oid) == (BLOB, b"second")


def _add(writer: PackWriter, item: GitObject) -> None:
    writer.add(item)


def test_secrets_are_found_within_pieces_and_across_them() -> None:
    redactor = Redactor({"TOKEN": "hunter2-hunter2"})
    for at in (10, PIECE - 5, PIECE, 3 * PIECE - 1, SIZE - 15):
        data = bytearray(b"." * SIZE)
        data[at : at + 15] = b"hunter2-hunter2"
        clean = redactor.content(pieces(bytes(data)))
        assert isinstance(clean, Large)
        found = whole(clean)
        assert len(found) == len(clean)
        assert found == redactor.data(bytes(data))
        assert b"hunter2" not in found
    plain = pieces(b"." * SIZE)
    assert redactor.content(plain) is plain
    assert redactor.content(b"x hunter2-hunter2") == "x ‹secret TOKEN›".encode()


def test_a_file_that_shrinks_or_grows_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    path = tmp_path / "w" / "f"
    path.write_bytes(bytes(SIZE))
    with Beneath(tmp_path / "w", tmp_path / "stage", own=False) as at:
        content, _ = at.read("f")
        assert isinstance(content, Large)
        parts = content.parts()
        next(parts)
        os.truncate(path, SIZE // 2)
        with pytest.raises(OSError, match="changed") as raised:
            list(parts)
        assert raised.value.errno == errno.ESTALE
        os.truncate(path, 2 * SIZE)
        assert whole(content) == bytes(SIZE)  # to where it ended
        (tmp_path / "other").write_bytes(bytes(SIZE))
        (tmp_path / "other").rename(path)
        with pytest.raises(OSError, match="changed"):
            whole(content)


def test_a_file_that_changes_once_is_taken_as_it_comes_to_rest(tmp_path: Path) -> None:
    (tmp_path / ".shepherd").mkdir()
    path = tmp_path / "f"
    path.write_bytes(b"a" * SIZE)
    kept: list[str] = []

    def put(data: object) -> str:
        assert isinstance(data, Large)
        if not kept:
            kept.append("")
            path.write_bytes(b"b" * SIZE)
        kept.append(git_blob_hash(data))
        return kept[-1]

    found = import_workspace(tmp_path, put_blob=put, ignored=nothing_ignored)
    assert found.unstable == ("f",)
    assert found.files.get("f") == Entry(0o100644, kept[-1])
    again = import_workspace(tmp_path, put_blob=put, ignored=nothing_ignored)
    assert again.unstable == ()
    assert again.files.get("f") == Entry(0o100644, git_blob_hash(b"b" * SIZE))


def test_a_file_that_never_rests_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".shepherd").mkdir()
    (tmp_path / "f").write_bytes(bytes(SIZE))
    (tmp_path / "g").write_bytes(b"g")

    def gone(self: Large) -> Iterator[bytes]:
        raise OSError(errno.ESTALE, "the file changed while it was read")
        yield b""

    monkeypatch.setattr(Large, "parts", gone)
    found = import_workspace(tmp_path, put_blob=git_blob_hash, ignored=nothing_ignored)
    assert found.skipped == {"f": "it changes all the time"}
    assert [path for path, _ in found.files.items()] == ["g"]


def test_a_program_is_told_that_it_is_too_large_without_reading_it() -> None:
    files = Files.of([("f", Entry(0o100644, "1" * 40))])

    def never() -> Iterator[bytes]:
        raise AssertionError("read")

    answer, change = perform(files, lambda _: Large(5 << 30, never), "file.read", ("f",))
    assert change == ()
    assert isinstance(answer, Con)
    assert answer.name == "Err"
    (error,) = answer.args
    assert isinstance(error, Record)
    assert error.get("text") == f"f has {5 << 30} bytes; a text has at most {MAX_READ}"


PROGRAM = """agent main() -> Text
  grants shell
{
  let r = do shell.script("printf X | dd of=big bs=1 seek=1000 conv=notrunc 2>&1; cp big new; rm gone; ls")
  return r.out
}
"""


@pytest.mark.parametrize("backend", ["overlay", "fuse", "copy"])
def test_commands_of_large_files_need_little_memory(tmp_path: Path, backend: str) -> None:
    """Run, merge, revert and undo of files that are larger than the memory that a command may take."""
    size = (_LIMIT_MB + 30) << 20
    work = tmp_path / "w"
    work.mkdir()
    for name in ("big", "gone"):
        with open(work / name, "wb") as file:
            file.truncate(size)
            file.seek(size // 2)
            file.write(name.encode())
    before = {name: _hash(work / name) for name in ("big", "gone")}
    (work / "p.shep").write_text(PROGRAM)
    shepherd = partial(_shepherd, work)
    shepherd("init", ".")
    (work / ".shepherd" / "config.toml").open("a").write(f'\n[scope]\nbackend = "{backend}"\n')
    ran = shepherd("run", "p.shep")
    if "scope.backend" in ran:
        pytest.skip(ran)
    assert sorted(path.name for path in work.iterdir() if path.name[0] != ".") == ["big", "new", "p.shep"]
    after = _hash(work / "big")
    assert after == _hash(work / "new") != before["big"]
    shepherd("revert", "1@0")
    assert {name: _hash(work / name) for name in before} == before
    assert not (work / "new").exists()
    shepherd("undo")
    assert _hash(work / "new") == _hash(work / "big") == after
    subprocess.run(
        ["git", "--git-dir", work / ".shepherd/trace.git", "fsck", "--strict"], check=True, capture_output=True
    )


def _hash(path: Path) -> str:
    with open(path, "rb") as file:
        return git_blob_hash(Large(path.stat().st_size, lambda: iter(partial(file.read, PIECE), b"")))


def _shepherd(work: Path, *args: str) -> str:
    """What a command says. A process that is small itself starts it: memory is inherited by what measures it."""
    measure = (
        "import resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[1:], capture_output=True, text=True)\n"
        "print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10)\n"
        "print(done.stdout + done.stderr)\n"
    )
    command = [sys.executable, "-c", measure, sys.executable, "-m", "shepherd_dsl.cli.main", *args]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=True, timeout=600)
    first, _, text = done.stdout.partition("\n")
    status, megabytes = map(int, first.split())
    assert status == 0 or "scope." in text, text
    assert megabytes < _LIMIT_MB, f"{args}: {megabytes} MB"
    return text
