"""What a run's files hold cannot leave the workspace, nor reach what decides about later runs, when it is merged."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from shepherd_dsl.core.event import Entry
from shepherd_dsl.core.files import LINK, Files, git_blob_hash
from shepherd_dsl.errors import RefusedError
from shepherd_dsl.scope.apply import merge_into
from shepherd_dsl.scope.copy import CopyBackend
from shepherd_dsl.scope.importer import import_workspace

BLOBS: dict[str, bytes] = {}


def entry(data: bytes, mode: int = 0o100644) -> Entry:
    BLOBS[git_blob_hash(data)] = data
    return Entry(mode, git_blob_hash(data))


def keep(data: bytes) -> str:
    BLOBS[git_blob_hash(data)] = data
    return git_blob_hash(data)


def files(content: dict[str, bytes]) -> Files:
    return Files.of((path, entry(data)) for path, data in content.items())


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (".git/hooks/pre-commit", "merge.git"),
        (".git/config", "merge.git"),
        (".git", "merge.git"),
        ("vendor/lib/.git/config", "merge.git"),
        (".GIT/config", "merge.git"),
        (".g\u200cit/config", "merge.git"),
        ("git~1/config", "merge.git"),
        (".git. ./config", "merge.git"),
        (".git::$INDEX_ALLOCATION/config", "merge.git"),
        (".hg/hgrc", "merge.git"),
        ("sub/.Hg/hgrc", "merge.git"),
        (".svn/x", "merge.git"),
        (".jj/x", "merge.git"),
        (".bzr/branch/branch.conf", "merge.git"),
        ("HG~1/hgrc", "merge.git"),
        (".shepherd/config.toml", "merge.own"),
        (".Shepherd/config.toml", "merge.own"),
        (".\u017fhepherd/config.toml", "merge.own"),
        (".shep\u200dherd/config.toml", "merge.own"),
        (".shepherd./config.toml", "merge.own"),
        ("SHEPHE~1/config.toml", "merge.own"),
        ("sub/.shepherd/config.toml", "merge.own"),
    ],
)
def test_a_merge_plants_nothing_that_runs_or_decides(workspace: Path, path: str, code: str) -> None:
    with pytest.raises(RefusedError) as refused:
        merge_into(workspace, Files.empty(), files({"a.txt": b"a", path: b"evil"}), read_blob=BLOBS.__getitem__)
    assert refused.value.code == code
    assert sorted(os.listdir(workspace)) == [".shepherd"]


def test_a_merge_removes_and_changes_nothing_of_a_repository(workspace: Path) -> None:
    (workspace / ".git").mkdir()
    (workspace / ".git" / "config").write_bytes(b"[core]\n")
    base = files({".git/config": b"[core]\n"})
    for result in (Files.empty(), files({".git/config": b"[core]\n\tfsmonitor = evil\n"})):
        with pytest.raises(RefusedError):
            merge_into(workspace, base, result, read_blob=BLOBS.__getitem__)
    assert (workspace / ".git" / "config").read_bytes() == b"[core]\n"


def test_a_workspace_that_takes_its_repository_in_has_it_merged(workspace: Path) -> None:
    (workspace / ".shepherdignore").write_text("!.git/\n!.git\n")
    merge_into(workspace, Files.empty(), files({".git/x": b"1"}), read_blob=BLOBS.__getitem__)
    assert (workspace / ".git" / "x").read_bytes() == b"1"


@pytest.mark.parametrize("path", [".gitignore", ".github/x", ".gitx/config", "git/config", ".hgignore", "a.git"])
def test_ordinary_names_are_merged(workspace: Path, path: str) -> None:
    merge_into(workspace, Files.empty(), files({path: b"1"}), read_blob=BLOBS.__getitem__)
    assert (workspace / path).read_bytes() == b"1"


def test_a_merge_does_not_follow_links_out(workspace: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"mine")
    (workspace / "folder").symlink_to(outside)
    (workspace / "file").symlink_to(outside / "secret")
    for path in ("folder/secret", "folder/new", "file"):
        with pytest.raises(RefusedError):
            merge_into(workspace, Files.empty(), files({path: b"evil"}), read_blob=BLOBS.__getitem__)
    assert os.listdir(outside) == ["secret"]
    assert (outside / "secret").read_bytes() == b"mine"


def test_a_link_that_appears_in_the_middle_of_a_merge_is_not_followed(workspace: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (workspace / "folder").mkdir()
    (workspace / "folder" / "a").write_bytes(b"old")

    def swap(name: str) -> None:
        if name == "plan" and not (workspace / "folder").is_symlink():
            (workspace / "folder").rename(workspace / "moved")
            (workspace / "folder").symlink_to(outside)

    record = merge_into(
        workspace, files({"folder/a": b"old"}), files({"folder/a": b"new", "folder/b": b"new"}),
        read_blob=BLOBS.__getitem__, checkpoint=swap,
    )  # fmt: skip
    assert set(record.left) == {"folder/a", "folder/b"}
    assert os.listdir(outside) == []


def test_a_merge_replaces_a_hard_link_and_leaves_the_file_outside(workspace: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"old")
    os.link(outside, workspace / "a")
    merge_into(workspace, files({"a": b"old"}), files({"a": b"new"}), read_blob=BLOBS.__getitem__)
    assert (workspace / "a").read_bytes() == b"new"
    assert outside.read_bytes() == b"old"


@pytest.mark.parametrize("path", ["plan.json", "last.json", "stage/0", "journal", "lock"])
def test_files_named_like_the_journal_are_ordinary(workspace: Path, path: str) -> None:
    merge_into(workspace, Files.empty(), files({path: b"{}", "z": b"1"}), read_blob=BLOBS.__getitem__)
    assert (workspace / path).read_bytes() == b"{}"


class TestImport:
    def test_links_out_are_carried_as_links(self, workspace: Path, tmp_path: Path) -> None:
        (tmp_path / "secret").write_bytes(b"mine")
        (workspace / "file").symlink_to(tmp_path / "secret")
        (workspace / "folder").symlink_to(tmp_path)
        (workspace / "root").symlink_to("/")
        found = dict(import_workspace(workspace, put_blob=keep).files.items())
        assert {path: item.mode for path, item in found.items()} == dict.fromkeys(["file", "folder", "root"], LINK)
        assert BLOBS[found["file"].hash] == os.fsencode(tmp_path / "secret")
        assert git_blob_hash(b"mine") not in {item.hash for item in found.values()}

    def test_special_files_are_listed_and_not_opened(self, workspace: Path) -> None:
        os.mkfifo(workspace / "pipe")
        found = import_workspace(workspace, put_blob=keep)
        assert found.skipped == {"pipe": "neither file, link nor folder"}
        assert found.files == Files.empty()

    def test_the_state_of_a_workspace_further_in_is_not_taken_in(self, workspace: Path) -> None:
        (workspace / "sub" / ".shepherd" / "runs").mkdir(parents=True)
        (workspace / "sub" / ".shepherd" / "config.toml").write_text("")
        (workspace / "sub" / "a").write_text("a")
        assert [path for path, _ in import_workspace(workspace, put_blob=keep).files.items()] == ["sub/a"]


class TestScope:
    def open(self, tmp_path: Path, content: dict[str, bytes]) -> tuple[CopyBackend, Files]:
        return CopyBackend(tmp_path / "scopes", read_blob=BLOBS.__getitem__), files(content)

    def test_links_that_a_command_made_are_not_written_through(self, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "a").write_bytes(b"mine")
        backend, start = self.open(tmp_path, {"dir/a": b"1", "b": b"1"})
        scope = backend.open("root", start)
        (scope.folder / "dir" / "a").unlink()
        (scope.folder / "dir").rmdir()
        (scope.folder / "dir").symlink_to(outside)
        (scope.folder / "b").unlink()
        (scope.folder / "b").symlink_to(outside / "a")
        change = dict(scope.changes(keep))
        assert change["dir"] == entry(os.fsencode(outside), LINK)
        assert git_blob_hash(b"mine") not in {item.hash for item in change.values() if item}
        scope.sync(files({"dir/a": b"2", "dir/new": b"2", "b": b"2"}))
        assert os.listdir(outside) == ["a"]
        assert (outside / "a").read_bytes() == b"mine"
        assert (scope.folder / "dir" / "new").read_bytes() == b"2"
        scope.close()

    def test_links_put_in_place_behind_its_back_are_not_written_through(self, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "a").write_bytes(b"mine")
        backend, start = self.open(tmp_path, {"dir/a": b"1"})
        scope = backend.open("root", start)
        # No look between: the scope still takes `dir` for a folder.
        (scope.folder / "dir").rename(scope.folder / "gone")
        (scope.folder / "dir").symlink_to(outside)
        scope.sync(files({"dir/a": b"2", "dir/b": b"2"}))
        assert os.listdir(outside) == ["a"]
        assert (outside / "a").read_bytes() == b"mine"
        scope.close()

    def test_removing_does_not_follow_links(self, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "a").write_bytes(b"mine")
        backend, start = self.open(tmp_path, {"dir/a": b"1"})
        scope = backend.open("root", start)
        (scope.folder / "deep" / "er").mkdir(parents=True)
        (scope.folder / "deep" / "er" / "link").symlink_to(outside)
        (scope.folder / "dir" / "a").unlink()
        (scope.folder / "dir").rmdir()
        (scope.folder / "dir").symlink_to(outside)
        scope.changes(keep)
        scope.sync(Files.empty())
        assert os.listdir(scope.folder) == []
        scope.close()
        backend.remove("root")
        assert (outside / "a").read_bytes() == b"mine"

    def test_a_hard_link_out_is_not_written_through(self, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        outside.write_bytes(b"mine")
        outside.chmod(0o640)
        backend, start = self.open(tmp_path, {"a": b"1"})
        scope = backend.open("root", start)
        (scope.folder / "a").unlink()
        os.link(outside, scope.folder / "a")
        scope.changes(keep)
        scope.sync(Files.of([("a", entry(b"2", 0o100755))]))
        assert outside.read_bytes() == b"mine"
        assert stat.S_IMODE(outside.stat().st_mode) == 0o640
        scope.close()

    def test_a_folder_of_the_run_that_became_a_link_is_not_opened(self, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "a").write_bytes(b"mine")
        backend, start = self.open(tmp_path, {"a": b"1"})
        scope = backend.open("root", start)
        scope.close()
        scope.folder.rename(tmp_path / "moved")
        scope.folder.symlink_to(outside)
        with pytest.raises(Exception, match=r"cannot (make|open) a run's copy"):
            backend.open("root", files({"a": b"2"}))
        assert (outside / "a").read_bytes() == b"mine"

    def test_special_files_do_not_block_and_are_not_carried(self, tmp_path: Path) -> None:
        backend, start = self.open(tmp_path, {"a": b"1"})
        scope = backend.open("root", start)
        (scope.folder / "a").unlink()
        os.mkfifo(scope.folder / "a")
        assert scope.changes(keep) == (("a", None),)
        assert scope.skipped == ("a",)
        scope.sync(files({"a": b"2"}))
        assert (scope.folder / "a").read_bytes() == b"2"
        scope.close()
