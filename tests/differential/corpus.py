"""The stored cases of `spec/corpus/`: lines `{"answer":…,"request":…}`, where the answer is what Lean said.

python -m tests.differential.corpus [--seed N] [--programs N] [--scenes]

writes the scenes of `scenes.py` into `scenes.jsonl` and, unless these alone are asked for, chooses generated cases
anew, into `rules.jsonl`, all with what Lean says to them now. Cases on which both sides differed (`failed-….jsonl`)
come from `run_cases`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs

from shepherd_dsl.core.forest import Machine
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.wire import canonical, parse
from shepherd_dsl.reference.process import Reference
from tests.differential.cases import run_request
from tests.differential.scenes import scenes
from tests.differential.shepref import Shepref
from tests.differential.shrink import Small, without_unused
from tests.support.generate import BLOBS, MAX_ANSWERS, Case, case, run_case
from tests.support.rules import reached
from tools.lean.places import ROOT

FOLDER = ROOT / "spec" / "corpus"
RULES = FOLDER / "rules.jsonl"
SCENES = FOLDER / "scenes.jsonl"
ORACLES = 4


@attrs.frozen(slots=True)
class Stored:
    """A stored case: both are canonical texts."""

    name: str
    request: str
    answer: str


def stored() -> Iterator[Stored]:
    """All stored cases."""
    for path in sorted(FOLDER.glob("*.jsonl")):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
            found: Any = parse(line)
            yield Stored(f"{path.name}:{number}", canonical(found["request"]), canonical(found["answer"]))


def line_of(asked: str, answer: str) -> str:
    """The line that stores a case."""
    return f'{{"answer":{answer},"request":{canonical(parse(asked))}}}\n'


def request_of(program: Program | str, made: Case, m: Machine, **parts: str) -> str:
    """The request to run what led to the tree of a generated case."""
    return run_request(program, made.agent, made.args, made.request, made.files, BLOBS, m, **parts)


def ran(small: Small) -> Machine:
    """The tree of a case."""
    return run_case(small.case, world=small.world, max_answers=small.answers).last


def keep(path: Path, asked: str, lean: Reference) -> None:
    """Store a request with what Lean says to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(line_of(asked, lean.line(asked)))


@attrs.frozen(slots=True, eq=False)
class Candidate:
    """A case that may be chosen, and the rules that it reaches on either side."""

    request: str
    rules: frozenset[str]


def candidates(seeds: range, lean: Reference) -> Iterator[Candidate]:
    """Cases of some seeds, shorter and longer ones."""
    for seed in seeds:
        made = case(seed)
        for turn in range(ORACLES):
            answers = (4, 10, 24, MAX_ANSWERS)[turn]
            small = without_unused(Small(attrs.evolve(made, seed=seed * ORACLES + turn), answers))
            m = ran(small)
            asked = request_of(small.case.program, small.case, m)
            said = json.loads(lean.line(request_of(small.case.program, small.case, m, rules="true")))
            rules = {f"Lean: {rule}" for rule in said["rules"]} | {f"Python: {rule}" for rule in reached(m)}
            yield Candidate(asked, frozenset(rules))


def chosen(found: list[Candidate]) -> list[Candidate]:
    """A greedy cover: always the case that reaches the most new rules for its size; then none that is not needed."""
    left = set().union(*(one.rules for one in found))
    picked: list[Candidate] = []
    while left:
        best = max(found, key=lambda one: (len(one.rules & left) / len(one.request), -len(one.request)))
        picked.append(best)
        left -= best.rules
    for one in sorted(picked, key=lambda one: -len(one.request)):
        others = set().union(*(other.rules for other in picked if other is not one))
        if one.rules <= others:
            picked.remove(one)
    return sorted(picked, key=lambda one: len(one.request))


def write(path: Path, requests: Iterable[str], lean: Reference) -> None:
    """Store requests anew, with what Lean says to them."""
    path.write_text("".join([line_of(text, lean.line(text)) for text in requests]), "utf-8")
    print(f"{path.name}: {path.stat().st_size} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.differential.corpus")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--programs", type=int, default=200)
    parser.add_argument("--scenes", action="store_true", help="only the scenes")
    options = parser.parse_args()
    with Shepref() as lean:
        write(SCENES, scenes(), lean)
        if options.scenes:
            return
        found = list(candidates(range(options.seed, options.seed + options.programs), lean))
        picked = chosen(found)
        write(RULES, [one.request for one in picked], lean)
    rules = set().union(*(one.rules for one in picked))
    print(f"{len(picked)} of {len(found)} cases reach {len(rules)} rules")


if __name__ == "__main__":
    main()
