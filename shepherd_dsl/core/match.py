"""Globs over texts, paths and commands, as grants and the primitives `match_…` use them.

- Text: `*` any characters, none too; `?` one character; everything else is itself (no classes, no escapes).
- Path: component by component; within one, as for a text. A component `**` is any number of components, none too, but
  as the last one it is at least one: `src/**` is all below `src`, not `src` itself. Names that begin with a dot are
  nothing special. Only a normal path matches, so a glob with an empty, `.` or `..` component matches nothing.
- Words: the text and the glob are split into words as a command is (`words`); each word of the glob matches one word,
  as for a text, but a last word `*` matches any further words, none too. Quoted or escaped, `*` and `?` stand for
  themselves in the glob. A text or a glob with an open quote matches nothing.

All in time O(text x glob) at worst, without backtracking: the leftmost match of each piece between two stars is always
a right choice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, TypeAlias, TypeVar

import attrs

from shepherd_dsl.core.names import normal_path

Finder: TypeAlias = Callable[[str, int], int]
"""Where a piece of a glob occurs first in a text at or after a place, or -1."""

T = TypeVar("T")

STAR: Final = "*"
ONE: Final = "?"
ACROSS: Final = "**"

_PLAIN_WORD: Final = re.compile(r"[^ \t\r\n'\"\\]++")
_SPACE: Final = " \t\r\n"

Symbol: TypeAlias = tuple[str, bool]
"""A character of a glob, and whether it is a wildcard."""


@attrs.frozen(slots=True)
class _Piece:
    """Characters of a glob between two stars; None stands for any one character."""

    chars: tuple[str | None, ...]
    size: int
    find: Finder

    def at(self, text: str, start: int) -> bool:
        """Whether the piece stands in `text` at `start`."""
        return self.find(text[start : start + self.size], 0) == 0 if self.size else True


@attrs.frozen(slots=True)
class Glob:
    """A glob over characters, ready to match."""

    pieces: tuple[_Piece, ...]

    def matches(self, text: str) -> bool:
        """Whether the whole of `text` matches."""
        first, last = self.pieces[0], self.pieces[-1]
        if len(self.pieces) == 1:
            return len(text) == first.size and first.at(text, 0)
        end = len(text) - last.size
        if end < first.size or not first.at(text, 0) or not last.at(text, end):
            return False
        at = first.size
        for piece in self.pieces[1:-1]:
            at = piece.find(text, at)
            if at < 0:
                return False
            at += piece.size
            if at > end:
                return False
        return True


def symbols(glob: str) -> tuple[Symbol, ...]:
    """The characters of a text glob, each with whether it is a wildcard."""
    return tuple((char, char in "*?") for char in glob)


@lru_cache(maxsize=4096)
def compile_symbols(glob: tuple[Symbol, ...]) -> Glob:
    """The glob of `symbols`, ready to match."""
    pieces: list[list[str | None]] = [[]]
    for char, wild in glob:
        if wild and char == STAR:
            pieces.append([])
        else:
            pieces[-1].append(None if wild else char)
    return Glob(tuple(_piece(tuple(piece)) for piece in pieces))


def _piece(chars: tuple[str | None, ...]) -> _Piece:
    if None not in chars:
        part = "".join(char for char in chars if char is not None)
        return _Piece(chars, len(chars), lambda text, start: text.find(part, start))
    pattern = re.compile("".join("." if char is None else re.escape(char) for char in chars), re.DOTALL)

    def find(text: str, start: int) -> int:
        found = pattern.search(text, start)
        return -1 if found is None else found.start()

    return _Piece(chars, len(chars), find)


@lru_cache(maxsize=4096)
def compile_text(glob: str) -> Glob:
    """The glob over characters written by `glob`."""
    return compile_symbols(symbols(glob))


def match_text(text: str, glob: str) -> bool:
    """Whether the whole of `text` matches the text glob."""
    return compile_text(glob).matches(text)


@lru_cache(maxsize=4096)
def path_parts(glob: str) -> tuple[str, ...]:
    """The components of a path glob; a last `**`, which is at least one component, is written out as `**` and `*`."""
    parts = tuple(glob.split("/"))
    return (*parts, STAR) if parts[-1] == ACROSS else parts


def match_path(path: str, glob: str) -> bool:
    """Whether `path` is a normal path that matches the path glob."""
    if normal_path(path) is None:
        return False
    return _match_parts(path.split("/"), path_parts(glob))


def _match_parts(path: Sequence[str], glob: Sequence[str]) -> bool:
    """As `Glob.matches`, with components for characters and `**` for the star."""
    pieces: list[list[str]] = [[]]
    for part in glob:
        if part == ACROSS:
            pieces.append([])
        else:
            pieces[-1].append(part)
    first, last = pieces[0], pieces[-1]
    if len(pieces) == 1:
        return len(path) == len(first) and _parts_at(path, 0, first)
    end = len(path) - len(last)
    if end < len(first) or not _parts_at(path, 0, first) or not _parts_at(path, end, last):
        return False
    at = len(first)
    for piece in pieces[1:-1]:
        while at + len(piece) <= end and not _parts_at(path, at, piece):
            at += 1
        at += len(piece)
        if at > end:
            return False
    return True


def _parts_at(path: Sequence[str], start: int, piece: Sequence[str]) -> bool:
    return all(match_text(path[start + index], part) for index, part in enumerate(piece))


def split_words(text: str) -> tuple[tuple[Symbol, ...], ...] | None:
    """The words of a command, each character with whether it stood unquoted and unescaped; None where a quote is open.

    Words are separated by spaces, tabs and line ends. `'…'` is literal; within `"…"` a backslash escapes `"` and
    itself and is otherwise literal; outside it escapes the next character. `''` is an empty word.
    """
    found: list[tuple[Symbol, ...]] = []
    word: list[Symbol] | None = None
    at, size = 0, len(text)
    while at < size:
        char = text[at]
        if char in _SPACE:
            if word is not None:
                found.append(tuple(word))
                word = None
            at += 1
            continue
        if word is None:
            word = []
        if char == "'":
            end = text.find("'", at + 1)
            if end < 0:
                return None
            word.extend((inner, False) for inner in text[at + 1 : end])
            at = end + 1
        elif char == '"':
            at += 1
            while at < size and text[at] != '"':
                if text[at] == "\\" and at + 1 < size and text[at + 1] in '"\\':
                    at += 1
                word.append((text[at], False))
                at += 1
            if at >= size:
                return None
            at += 1
        elif char == "\\":
            if at + 1 >= size:
                return None
            word.append((text[at + 1], False))
            at += 2
        else:
            plain = _PLAIN_WORD.match(text, at)
            end = plain.end() if plain else at + 1
            word.extend((inner, True) for inner in text[at:end])
            at = end
    if word is not None:
        found.append(tuple(word))
    return tuple(found)


def words(text: str) -> tuple[str, ...] | None:
    """The words of a command, quotes resolved; None where a quote is open or a last backslash escapes nothing."""
    found = split_words(text)
    return None if found is None else tuple(["".join([char for char, _ in word]) for word in found])


@lru_cache(maxsize=4096)
def word_symbols(glob: str) -> tuple[tuple[tuple[Symbol, ...], ...], bool] | None:
    """The globs of a words glob and whether any words may follow; None where a quote is open."""
    found = split_words(glob)
    if found is None:
        return None
    wild = tuple(tuple((char, bare and char in "*?") for char, bare in word) for word in found)
    if wild and wild[-1] == ((STAR, True),):
        return wild[:-1], True
    return wild, False


def match_words(command: str | Sequence[str], glob: str) -> bool:
    """Whether a command, as a text or already split into words, matches the words glob."""
    wanted = word_symbols(glob)
    found = words(command) if isinstance(command, str) else command
    if wanted is None or found is None:
        return False
    globs, more = wanted
    if len(found) < len(globs) or (len(found) > len(globs) and not more):
        return False
    return all(compile_symbols(part).matches(word) for part, word in zip(globs, found, strict=False))
