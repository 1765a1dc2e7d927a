"""A small workspace whose runs do what a shell script says, and what it holds, as one value."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from shepherd_dsl.conformance.scope import walk
from tests.support.cli import Printed, shepherd

PROGRAM = """\
agent main(first: Text, second: Text) -> Int
  grants shell.script
{
  do shell.script(first)
  do shell.script(second)
  return 1
}
"""
POEM = "one\ntwo\nthree\nfour\nfive\nsix\nseven\n"


def make_poems(folder: Path) -> Path:
    """A workspace with files of every kind, before any run."""
    (folder / "docs").mkdir(parents=True)
    (folder / "poem.txt").write_text(POEM)
    (folder / "docs" / "other.txt").write_text(POEM)
    (folder / "gone.txt").write_text("gone\n")
    (folder / "picture").write_bytes(b"\x89PNG\0\0 old")
    (folder / "tool.sh").write_text("echo 1\n")
    (folder / "link").symlink_to("poem.txt")
    (folder / "hollow").mkdir()
    (folder / "main.shep").write_text(PROGRAM)
    assert shepherd("init", str(folder)).status == 0
    return folder


def run_script(first: str, second: str = "true", *more: str) -> Printed:
    """One run in the current folder: a script an event."""
    return shepherd("run", "-q", *more, "main.shep", first, second)


def held(workspace: Path) -> dict[str, tuple[int, bytes | None]]:
    """Every path of the workspace with its mode and its bytes, or the target of a link."""
    return {path: (mode, data) for path, mode, data in walk(workspace) if not path.startswith(".shepherd/")}


def seen(workspace: Path) -> dict[str, tuple[object, ...]]:
    """Every path of the workspace, folders and the top too, with all that a user can see of it: mode, owner, group,
    times of changes, extended attributes, and bytes or target."""
    out: dict[str, tuple[object, ...]] = {}
    for folder, folders, names in os.walk(workspace):
        if folder == str(workspace):
            folders.remove(".shepherd")
        for path in (Path(folder), *(Path(folder) / name for name in (*names, *folders))):
            found = path.lstat()
            xattrs = {name: os.getxattr(path, name, follow_symlinks=False) for name in _xattrs(path)}
            what = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
            out[str(path.relative_to(workspace))] = (
                oct(found.st_mode), found.st_uid, found.st_gid, found.st_mtime_ns, xattrs, what
            )  # fmt: skip
    return out


def _xattrs(path: Path) -> list[str]:
    return os.listxattr(path, follow_symlinks=False)


def age(workspace: Path) -> None:
    """Give everything there owners, times and permissions that nothing new has: others' where root does it."""
    for number, path in enumerate(sorted(workspace.rglob("*"))):
        if ".shepherd" in path.relative_to(workspace).parts:
            continue
        mode = 0o700 if path.is_dir() else path.lstat().st_mode
        if os.geteuid() == 0:
            os.chown(path, 1000 + number, 2000 + number, follow_symlinks=False)
        if not path.is_symlink():
            with contextlib.suppress(OSError):  # Not every file system has them.
                os.setxattr(path, "user.number", str(number).encode())
            path.chmod(mode)
        os.utime(path, ns=(1, 10**18 + number), follow_symlinks=False)
    os.utime(workspace, ns=(1, 10**18))


def tree_hash(workspace: Path) -> str:
    """The hash of all that `held` gives."""
    return hashlib.sha256(repr(sorted(held(workspace).items())).encode()).hexdigest()
