"""Full disks, damage, hostile names, large outputs and deep programs: a clear error, and nothing lost."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shepherd_dsl.core.event import Outcome
from shepherd_dsl.core.run import ROOT
from shepherd_dsl.runtime.workspace import Workspace
from shepherd_dsl.trace.store import open_store
from tests.faults.world import files_of

ENVIRON = {**os.environ, "NO_COLOR": "1", "PYTHONPATH": os.getcwd()}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "w"
    folder.mkdir()
    Workspace.init(folder)
    return folder


def shepherd(
    root: Path, *args: str, file_size: int | None = None, before: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own; `file_size` is the most that a file may have there, as on a full
    disk."""

    def limit() -> None:
        if file_size is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))

    done = subprocess.run(
        [*before, sys.executable, "-m", "shepherd_dsl.cli.main", *args],
        cwd=root,
        env=ENVIRON,
        text=True,
        errors="surrogateescape",
        capture_output=True,
        stdin=subprocess.DEVNULL,
        preexec_fn=limit,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    assert "[internal]" not in done.stderr, done.stderr
    return done


def commits(root: Path, name: str = "1") -> list[str]:
    return [entry.commit for entry in open_store(root).read(name).entries()]


def fsck(root: Path) -> None:
    git = root / ".shepherd" / "trace.git"
    done = subprocess.run(["git", "-C", str(git), "fsck", "--strict"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# ── a full disk, a read-only one ─────────────────────────────────────────────────────────────────────────────────────

WRITES = """
agent main() -> Int
  grants file.write("**"), shell.script
{
  do file.write("a.txt", "a")
  do shell.script("head -c 3000000 /dev/urandom > big.bin")
  do file.write("b.txt", "b")
  return 1
}
"""


@pytest.mark.parametrize("limit", [20_000, 70_000, 400_000, 2_000_000])
def test_a_full_disk_stops_the_run_and_it_goes_on_when_there_is_room(root: Path, limit: int) -> None:
    (root / "writes.shep").write_text(WRITES)
    before = files_of(root)
    stopped = shepherd(root, "run", "writes.shep", file_size=limit)
    if stopped.returncode == 0:
        # The command itself met the full disk, and its program went on.
        assert files_of(root).keys() >= {"a.txt", "b.txt"}
        return
    assert stopped.returncode == 1
    assert "error" in stopped.stderr
    assert "hint" in stopped.stderr
    assert any(code in stopped.stderr for code in ("store.full", "scope.io", "merge.io", "scope.import"))
    if "1" not in open_store(root).names():
        assert files_of(root) == before
        return
    acknowledged = commits(root)
    assert shepherd(root, "log", "1").returncode == 0
    done = shepherd(root, "resume", "1")
    assert "done" in done.stdout or "failed" in done.stdout, done.stderr
    assert commits(root)[: len(acknowledged)] == acknowledged
    assert shepherd(root, "replay", "1").returncode == 0
    fsck(root)


def test_a_store_that_cannot_be_written(root: Path) -> None:
    """A read-only mount, as the one thing that stops the superuser too."""
    (root / "writes.shep").write_text(WRITES)
    state = root / ".shepherd"
    script = f'mount --bind "{state}" "{state}" && mount -o remount,ro,bind "{state}" && exec "$@"'
    inside = ("unshare", "--mount", "sh", "-c", script, "sh")
    if subprocess.run([*inside, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no mount namespaces here")
    refused = shepherd(root, "run", "writes.shep", before=inside)
    assert refused.returncode == 1
    assert "[store.readonly]" in refused.stderr, refused.stderr
    assert shepherd(root, "runs", before=inside).returncode == 0
    assert shepherd(root, "run", "writes.shep").returncode == 0
    before = commits(root)
    for command in (("revert", "1@1"), ("resume", "1"), ("fork", "1@1"), ("merge", "1"), ("discard", "1")):
        refused = shepherd(root, *command, before=inside)
        assert refused.returncode == 1, (command, refused.stdout)
        assert "hint" in refused.stderr, command
    assert shepherd(root, "log", "1", before=inside).returncode == 0
    assert shepherd(root, "replay", "1", before=inside).returncode == 0
    assert commits(root) == before


# ── damage ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def recorded(root: Path) -> None:
    (root / "two.shep").write_text(
        'agent main() -> Int grants file.write("**") { do file.write("a", "x") do file.write("b", "y") return 1 }'
        .replace(") do", ")\n do").replace(") return", ")\n return")
    )  # fmt: skip
    assert shepherd(root, "run", "two.shep").returncode == 0


def test_a_damaged_pack_is_told_and_named(root: Path) -> None:
    recorded(root)
    (pack,) = (root / ".shepherd" / "trace.git" / "objects" / "pack").glob("*.pack")
    data = bytearray(pack.read_bytes())
    pack.chmod(0o644)
    seen = 0
    for at in range(20, len(data) - 20, max(1, len(data) // 4)):
        pack.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        for command in (("replay", "1"), ("resume", "1"), ("log", "1", "--all"), ("revert", "1@1")):
            done = shepherd(root, *command)
            if done.returncode != 0:
                seen += 1
                assert "store." in done.stderr or "trace." in done.stderr or "verify" in done.stderr, done.stderr
    pack.write_bytes(bytes(data))
    assert seen > 0
    assert shepherd(root, "log", "1").returncode == 0


def test_a_damaged_journal_is_told_and_a_torn_one_mended(root: Path) -> None:
    (root / "hang.shep").write_text(
        'agent main() -> Int grants file.write("**"), shell.script {\n do file.write("a", "x")\n'
        ' try do shell.script("true")\n do file.write("b", "y")\n'
        f' let x = try do shell.script("mkdir {root.parent}/once && kill -9 $PPID; true")\n return 1\n}}'
    )
    (root / ".shepherd" / "config.toml").write_text("[jail]\noff = true\n")  # it could not reach the driver
    killed = shepherd(root, "run", "hang.shep")
    assert killed.returncode == -signal.SIGKILL
    journal = root / ".shepherd" / "runs" / "1" / "journal"
    data = journal.read_bytes()
    whole = commits(root)
    assert len(whole) == 8
    end = len(data.rstrip(b"\0"))
    # In the middle: what was acknowledged is damaged.
    journal.write_bytes(data[:200] + bytes([data[200] ^ 1]) + data[201:])
    for command in ("resume", "log"):
        refused = shepherd(root, command, "1")
        assert refused.returncode == 1
        assert "[store.journal]" in refused.stderr
    # At its end: a record that nobody was told of.
    journal.write_bytes(data[: end - 7])
    done = shepherd(root, "resume", "1")
    assert done.returncode == 0, done.stderr
    now = commits(root)
    assert now[:4] == whole[:4]
    assert shepherd(root, "replay", "1").returncode == 0
    fsck(root)


# ── hostile names and large outputs ──────────────────────────────────────────────────────────────────────────────────

HOSTILE = r"""
agent main() -> List[Text]
  grants shell.script, file.write("**"), file.read("**"), file.list("**")
{
  let wrong = ["../out.txt", "/tmp/out.txt", "a/../../out.txt", ".shepherd/x", "a//b", "a/./b", "", "x\n/../y"]
  let codes = for path in wrong {
    match try do file.write(path, "x") {
      Ok(_) => "ok"
      Err(e) => e.code
      Unknown => "unknown"
    }
  }
  do shell.script("ln -s /etc/passwd out; ln -s ../../../../../../.. up")
  do shell.script("mkdir -p .git/hooks; echo x > .git/config; echo y > %41%")
  do shell.script("python3 MAKE")
  let links = for path in ["out", "up/etc/passwd"] {
    match try do file.read(path) { Ok(_) => "ok", Err(e) => e.code, Unknown => "unknown" }
  }
  return codes + links
}
"""
LONG = r"""
import os
open(b"new\nline", "w")
open(b"byte-\xff\xfe", "w")
open("tab\t", "w")
os.mkfifo("fifo")
at = os.open(".", os.O_RDONLY)
for _ in range(15):
    os.mkdir("d" * 255, dir_fd=at)
    at = os.open("d" * 255, os.O_RDONLY, dir_fd=at)
open(os.open("f" * 255, os.O_WRONLY | os.O_CREAT, dir_fd=at), "w").write("deepest")
inner = at
for _ in range(3):
    os.mkdir("e" * 255, dir_fd=inner)
    inner = os.open("e" * 255, os.O_RDONLY, dir_fd=inner)
open(os.open("too-deep", os.O_WRONLY | os.O_CREAT, dir_fd=inner), "w").write("too deep")
"""


def test_hostile_names_stay_inside_or_are_told(root: Path) -> None:
    (root.parent / "make.py").write_text(LONG)
    (root / ".shepherd" / "config.toml").write_text('[jail]\nread = ["../make.py"]\n')
    source = HOSTILE.replace("MAKE", str(root.parent / "make.py"))
    (root / "hostile.shep").write_text(source)
    done = shepherd(root, "run", "hostile.shep", "--json")
    assert done.returncode == 0, done.stderr
    assert not (root.parent / "out.txt").exists()
    answer = json.loads(done.stdout)
    assert answer["refused"] is None
    assert set(answer["value"][:8]) == {"denied", "path"}
    assert answer["value"][8:] == ["link", "link"]
    assert "fifo" in done.stderr
    # What was made is in the workspace byte for byte, and the rest is named.
    names = set(os.listdir(os.fsencode(root)))
    assert {b"new\nline", b"byte-\xff\xfe", b"tab\t", b"out", b"up", b"%41%"} <= names
    assert os.readlink(root / "out") == "/etc/passwd"
    assert b"fifo" not in names
    deep = "/".join(["d" * 255] * 15 + ["f" * 255])
    assert len(deep) == 16 * 255 + 15
    reader = open_store(root).read("1")
    files = reader.trace(ROOT)[-1].files
    entry = files.get(deep)
    assert entry is not None
    assert reader.blob(entry.hash) == b"deepest"
    assert not any("too-deep" in path for path, _ in files.items())
    assert shepherd(root, "replay", "1").returncode == 0
    fsck(root)
    # Everything can be looked at, and taken back.
    for command in (("log", "1", "--all"), ("diff", "1@0", "1@-1"), ("show", "1@-1")):
        assert shepherd(root, *command).returncode == 0
    back = shepherd(root, "revert", "1@0")
    assert back.returncode == 0, back.stderr
    assert set(os.listdir(root)) == {".shepherd", "hostile.shep"}


def test_what_is_not_carried_is_said(root: Path) -> None:
    (root / "fifo.shep").write_text(
        'agent main() -> Int grants shell.script { return (do shell.script("mkfifo f")).code }'
    )
    done = shepherd(root, "run", "fifo.shep")
    assert done.returncode == 0, done.stderr
    assert "not carried: f" in done.stderr


def test_a_command_that_removes_its_own_folder(root: Path) -> None:
    (root / "kept.txt").write_text("kept")
    (root / "gone.shep").write_text(
        'agent main() -> Int grants shell.script, file.write("**") {\n'
        ' let a = try do shell.script("rm -rf \\"$PWD\\"")\n do file.write("new.txt", "new")\n'
        ' let b = do shell.script("cat new.txt")\n return b.code\n}'
    )
    done = shepherd(root, "run", "gone.shep", "--keep")
    assert done.returncode == 0, done.stderr
    assert "done" in done.stdout


def test_ten_megabytes_of_output(root: Path) -> None:
    (root / "loud.shep").write_text(
        "agent main() -> Int grants shell.script {\n"
        " let exit = do shell.script(\"head -c 10485760 /dev/zero | tr '\\\\0' 'a'\")\n"
        ' do shell.script("head -c 10000000 /dev/zero > big")\n return exit.code\n}'
    )
    done = shepherd(root, "run", "loud.shep", "-v")
    assert done.returncode == 0, done.stderr
    assert (root / "big").stat().st_size == 10_000_000
    reader = open_store(root).read("1")
    outcome, _ = [e.event for e in reader.entries() if isinstance(e.event, Outcome) and e.event.by == "world"]
    text = outcome.answer.args[0].get("out")  # type: ignore[union-attr]
    assert isinstance(text, str)
    assert len(text) < 100_000
    blob = text.partition("is blob ")[2][:40]
    assert reader.blob(blob) == b"a" * 10_485_760
    assert shepherd(root, "log", "1").returncode == 0


# ── deep programs ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_hundred_thousand_calls_that_are_not_tail_calls(root: Path) -> None:
    (root / "deep.shep").write_text(
        "agent down(n: Int) -> Int grants clock.now {\n"
        " if n == 0 {\n  do clock.now()\n  return 0\n }\n return 1 + down(n - 1)\n}\n"
        "agent main(n: Int) -> Int grants clock.now { return down(n) }"
    )
    done = shepherd(root, "run", "deep.shep:main", "100000")
    assert done.returncode == 0, done.stderr
    assert "100000" in done.stdout
    assert shepherd(root, "replay", "1").returncode == 0
    forked = shepherd(root, "fork", "1@1")
    assert forked.returncode == 0, forked.stderr
    assert shepherd(root, "resume", "2").returncode == 0


def test_endless_recursion_is_a_fault_of_the_program(root: Path) -> None:
    (root / "endless.shep").write_text(
        "agent down(n: Int) -> Int { return 1 + down(n + 1) }\nagent main() -> Int { return down(0) }"
    )
    done = shepherd(root, "run", "endless.shep:main")
    assert done.returncode == 1
    assert "[steps]" in done.stdout


@pytest.mark.parametrize("pair", ["()", "[]", "{}"])
@pytest.mark.parametrize("command", ["check", "run", "fmt", "lower", "test"])
def test_ten_thousand_nested_brackets(root: Path, pair: str, command: str) -> None:
    text = f"agent main() -> Int {{ return {pair[0] * 10_000}1{pair[1] * 10_000} }}\n"
    (root / "nested.shep").write_text(text)
    done = shepherd(root, command, "nested.shep")
    assert done.returncode == 2, done.stderr[:500]
    assert "E0" in done.stderr or "too_deep" in done.stderr, done.stderr[:500]
    assert (root / "nested.shep").read_text() == text
