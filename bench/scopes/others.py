"""Other ways to a second copy of a workspace, as far as the machine has them; each may write to its copy."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import attrs


@attrs.frozen(slots=True)
class Way:
    """`copy` makes the copy at `<spare>/copy`, `drop` takes it away. `slow` ways are not for large workspaces."""

    copy: Callable[[], None]
    drop: Callable[[], None]
    slow: bool = True


def ways(root: Path, spare: Path) -> dict[str, Way]:
    """By name. `root` is a Git repository whose files are in `src`; `spare` is on the same file system."""
    target = spare / "copy"
    found = {
        "cp -a": Way(lambda: _run("cp", "-a", str(root / "src"), str(target)), lambda: shutil.rmtree(target)),
        "git worktree": Way(
            lambda: _run("git", "-C", str(root), "worktree", "add", "--detach", "-f", str(target)),
            lambda: _drop_worktree(root, target),
        ),
    }
    one = next(path for path in root.glob("src/*/*/*"))
    if _works("cp", "--reflink=always", str(one), str(spare / "probe")):
        found["cp --reflink"] = Way(
            lambda: _run("cp", "-a", "--reflink=always", str(root / "src"), str(target)), lambda: shutil.rmtree(target)
        )
    if _works("btrfs", "subvolume", "show", str(root / "src")):
        found["btrfs snapshot"] = Way(
            lambda: _run("btrfs", "subvolume", "snapshot", str(root / "src"), str(target)),
            lambda: _run("btrfs", "subvolume", "delete", str(target)),
            slow=False,
        )
    if shutil.which("fuse-overlayfs"):
        way = Way(lambda: _fuse_overlay(root / "src", target), lambda: _drop_fuse_overlay(target), slow=False)
        try:
            way.copy()
            way.drop()
            found["fuse-overlayfs"] = way
        except (OSError, subprocess.SubprocessError):
            pass
    return found


def _fuse_overlay(lower: Path, target: Path) -> None:
    for name in ("upper", "work", "merged"):
        (target / name).mkdir(parents=True)
    layers = f"lowerdir={lower},upperdir={target / 'upper'},workdir={target / 'work'}"
    _run("fuse-overlayfs", "-o", layers, str(target / "merged"))


def _drop_fuse_overlay(target: Path) -> None:
    _run("umount", "-l", str(target / "merged"))
    shutil.rmtree(target)


def _drop_worktree(root: Path, target: Path) -> None:
    shutil.rmtree(target)
    _run("git", "-C", str(root), "worktree", "prune")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=600)


def _works(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=60).returncode == 0
    except OSError:
        return False
