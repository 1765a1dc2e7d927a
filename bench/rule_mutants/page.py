"""The page: the score, the survivors, and what killed the mutants of each rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bench.mutants.operators import ROOT
from bench.rule_mutants.judge import Verdict
from bench.rule_mutants.requests import Asked
from bench.rule_mutants.table import RULES, Mutant

PAGE = ROOT / "spec" / "rule-mutants.md"


def write(found: Sequence[Verdict], requests: Sequence[Asked], cases: int, seed: int) -> None:
    """Write the page of what was found."""
    killed = [verdict for verdict in found if verdict.by is not None]
    apart = [verdict for verdict in found if verdict.by is None and verdict.mutant.survives]
    left = [verdict for verdict in found if verdict.by is None and not verdict.mutant.survives]
    kinds = Counter(verdict.by.kind for verdict in killed if verdict.by is not None)
    asked = Counter(one.kind for one in requests)
    lines = [
        "# Mutants of the rules",
        "",
        "`python -m bench.rule_mutants` makes this page; `make mutants` runs it. Each mutant is one line of the",
        "Python core changed by hand (`bench/rule_mutants/mutants.toml`): a mistake that could have been made in a",
        "rule. Every rule that the differential suite must reach (`tests/support/rules.py`) has one. A mutant is",
        "killed when the changed core answers a request of the suite otherwise than Lean did, raises, or takes too",
        "long.",
        "",
        f"**{len(killed)} of {len(found) - len(apart)}** killed, for {len(RULES)} rules."
        + (f" {len(apart)} more survive that no request can tell from the original, see below." if apart else ""),
        "",
        f"Asked were, in this order, the {len(requests)} requests of `spec/corpus/`, of the aimed cases and of {cases}",
        f"fresh cases of seed {seed}; what kills a mutant is the first that does.",
        "",
        "| requests | asked | killed |",
        "|---|---|---|",
        *[f"| {kind} | {number} | {kinds[kind]} |" for kind, number in asked.items()],
        "",
        "## Survivors",
        "",
        *([_survivor(verdict) for verdict in left] or ["None."]),
        "",
        "## Equivalent",
        "",
        *([f"{_survivor(verdict)}. {verdict.mutant.survives}" for verdict in apart] or ["None."]),
        "",
        "## Rules",
        "",
        "| rule | mutant | killed by |",
        "|---|---|---|",
    ]
    order = {rule: at for at, rule in enumerate(RULES)}
    for verdict in sorted(found, key=lambda one: (order[one.mutant.rule], one.mutant.change)):
        by = "" if verdict.by is None else f"{verdict.by.kind}: {verdict.how}"
        lines.append(f"{cells(verdict.mutant)} {by} |")
    PAGE.write_text("\n".join(lines) + "\n", "utf-8")


def cells(mutant: Mutant) -> str:
    """A mutant's first cells in the table."""
    return f"| {mutant.rule} | `{mutant.module}`: {_code(mutant.old)} → {_code(mutant.new)} |"


def _survivor(verdict: Verdict) -> str:
    mutant = verdict.mutant
    return f"- {mutant.rule}: `{mutant.module}.py:{mutant.line}` `` {mutant.old} `` → `` {mutant.new} ``"


def _code(text: str) -> str:
    """Code in a cell of a table."""
    quoted = text.strip().replace("|", "\\|")
    return f"`` {quoted} ``" if "`" in quoted else f"`{quoted}`"
