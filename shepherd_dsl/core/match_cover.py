"""Whether one glob matches all that another matches. Sound, not complete: used to prove that a grant narrows.

The inner glob is read as a text whose stars are symbols of their own: only a star of the outer glob takes them in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeVar

from shepherd_dsl.core.match import ACROSS, ONE, STAR, Symbol, path_parts, symbols, word_symbols

T = TypeVar("T")


def text_covers(outer: str, inner: str) -> bool:
    """Whether the text glob `outer` matches all that `inner` does."""
    return symbols_cover(symbols(outer), symbols(inner))


@lru_cache(maxsize=4096)
def symbols_cover(outer: tuple[Symbol, ...], inner: tuple[Symbol, ...]) -> bool:
    """The same on the characters of two globs, each with whether it is a wildcard."""
    return _covers(outer, inner, star=lambda symbol: symbol == (STAR, True), takes=_takes_char)


def _takes_char(outer: Symbol, inner: Symbol) -> bool:
    return outer == inner or (outer == (ONE, True) and inner != (STAR, True))


@lru_cache(maxsize=4096)
def path_covers(outer: str, inner: str) -> bool:
    """Whether the path glob `outer` matches all that `inner` does."""
    return _covers(path_parts(outer), path_parts(inner), star=lambda part: part == ACROSS, takes=_takes_part)


def _takes_part(outer: str, inner: str) -> bool:
    return inner != ACROSS and text_covers(outer, inner)


def words_cover(outer: str, inner: str) -> bool:
    """Whether the words glob `outer` matches all that `inner` does."""
    wide, narrow = word_symbols(outer), word_symbols(inner)
    if narrow is None:
        return True  # an open quote: `inner` matches nothing
    if wide is None:
        return False
    (globs, more), (others, others_more) = wide, narrow
    if not more and (others_more or len(globs) != len(others)):
        return False
    return len(globs) <= len(others) and all(
        symbols_cover(glob, other) for glob, other in zip(globs, others, strict=False)
    )


def _covers(
    outer: Sequence[T], inner: Sequence[T], *, star: Callable[[T], bool], takes: Callable[[T, T], bool]
) -> bool:
    """Whether `outer` takes in `inner`, element by element, a star of `outer` any elements. Time O(outer x inner)."""
    reached = {0}  # how much of `outer` can have been used up before this element of `inner`
    for element in (*inner, None):
        ahead = set(reached)
        for at in sorted(reached):
            while at < len(outer) and star(outer[at]):
                at += 1
                ahead.add(at)
        if element is None:
            return len(outer) in ahead
        reached = {at for at in ahead if at < len(outer) and star(outer[at])}
        reached |= {at + 1 for at in ahead if at < len(outer) and not star(outer[at]) and takes(outer[at], element)}
        if not reached:
            return False
    return False
