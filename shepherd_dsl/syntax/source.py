"""From the bytes of a file to its text."""

from __future__ import annotations

from shepherd_dsl.syntax import codes
from shepherd_dsl.syntax.diagnostics import Diagnostic
from shepherd_dsl.syntax.span import Span


def decode(data: bytes, *, file: str) -> tuple[str, tuple[Diagnostic, ...]]:
    """The text of a program, without a byte order mark; what is not UTF-8 is a diagnostic and stands as U+FFFD."""
    try:
        return data.decode("utf-8").removeprefix("\ufeff"), ()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8").removeprefix("\ufeff")
        text = data.decode("utf-8", errors="replace").removeprefix("\ufeff")
        byte = " ".join(f"{value:02X}" for value in data[error.start : error.start + 1])
        sixteen = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        hint = "the file looks like UTF-16: save it as UTF-8" if sixteen else "save the file as UTF-8"
        span = Span(len(before), len(before) + 1)
        return text, (Diagnostic(codes.ENCODING, span, file, f"the byte {byte} is not UTF-8 here", hint=hint),)
