"""The room on the disk that recording leaves: a driver must not fill what its commands may not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from shepherd_dsl.core.content import Content, Large

_SHARE = 4
"""Commands are ended before there is less than `keep_free`, or half of what there was. Recording what they wrote leaves
one in so many bytes of it."""


class NoRoomError(Exception):
    """There is too little room to record something."""


class Reserve:
    """What recording something is to leave free on the disk of `folder`: `least` bytes, a share of what is free now.

    `keep_free` is in bytes; 0: nothing is left. OSError passes through.
    """

    def __init__(self, folder: Path, keep_free: int) -> None:
        self._folder = folder
        self.least = min(keep_free, self.free()) // _SHARE

    def free(self) -> int:
        """Bytes that are free now."""
        space = os.statvfs(self._folder)
        return space.f_bavail * space.f_frsize

    def watched(self, content: Content) -> Content:
        """The same content; raises NoRoomError, or reading it does, where there is no room for it."""
        if isinstance(content, Large):
            return Large(content.size, lambda: self._watched(content))
        self._check(len(content))
        return content

    def _watched(self, content: Large) -> Iterator[bytes]:
        # Large contents are compressed as they are read: only then is it known how much they take.
        for part in content.read():
            self._check(len(part))
            yield part

    def _check(self, size: int) -> None:
        if self.least and self.free() - size < self.least:
            raise NoRoomError
