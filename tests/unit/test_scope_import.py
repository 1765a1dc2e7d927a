"""Importing a workspace: what is taken, what is ignored, and that nothing is read twice."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shepherd_dsl.core.event import Entry
from shepherd_dsl.core.files import EMPTY_FOLDER, LINK, Files, git_blob_hash
from shepherd_dsl.errors import ScopeError, UserError
from shepherd_dsl.scope.beneath import Beneath
from shepherd_dsl.scope.ignore import DEFAULTS, ignored_by, load_ignored, nothing_ignored
from shepherd_dsl.scope.importer import Imported, import_workspace
from shepherd_dsl.scope.survey import load_seen, seen_now, survey


class Blobs(dict[str, bytes]):
    """Blobs by hash, and how many were handed over."""

    count = 0

    def put(self, data: bytes) -> str:
        self.count += 1
        self[git_blob_hash(data)] = data
        return git_blob_hash(data)


def write(path: Path, data: bytes = b"x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def settle(workspace: Path) -> None:
    """Waits until the file system's clock has left the tick of the last change."""
    with Beneath(workspace, workspace / ".shepherd" / "cache") as at:
        start = at.clock()
        while at.clock() <= start:
            time.sleep(0.002)


def test_takes_everything_but_what_is_ignored(tmp_path: Path) -> None:
    blobs = Blobs()
    write(tmp_path / "src/a.py", b"a")
    (tmp_path / "src/a.py").chmod(0o640)
    write(tmp_path / "run.sh", b"r")
    (tmp_path / "run.sh").chmod(0o755)
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "empty").mkdir()
    (tmp_path / "b").mkdir()
    write(Path(os.fsdecode(os.fsencode(tmp_path) + b"/b/\xff\n")), b"n")
    os.mkfifo(tmp_path / "fifo")
    write(tmp_path / "src/__pycache__/a.pyc")
    write(tmp_path / "only/__pycache__/a.pyc")
    write(tmp_path / ".git/HEAD")
    write(tmp_path / ".shepherd/trace.git/HEAD")
    write(tmp_path / ".env", b"KEY=secret")
    found = import_workspace(tmp_path, put_blob=blobs.put)
    want = {
        "src/a.py": Entry(0o100640, git_blob_hash(b"a")),
        "run.sh": Entry(0o100755, git_blob_hash(b"r")),
        "link": Entry(LINK, git_blob_hash(b"/etc/passwd")),
        "empty": EMPTY_FOLDER,
        "only": EMPTY_FOLDER,
        "b/\uefff\n": Entry(0o100644, git_blob_hash(b"n")),
    }
    assert dict(found.files.items()) == want
    assert (found.skipped, found.unstable) == ({"fifo": "neither file, link nor folder"}, ())
    assert set(blobs) == {entry.hash for entry in want.values() if entry.hash}
    assert b"KEY=secret" not in blobs.values()


def test_an_unchanged_file_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = Blobs()
    for number in range(300):
        write(tmp_path / f"d{number % 7}/f{number}", b"%d" % number)
    settle(tmp_path)
    first = import_workspace(tmp_path, put_blob=blobs.put)
    assert blobs.count == 300
    settle(tmp_path)
    (tmp_path / "d1/f1").write_bytes(b"!")
    (tmp_path / "d2/f2").unlink()
    before = (tmp_path / "d3/f3").stat()
    (tmp_path / "d3/f3").write_bytes(b"?")
    os.utime(tmp_path / "d3/f3", ns=(before.st_atime_ns, before.st_mtime_ns))
    (tmp_path / "d4/f4").chmod(0o600)
    reads: list[str] = []
    real = Beneath.read

    def read(self: Beneath, path: str) -> tuple[bytes, os.stat_result]:
        reads.append(path)
        return real(self, path)

    monkeypatch.setattr(Beneath, "read", read)
    second = import_workspace(tmp_path, put_blob=blobs.put, has_blob=blobs.__contains__)
    assert dict(first.files.diff(second.files)) == {
        "d1/f1": Entry(0o100644, git_blob_hash(b"!")),
        "d2/f2": None,
        "d3/f3": Entry(0o100644, git_blob_hash(b"?")),
        "d4/f4": Entry(0o100600, git_blob_hash(b"4")),
    }
    assert sorted(reads) == ["d1/f1", "d3/f3", "d4/f4"]
    assert blobs.count == 302


def test_contents_that_the_trace_lost_are_handed_over_again(tmp_path: Path) -> None:
    blobs = Blobs()
    write(tmp_path / "a", b"a")
    write(tmp_path / "b", b"b")
    settle(tmp_path)
    first = import_workspace(tmp_path, put_blob=blobs.put)
    del blobs[git_blob_hash(b"a")]
    second = import_workspace(tmp_path, put_blob=blobs.put, has_blob=blobs.__contains__)
    assert second.files == first.files
    assert git_blob_hash(b"a") in blobs
    assert blobs.count == 3


