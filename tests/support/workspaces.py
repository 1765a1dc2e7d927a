"""A small workspace whose runs do what a shell script says, and what it holds, as one value."""

from __future__ import annotations

import hashlib
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


def tree_hash(workspace: Path) -> str:
    """The hash of all that `held` gives."""
    return hashlib.sha256(repr(sorted(held(workspace).items())).encode()).hexdigest()
