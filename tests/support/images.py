"""Small file systems of other kinds than the tests run on: sparse images, mounted by a loop device."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

KINDS: Final = ("btrfs", "xfs")
_SIZE: Final = 1 << 30
"""Bytes, of which hardly any are used: mkfs.xfs makes nothing below 300 MB."""
_LIMIT_S: Final = 60
"""How long a mount or unmount may take."""


def why_no_image(kind: str) -> str:
    """Why an image of that kind cannot be mounted here; empty where it may be."""
    if os.geteuid() != 0:
        return "only root mounts images"
    if shutil.which(f"mkfs.{kind}") is None:
        return f"mkfs.{kind} is not installed"
    if not Path("/dev/loop-control").exists():
        return "there are no loop devices"
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(["modprobe", "-q", kind], check=False, capture_output=True, timeout=_LIMIT_S)
    if kind not in Path("/proc/filesystems").read_text("ascii").split():
        return f"the kernel has no {kind}"
    return ""


@contextlib.contextmanager
def mounted(kind: str, *, limit: int = _SIZE, within: Path | None = None) -> Iterator[Path]:
    """A new file system of that kind, mounted until the end, in a folder called like it that every user may enter.

    It may grow to `limit` bytes, and lies `within` a folder, by default the one for temporary files. Skips the test
    where that cannot be.
    """
    why = why_no_image(kind)
    if why:
        pytest.skip(f"no {kind} here: {why}")
    folder = Path(tempfile.mkdtemp(prefix="shepherd-image-", dir=within))
    folder.chmod(0o711)
    image, place = folder / "image", folder / kind
    place.mkdir()
    with open(image, "wb") as file:
        file.truncate(limit)
    try:
        _run(f"mkfs.{kind}", "-q", str(image))
        try:
            _run("mount", "-o", "loop", str(image), str(place))
        except subprocess.SubprocessError as error:
            pytest.skip(f"no {kind} here: {getattr(error, 'stderr', error)}")
        try:
            yield place
        finally:
            _unmount(place)
    finally:
        image.unlink()
        with contextlib.suppress(OSError):
            place.rmdir()
            folder.rmdir()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=_LIMIT_S)


def _unmount(place: Path) -> None:
    try:
        _run("umount", str(place))
    except subprocess.SubprocessError:
        # Something is still at work there: it goes from view now, and wholly when that has ended.
        subprocess.run(["umount", "--lazy", str(place)], check=False, timeout=_LIMIT_S)
        raise
