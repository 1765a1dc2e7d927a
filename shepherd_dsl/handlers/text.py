"""`text.merge(base, ours, theirs)`: two texts that come from one, in one; or where they clash.

An operation, not a primitive: what is a difference is libgit2's answer, which nobody has proved and another version may
give otherwise. It is recorded like any answer, so a replay asks nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from anyio import to_thread

from shepherd_dsl.core.value import Con, err, ok, record
from shepherd_dsl.handlers.context import HandlerContext
from shepherd_dsl.handlers.fits import list_of, rec_of, var_of
from shepherd_dsl.handlers.protocol import OperationSpec, Request
from shepherd_dsl.scope.lines import MOST_BYTES, MOST_LINES, Labels, Range, merge_lines, too_large

_CLASH = rec_of(base="Text", ours="Text", theirs="Text")

OPERATIONS: Mapping[str, OperationSpec] = MappingProxyType(
    {
        "text.merge": OperationSpec(
            effect_class="pure",
            params=(("base", "Text"), ("ours", "Text"), ("theirs", "Text")),
            result=var_of([("Merged", ("Text",)), ("Conflict", ("Text", list_of(_CLASH)))]),
            about="both changes of a text in one, line by line, or the text with conflict markers and what clashes",
        )
    }
)


class TextHandler:
    """Performs `text.merge`. Errors: `size` where a text is too large to be compared line by line.

    `clean` takes secrets out of a text.
    """

    operations = OPERATIONS

    def __init__(self, clean: Callable[[str], str] = str) -> None:
        self._clean = clean

    async def perform(self, request: Request) -> Con:
        """`Ok(Merged(text))`, `Ok(Conflict(marked, clashes))` or `Err(size)`."""
        base, ours, theirs = (self._clean(str(arg)).encode() for arg in request.args)
        if too_large(base, ours, theirs):
            return err("size", f"texts of up to {MOST_BYTES} bytes and {MOST_LINES} lines are merged")
        return ok(await to_thread.run_sync(_merged, base, ours, theirs))

    async def probe(self, request: Request) -> Con | None:
        """None: it changes nothing, and is simply asked again."""
        return None

    async def aclose(self) -> None:
        """Nothing to close."""


def open_handler(context: HandlerContext) -> TextHandler:
    """The factory of the entry point `text`."""
    return TextHandler(context.redactor.text)


def _merged(base: bytes, ours: bytes, theirs: bytes) -> Con:
    found = merge_lines(base, ours, theirs, Labels("ours", "base", "theirs"))
    if found.text is not None:
        return Con("Merged", (found.text.decode(),))
    texts = [text.split(b"\n") for text in (base, ours, theirs)]
    clashes = tuple(
        record(base=_part(texts[0], clash.base), ours=_part(texts[1], clash.mine), theirs=_part(texts[2], clash.theirs))
        for clash in found.clashes
    )
    return Con("Conflict", (found.marked.decode(), clashes))


def _part(lines: list[bytes], stretch: Range) -> str:
    """Some lines of a text, each with its end where it has one; the last line of all has none."""
    start, stop = stretch
    end = "\n" if start < stop < len(lines) else ""
    return b"\n".join(lines[start:stop]).decode() + end
