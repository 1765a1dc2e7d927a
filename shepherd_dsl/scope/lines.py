"""Three-way merges of texts, line by line, over bytes: what changed on one side alone is taken, the rest clashes.

What each side changed is libgit2's difference (xdiff, as `git diff` has it), without a repository and without the
machine's own Git; what becomes of the two differences is decided here, as `git merge-file` decides it: changes that
touch clash, unless both sides made the same one. Nothing depends on an encoding: a line ends after each `\\n`, `\\r` is
part of its line, and a last line without an end differs from one with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal

import attrs

from shepherd_dsl.core.content import Content, Large

MOST_BYTES: Final = 1 << 24
MOST_LINES: Final = 200_000
"""What a side may have to be merged by lines: the difference of two such texts takes seconds at worst."""

_MARKER: Final = 7
_RUNS: Final = re.compile(rb"^(?:<{7,}|>{7,}|\|{7,}|={7,})", re.MULTILINE)

Range = tuple[int, int]
"""Lines from the first up to, not including, the second, counted from 0."""


@attrs.frozen(slots=True)
class Clash:
    """Lines that both sides changed, and not alike: where they stand in the base and on each side.

    `marked` is where the clash stands, with its markers, in `Merged.marked`.
    """

    base: Range
    mine: Range
    theirs: Range
    marked: Range


@attrs.frozen(slots=True)
class Merged:
    """A merge of lines. Without clashes `text` is the whole result; with some, None, and `marked` shows them."""

    text: bytes | None
    clashes: tuple[Clash, ...]
    marked: bytes


@attrs.frozen(slots=True)
class Labels:
    """What the markers of a clash call the three texts."""

    mine: str
    base: str
    theirs: str


def texts_of(*sides: Content) -> tuple[bytes, ...] | Literal["binary", "large"]:
    """The contents as texts to be merged by lines, or why they are none: `binary` (a NUL byte) or `large`."""
    texts = tuple(side for side in sides if not isinstance(side, Large))
    if any(b"\0" in text for text in texts):
        return "binary"
    return "large" if len(texts) < len(sides) or too_large(*texts) else texts


def too_large(*sides: bytes) -> bool:
    """Whether one of the texts has more bytes or lines than are compared."""
    return any(len(side) > MOST_BYTES or side.count(b"\n") > MOST_LINES for side in sides)


def merge_lines(base: bytes, mine: bytes, theirs: bytes, labels: Labels) -> Merged:
    """The three-way merge of three texts, none of them `too_large`.

    Symmetric but for the order in the markers, which are as `git merge-file --diff3` writes them: seven signs, or more
    where a line of the texts could be taken for one.
    """
    olds, ours, others = _lines(base), _lines(mine), _lines(theirs)
    width = _marker_width(base, mine, theirs)
    merged: list[bytes] = []
    marked: list[bytes] = []
    clashes: list[Clash] = []
    for same, region in _regions(len(olds), _changes(base, mine), _changes(base, theirs)):
        old, our, other = (lines[start:stop] for lines, (start, stop) in zip((olds, ours, others), region, strict=True))
        taken = old if same else our if our == other or other == old else other if our == old else None
        if taken is not None:
            merged += taken
            marked += taken
            continue
        first = len(marked)
        end = _line_end((olds, 0), (ours, region[1][0]), (others, region[2][0]))
        for sign, label, part in ((b"<", labels.mine, our), (b"|", labels.base, old), (b"=", "", other)):
            marked.append(sign * width + (b" " + label.encode() if label else b"") + end)
            marked += part
            if part and not part[-1].endswith(b"\n"):
                marked[-1] += end
        marked.append(b">" * width + b" " + labels.theirs.encode() + end)
        clashes.append(Clash(*region, (first, len(marked))))
    return Merged(None if clashes else b"".join(merged), tuple(clashes), b"".join(marked))


def _lines(text: bytes) -> list[bytes]:
    return re.findall(rb"[^\n]*\n|[^\n]+", text)


def _line_end(*places: tuple[list[bytes], int]) -> bytes:
    """How markers at those places end: `\\r\\n` where the lines before them do, all that have an end."""
    before = [lines[max(at - 1, 0)] for lines, at in places if lines]
    ended = [line for line in before if line.endswith(b"\n")]
    return b"\r\n" if ended and all(line.endswith(b"\r\n") for line in ended) else b"\n"


def _marker_width(*texts: bytes) -> int:
    """Wide enough that no line of the texts begins with a marker."""
    longest = (len(found.group()) for text in texts for found in _RUNS.finditer(text))
    return max(longest, default=_MARKER - 1) + 1


def _changes(old: bytes, new: bytes) -> list[tuple[Range, Range]]:
    """The stretches of lines by which `new` differs from `old`, in order; no two touch."""
    from pygit2 import Patch
    from pygit2.enums import DiffOption

    if old == new:
        return []
    patch = Patch.create_from(old, new, context_lines=0, interhunk_lines=0, flag=DiffOption.FORCE_TEXT)
    return [(_range(hunk.old_start, hunk.old_lines), _range(hunk.new_start, hunk.new_lines)) for hunk in patch.hunks]


def _range(start: int, count: int) -> Range:
    """Of a hunk: lines are counted from 1, and an empty stretch stands after the line that is named."""
    first = start - 1 if count else start
    return first, first + count


def _regions(
    length: int, mine: list[tuple[Range, Range]], theirs: list[tuple[Range, Range]]
) -> Iterator[tuple[bool, tuple[Range, Range, Range]]]:
    """The whole base, cut into stretches that neither side changed (True) and that one did, with their places on both
    sides. Changes that overlap or touch are one stretch."""
    sides = (mine, theirs)
    at = [0, 0]
    shift = [0, 0]  # how far the line after the last change stands from its place in the base
    done = 0
    while at[0] < len(mine) or at[1] < len(theirs):
        start = min(side[k][0][0] for side, k in zip(sides, at, strict=True) if k < len(side))
        if done < start:
            yield True, ((done, start), *((done + by, start + by) for by in shift))  # type: ignore[misc]
        stop, before = start, list(shift)
        grown = True
        while grown:
            grown = False
            for which, side in enumerate(sides):
                while at[which] < len(side) and side[at[which]][0][0] <= stop:
                    old, new = side[at[which]]
                    stop = max(stop, old[1])
                    shift[which] = new[1] - old[1]
                    at[which] += 1
                    grown = True
        yield (
            False,
            (
                (start, stop),
                (start + before[0], stop + shift[0]),
                (start + before[1], stop + shift[1]),
            ),
        )
        done = stop
    if done < length:
        yield True, ((done, length), (done + shift[0], length + shift[0]), (done + shift[1], length + shift[1]))
