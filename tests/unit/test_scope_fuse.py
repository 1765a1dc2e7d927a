"""The FUSE backend passes the suite for scopes, and what is its own."""

from __future__ import annotations

import errno
import mmap
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from shepherd_dsl.conformance.scope import CHECKS, Check, Lab, ScopeCase, walk
from shepherd_dsl.core.files import EMPTY_FOLDER, LINK, Files
from shepherd_dsl.errors import ScopeError
from shepherd_dsl.scope import fuse_client, fuse_probe, fuse_tree
from shepherd_dsl.scope.bases import remove_tree
from shepherd_dsl.scope.fuse import FuseBackend
from shepherd_dsl.scope.ignore import ignored_by
from shepherd_dsl.scope.tidy import Unused, unused
from tests.support.scope_scenes import expect_ignored_goes_along, held
from tests.support.scopes import FUSE_LACKS, needs_fuse

pytestmark = needs_fuse

MADE: list[FuseBackend] = []
SOON_S = 20.0


def make(folder: Path, read_blob: Callable[[str], bytes]) -> FuseBackend:
    MADE.append(FuseBackend(folder, read_blob=read_blob))
    return MADE[-1]


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> Iterator[None]:
    """Let go of what the backends of a test hold: descriptors, and a process each."""
    yield
    while MADE:
        MADE.pop().close()


CASE = ScopeCase("fuse", make, lacks=FUSE_LACKS)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_conforms(check: Check, tmp_path: Path) -> None:
    try:
        check(CASE, tmp_path)
    finally:
        remove_tree(tmp_path)  # deeper than others can remove


def server_of(lab: Lab) -> fuse_client.FuseServer:
    assert isinstance(lab.backend, FuseBackend)
    server = lab.backend._server
    assert server is not None
    return server


def pid_of(lab: Lab) -> int:
    return server_of(lab)._process.pid


def written_bytes(lab: Lab) -> int:
    """What is on the disk of files that were written."""
    return sum(path.stat().st_blocks * 512 for path in server_of(lab).data.iterdir())


