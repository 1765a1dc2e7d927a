"""Contents of files: bytes, or what is too large to be held at once and is passed piece by piece."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

import attrs

LARGE: Final = 1 << 25
"""Contents of more bytes are passed piece by piece."""

PIECE: Final = 1 << 20
"""Bytes of a piece, at most."""


@attrs.frozen(slots=True, eq=False)
class Large:
    """A content of `size` bytes, which `read` gives piece by piece, each time from the beginning.

    Its length is `size`, as for bytes.
    """

    size: int
    read: Callable[[], Iterator[bytes]]

    def __len__(self) -> int:
        return self.size

    def parts(self) -> Iterator[bytes]:
        """The pieces. Raises OSError (ESTALE) where they are not of the size together: a file changed meanwhile."""
        left = self.size
        for part in self.read():
            left -= len(part)
            if left < 0:
                break
            yield part
        if left:
            raise OSError(errno.ESTALE, "the file changed while it was read")


Content: TypeAlias = "bytes | Large"

ReadBlob: TypeAlias = "Callable[[str], Content]"
"""Gives a content by its Git blob hash."""

PutBlob: TypeAlias = "Callable[[Content], str]"
"""Keeps a content, and gives the hash of what it kept."""


def parts_of(content: Content) -> Iterator[bytes]:
    """The bytes of a content, in pieces."""
    return content.parts() if isinstance(content, Large) else iter((content,))


def whole(content: Content) -> bytes:
    """The bytes of a content at once."""
    return b"".join(content.parts()) if isinstance(content, Large) else content
