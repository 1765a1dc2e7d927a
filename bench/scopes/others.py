"""Other ways to a second copy of a workspace, as far as the machine has them; each may write to its copy."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import attrs

from bench.scopes.subject import lay
from tests.support.images import mounted, why_no_image


@attrs.frozen(slots=True)
class Way:
    """`copy` makes the copy, `drop` takes it away. `slow` ways are not for large workspaces."""

    copy: Callable[[], object]
    drop: Callable[[], object]
    slow: bool = True


@contextmanager
def ways(root: Path, home: Path, size: tuple[int, int], *, slow: bool) -> Iterator[dict[str, Way]]:
    """By name, as long as the context lasts; `slow` ones too, for which `root` is a Git repository.

    The files are in `root`/src, as `lay` makes them of `size`; `home` is a folder on the same file system.
    """
    target = home / "copy"
    found = {
        "cp -a": _cp(root / "src", target),
        "git worktree": Way(
            lambda: _run("git", "-C", str(root), "worktree", "add", "--detach", "-f", str(target)),
            lambda: _drop_worktree(root, target),
        ),
        "fuse-overlayfs": Way(
            lambda: _fuse_overlay(root / "src", target), lambda: _drop_fuse_overlay(target), slow=False
        ),
    }
    with ExitStack() as stack:
        if shutil.which("podman"):
            # Podman refuses long paths for what it keeps of what runs.
            podman = Podman(home / "podman", Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="p-"))))
            stack.callback(podman.end)
            found["podman commit"] = podman.way(root / "src")
        found |= _clones(root / "src", target)
        if not why_no_image("btrfs") and "btrfs snapshot" not in found:
            place = stack.enter_context(mounted("btrfs", limit=(3 * size[0] + 2_000) * 1_000_000, within=home))
            _run("btrfs", "subvolume", "create", str(place / "src"))
            lay(place / "src", *size)
            found |= _clones(place / "src", place / "copy")
        yield {name: way for name, way in found.items() if (slow or not way.slow) and _works(way)}


def _cp(source: Path, target: Path, *options: str) -> Way:
    return Way(lambda: _run("cp", "-a", *options, str(source), str(target)), lambda: shutil.rmtree(target))


def _clones(source: Path, target: Path) -> dict[str, Way]:
    """What only some file systems can."""
    found = {}
    with suppress(OSError, subprocess.SubprocessError, StopIteration):
        _run("cp", "--reflink=always", str(next(source.glob("*/*/*"))), str(target))
        found["cp --reflink"] = _cp(source, target, "--reflink=always")
    target.unlink(missing_ok=True)
    with suppress(OSError, subprocess.SubprocessError):
        _run("btrfs", "subvolume", "show", str(source))
        found["btrfs snapshot"] = Way(
            lambda: _run("btrfs", "subvolume", "snapshot", str(source), str(target)),
            lambda: _run("btrfs", "subvolume", "delete", str(target)),
            slow=False,
        )
    return found


def _works(way: Way) -> bool:
    try:
        way.copy()
        way.drop()
    except (OSError, subprocess.SubprocessError):
        return False
    return True


# ── containers ──────────────────────────────────────────────────────────────────────────────────────────────────────

_BASE, _COPY = "localhost/base", "localhost/copy"


@attrs.frozen(slots=True)
class Podman:
    """A podman with images and containers of its own, in `home`; `run` is for what it knows of those that run."""

    home: Path
    run: Path

    def way(self, source: Path) -> Way:
        """A container of the workspace, committed; the copy is a container of that, its files mounted."""

        def copy() -> None:
            if not self.home.exists():
                self._begin(source)
            self._do("commit", "-q", "base", _COPY)
            self._do("create", "--name", "copy", _COPY, "true")
            self._do("mount", "copy")

        def drop() -> None:
            self._do("rm", "-f", "copy")
            self._do("rmi", "-f", _COPY)

        return Way(copy, drop, slow=False)

    def end(self) -> None:
        """Remove all of it."""
        with suppress(OSError, subprocess.SubprocessError):
            self._do("rm", "-a", "-f")
            self._do("rmi", "-a", "-f")
        subprocess.run(["umount", "-l", str(self.home / "root" / "overlay")], check=False, capture_output=True)

    def _begin(self, source: Path) -> None:
        self.home.mkdir()
        archive = self.home / "base.tar"
        _run("tar", "-C", str(source), "-cf", str(archive), ".")
        self._do("import", "-q", str(archive), _BASE)
        archive.unlink()
        self._do("create", "--name", "base", _BASE, "true")

    def _do(self, *command: str) -> None:
        _run("podman", "--root", str(self.home / "root"), "--runroot", str(self.run), *command)


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
