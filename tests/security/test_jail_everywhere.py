"""The jail on every backend and for a plain user: the attempts of `test_jail`, many in one run.

On the default backend all are made by a plain user too, on the others a sample, of which each run of the tests takes
another one; SHEPHERD_JAIL_SEED=N repeats one.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import re
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shepherd_dsl.scope import fuse_client
from shepherd_dsl.scope.jail import probe_jail
from tests.security.jail_attempts import ATTEMPTS, RACES, Attempt
from tests.security.jail_world import World, answer_of, world
from tests.support.images import mounted, why_no_image
from tests.support.plain_user import as_root, do_as_plain_user, python_for_all
from tests.support.scopes import why_not

JAIL = probe_jail()
SEED = int(os.environ.get("SHEPHERD_JAIL_SEED") or random.randrange(1 << 32))
SAMPLE = 30
DEFAULT = "overlay"
BUGS = re.compile(r"^(Syntax|Indentation|Name|Type|Attribute|Import|ModuleNotFound|UnboundLocal|Key|Index)Error", re.M)
EVERYWHERE = [item for item in ATTEMPTS if item[0].startswith(("files-", "attributes-", "proc-", "processes-"))]

pytestmark = pytest.mark.skipif(JAIL.strength != "full", reason=f"the jail of this machine is `{JAIL.strength}`")


def chosen(backend: str, user: str) -> list[tuple[str, Attempt]]:
    """What is attempted there."""
    races = [(f"race-{race.name}", race) for race in RACES]
    if (backend, user) == (DEFAULT, "plain"):
        return [*ATTEMPTS, *races]
    print(f"SHEPHERD_JAIL_SEED={SEED}")
    return [*random.Random(f"{SEED} {backend} {user}").sample(EVERYWHERE, SAMPLE), *races]


def apart(name: str, attempt: Attempt) -> str:
    """The script, in a folder of its own where it does not matter where it is."""
    if "../" in attempt.text or "cd .." in attempt.text or "unmount" in name:
        return attempt.script()
    return f"mkdir {name}; cd {name}\n{attempt.script()}"


def settings_of(backend: str) -> str:
    return f'[scope]\nbackend = "{backend}"\n'


def attempt_all(outside: World, backend: str, attempts: list[tuple[str, Attempt]]) -> None:
    """None gets out, and nothing outside changes."""
    before = outside.snapshot()
    scripts = [apart(name, attempt) for name, attempt in attempts]
    _, outcomes = outside.run(*scripts, config=settings_of(backend))
    for (name, _), outcome in zip(attempts, outcomes, strict=True):
        code, out = answer_of(outcome)
        assert code > 0, f"{name}: {out}"
        assert "ESCAPED" not in out, f"{name}: {out}"
        assert not BUGS.search(out), f"{name}: {out}"
        for secret in ("kept\n", "secret\n", "hunter2"):
            assert secret not in out, name
    assert outside.reached() == []
    assert outside.snapshot() == before


@contextlib.contextmanager
def place_for(backend: str, tmp_path: Path) -> Iterator[Path]:
    """A folder where that backend can be used."""
    why = why_not(backend)
    if not why:
        yield tmp_path
    elif backend == "reflink" and not why_no_image("btrfs"):
        with mounted("btrfs") as place:
            yield place
    else:
        pytest.skip(f"no {backend} here: {why}")


@pytest.mark.parametrize("backend", ["fuse", "copy", "reflink"])
def test_nothing_gets_out_of_any_backend(backend: str, tmp_path: Path) -> None:
    with place_for(backend, tmp_path) as place, world(place / "world") as outside:
        attempt_all(outside, backend, chosen(backend, "root"))


@as_root
@pytest.mark.parametrize("backend", ["overlay", "fuse", "copy", "reflink"])
def test_nor_of_a_plain_users(backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = f"sys.path[:0] = {[path for path in sys.path if path.endswith('site-packages')]!r}"
    needed = "attrs, ctypes, marshal, pyfuse3, rpds" if backend == "fuse" else "ctypes, marshal"
    python = python_for_all(f"import sys; {packages}; import {needed}", "-S")
    monkeypatch.setattr(fuse_client, "_BOOT", fuse_client._BOOT.replace("import sys;", f"import sys; {packages};", 1))

    def attempt(place: Path) -> None:
        os.environ["HOME"] = str(place)
        with world(place / "world") as outside:
            attempt_all(outside, backend, chosen(backend, "plain"))

    with place_for(backend, tmp_path) as place:
        with world(place / "before") as first:  # loads what a plain user might not be able to
            first.run("exit 0", config=settings_of(backend))
        own = place / "plain"
        own.mkdir()
        with fuse_for_all() if backend == "fuse" else contextlib.nullcontext():
            do_as_plain_user(attempt, own if place != tmp_path else None, python=python)


@contextlib.contextmanager
def fuse_for_all() -> Iterator[None]:
    """Let every user open /dev/fuse, in a mount namespace in which this thread is until the end."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/mnt", os.O_RDONLY)
    folder = os.getcwd()

    def done(result: int) -> None:
        if result < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    with tempfile.TemporaryDirectory() as place:
        device = f"{place}/fuse"
        os.mknod(device, stat.S_IFCHR | 0o666, os.stat("/dev/fuse").st_rdev)
        os.chmod(device, 0o666)
        done(libc.unshare(0x20000))
        try:
            done(libc.mount(None, b"/", None, 16384 | 1 << 18, None))
            done(libc.mount(device.encode(), b"/dev/fuse", None, 4096, None))
            yield
        finally:
            done(libc.setns(before, 0))
            os.close(before)
            os.chdir(folder)


class TestSetIdBits:
    """The kernel takes them away from a file that is written to, but not where that is done by a map of it."""

    MAP = (
        "@python@ -c \"import mmap; f = open('tool', 'r+b'); m = mmap.mmap(f.fileno(), 0); m[:4] = b'evil'; m.flush()\""
    )

    @pytest.mark.parametrize("backend", ["overlay", "fuse", "copy", "reflink"])
    def test_other_bytes_do_not_get_them(self, backend: str, tmp_path: Path) -> None:
        with place_for(backend, tmp_path) as place, world(place / "world") as outside:
            tool = outside.root / "tool"
            tool.write_bytes(b"x" * 5000)
            tool.chmod(0o6755)
            _, outcomes = outside.run(self.MAP, "stat -c %a tool", config=settings_of(backend), keep=False)
            assert [answer_of(outcome) for outcome in outcomes] == [(0, ""), (0, "755\n")]
            assert tool.read_bytes()[:5] == b"evilx"
            assert stat.S_IMODE(tool.stat().st_mode) == 0o755

    def test_the_same_bytes_keep_them_in_a_run_and_in_the_workspace_where_they_were(self, tmp_path: Path) -> None:
        with world(tmp_path / "world") as outside:
            tool = outside.root / "tool"
            tool.write_bytes(b"x" * 5000)
            tool.chmod(0o6755)
            stays = outside.root / "stays"
            stays.write_bytes(b"y" * 5000)
            stays.chmod(0o6755)
            _, outcomes = outside.run("mv tool moved; echo other > new", "stat -c %a moved stays", keep=False)
            assert [answer_of(outcome) for outcome in outcomes] == [(0, ""), (0, "6755\n6755\n")]
            assert stat.S_IMODE(stays.stat().st_mode) == 0o6755
            assert stat.S_IMODE((outside.root / "moved").stat().st_mode) == 0o755
