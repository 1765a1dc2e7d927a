"""The table and the plot of `bench.scopes` in the documentation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
BEGIN, END = "<!-- forks: written by make bench-scopes -->", "<!-- end of forks -->"

_COLUMNS: Final = (
    "overlay: fork, 0 dirty", "overlay: fork, 100 dirty", "overlay: fork, 1000 dirty", "fuse: fork, 0 dirty",
    "fuse: fork, 100 dirty", "copy: fork, 0 dirty", "overlay: revert, 10 dirty", "fuse: revert, 10 dirty",
    "merge, 1 file", "cp -a", "git worktree", "fuse-overlayfs", "cp --reflink", "btrfs snapshot",
    "podman commit",
)  # fmt: skip
_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 680, 320, 70, 20, 50
_COLOURS: Final = ("#1f6feb", "#2da44e", "#bf8700", "#cf222e", "#8250df", "#57606a", "#bf3989", "#1b7c83")


def write_readme(results: Sequence[Mapping[str, Any]]) -> None:
    """Put the table into README.md and the plot beside the documentation."""
    page = ROOT / "README.md"
    text = page.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{table(results)}{END}{after}", "utf-8")
    (ROOT / "docs" / "forks.svg").write_text(plot(results), "utf-8")


def table(results: Sequence[Mapping[str, Any]]) -> str:
    """A row for each size, milliseconds."""
    columns = [name for name in _COLUMNS if any(name in result for result in results)]
    lines = [f"| MB/files | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for result in results:
        cells = [f"{result[name]:,.1f}" if name in result else "" for name in columns]
        lines.append(f"| {result['size']} | {' | '.join(cells)} |")
    return "".join(f"{line}\n" for line in lines)


def plot(results: Sequence[Mapping[str, Any]]) -> str:
    """Milliseconds by size, both logarithmic, a line for each way."""
    ways = [name for name in _COLUMNS if "revert" not in name and "merge" not in name]
    names = [name for name in ways if any(name in result for result in results)]
    sizes = [float(result["size"].split("/")[0]) for result in results]
    values = [result[name] for name in names for result in results if name in result]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    wide = _WIDTH - _LEFT - 170

    def x(size: float) -> float:
        span = math.log10(sizes[-1] / sizes[0]) or 1
        return _LEFT + wide * math.log10(size / sizes[0]) / span

    def y(value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (high - math.log10(value)) / (high - low)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        'font-size="11"><rect width="100%" height="100%" fill="white"/>'
    ]
    for power in range(low, high + 1):
        at = y(10**power)
        parts.append(f'<line x1="{_LEFT}" x2="{_LEFT + wide}" y1="{at:.1f}" y2="{at:.1f}" stroke="#d0d7de"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{10**power:g} ms</text>')
    for size in sizes:
        parts.append(f'<text x="{x(size):.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{size:g} MB</text>')
    ends: list[tuple[tuple[float, float], str, str]] = []
    for number, name in enumerate(names):
        colour = _COLOURS[number % len(_COLOURS)]
        points = [(x(size), y(result[name])) for size, result in zip(sizes, results, strict=True) if name in result]
        line = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        ends.append((points[-1], name, colour))
    beside = -math.inf
    for (right, at), name, colour in sorted(ends, key=lambda end: end[0][1]):
        beside = max(at, beside + 12)  # names do not lie over each other
        parts.append(f'<text x="{right + 8:.1f}" y="{beside + 4:.1f}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"
