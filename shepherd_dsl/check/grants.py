"""Grants: what a signature allows, and what can be proved of it before anything runs.

The machine decides every grant (`core.md`, "A run"). What is refused here is only what could never be allowed: an
operation that no clause names, or literal arguments that every clause naming it excludes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from shepherd_dsl.core.grant import Clause, Pattern, covers, matches
from shepherd_dsl.core.value import UNIT, Value

RUN_FAMILY = "run.*"
INBOX = Clause("inbox.take")
"""Always in a lowered request: reading what the owner put in needs no asking."""


def names(clause_op: str, op: str) -> bool:
    """Whether a clause's operation (exact, or `family.*`) names `op` (which may be a family itself)."""
    return clause_op == op or (clause_op.endswith(".*") and op.startswith(clause_op[:-1]))


def may_ask(held: Iterable[Clause], op: str, args: Sequence[Value | None]) -> bool:
    """Whether some clause could allow `op` with these arguments; None stands for one that is not known yet."""
    return any(names(clause.op, op) and _may_match(clause, op, args) for clause in held)


def _may_match(clause: Clause, op: str, args: Sequence[Value | None]) -> bool:
    known = tuple(
        pattern if arg is not None else Pattern("any") for pattern, arg in zip(clause.args, args, strict=False)
    )
    values = tuple(UNIT if arg is None else arg for arg in args)
    return matches(Clause(clause.op, known), op, values)


def fixed(pattern: Pattern) -> Value | None:
    """The one value a pattern stands for, None where it stands for more."""
    if pattern.kind == "is":
        return pattern.value
    if pattern.kind in ("text", "path", "words") and not any(c in pattern.glob for c in "*?\\'\""):
        return pattern.glob
    return None


def uncovered(held: Sequence[Clause], wanted: Sequence[Clause]) -> list[Clause]:
    """The clauses of `wanted` that `held` can be proved not to allow."""
    return [clause for clause in wanted if clause.op != INBOX.op and not _maybe_covered(held, clause)]


def _maybe_covered(held: Sequence[Clause], clause: Clause) -> bool:
    for outer in held:
        if not names(outer.op, clause.op):
            continue
        if covers(outer, clause) or clause.op.endswith(".*"):
            return True
        if _may_match(outer, clause.op, [fixed(pattern) for pattern in clause.args]):
            return True
    return False


def united(*groups: Iterable[Clause]) -> tuple[Clause, ...]:
    """All clauses in order, each once."""
    found: list[Clause] = []
    for group in groups:
        for clause in group:
            if clause not in found:
                found.append(clause)
    return tuple(found)
