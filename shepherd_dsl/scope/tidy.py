"""What scopes take on the disk, and removing what no process uses any more: all of it is derived from traces."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import attrs

from shepherd_dsl.scope.bases import ASIDE, remove_tree
from shepherd_dsl.scope.beneath import Beneath

BASES, TIMES = ".bases", ".times"
_RECENT_S = 3600.0
"""A base that was used in the last hour may be about to be used by a run that has not said so yet."""


@attrs.frozen(slots=True)
class Unused:
    """What can be removed: folders of trees, bases, what a removal that was killed left, and the bytes they take."""

    trees: tuple[str, ...]
    bases: tuple[str, ...]
    left: tuple[str, ...]
    size: int


def unused(folder: Path, in_use: Callable[[str], bool]) -> Unused:
    """What below `folder`, which holds the scopes of all trees, no process uses; `in_use` says so of a tree."""
    trees = [name for name in _inside(folder) if not name.startswith(".") and not in_use(name)]
    kept = {base for name in _inside(folder) if name not in trees for base in _bases_of(folder / name)}
    bases = [
        name
        for name in _inside(folder / BASES)
        if name not in kept and time.time() - (folder / BASES / name).stat().st_mtime > _RECENT_S
    ]
    left = [name for name in _inside(folder) if name.startswith(ASIDE) and not _alive(name)]
    found = [*(folder / name for name in (*trees, *left)), *(folder / BASES / name for name in bases)]
    return Unused(tuple(trees), tuple(bases), tuple(left), sum(map(_size, found)))


def remove_unused(folder: Path, found: Unused, locked: Callable[[str], AbstractContextManager[bool]]) -> None:
    """Remove it, and what is known of times in trees that no process uses; `locked` takes the lock of a tree, and says
    whether it could. OSError passes through."""
    for name in {path.name.removesuffix(".imported") for path in (folder / TIMES).glob("*")}:
        with locked(name) as mine:
            for end in ("", ".imported") if mine else ():
                (folder / TIMES / f"{name}{end}").unlink(missing_ok=True)
    for name in found.trees:
        with locked(name) as mine:
            if mine:
                remove_tree(folder / name)
    for name in found.bases:
        remove_tree(folder / BASES / name)
    for name in found.left:
        remove_tree(folder / name)


def _inside(folder: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return sorted(item.name for item in os.scandir(folder) if item.is_dir(follow_symlinks=False))
    return []


def _alive(aside: str) -> bool:
    """Whether the process whose folder that is may still be at work."""
    process = aside.removeprefix(ASIDE).partition("-")[0]
    return not process.isdecimal() or os.path.exists(f"/proc/{process}")


def _bases_of(tree: Path) -> Iterator[str]:
    for layer in (tree / "layers").glob("run-*/layer.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            yield str(json.loads(layer.read_bytes())["base"])


def _size(folder: Path) -> int:
    """Bytes on the disk of the files below a folder, without those that may not be read or whose paths are too long."""
    total = 0
    todo = [""]
    with contextlib.suppress(OSError), Beneath(folder, own=False) as at:
        while todo:
            path = todo.pop()
            with contextlib.suppress(OSError, ValueError):
                for name, found in at.list(path):
                    if stat.S_ISDIR(found.st_mode):
                        todo.append(f"{path}/{name}" if path else name)
                    else:
                        total += found.st_blocks * 512
    return total
