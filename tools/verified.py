"""Writes what is claimed about the core, what is proved, where, on which axioms, and what tests it: `spec/verified.md`
for readers, `shepherd_dsl/cli/theorems.json` for `shepherd explain`.

    python -m tools.verified [--check]

The claims come from `spec/theorems.toml`; everything about a theorem that is there comes from the audit of the compiled
modules, its docstring included. With `--check` nothing is written, and a file that is not up to date is an error.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tools.lean.__main__ import checked
from tools.lean.audit import THEOREMS, Report, Theorem
from tools.lean.places import ROOT, LeanError

PAGE: Final = ROOT / "spec" / "verified.md"
DATA: Final = ROOT / "shepherd_dsl" / "cli" / "theorems.json"

HEAD: Final = """\
# What is proved

This page is written by `make verified` from [theorems.toml](theorems.toml) and the audit of the Lean sources; do not
edit it. `make lean` builds the sources, lets the kernel check every declaration a second time, and fails on `sorry`, on
an axiom of our own, on `native_decide`, and on theorems that speak of code which is not what it says (`partial`,
`unsafe`, `opaque`, `implemented_by`, `extern`).

The axioms are those that our own proofs name. The theorems of Lean's library, on which they rest, may use the same
three: `propext`, `Quot.sound` and `Classical.choice`, and no others.

"""


@dataclass(frozen=True)
class Claim:
    """One entry of `spec/theorems.toml`."""

    number: int
    claim: str
    theorems: Sequence[str]
    tests: Sequence[str]
    missing: str = ""
    words: Sequence[str] = ()


@dataclass(frozen=True)
class State:
    """How far a claim is proved: `proved`, `part`, `missing` or `rejected`, and what is to be said about it."""

    kind: str
    note: str = ""


def claims() -> list[Claim]:
    """The claims, in order."""
    return [Claim(**entry) for entry in tomllib.loads(THEOREMS.read_text("utf-8"))["claim"]]


def page(claims: Sequence[Claim], report: Report) -> str:
    """The whole page."""
    found = {theorem.theorem: theorem for theorem in report.theorems}
    unsound = {problem.name for problem in report.problems}
    states = [_state(claim, found, unsound) for claim in claims]
    count = sum(state.kind == "proved" for state in states)
    lines = [
        f"{count} of {len(claims)} claims are proved.\n",
        "| # | claim | theorem | axioms | law test | state |",
        "|---|---|---|---|---|---|",
    ]
    for claim, state in zip(claims, states, strict=True):
        tests = "<br>".join(_link(test, test.removeprefix("tests/laws/")) for test in claim.tests)
        for at, name in enumerate(claim.theorems):
            theorem = found.get(name)
            first = at == 0
            row = [
                str(claim.number) if first else "",
                _sentence(theorem.doc) if theorem and theorem.doc else claim.claim if first else "",
                _link(_file(theorem), f"`{name}`") if theorem else f"`{name}`",
                _axioms(theorem),
                tests if first else "",
                _shown(state) if first else "",
            ]
            lines.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |")
    return HEAD + "\n".join(lines) + "\n"


def data(claims: Sequence[Claim], report: Report) -> str:
    """The same as JSON, with the words that `shepherd explain` knows."""
    found = {theorem.theorem: theorem for theorem in report.theorems}
    unsound = {problem.name for problem in report.problems}
    entries = []
    for claim in claims:
        state = _state(claim, found, unsound)
        entries.append(
            {
                "number": claim.number,
                "claim": claim.claim,
                "words": list(claim.words),
                "state": state.kind,
                "note": state.note,
                "theorems": [_theorem(name, found.get(name), unsound) for name in claim.theorems],
                "tests": list(claim.tests),
            }
        )
    return json.dumps({"claims": entries}, ensure_ascii=False, indent=1) + "\n"


def _theorem(name: str, theorem: Theorem | None, unsound: set[str]) -> dict[str, Any]:
    if theorem is None or theorem.name in unsound:
        return {"name": name, "proved": False}
    return {
        "name": name,
        "proved": True,
        "says": _sentence(theorem.doc),
        "file": _file(theorem),
        "axioms": list(theorem.axioms),
    }


def _state(claim: Claim, found: Mapping[str, Theorem], unsound: set[str]) -> State:
    there = [name for name in claim.theorems if name in found]
    absent = [name for name in claim.theorems if name not in found]
    rejected = [name for name in there if found[name].name in unsound]
    if rejected:
        return State("rejected", _names(rejected))
    if not there:
        return State("missing", claim.missing)
    if absent:
        return State("part", f"{_names(absent)} missing" + (f"; {claim.missing}" if claim.missing else ""))
    return State("part", claim.missing) if claim.missing else State("proved")


def _shown(state: State) -> str:
    title = {"part": "in part", "rejected": "**not accepted** by the audit"}.get(state.kind, state.kind)
    return f"{title}: {state.note}" if state.note else title


def _names(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _sentence(doc: str) -> str:
    return " ".join(doc.split())


def _file(theorem: Theorem) -> str:
    return f"lean/{theorem.module.replace('.', '/')}.lean"


def _axioms(theorem: Theorem | None) -> str:
    if theorem is None:
        return ""
    return ", ".join(f"`{axiom}`" for axiom in theorem.axioms) or "none"


def _link(path: str, text: str) -> str:
    return f"[{text}](../{path})"


def main(arguments: Sequence[str]) -> int:
    """The command; gives the exit status."""
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        report = checked(show=not arguments)
    except LeanError as error:
        print(error, file=sys.stderr)
        return 1
    written = {PAGE: page(claims(), report), DATA: data(claims(), report)}
    stale = [file for file, text in written.items() if not file.is_file() or file.read_text("utf-8") != text]
    for file in stale:
        if arguments:
            print(f"{file} is not up to date: run `make verified`", file=sys.stderr)
        else:
            file.write_text(written[file], "utf-8")
    return 1 if arguments and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
