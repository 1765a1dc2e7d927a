"""Full disks, read-only stores and damage: a clear error, and nothing lost."""

from __future__ import annotations

import errno
import os
import random
import zlib
from pathlib import Path

import pytest

from shepherd_dsl.conformance.store import PROGRAM, expect_log, flat, record, sample, start
from shepherd_dsl.core.event import Entry, Injected
from shepherd_dsl.core.files import Files
from shepherd_dsl.errors import CorruptError, StoreError
from shepherd_dsl.testing.memory_store import MemoryStore
from shepherd_dsl.trace import journal, packs
from shepherd_dsl.trace.journal import HEAD_SIZE, Journal, scan, scan_bytes
from shepherd_dsl.trace.objects import BLOB, COMMIT, TREE, GitObject, git_object, read_commit
from shepherd_dsl.trace.protocol import LogEntry
from shepherd_dsl.trace.refs import log_ref
from shepherd_dsl.trace.store import GitStore, init_store, open_store, recover
from shepherd_dsl.trace.verify import verify_tree
from shepherd_dsl.trace.writer import GitWriter

EMPTY = Files.empty()
EXPECTED = flat(sample(MemoryStore().create(program=PROGRAM, info={})))
FIRST = LogEntry("root", start(EMPTY), EMPTY)


def later(number: int, size: int = 0) -> LogEntry:
    return LogEntry("root", Injected(f"{number}" + "x" * size), EMPTY)


def begun(folder: Path) -> tuple[GitStore, GitWriter]:
    store = init_store(folder)
    writer = store.create(program=PROGRAM, info={})
    writer.append([FIRST])
    return store, writer


def abandon(writer: GitWriter) -> None:
    """As if the process had died: the lock goes, nothing else happens."""
    writer._lock.release()


# ── full disk ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_full_disk_loses_nothing_and_the_run_goes_on_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, writer = begun(tmp_path)
    room = 100_000

    def limited(fd: int, data: bytes, at: int) -> int:
        if at >= room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.pwrite(fd, data[: room - at], at)

    monkeypatch.setattr(journal, "write_at", limited)
    entries = [FIRST]

    def fill() -> None:
        for number in range(100):
            writer.append([later(number, 3000)])
            entries.append(later(number, 3000))

    with pytest.raises(StoreError) as caught:
        fill()
    assert caught.value.code == "store.full"
    assert "free some space" in caught.value.hint
    assert 10 < len(entries) < 40
    expect_log(store.read("1"), entries)
    monkeypatch.setattr(journal, "write_at", os.pwrite)
    writer.append([later(1000)])
    writer.close()
    expect_log(store.read("1"), [*entries, later(1000)])
    assert verify_tree(store, "1") == ()


