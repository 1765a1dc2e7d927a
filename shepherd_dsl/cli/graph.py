"""The lines of `shepherd log`: a lane for each run, columns that line up, nothing wider than the terminal."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from shepherd_dsl.cli.output import paint
from shepherd_dsl.cli.rows import Row
from shepherd_dsl.cli.text import cells, fit, pad, plain

STYLES = {"✓": "green", "✗": "red", "?": "yellow"}

_REVERTED = "  (reverted)"
_WIDEST_FAMILY = 12
_TEXT = (12, 64)
"""The text column is as wide as its longest text, within these bounds."""


@attrs.frozen(slots=True)
class _Columns:
    index: int
    hash: int
    run: int
    family: int
    text: int
    result: int


def render(picked: Sequence[Row], *, tree: str, width: int, on: bool) -> list[str]:
    """One line for each row (newest first), at most `width` columns wide; `on` paints them."""
    from shepherd_dsl.trace.revisions import ROOT, shown_run

    names = {run: shown_run(tree, run) for run in dict.fromkeys(row.recorded.run for row in picked)}
    alone = set(names) <= {ROOT}
    lanes, lane_width = _lanes(picked, most=max(1, width // 6))
    texts = [plain(row.text) for row in picked]
    results = [plain(f"{row.mark} {row.result}".strip()) for row in picked]
    columns = _columns(picked, texts, results, names={} if alone else names, room=width - lane_width)
    lines = []
    for row, lane, text, result in zip(picked, lanes, texts, results, strict=True):
        painted = on and row.live
        parts = [
            pad(lane, lane_width),
            "  ",
            f"{row.recorded.index:>{columns.index}}  ",
            paint(row.recorded.commit[: columns.hash], "yellow", on=painted),
            "  ",
        ]
        if not alone:
            parts += [paint(pad(fit(names[row.recorded.run], columns.run), columns.run), "cyan", on=painted), "  "]
        parts.append(f"{pad(fit(row.family, columns.family), columns.family)} · ")
        if result or not row.live:
            parts.append(pad(fit(text, columns.text), columns.text) + "  ")
            tail = "" if row.live else _REVERTED
            shown = fit(result, max(columns.result - len(tail), 1)) + tail
            parts.append(paint(shown.strip(), STYLES.get(row.mark, "dim"), on=painted))
        else:
            parts.append(fit(text, columns.text + 2 + columns.result))
        line = "".join(parts).rstrip()
        lines.append(line if row.live else paint(line, "dim", on=on))
    return lines


def _columns(
    picked: Sequence[Row], texts: Sequence[str], results: Sequence[str], *, names: dict[str, str], room: int
) -> _Columns:
    """The width of each column where `room` columns are left beside the lanes."""
    index = max((len(str(row.recorded.index)) for row in picked), default=1)
    family = min(max((cells(row.family) for row in picked), default=1), _WIDEST_FAMILY)
    run = min(max(map(cells, names.values()), default=0), max(6, room // 5))
    left = room - 2 - index - 2 - 7 - 2 - (run + 2 if names else 0) - family - 3
    longest = max((cells(text) for text, result in zip(texts, results, strict=True) if result), default=0)
    wanted = min(max(longest, _TEXT[0]), _TEXT[1])
    tails = (0 if row.live else len(_REVERTED) for row in picked)
    needed = max((cells(result) + tail for result, tail in zip(results, tails, strict=True)), default=0)
    # Each gets what it needs; where both cannot, the text gets a little more than half.
    least = len(_REVERTED) + 1 if not all(row.live for row in picked) else 1
    text = max(min(wanted, max(left - 2 - needed, (left - 2) * 11 // 20), left - 2 - least), 1)
    return _Columns(index=index, hash=7, run=run, family=family, text=text, result=max(left - 2 - text, 1))


def _lanes(picked: Sequence[Row], *, most: int) -> tuple[list[str], int]:
    """The lanes of each row, and their width. A run has a lane from its newest row to its oldest; then the lane is
    free for another. Where there are more than `most` at once, the rest share the last one."""
    last = {row.recorded.run: place for place, row in enumerate(picked)}
    held: list[str | None] = []
    lane_of: dict[str, int] = {}
    drawn = []
    for place, row in enumerate(picked):
        run = row.recorded.run
        if run not in lane_of:
            free = next((lane for lane, holder in enumerate(held) if holder is None), len(held))
            lane_of[run] = min(free, most - 1)
            if lane_of[run] == len(held):
                held.append(run)
            elif held[lane_of[run]] is None:
                held[lane_of[run]] = run
        mine = lane_of[run]
        drawn.append(
            " ".join("*" if lane == mine else " " if holder is None else "|" for lane, holder in enumerate(held))
        )
        if last[run] == place and held[mine] == run:
            held[mine] = next((other for other, lane in lane_of.items() if lane == mine and last[other] > place), None)
    return drawn, max(map(len, drawn), default=1)
