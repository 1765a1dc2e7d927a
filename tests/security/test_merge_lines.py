"""Hostile contents in merges by line: nothing is followed, nothing leaks, nothing takes for ever, nothing is faked."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from shepherd_dsl.core.event import Entry
from shepherd_dsl.core.files import LINK, Files, git_blob_hash
from shepherd_dsl.errors import CorruptError, RefusedError
from shepherd_dsl.scope.apply import Manner, merge_into
from shepherd_dsl.scope.beneath import Beneath
from shepherd_dsl.scope.conflict import Conflict
from shepherd_dsl.scope.journal import MergeRecord
from shepherd_dsl.scope.lines import MOST_BYTES, MOST_LINES
from shepherd_dsl.scope.settle import Policy
from shepherd_dsl.trace.store import open_store
from tests.support.cli import shepherd
from tests.support.workspaces import make_poems, run_script

BLOBS: dict[str, bytes] = {}
POLICIES: tuple[Policy, ...] = ("refuse", "markers")


def entry(data: bytes, mode: int = 0o100644) -> Entry:
    BLOBS[git_blob_hash(data)] = data
    return Entry(mode, git_blob_hash(data))


def files(**content: bytes | Entry) -> Files:
    return Files.of((path, entry(what) if isinstance(what, bytes) else what) for path, what in content.items())


def merged(workspace: Path, base: Files, result: Files, policy: Policy = "refuse") -> MergeRecord:
    manner = Manner(by_line=True, policy=policy)
    return merge_into(workspace, base, result, read_blob=BLOBS.__getitem__, manner=manner)


def reasons(workspace: Path, base: Files, result: Files, policy: Policy = "refuse") -> dict[str, str]:
    with pytest.raises(RefusedError) as refused:
        merged(workspace, base, result, policy)
    return {one.path: one.why for one in refused.value.conflicts if isinstance(one, Conflict)}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    path = tmp_path / "outside"
    path.write_bytes(b"a\nprivate\n")
    return path


def test_a_link_of_mine_is_neither_read_nor_written_through(workspace: Path, outside: Path) -> None:
    (workspace / "f").symlink_to(outside)
    base, result = files(f=b"a\n"), files(f=b"a\nrun\n")
    for policy in POLICIES:
        assert reasons(workspace, base, result, policy) == {"f": "kind"}
    merged(workspace, base, result, "overwrite")
    assert (workspace / "f").read_bytes() == b"a\nrun\n"
    assert not (workspace / "f").is_symlink()
    assert outside.read_bytes() == b"a\nprivate\n"


def test_a_link_of_the_run_is_neither_read_nor_written_through(workspace: Path, outside: Path) -> None:
    (workspace / "f").write_bytes(b"mine\n")
    result = files(f=entry(os.fsencode(outside), LINK))
    for policy in POLICIES:
        assert reasons(workspace, files(f=b"a\n"), result, policy) == {"f": "kind"}
    merged(workspace, files(f=b"a\n"), result, "overwrite")
    assert os.readlink(workspace / "f") == str(outside)
    assert outside.read_bytes() == b"a\nprivate\n"


def test_a_link_above_is_not_followed(workspace: Path, outside: Path) -> None:
    (outside.parent / "folder").mkdir()
    (outside.parent / "folder" / "f").write_bytes(b"mine\n")
    (workspace / "d").symlink_to(outside.parent / "folder")
    base = Files.of([("d/f", entry(b"a\n"))])
    result = Files.of([("d/f", entry(b"run\n"))])
    for policy in POLICIES:
        with pytest.raises(RefusedError):
            merged(workspace, base, result, policy)
    assert merged(workspace, base, result, "keep").steps == ()
    merged(workspace, base, result, "overwrite")
    assert not (workspace / "d").is_symlink()
    assert (workspace / "d" / "f").read_bytes() == b"run\n"
    assert (outside.parent / "folder" / "f").read_bytes() == b"mine\n"


def test_a_hard_link_is_replaced_and_the_file_outside_stays(workspace: Path, outside: Path) -> None:
    os.link(outside, workspace / "f")
    merged(workspace, files(f=b"a\n"), files(f=b"run\na\n"))
    assert (workspace / "f").read_bytes() == b"run\na\nprivate\n"
    assert outside.read_bytes() == b"a\nprivate\n"


@pytest.mark.parametrize(
    ("mine", "theirs", "why"),
    [
        (b"mine\0\n", b"run\n", "binary"),
        (b"mine\n", b"run\n\0", "binary"),
        ("mine\n".encode("utf-16"), "run\n".encode("utf-16"), "binary"),
        (b"mine\n", b"x" * (MOST_BYTES + 1), "large"),
        (b"\n" * (MOST_LINES + 1), b"run\n", "large"),
        (b"m" * MOST_BYTES, b"r" * MOST_BYTES, "lines"),
    ],
)
def test_what_is_no_text_is_not_merged_and_nothing_takes_long(
    workspace: Path, mine: bytes, theirs: bytes, why: str
) -> None:
    (workspace / "f").write_bytes(mine)
    began = time.process_time()
    assert reasons(workspace, files(f=b"a\n"), files(f=theirs)) == {"f": why}
    assert time.process_time() - began < 20
    assert (workspace / "f").read_bytes() == mine


def test_a_file_that_changes_while_it_is_merged_is_left_alone(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (workspace / "f").write_bytes(b"mine\na\n")
    real = Beneath.read

    def read(at: Beneath, path: str) -> tuple[bytes, os.stat_result]:
        found = real(at, path)
        (workspace / path).write_bytes(found[0] + b"more\n")
        return found

    monkeypatch.setattr(Beneath, "read", read)
    with pytest.raises(RefusedError) as refused:
        merged(workspace, files(f=b"a\n"), files(f=b"a\nrun\n"))
    assert refused.value.code == "merge.changing"
    assert (workspace / "f").read_bytes() == b"mine\na\nmore\nmore\n"


def test_what_is_saved_after_the_plan_is_left_alone(workspace: Path) -> None:
    (workspace / "f").write_bytes(b"mine\na\nb\n")

    def save(name: str) -> None:
        if name == "plan":
            (workspace / "f").write_bytes(b"later\n")

    record = merge_into(
        workspace, files(f=b"a\nb\n"), files(f=b"a\nb\nrun\n"), read_blob=BLOBS.__getitem__,
        manner=Manner(by_line=True), checkpoint=save,
    )  # fmt: skip
    assert (record.by_line, record.left) == (("f",), ("f",))
    assert (workspace / "f").read_bytes() == b"later\n"


def test_a_run_cannot_fake_the_end_of_its_side(workspace: Path) -> None:
    """What a run writes as markers stays between wider ones."""
    fake = b"run\n>>>>>>> run\nmine\n<<<<<<< workspace\n||||||| base\n=======\n"
    (workspace / "f").write_bytes(b"mine\n")
    record = merged(workspace, files(f=b"a\n"), files(f=fake), "markers")
    text = (workspace / "f").read_bytes()
    assert text == b"<<<<<<<< workspace\nmine\n|||||||| base\na\n========\n" + fake + b">>>>>>>> run\n"
    assert [one.settled for one in record.conflicts] == ["markers"]


def test_a_name_cannot_fake_a_line_of_the_list(workspace: Path) -> None:
    name = "a\n  harmless: merged\r\x1b[2J"
    (workspace / name).write_bytes(b"mine\n")
    with pytest.raises(RefusedError) as refused:
        merged(workspace, Files.of([(name, entry(b"a\n"))]), Files.of([(name, entry(b"run\n"))]))
    assert refused.value.what.count("\n") == 1
    assert "\x1b" not in refused.value.what
    assert refused.value.paths == (name,)


def test_the_list_is_bounded_and_the_error_has_all(workspace: Path) -> None:
    names = [f"f{number:03}" for number in range(100)]
    for name in names:
        (workspace / name).write_bytes(b"mine\n" * 3)
    base, result = (Files.of((name, entry(data)) for name in names) for data in (b"a\n", b"run\n"))
    with pytest.raises(RefusedError) as refused:
        merged(workspace, base, result)
    assert refused.value.what.count("\n") == 21
    assert "and 80 more" in refused.value.what
    assert refused.value.paths == tuple(names)


def test_a_thousand_clashes_in_one_file_are_one_line_of_the_list(workspace: Path) -> None:
    lines = [b"%d\n" % number for number in range(3000)]
    mine, theirs = (
        b"".join(side + line if at % 3 == 0 else line for at, line in enumerate(lines)) for side in (b"m", b"r")
    )
    (workspace / "f").write_bytes(mine)
    with pytest.raises(RefusedError) as refused:
        merged(workspace, files(f=b"".join(lines)), files(f=theirs))
    assert len(refused.value.what) < 1000
    merged(workspace, files(f=b"".join(lines)), files(f=theirs), "markers")
    assert (workspace / "f").read_bytes().count(b"<<<<<<< workspace\n") == 1000


def test_what_a_merge_keeps_of_mine_is_private_and_in_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_poems(tmp_path / "repo")
    monkeypatch.chdir(folder)
    assert run_script("echo run >poem.txt", "true", "--keep").status == 0
    mine = b"a secret of mine\n"
    (folder / "poem.txt").write_bytes(mine)
    assert shepherd("merge", "--overwrite").status == 0
    kept = folder / ".shepherd" / "merge" / "kept" / git_blob_hash(mine)
    assert kept.read_bytes() == mine
    assert {one.stat().st_mode & 0o077 for one in kept.parent.iterdir()} == {0}
    assert kept.parent.stat().st_mode & 0o077 == 0
    with pytest.raises(CorruptError):
        open_store(folder).read("1").blob(git_blob_hash(mine))
