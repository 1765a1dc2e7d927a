"""The list of mutants, `mutants.toml`: one change of one line each."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from bench.mutants.operators import CORE
from tests.support.rules import LEAN_RULES, REQUIRED

TABLE = Path(__file__).parent / "mutants.toml"

RULES = tuple(dict.fromkeys((*REQUIRED, *LEAN_RULES)))
"""The rules of both sides, each once."""


@attrs.frozen(slots=True)
class Mutant:
    """A change: in `module`, `old`, which stands there once, becomes `new`.

    `survives` says why no request can tell it from the original; empty where one must.
    """

    rule: str
    module: str
    old: str
    new: str
    survives: str = ""

    @property
    def text(self) -> str:
        """The changed text of the module."""
        return source(self.module).replace(self.old, self.new)

    @property
    def line(self) -> int:
        """The number of the line that changes."""
        text = source(self.module)
        return text.count("\n", 0, text.index(self.old)) + 1

    @property
    def change(self) -> str:
        """Where and what, on one line."""
        return f"{self.module}.py:{self.line} {self.old} → {self.new}"


def source(module: str) -> str:
    """The text of a module of the core."""
    return (CORE / f"{module}.py").read_text("utf-8")


def mutants() -> tuple[Mutant, ...]:
    """The list, in the order of the rules."""
    rows = [Mutant(**row) for row in tomllib.loads(TABLE.read_text("utf-8"))["mutant"]]
    places = {rule: at for at, rule in enumerate(RULES)}
    return tuple(sorted(rows, key=lambda row: places.get(row.rule, -1)))


def problems(rows: Sequence[Mutant]) -> Iterator[str]:
    """What is wrong with a list: nothing where each row changes one line, none is there twice, every rule has one."""
    for row in rows:
        text = source(row.module)
        if row.rule not in RULES:
            yield f"there is no rule {row.rule}"
        if text.count(row.old) != 1:
            yield f"{row.module}: {row.old!r} is there {text.count(row.old)} times"
        elif "\n" in row.old + row.new or row.text == text:
            yield f"{row.module}: {row.old!r} → {row.new!r} does not change one line"
        else:
            try:
                compile(row.text, f"{row.module}.py", "exec")
            except SyntaxError as why:
                yield f"{row.module}: {row.old!r} → {row.new!r}: {why}"
    counts = Counter((row.module, row.text) for row in rows)
    for row in rows:
        if counts[row.module, row.text] > 1:
            yield f"{row.change}, for {row.rule}, is there {counts[row.module, row.text]} times"
    for rule in RULES:
        if not any(row.rule == rule for row in rows):
            yield f"no mutant for {rule}"
