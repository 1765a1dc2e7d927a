"""Tokens of the surface language."""

from __future__ import annotations

from shepherd_dsl.syntax.span import Span

COMMENT, NL = "COMMENT", "NL"
"""Kinds that the formatter sees and the parser does not: a comment, the end of any line."""


class Token:
    """A piece of the source.

    `kind` is a terminal of the grammar, COMMENT or NL; `text` what was written (nothing for what the layout added).
    For texts, `content` is the part between the delimiters, as written. `depth` is the number of brackets around it,
    a bracket standing outside itself; the layout fills it in.
    """

    __slots__ = ("content", "depth", "end", "kind", "start", "text")

    def __init__(self, kind: str, text: str, start: int, end: int, content: Span | None = None) -> None:
        self.kind = kind
        self.text = text
        self.start = start
        self.end = end
        self.content = content
        self.depth = 0

    @property
    def span(self) -> Span:
        """Where it stands."""
        return Span(self.start, self.end)

    def __repr__(self) -> str:
        return f"Token({self.kind}, {self.text!r}, {self.start}, {self.end})"


def kinds(names: str) -> frozenset[str]:
    """A set of kinds from their names, separated by blanks."""
    return frozenset(names.split())