def test_a_damaged_cache_is_no_cache(tmp_path: Path) -> None:
    write(tmp_path / "a", b"a")
    settle(tmp_path)
    first = import_workspace(tmp_path, put_blob=git_blob_hash)
    cache = tmp_path / ".shepherd/cache/import.json"
    whole = cache.read_bytes()
    for broken in (b"", whole[: len(whole) // 2], b"[1,[[]]]", b"[9,[]]", b"\xff", b"null"):
        cache.write_bytes(broken)
        assert load_seen(cache) == {}
        assert import_workspace(tmp_path, put_blob=git_blob_hash).files == first.files


def test_an_edit_in_the_same_tick_is_seen(tmp_path: Path) -> None:
    for turn in range(40):
        data = b"%03d" % turn
        write(tmp_path / "f", data)
        found = import_workspace(tmp_path, put_blob=git_blob_hash)
        assert dict(found.files.items()) == {"f": Entry(0o100644, git_blob_hash(data))}, turn


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    write(tmp_path / "busy", b"0" * 100_000)
    write(tmp_path / "calm")
    stop = threading.Event()

    def scribble() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            (tmp_path / "busy").write_bytes(b"%d" % (turn % 10) * 100_000)

    blobs = Blobs()
    real = Beneath.read

    def read(self: Beneath, path: str) -> tuple[bytes, os.stat_result]:
        data, found = real(self, path)
        if path == "busy":  # sees to it that a change falls between the two looks, however the threads are scheduled
            with open(tmp_path / "busy", "ab") as file:
                file.write(b"+")
            found = os.stat(tmp_path / "busy")
        return data, found

    thread = threading.Thread(target=scribble)
    thread.start()
    try:
        Beneath.read = read  # type: ignore[method-assign]
        found = import_workspace(tmp_path, put_blob=blobs.put)
    finally:
        Beneath.read = real  # type: ignore[method-assign]
        stop.set()
        thread.join()
    assert found.unstable == ("busy",)
    entry = found.files.get("busy")
    assert entry is not None
    assert entry.hash in blobs
    again = import_workspace(tmp_path, put_blob=blobs.put)
    assert again.unstable == ()
    assert again.files.get("busy") == Entry(entry.mode, git_blob_hash((tmp_path / "busy").read_bytes()))


def test_a_file_that_vanishes_meanwhile_is_not_there(tmp_path: Path) -> None:
    write(tmp_path / "a/gone")
    write(tmp_path / "b/stays")

    def ignored(path: str, folder: bool) -> bool:
        if path == "a/gone":
            (tmp_path / path).unlink()
        return nothing_ignored(path, folder)

    found = import_workspace(tmp_path, put_blob=git_blob_hash, ignored=ignored)
    assert [path for path, _ in found.files.items()] == ["a", "b/stays"]


def test_what_may_not_be_read_is_listed_and_left_alone(tmp_path: Path) -> None:
    write(tmp_path / "open")
    write(tmp_path / "closed")
    write(tmp_path / "folder/f")
    (tmp_path / "closed").chmod(0)
    (tmp_path / "folder").chmod(0)
    found = as_nobody(tmp_path, lambda: import_workspace(tmp_path, put_blob=git_blob_hash))
    assert found.skipped == {"closed": "you may not read it", "folder": "you may not read it"}
    assert [path for path, _ in found.files.items()] == ["open"]
    assert (tmp_path / "closed").stat().st_mode & 0o777 == 0
    (tmp_path / "folder").chmod(0o755)


def test_a_path_that_is_too_long_is_left_out_with_that_reason(tmp_path: Path) -> None:
    write(tmp_path / "short")
    at = os.open(tmp_path, os.O_RDONLY)
    for _ in range(18):
        os.mkdir("n" * 240, dir_fd=at)
        inner = os.open("n" * 240, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = inner
    os.close(at)
    found = import_workspace(tmp_path, put_blob=git_blob_hash)
    (path,) = found.skipped
    assert found.skipped[path] == "its path has more than 4,096 bytes"
    assert len(path) == 18 * 241 - 1 > 4096 >= 17 * 241 - 1
    assert "short" in dict(found.files.items())


@pytest.mark.parametrize(
    ("name", "kind"),
    [(".GIT", ".git"), ("git~1", ".git"), (".git.", ".git"), (".HG", ".hg"), (".Shepherd", ".shepherd")],
)
def test_what_some_file_system_takes_for_a_repository_is_left_out(tmp_path: Path, name: str, kind: str) -> None:
    write(tmp_path / "sub" / name)
    write(tmp_path / "folder" / name / "config")
    write(tmp_path / ".gitignore")
    found = import_workspace(tmp_path, put_blob=git_blob_hash)
    why = f"some file systems take its name for {kind}"
    assert found.skipped == {f"sub/{name}": why, f"folder/{name}": why}
    assert [path for path, _ in found.files.items()] == [".gitignore", "folder", "sub"]


def as_nobody(folder: Path, act: Callable[[], Imported]) -> Imported:
    """What `act` gives when it is not done as root, for whom there are no permissions."""
    if os.geteuid() != 0:
        return act()
    above = [folder, *folder.parents][:-1]
    modes = {path: path.stat().st_mode for path in above}
    for path in [folder, *folder.iterdir()]:
        os.chown(path, 65534, 65534)
    for path in above:
        path.chmod(modes[path] | 0o711)
    os.seteuid(65534)
    try:
        return act()
    finally:
        os.seteuid(0)
        for path in above:
            path.chmod(modes[path])


def test_no_workspace_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "file")
    with pytest.raises(ScopeError) as found:
        import_workspace(tmp_path / "file", put_blob=git_blob_hash)
    assert found.value.code == "scope.import"


@pytest.mark.parametrize(
    "path",
    [
        ".env", ".env.local", "deep/down/.env", "server.pem", "id_rsa", "id_rsa.pub", ".ssh/config", ".aws/credentials",
        "credentials", "conf/credentials.json", "secrets.yaml", ".npmrc", ".netrc", ".docker/config.json", "my.key",
        "service-account-7.json", "__pycache__/a.pyc", "a.pyc", ".venv/bin/python", "x/node_modules/y/z.js",
        ".git/HEAD", ".mypy_cache/x", ".shepherd/x", "pkg.egg-info/PKG-INFO", ".DS_Store",
    ],
)  # fmt: skip
def test_defaults_ignore(path: str) -> None:
    ignored = ignored_by([])
    above = [path[:end] for end in range(len(path)) if path[end] == "/"]
    assert ignored(path, False) or any(ignored(folder, True) for folder in above)


@pytest.mark.parametrize(
    "path",
    [
        "a.py", ".env.example", "src/environment.py", "credentials/store.py", "secrets.py", "keys.txt", ".gitignore",
        ".github/workflows/ci.yml", "build/out.o", "dist/x.whl", "target/debug/x", "a/.shepherd.txt", "vendor/x.go",
        ".shepherdignore", "monkey.kind", "a.pem.txt",
    ],
)  # fmt: skip
def test_defaults_do_not_ignore(path: str) -> None:
    ignored = ignored_by([])
    above = [path[:end] for end in range(len(path)) if path[end] == "/"]
    assert not ignored(path, False)
    assert not any(ignored(folder, True) for folder in above)


def test_the_workspace_has_the_last_word(tmp_path: Path) -> None:
    lines = "# mine\n!.venv/\n*.log\n!keep.log\n/build\ndocs/*.html\n!.env\n\\!odd\n"
    (tmp_path / ".shepherdignore").write_text(lines)
    for path in (
        ".venv/bin/python",
        "a.log",
        "keep.log",
        "build/x",
        "sub/build/x",
        "docs/a.html",
        "docs/a.md",
        ".env",
        "!odd",
    ):
        write(tmp_path / path)
    found = import_workspace(tmp_path, put_blob=git_blob_hash)
    names = [path for path, _ in found.files.items()]
    assert names == [".env", ".shepherdignore", ".venv/bin/python", "docs/a.md", "keep.log", "sub/build/x"]
    (tmp_path / ".shepherdignore").write_text("!.shepherd/\n!.shepherd\n")
    assert load_ignored(tmp_path)(".shepherd", True)


def test_a_bad_ignore_file_is_the_users_error(tmp_path: Path) -> None:
    (tmp_path / ".shepherdignore").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"scope\.ignore"):
        load_ignored(tmp_path)
    with pytest.raises(UserError, match=r"scope\.ignore"):
        ignored_by(["!"])
    assert ".env" in DEFAULTS.splitlines()


def test_a_tracked_file_stays_so(tmp_path: Path) -> None:
    write(tmp_path / "build/kept")
    write(tmp_path / "build/other")
    write(tmp_path / ".env")
    ignored = ignored_by(["build/"])
    tracked = Files.of([("build/kept", Entry(0o100644, git_blob_hash(b"x")))])
    with Beneath(tmp_path, tmp_path / ".shepherd") as at:
        found = survey(
            at,
            {},
            now=at.clock(),
            put_blob=git_blob_hash,
            ignored=ignored,
            tracked=lambda path: tracked.get(path) is not None or tracked.is_folder(path),
        )
    assert list(found.seen) == ["build/kept"]


def test_a_stat_of_the_last_tick_is_not_trusted(tmp_path: Path) -> None:
    """Where the file system's clock is coarse, a file may change and keep its stat."""
    write(tmp_path / "f", b"new")
    stale = Entry(0o100644, git_blob_hash(b"old"))
    found = (tmp_path / "f").stat()
    for clock, hash in ((found.st_ctime_ns, git_blob_hash(b"new")), (found.st_ctime_ns + 1, stale.hash)):
        before = {"f": seen_now(stale, found, clock)}  # seen with these bytes when the clock stood there
        with Beneath(tmp_path, tmp_path / ".shepherd") as at:
            after = survey(
                at, before, now=clock, put_blob=git_blob_hash, ignored=nothing_ignored, tracked=lambda path: False
            )
        assert after.seen["f"].entry.hash == hash
        assert after.seen["f"].racy == (clock == found.st_ctime_ns)
