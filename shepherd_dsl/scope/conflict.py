"""A path that a merge cannot settle by itself: why, where, and in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal

import attrs

from shepherd_dsl.errors import RefusedError
from shepherd_dsl.path_text import path_text
from shepherd_dsl.scope.lines import Clash, Range

Why = Literal[
    "lines", "binary", "large", "mode", "kind", "removed_here", "removed_there", "changed", "in_the_way", "guarded",
    "special", "unreadable",
]  # fmt: skip
Settlement = Literal["", "markers", "kept", "overwritten"]

_WORDS: Final[dict[str, str]] = {
    "binary": "not a text",
    "large": "too large to be merged line by line",
    "mode": "permissions changed on both sides",
    "kind": "a symbolic link on one side, or on both",
    "removed_here": "removed here, changed by the run",
    "removed_there": "changed here, removed by the run",
    "changed": "changed here since",
    "in_the_way": "one side's is in the way of the other's",
    "guarded": "not for a run to change",
    "special": "a FIFO, socket or device, which is never overwritten",
    "unreadable": "you may not read it",
}
_SHOWN: Final = 20
_NEVER: Final = (
    "Nothing was changed. What is ignored, what you may not read, FIFOs, sockets and devices are never overwritten: "
    "move them away and do it again, or leave them and do the rest with --keep-mine."
)


@attrs.frozen(slots=True)
class Conflict:
    """A path that the user and the run changed, and not alike.

    `why`: `lines` (which `clashes` name), `binary`, `large`, `mode`, `kind` (a link), `removed_here`, `removed_there`,
    `in_the_way` (a file of one side and a folder of the other); `special` (no file, link or folder) and `unreadable`,
    which no merge touches; `changed` where no merge by lines was asked for; `guarded` where only the run changed it,
    but must not (`scope.guard`). `settled` says what was made of it: the file has `markers`, the user's was `kept` or
    `overwritten`. `ignored`: the workspace keeps the path out of runs.
    """

    path: str
    why: Why
    clashes: tuple[Clash, ...] = ()
    settled: Settlement = ""
    ignored: bool = False

    def words(self) -> str:
        """Why, for a person; for lines, where they are now."""
        if self.why != "lines":
            return _WORDS[self.why]
        if self.settled == "markers":
            return "conflict markers: " + _places("line", [clash.marked for clash in self.clashes])
        mine, theirs = ([getattr(clash, side) for clash in self.clashes] for side in ("mine", "theirs"))
        return f"{_places('line', mine)} here, {_places('line', theirs)} of the run"

    def json(self) -> dict[str, Any]:
        """As `spec/cli.schema.json` has it."""
        return {
            "path": self.path,
            "why": self.why,
            "settled": self.settled or None,
            "ignored": self.ignored,
            "lines": [
                {
                    "workspace": _json(clash.mine),
                    "run": _json(clash.theirs),
                    "base": _json(clash.base),
                    "markers": _json(clash.marked) if self.settled == "markers" else None,
                }
                for clash in self.clashes
            ],
        }


def refused(conflicts: Iterable[Conflict], *, what: str, hint: str) -> RefusedError:
    """The error for conflicts that nobody settled: `merge.conflict`, which says `what` before the list;
    `merge.ignored` where all are with files that runs never see, `merge.denied` where all may not be read."""
    found = sorted(conflicts, key=lambda one: one.path)
    shown = "".join(f"\n  {path_text(one.path)}{' (ignored)' * one.ignored}: {one.words()}" for one in found[:_SHOWN])
    more = f"\n  and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    paths = tuple(one.path for one in found)
    if all(one.ignored for one in found):
        return RefusedError(
            "merge.ignored",
            f"the run made what the workspace has, but keeps out of runs:{shown}{more}",
            hint="Nothing was changed, and what is ignored is never overwritten. --keep-mine leaves yours and merges "
            "the rest. `!PATH` in .shepherdignore gives it to runs: then move yours aside and merge again.",
            paths=paths,
            conflicts=tuple(found),
        )
    if all(one.why == "unreadable" for one in found):
        return RefusedError(
            "merge.denied",
            f"the run's files belong where you may not read what is there:{shown}{more}",
            hint="Nothing was changed. Give yourself the permission, then do it again; --keep-mine does the rest.",
            paths=paths,
            conflicts=tuple(found),
        )
    return RefusedError(
        "merge.conflict",
        f"{what}:{shown}{more}",
        hint=_NEVER if all(one.ignored or one.why in ("special", "unreadable") for one in found) else hint,
        paths=paths,
        conflicts=tuple(found),
    )


def _places(noun: str, ranges: list[Range]) -> str:
    """`lines 3-5, 9`, counted from 1; an empty stretch stands `after 2`."""
    texts = [
        f"after {start}" if start == stop else str(stop) if stop - start == 1 else f"{start + 1}-{stop}"
        for start, stop in ranges[:_SHOWN]
    ]
    more = ", …" if len(ranges) > _SHOWN else ""
    many = len(ranges) > 1 or ranges[0][1] - ranges[0][0] > 1
    return f"{noun}{'s' * many} {', '.join(texts)}{more}"


def _json(lines: Range) -> dict[str, int]:
    """A stretch of lines: `start` counts from 1; an empty stretch stands before the line `start`."""
    return {"start": lines[0] + 1, "count": lines[1] - lines[0]}