def test_a_record_cut_short_by_a_full_disk_is_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, writer = begun(tmp_path)
    calls = 0

    def half(fd: int, data: bytes, at: int) -> int:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.pwrite(fd, data[: len(data) // 2] if calls == 1 else data, at)

    monkeypatch.setattr(journal, "write_at", half)
    with pytest.raises(StoreError, match="no room"):
        writer.append([later(1, 500)])
    assert calls == 2
    assert store.read("1").snapshot.torn is not None
    writer.append([later(2)])
    abandon(writer)
    again, torn = recover(tmp_path, "1")
    assert torn is not None
    again.close()
    expect_log(store.read("1"), [FIRST, later(2)])


def test_packing_on_a_full_disk_keeps_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, writer = begun(tmp_path)
    writer.append([later(1)])

    def full(fd: int, data: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(packs, "_write_all", full)
        for _ in range(2):
            with pytest.raises(StoreError) as caught:
                writer.pack()
            assert caught.value.code == "store.full"
        writer.append([later(2)])
        with pytest.raises(StoreError):
            writer.close()
    expect_log(store.read("1"), [FIRST, later(1), later(2)])
    store.reopen("1").close()
    expect_log(store.read("1"), [FIRST, later(1), later(2)])
    assert not list(store.repository.pack_folder.glob("tmp*"))


def test_a_write_that_the_disk_does_not_confirm_ends_the_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, writer = begun(tmp_path)

    def broken(fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", broken)
        with pytest.raises(StoreError) as caught:
            writer.append([later(1)])
    assert caught.value.code == "store.sync"
    with pytest.raises(StoreError) as caught:
        writer.append([later(2)])
    assert caught.value.code == "store.sync"
    abandon(writer)
    again = store.reopen("1")
    assert len(again) in (1, 2)
    again.close()


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_store_that_cannot_be_written_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    store = init_store(tmp_path)
    record(store)
    real = os.open

    def read_only(path: object, flags: int, mode: int = 0o777, **rest: object) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(number, os.strerror(number))
        return real(path, flags, mode)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(os, "open", read_only)
    expect_log(open_store(tmp_path).read("1"), EXPECTED)
    with pytest.raises(StoreError) as caught:
        store.reopen("1")
    assert caught.value.code == "store.readonly"
    with pytest.raises(StoreError) as caught:
        store.create(program=PROGRAM, info={})
    assert caught.value.code == "store.readonly"


# ── damage ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def damaged_journal(folder: Path) -> tuple[GitStore, Path, list[int]]:
    """A journal with four durable records; the file and where its records begin."""
    store, writer = begun(folder)
    for number in range(3):
        writer.append([later(number, 200)])
    abandon(writer)
    path = store.folder("1") / "journal"
    places = [HEAD_SIZE]
    found = scan(path)
    assert found is not None
    for payload in found.payloads:
        places.append(places[-1] + journal.RECORD_HEAD + len(payload))
    return store, path, places


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x40
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("offset", [0, 5, 9, 15, 22, 40, 200])
def test_damage_in_the_middle_of_the_journal_is_named(tmp_path: Path, offset: int) -> None:
    store, path, places = damaged_journal(tmp_path)
    flip(path, places[1] + offset)
    with pytest.raises(CorruptError) as caught:
        store.read("1")
    assert caught.value.code == "store.journal"
    assert f"byte {places[1]}" in caught.value.what
    assert caught.value.where == str(path)
    with pytest.raises(CorruptError):
        store.reopen("1")
    assert verify_tree(store, "1")[0].code == "store.journal"


def test_a_journal_with_a_damaged_head_is_named(tmp_path: Path) -> None:
    store, path, _ = damaged_journal(tmp_path)
    flip(path, 3)
    with pytest.raises(CorruptError, match="byte 0"):
        store.read("1")
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(CorruptError, match="cut off"):
        store.read("1")


def test_a_truncated_journal_keeps_its_whole_records(tmp_path: Path) -> None:
    store, path, places = damaged_journal(tmp_path)
    data = path.read_bytes()
    for size in (places[4] - 1, places[3] + 10, places[3] + 1, places[2] + 30):
        path.write_bytes(data[:size])
        expect_log(
            store.read("1"), [FIRST, *map(lambda n: later(n, 200), range(3))][: sum(p <= size for p in places[1:])]
        )
    writer, torn = recover(tmp_path, "1")
    assert torn is not None
    assert torn.offset == places[2]
    writer.append([later(9)])
    writer.close()
    expect_log(store.read("1"), [FIRST, later(0, 200), later(9)])


def test_any_flipped_bit_is_a_torn_tail_or_an_error_but_never_another_event(tmp_path: Path) -> None:
    _, path, places = damaged_journal(tmp_path)
    whole = path.read_bytes()
    chance = random.Random(5)
    good = [scan_bytes(whole, path)]
    outcomes = {"torn": 0, "error": 0}
    for _ in range(300):
        data = bytearray(whole)
        at = chance.randrange(places[4])
        data[at] ^= 1 << chance.randrange(8)
        try:
            found = scan_bytes(bytes(data), path)
        except CorruptError:
            outcomes["error"] += 1
            continue
        assert found is not None
        assert good[0] is not None
        if HEAD_SIZE > at >= 20:
            assert found.payloads == good[0].payloads  # the padding of the head says nothing
            continue
        assert found.torn is not None
        assert at >= places[3], "only the last record can be taken for one that was never acknowledged"
        assert found.payloads == good[0].payloads[:3]
        outcomes["torn"] += 1
    assert min(outcomes.values()) > 30


def test_unacknowledged_records_may_be_torn_in_any_order(tmp_path: Path) -> None:
    made = Journal(tmp_path / "journal", base=0)
    made.install()
    made.sync(made.write(b"durable"))
    end = made.write(b"one")
    made.write(b"two")
    made.close()
    flip(tmp_path / "journal", end - 1)
    found = scan(tmp_path / "journal")
    assert found is not None
    assert found.payloads == (b"durable",)
    assert found.torn is not None


def objects_of(store: GitStore) -> list[Path]:
    return sorted(store.repository.pack_folder.glob("*.pack"))


def length_or_hint(store: GitStore) -> object:
    """How many entries tree `1` has, or "hint" where reading it is an error that says what to do."""
    try:
        return len(list(store.read("1").entries()))
    except StoreError as error:
        return "hint" if error.hint else error


def test_a_damaged_object_is_an_error_that_names_it(tmp_path: Path) -> None:
    store = init_store(tmp_path)
    record(store)
    (pack,) = objects_of(store)
    event = store.read("1").trace("root.0")[3].event
    whole = pack.read_bytes()
    os.chmod(pack, 0o644)
    chance = random.Random(11)
    seen = 0
    for _ in range(60):
        data = bytearray(whole)
        data[chance.randrange(20, len(whole) - 20)] ^= 0xFF
        pack.write_bytes(bytes(data))
        broken = open_store(tmp_path)
        problems = verify_tree(broken, "1")
        if problems:
            seen += 1
            assert all(problem.what for problem in problems)
        assert length_or_hint(broken) in (len(EXPECTED), "hint")
    assert seen > 40, "most damage is in something that verify_tree reads"
    pack.write_bytes(whole)
    assert verify_tree(open_store(tmp_path), "1") == ()
    assert type(store.read("1").trace("root.0")[3].event) is type(event)


def test_a_missing_pack_is_an_error_and_a_copy_brings_it_back(tmp_path: Path) -> None:
    store = init_store(tmp_path)
    record(store)
    (pack,) = objects_of(store)
    for path in (pack, pack.with_suffix(".idx")):
        path.rename(tmp_path / path.name)
    with pytest.raises(CorruptError) as caught:
        open_store(tmp_path).read("1")
    assert caught.value.code == "store.object_missing"
    assert "git fetch" in caught.value.hint
    for path in (pack, pack.with_suffix(".idx")):
        (tmp_path / path.name).rename(path)
    expect_log(open_store(tmp_path).read("1"), EXPECTED)


def test_a_damaged_ref_is_named(tmp_path: Path) -> None:
    store = init_store(tmp_path)
    record(store)
    path = store.git / "refs/shepherd/log/1"
    path.write_text("nonsense\n")
    with pytest.raises(CorruptError) as caught:
        store.read("1")
    assert caught.value.code == "store.ref"
    assert caught.value.where == str(path)


def test_verify_finds_a_commit_that_is_not_what_its_event_makes(tmp_path: Path) -> None:
    """A trace forged with correct Git hashes, but not by the rules."""

    store = init_store(tmp_path)
    record(store)
    repo = store.repository
    head = repo.refs.read(log_ref("1"))
    assert head is not None
    reader = store.read("1")
    last = reader.trace("root.0")[-1].commit
    forged = git_object(COMMIT, repo.read(last, COMMIT).replace(b"injected", b"INJECTED"))
    chain = git_swap(store, head, last, forged.oid, [forged])
    repo.refs.update(log_ref("1"), chain)
    problems = verify_tree(open_store(tmp_path), "1")
    assert [problem.where for problem in problems if problem.code == "verify.event"] == ["root.0@4"]
    assert any("make" in problem.what for problem in problems)


def git_swap(store: GitStore, head: str, old: str, new: str, objects: list[GitObject]) -> str:
    """The log commit `head` with another commit in `heads.json`."""
    repo = store.repository
    body = repo.read(head, COMMIT)
    tree, _ = read_commit(body)
    listing = repo.read(tree, TREE)
    at = listing.index(b"heads.json\0") + len(b"heads.json\0")
    heads = git_object(BLOB, repo.read(listing[at : at + 20].hex(), BLOB).replace(old.encode(), new.encode()))
    made = git_object(TREE, listing[:at] + bytes.fromhex(heads.oid) + listing[at + 20 :])
    commit = git_object(COMMIT, body.replace(tree.encode(), made.oid.encode()))
    pack = packs.PackWriter(repo.pack_folder, unique="forged")
    for item in (*objects, heads, made, commit):
        pack.add(item)
    pack.seal(keep="")
    return commit.oid


def test_there_is_no_store_before_init(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        open_store(tmp_path)
    assert caught.value.code == "store.missing"
    assert "shepherd init" in caught.value.hint


def test_large_blobs_and_binary_names_survive(tmp_path: Path) -> None:
    store, writer = begun(tmp_path)
    big = random.Random(1).randbytes(10 << 20)
    name = writer.put_blob(big)
    files = Files.of([("x/" * 1000 + "\uefff" * 40, Entry(0o100644, name))])
    writer.append([LogEntry("root", Injected(1), files)])
    assert zlib.crc32(store.read("1").blob(name)) == zlib.crc32(big)
    writer.close()
    assert zlib.crc32(store.read("1").blob(name)) == zlib.crc32(big)
    assert tuple(store.read("1").tail(1)[0].files.items()) == tuple(files.items())
    assert verify_tree(store, "1") == ()
