"""The page: the score, the survivors, and what nothing can tell from the original."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.mutants.operators import OPERATORS, ROOT, Key, Mutant, modules

PAGE = ROOT / "spec" / "mutants.md"
TABLE = Path(__file__).parent / "equivalent.toml"
TARGET = 90


def equivalents() -> dict[Key, str]:
    """The reviewed table: why nobody can see the change."""
    rows = tomllib.loads(TABLE.read_text("utf-8")).get("same", [])
    return {
        (row["module"], row["operator"], row["in"], row["line"], row["change"], row.get("nth", 1)): row["why"]
        for row in rows
    }


def write(found: Mapping[Mutant, bool], total: int) -> float:
    """Write the page of what was found (killed or not) and give the score in percent."""
    known = equivalents()
    killed = [mutant for mutant, dead in found.items() if dead]
    alive = sorted((mutant for mutant, dead in found.items() if not dead), key=lambda one: (one.module, one.place))
    same = [mutant for mutant in alive if mutant.key in known]
    real = [mutant for mutant in alive if mutant.key not in known]
    score = _percent(len(killed), len(found) - len(same))
    lines = [
        "# Mutants of the core",
        "",
        "`make mutants` makes this page (`bench/mutants/`). Each mutant changes one place of a module of the core by",
        "one of the operators below; it is killed when a test of `tests/laws`, or a unit test of the core, fails or",
        f"does not end. Target: {TARGET} %.",
        "",
        f"**{score:.1f} %**: {len(killed)} of {len(found) - len(same)} mutants killed"
        + (f", {len(found)} of {total} tried." if len(found) < total else ".")
        + f" Apart from these, {len(same)} survive that nothing can tell from the original, listed and explained below;"
        + f" counted as survivors they would make it {_percent(len(killed), len(found)):.1f} %.",
        "",
        "| module | mutants | tried | killed | equivalent | survived | % |",
        "|---|---|---|---|---|---|---|",
    ]
    count = {name: Counter(one.module for one in group) for name, group in _groups(found, killed, same, real).items()}
    for module in modules():
        tried, dead = count["tried"][module], count["killed"][module]
        if tried:
            apart, left = count["same"][module], count["real"][module]
            share = _percent(dead, tried - apart)
            lines.append(
                f"| `{module}` | {TOTALS.get(module, tried)} | {tried} | {dead} | {apart} | {left} | {share:.0f} |"
            )
    lines += ["", "## Operators", "", *[f"- *{name}*: {about}" for name, about in OPERATORS.items()]]
    lines += ["", "## Survivors", "", *[_row(one) for one in real], *([] if real else ["None."])]
    lines += ["", "## Equivalent", "", "Reviewed by hand, in `bench/mutants/equivalent.toml`.", ""]
    lines += [f"{_row(one)}. {known[one.key]}" for one in same] or ["None."]
    PAGE.write_text("\n".join(lines) + "\n", "utf-8")
    return score


TOTALS: dict[str, int] = {}
"""How many mutants each module has, tried or not."""


def stale(every: Sequence[Mutant], found: Mapping[Mutant, bool]) -> list[str]:
    """What is wrong with the reviewed table: rows that name no mutant, or one that is killed."""
    there = {mutant.key for mutant in every}
    alive = {mutant.key for mutant, dead in found.items() if not dead}
    tried = {mutant.key for mutant in found}
    return [
        f"{' '.join(map(str, key))}: {'killed by a test' if key in there else 'no such mutant'}"
        for key in equivalents()
        if key not in there or (key in tried and key not in alive)
    ]


def _groups(
    found: Mapping[Mutant, bool], killed: list[Mutant], same: list[Mutant], real: list[Mutant]
) -> dict[str, list[Mutant]]:
    return {"tried": list(found), "killed": killed, "same": same, "real": real}


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0


def _row(one: Mutant) -> str:
    """One mutant of a list. Back quotes inside it need a longer fence."""
    fence = "``" if "`" in one.source + one.change else "`"
    change = one.change if len(one.change) <= 100 else f"{one.change[:98]} …"
    return f"- `{one.module}.py:{one.line}` {one.operator}: {fence}{one.source}{fence}, {fence}{change}{fence}"
