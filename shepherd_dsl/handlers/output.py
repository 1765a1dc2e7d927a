"""Output of a command or a server on its way into an answer: redacted, decoded, cut, and kept whole as a blob."""

from __future__ import annotations

import codecs
import tempfile
from collections.abc import Callable

from shepherd_dsl.core.value import Blob, Value
from shepherd_dsl.handlers.secrets import Redactor

_IN_MEMORY = 1 << 20


class Output:
    """Takes bytes in pieces and gives the text that an answer holds.

    Secrets are taken out before anything else sees the bytes. Bytes that are not UTF-8 become U+FFFD, each maximal
    wrong part one. Beyond `limit` bytes the text keeps the beginning and the end, with a marker between them that names
    the blob of the whole. `most` bounds the whole. All that is held in memory is the last piece; the rest is in a
    temporary file once it is larger than a megabyte.
    """

    def __init__(self, *, limit: int, most: int, redactor: Redactor, show: Callable[[str], None] | None = None) -> None:
        self._limit = limit
        self._most = most
        self._clean = redactor.stream()
        self._show = show
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115  (closed by `close`)
        self._size = 0
        self.full = False

    def close(self) -> None:
        """Let go of the temporary file."""
        self._file.close()

    def receive(self, piece: bytes) -> bool:
        """Take one piece; False where `most` is reached: what is beyond it is dropped."""
        self._take(self._clean.feed(piece))
        return not self.full

    def text(self, write_blob: Callable[[bytes], Value]) -> str:
        """The text for the answer, once all pieces are in. The whole is given to `write_blob` where it is cut."""
        self._take(self._clean.finish())
        if self._show is not None and (rest := self._decoder.decode(b"", True)):
            self._show(rest)
        self._file.seek(0)
        if self._size <= self._limit:
            return self._file.read().decode("utf-8", "replace")
        whole = self._file.read()
        head = whole[: _boundary(whole, self._limit // 2)]
        tail = whole[_boundary(whole, len(whole) - (self._limit - self._limit // 2)) :]
        blob = write_blob(whole)
        name = f"blob {blob.hash}" if isinstance(blob, Blob) else "kept"
        cut = len(whole) - len(head) - len(tail)
        stopped = ", and there was more" if self.full else ""
        marker = f"\n[… {cut} bytes cut here; the whole output, {len(whole)} bytes{stopped}, is {name} …]\n"
        return head.decode("utf-8", "replace") + marker + tail.decode("utf-8", "replace")

    def _take(self, data: bytes) -> None:
        if self._size + len(data) > self._most:
            data, self.full = data[: self._most - self._size], True
        if not data:
            return
        self._size += len(data)
        self._file.write(data)
        if self._show is not None and (text := self._decoder.decode(data)):
            self._show(text)


def _boundary(data: bytes, at: int) -> int:
    """The closest place at or before `at` where no UTF-8 character is cut in two."""
    for back in range(4):
        if at - back <= 0 or at - back >= len(data) or data[at - back] & 0xC0 != 0x80:
            return max(0, at - back)
    return at