def wait_until(said: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON_S
    while not said():
        assert time.monotonic() < end
        time.sleep(0.01)


# ── forks ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_clean_fork_takes_nothing_on_the_disk(tmp_path: Path) -> None:
    lab = Lab(CASE, tmp_path)
    scope = lab.start({f"d{number % 20}/f{number}": b"%d" % number for number in range(300)})
    (scope.folder / "big").write_bytes(b"b" * 1_000_000)
    lab.changes(scope)
    before = written_bytes(lab)
    for number in range(20):
        lab.backend.fork("root", f"root.{number}")
        copy = lab.backend.open(f"root.{number}", scope.files)
        assert (copy.folder / "big").stat().st_size == 1_000_000
    assert written_bytes(lab) == before
    (copy.folder / "big").open("r+b").write(b"copied")
    assert written_bytes(lab) >= before + 1_000_000
    assert (scope.folder / "big").read_bytes() == b"b" * 1_000_000


def test_a_fork_takes_what_is_ignored_along(tmp_path: Path) -> None:
    lab = Lab(CASE, tmp_path)
    backend = FuseBackend(lab.home, read_blob=lab.read, ignored=ignored_by(["build/"]))
    MADE.append(backend)
    expect_ignored_goes_along(lab, backend)


@pytest.mark.parametrize("how", ["open", "mapped"])
def test_a_fork_while_a_file_is_open_for_writing_is_made_of_values(tmp_path: Path, how: str) -> None:
    lab = Lab(CASE, tmp_path)
    scope = lab.start({"a": b"1"})
    (scope.folder / "b").write_bytes(b"2" * 10)
    (scope.folder / "left out").mkdir()
    lab.changes(scope)
    with open(scope.folder / "b", "r+b") as at_work:
        memory = mmap.mmap(at_work.fileno(), 10) if how == "mapped" else None
        if memory is not None:
            at_work.close()
            memory[:2] = b"34"
        else:
            at_work.write(b"34")
            at_work.flush()
        lab.backend.fork("root", "root.0")
        copy = lab.backend.open("root.0", scope.files)
        lab.expect(copy, scope.files)
        if memory is not None:
            memory.close()
    assert dict(lab.changes(scope)) == {"b": lab.entry(b"34" + b"2" * 8)}
    lab.expect(copy, copy.files)
    lab.backend.fork("root", "root.1")  # now it can be shared, with what is carried and what is not
    again = lab.backend.open("root.1", scope.files)
    lab.expect(again, scope.files)


def test_who_reads_goes_on_reading_its_own_files_after_a_fork(tmp_path: Path) -> None:
    lab = Lab(CASE, tmp_path)
    scope = lab.start({"a": b"1" * 100})
    with open(scope.folder / "a", "rb", buffering=0) as reader:
        assert reader.read(10) == b"1" * 10
        lab.backend.fork("root", "root.0")
        copy = lab.backend.open("root.0", scope.files)
        (copy.folder / "a").open("r+b").write(b"2" * 100)
        assert reader.read(10) == b"1" * 10
        (scope.folder / "a").open("r+b").write(b"3" * 100)
        assert reader.read(10) == b"3" * 10, "the same file, written in place"
    assert (copy.folder / "a").read_bytes() == b"2" * 100


def test_a_folder_of_the_base_is_renamed_in_one_step(tmp_path: Path) -> None:
    lab = Lab(CASE, tmp_path)
    scope = lab.start({"d/a": b"1", "d/e/b": b"2", "x": b"3"})
    start = scope.files
    (scope.folder / "d").rename(scope.folder / "new")
    assert dict(lab.changes(scope)) == {
        "d/a": None, "d/e/b": None, "new/a": lab.entry(b"1"), "new/e/b": lab.entry(b"2"),
    }  # fmt: skip
    (scope.folder / "d").mkdir()
    assert dict(lab.changes(scope)) == {"d": EMPTY_FOLDER}
    scope.sync(start)
    lab.expect(scope, start)
    assert lab.changes(scope) == ()


def test_what_was_removed_stays_removed_in_forks_and_after_reopening(tmp_path: Path) -> None:
    lab = Lab(CASE, tmp_path)
    scope = lab.start({"d/a": b"1", "d/e/b": b"2", "x": b"3"})
    subprocess.run(["rm", "-r", str(scope.folder / "d")], check=True)
    (scope.folder / "x").unlink()
    (scope.folder / "x").write_bytes(b"other")
    lab.changes(scope)
    files = scope.files
    lab.backend.fork("root", "root.0")
    for run in ("root.0", "root"):
        again = lab.backend.open(run, files)
        lab.expect(again, files)
        assert lab.changes(again) == ()


def test_a_large_file_with_holes_is_copied_with_its_holes(tmp_path: Path) -> None:
    lab = Lab(CASE, tmp_path)
    scope = lab.start({})
    with open(scope.folder / "image", "wb") as file:
        file.truncate(1 << 30)
        file.seek(700 << 20)
        file.write(b"in the middle")
    lab.backend.fork("root", "root.0")  # looked at by nobody: its bytes are too many for a test
    before = written_bytes(lab)
    with open(scope.folder / "image", "r+b") as file:
        file.seek(900 << 20)
        file.write(b"later")
    with open(scope.folder / "image", "rb") as file:
        assert os.pread(file.fileno(), 13, 700 << 20) == b"in the middle"
        assert os.pread(file.fileno(), 5, 900 << 20) == b"later"
        assert os.fstat(file.fileno()).st_size == 1 << 30
    assert written_bytes(lab) - before < 1 << 20


def test_a_process_that_is_still_at_work_does_not_reach_whoever_opens_the_run_next(tmp_path: Path) -> None:
    lab = Lab(CASE, tmp_path)
    scope = lab.start({"a": b"1"})
    with open(scope.folder / "b", "ab") as at_work:
        scope.close()
        again = lab.backend.open("root", scope.files)
        lab.expect(again, scope.files)
        at_work.write(b"late")
        at_work.flush()
        (again.folder / "c").write_bytes(b"c")
        assert dict(lab.changes(again)) == {"c": lab.entry(b"c")}
        again.close()
    third = lab.backend.open("root", scope.files)
    lab.expect(third, scope.files)


def test_a_base_is_shared_and_never_written(tmp_path: Path) -> None:
    lab = Lab(CASE, tmp_path)
    scope = lab.start({"a": b"1", "d/b": b"2", "l": (LINK, b"a")})
    other = make(tmp_path / "scopes-of-another", lab.read)
    (base,) = (path for path in (tmp_path / ".bases").iterdir() if path.is_dir())
    before = walk(base / "files")
    (scope.folder / "a").write_bytes(b"one")
    (scope.folder / "d" / "b").chmod(0o700)
    with open(scope.folder / "d" / "b", "r+b") as file:
        file.truncate(1)
    scope.sync(lab.files({"x": b"y"}))
    second = other.open("root", lab.files({"a": b"1", "d/b": b"3", "l": (LINK, b"a")}))
    assert [path for path in (tmp_path / ".bases").iterdir() if path.is_dir()] == [base]
    assert walk(base / "files") == before
    lab.expect(second, second.files)


def test_a_base_stays_as_long_as_scopes_lie_on_it(tmp_path: Path) -> None:
    lab = Lab(CASE, tmp_path)
    lab.start({"a": b"1"})
    (base,) = (path for path in (tmp_path / ".bases").iterdir() if path.is_dir())
    os.utime(base, (1, 1))
    assert unused(tmp_path, lambda tree: tree == "scopes") == Unused((), (), (), 0)
    assert unused(tmp_path, lambda tree: False).bases == (base.name,)


def test_where_too_much_was_touched_all_is_looked_at(tmp_path: Path) -> None:
    lab = Lab(CASE, tmp_path)
    backend = FuseBackend(lab.home, read_blob=lab.read, ignored=ignored_by(["build/"]))
    MADE.append(backend)
    scope = backend.open("root", lab.files({"a": b"1", "d/b": b"2", "gone": b"3", "e": None}))
    (scope.folder / "build").mkdir()
    (scope.folder / "build" / "x").write_bytes(b"x")
    (scope.folder / "d" / "new").write_bytes(b"new")
    (scope.folder / "gone").unlink()
    os.mkfifo(scope.folder / "d" / "fifo")
    with fuse_survey_of_all():
        assert dict(scope.changes(lab.keep)) == {"d/new": lab.entry(b"new"), "gone": None}
        assert scope.skipped == ("d/fifo",)
        assert scope.changes(lab.keep) == ()
    scope.sync(lab.files({"a": b"1", "e": None}))
    assert held(scope.folder) == {"a", "build/x", "e"}


@contextmanager
def fuse_survey_of_all() -> Iterator[None]:
    """Let the server say that all is touched, as it does where more was than it keeps in memory."""
    real = fuse_client.FuseServer.ask

    def ask(self: fuse_client.FuseServer, what: str, **details: Any) -> dict[str, Any]:
        said = real(self, what, **details)
        if what == "changed":
            said["rows"] = [(b"", (0o040755, fuse_tree.FILES, None, b"", None, 0))]
        return said

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(fuse_client.FuseServer, "ask", ask)
        yield


# ── the server ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_nobody_else_sees_the_mount_and_nothing_is_left_of_it(tmp_path: Path) -> None:
    lab = Lab(CASE, tmp_path)
    scope = lab.start({"a": b"1"})
    (scope.folder / "a").write_bytes(b"2")
    assert list(scope.place.parents[1].iterdir()) == []
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
    data = server_of(lab).data
    assert list(data.iterdir())
    lab.backend.close()
    assert not data.exists()


def test_a_server_that_was_killed_is_an_error_and_the_run_is_opened_anew(tmp_path: Path) -> None:
    lab = Lab(CASE, tmp_path)
    scope = lab.start({"a": b"1"})
    (scope.folder / "b").write_bytes(b"2")
    lab.changes(scope)
    files = scope.files
    os.kill(pid_of(lab), signal.SIGKILL)
    for act in (lambda: scope.changes(lab.keep), lambda: scope.sync(lab.files({"a": b"3"}))):
        with pytest.raises(ScopeError, match=r"has ended|half-written") as found:
            act()
        assert found.value.hint
    again = lab.backend.open("root", files)
    lab.expect(again, files)
    assert lab.changes(again) == ()


def test_a_server_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(CASE, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(fuse_client, "PATIENCE_S", 0.5)
        patched.setattr(fuse_client, "EVERY_S", 0.05)
        scope = lab.start({"a": b"1"})
    files = scope.files
    os.kill(pid_of(lab), signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(ScopeError):
        scope.changes(lab.keep)
    with pytest.raises(OSError, match="connect") as found:
        (scope.folder / "never looked at").stat()
    assert found.value.errno in (errno.ENOTCONN, errno.ECONNABORTED)
    assert time.monotonic() - began < SOON_S
    again = lab.backend.open("root", files)
    lab.expect(again, files)


def test_ending_does_not_wait_for_who_is_at_work_in_the_mount(tmp_path: Path) -> None:
    lab = Lab(CASE, tmp_path)
    scope = lab.start({"a": b"1"})
    script = (
        "import os, sys, time\nf = open('a', 'ab')\nprint(flush=True)\nsys.stdin.read()\nos.write(f.fileno(), b'x')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=scope.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as worker:  # fmt: skip
        assert worker.stdout is not None
        worker.stdout.readline()
        began = time.monotonic()
        lab.backend.close()
        assert time.monotonic() - began < SOON_S
        _, said = worker.communicate()
    assert worker.returncode == 1
    assert b"Transport endpoint is not connected" in said


def test_the_server_ends_with_the_driver(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        lab = Lab(CASE, tmp_path)
        scope = lab.backend.open("root", lab.files({"a": b"1"}))
        (scope.folder / "a").write_bytes(b"2")
        os.write(writer, b"%d" % pid_of(lab))
        os.kill(os.getpid(), signal.SIGKILL)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        server = int(pipe.read())
    os.waitpid(child, 0)
    wait_until(lambda: not Path(f"/proc/{server}").exists() or " Z " in Path(f"/proc/{server}/stat").read_text())
    wait_until(lambda: not list((tmp_path / "scopes").glob("data-*")))


def test_what_a_full_disk_let_through_is_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyfuse3 import FUSEError

    from shepherd_dsl.scope import fuse_requests
    from shepherd_dsl.scope.fuse_contents import Contents

    (tmp_path / "base").mkdir()
    (tmp_path / "data").mkdir()
    tree = fuse_tree.Tree(fuse_tree.FrozenBase(tmp_path / "base", []), fuse_tree.Clock())
    data = os.open(tmp_path / "data", os.O_RDONLY)
    requests = fuse_requests.Requests(Contents(data, lambda: None), fuse_tree.Clock(), data)
    requests.scopes[1] = fuse_requests.Served(1, b"run", tree)
    folder = 1 << 40 | fuse_tree.FILES
    context = SimpleNamespace(umask=0)
    handle, entry = answer_of(requests.create(folder, b"f", 0o644, os.O_RDWR, context))
    assert answer_of(requests.write(handle.fh, 0, b"whole")) == 5
    number = entry.st_ino & ((1 << 40) - 1)
    content = tree.get(number).content
    assert content is not None
    tree.note_hashes([(number, content.stamp, "known")])
    tree.forget_touched(1 << 63)
    assert (content.hash, tree.touched) == ("known", {})

    def full(fd: int, data: bytes, at: int) -> int:
        os.pwrite(fd, data[:2], at)
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(fuse_requests, "write_all", full)
    with pytest.raises(FUSEError) as found:
        answer_of(requests.write(handle.fh, 5, b"more"))
    assert found.value.errno == errno.ENOSPC
    assert (content.hash, tree.get(number).size) == (None, 7)
    assert tree.touched.keys() == {(fuse_tree.FILES, b"f")}
    answer_of(requests.release(handle.fh))
    os.close(data)


def answer_of(asked: Any) -> Any:
    """What a request is answered; none waits."""
    with pytest.raises(StopIteration) as found:
        asked.send(None)
    return found.value.value


def test_a_mistake_of_our_own_is_told_and_ends_nothing(tmp_path: Path) -> None:
    from pyfuse3 import FUSEError

    from shepherd_dsl.scope.fuse_contents import Contents
    from shepherd_dsl.scope.fuse_requests import Requests, Served

    requests = Requests(Contents(-1, lambda: None), fuse_tree.Clock(), -1)
    requests.scopes[1] = Served(1, b"run", cast(Any, None))
    asked = requests.getattr(1 << 40 | 2, None)
    with pytest.raises(FUSEError) as found:
        asked.send(None)
    assert found.value.errno == errno.EIO
    assert "AttributeError" in requests.problem


def test_why_it_cannot_be_used_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuse_probe, "_DEVICE", str(tmp_path / "missing"))
    assert fuse_probe.fuse_usable(tmp_path / "1")[0] is False
    assert "modprobe fuse" in fuse_probe.fuse_usable(tmp_path / "1")[1]
    monkeypatch.setattr(fuse_probe.importlib.util, "find_spec", lambda name: None)
    usable, reason = fuse_probe.fuse_usable(tmp_path / "2")
    assert not usable
    assert "pip install 'shepherd-dsl[fuse]'" in reason


def test_what_was_found_out_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = fuse_probe.fuse_usable(tmp_path)
    assert found[0], found[1]
    monkeypatch.setattr(fuse_probe, "_tried", lambda folder: (False, "tried again"))
    assert fuse_probe.fuse_usable(tmp_path) == found
    assert [path.name for path in tmp_path.iterdir()] == [".probed-fuse.json"]


def test_files_of_a_run_are_those_of_an_empty_one(tmp_path: Path) -> None:
    lab = Lab(CASE, tmp_path)
    scope = lab.start({})
    assert scope.files == Files.empty()
    assert list(scope.folder.iterdir()) == []
