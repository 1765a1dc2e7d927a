"""Unpacking the body of a reply in pieces of bounded size.

Three kilobytes, packed twice, can say two gigabytes; HTTP libraries unpack each piece that arrives whole before anyone
can stop them. Here at most `PIECE` bytes come out at a time, and a body is packed at most once.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

ACCEPTED: Final = "gzip, deflate"
"""What to send as `Accept-Encoding`."""

PIECE: Final = 1 << 16

_GZIP: Final = 16 + zlib.MAX_WBITS


class Unpacker:
    """Unpacks one body. `encoding` is its `Content-Encoding`, empty where there is none."""

    def __init__(self, encoding: str) -> None:
        """Raises ValueError where the body is packed in a way that was not asked for, or more than once."""
        names = [
            name for name in (part.strip().lower() for part in encoding.split(",")) if name not in ("", "identity")
        ]
        if len(names) > 1 or (names and names[0] not in ("gzip", "x-gzip", "deflate")):
            raise ValueError(f"its encoding is {encoding[:100]!r}, only gzip and deflate were asked for")
        self._kind = names[0].removeprefix("x-") if names else ""
        self._stream = zlib.decompressobj(_GZIP) if self._kind == "gzip" else None
        self._begun = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What `data` adds to the body, in pieces. Raises ValueError where it is damaged."""
        if not self._kind:
            yield from (data[at : at + PIECE] for at in range(0, len(data), PIECE))
            return
        while data:
            if self._stream is None:
                self._stream = _deflate(data)
            elif self._stream.eof:
                if self._kind != "gzip":
                    return  # what follows the end of a deflated body says nothing
                self._stream = zlib.decompressobj(_GZIP)
            self._begun = True
            try:
                piece = self._stream.decompress(data, PIECE)
            except zlib.error as problem:
                raise ValueError(f"it is not what its encoding says: {problem}") from None
            data = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
            if piece:
                yield piece

    def finish(self) -> None:
        """Raises ValueError where the body ended too early."""
        if self._begun and self._stream is not None and not self._stream.eof:
            raise ValueError("it is cut off")


def _deflate(data: bytes) -> zlib._Decompress:
    """`deflate` should mean the zlib format; some servers send it without its head."""
    raw = data[0] & 0x0F != 8 or (len(data) > 1 and (data[0] << 8 | data[1]) % 31 != 0)
    return zlib.decompressobj(-zlib.MAX_WBITS if raw else zlib.MAX_WBITS)
