"""The requests of the differential suite, with Lean's answers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from random import Random
from typing import TypeAlias

import attrs

from bench.mutants.forks import BrokenError
from bench.mutants.operators import ROOT
from bench.mutants.tests import digest
from shepherd_dsl.reference.requests import request
from tests.differential.cases import log_json, log_of
from tests.differential.corpus import request_of, stored
from tests.differential.python_side import python_answer, tree_of, without_problem
from tests.differential.run_cases import AIMED, ORACLES, edited, tampered
from tests.differential.shepref import Shepref
from tests.support.generate import BLOBS, Case, case, run_case
from tests.support.rules import reached

KEPT = ROOT / "build" / "rule-mutants"

Named: TypeAlias = tuple[str, str, str]
"""Where a request comes from (`stored`, `aimed`, `fresh`), what it is called, its text."""


@attrs.frozen(slots=True)
class Asked:
    """A request with Lean's answer, the time the unchanged core takes for it, and the rules that it reaches there."""

    origin: str
    name: str
    request: str
    answer: str
    seconds: float
    rules: frozenset[str]

    @property
    def kind(self) -> str:
        """Origin and what is asked, as the page says it."""
        return f"{self.origin} {json.loads(self.request)['do']}"


def stored_requests() -> Iterator[tuple[Named, str]]:
    """Those of `spec/corpus/`, with the stored answers."""
    for one in stored():
        yield ("stored", one.name, one.request), one.answer


def generated(cases: int, seed: int) -> Iterator[Named]:
    """Those of the aimed cases, and of so many fresh ones, of programs from `seed` on."""
    for at in AIMED:
        yield from _of_case("aimed", str(at), case(at), Random(at))
    for at in range(cases):
        made = case(seed + at // ORACLES)
        chosen = attrs.evolve(made, seed=made.seed * ORACLES + at % ORACLES)
        yield from _of_case("fresh", f"{made.seed}/{at % ORACLES}", chosen, Random(chosen.seed))


def _of_case(origin: str, name: str, chosen: Case, random: Random) -> Iterator[Named]:
    """A run, its log cut and tampered with to be checked, and followed by another program."""
    m = run_case(chosen).last
    log = log_of(m)
    yield origin, f"{name}, run", request_of(chosen.program, chosen, m)
    changed, how = tampered(random, log)
    for asked, what, program, entries in (
        ("check", "cut", chosen.program, log[: random.randrange(1, len(log) + 1)]),
        ("check", how, chosen.program, changed),
        ("diverge", "another program", edited(chosen).program, log),
    ):
        text = request(asked, program, chosen.files, BLOBS, log=log_json(entries))
        yield origin, f"{name}, {what}", text


class Answers:
    """Lean's answers, kept by the contents of the request and of the Lean sources."""

    def __init__(self) -> None:
        self.file = KEPT / "answers.jsonl"
        self.known: dict[str, str] = {}
        self.lean: Shepref | None = None
        sources = sorted((ROOT / "lean").rglob("*.lean"))
        self.sources = digest(*(path.read_text("utf-8") for path in sources))
        if self.file.exists():
            for row in self.file.read_text("utf-8").splitlines():
                if row.endswith("}"):
                    kept = json.loads(row)
                    self.known[kept["key"]] = kept["answer"]

    def of(self, text: str) -> str:
        """What Lean says to a request."""
        key = digest(self.sources, text)
        if key not in self.known:
            if self.lean is None:
                self.lean = Shepref()
            line = self.lean.line(text)
            self.known[key] = without_problem(line) if '"accepted"' in line[:40] else line
            KEPT.mkdir(parents=True, exist_ok=True)
            with self.file.open("a", encoding="utf-8") as out:
                out.write(json.dumps({"key": key, "answer": self.known[key]}) + "\n")
        return self.known[key]

    def close(self) -> None:
        """End the process of Lean, if there is one."""
        if self.lean is not None:
            self.lean.close()


def all_requests(cases: int, seed: int, *, stored_only: bool) -> list[Asked]:
    """Every request with Lean's answer, which the unchanged core must give too."""
    found = [_measured(*one) for one in stored_requests()]
    if not stored_only:
        answers = Answers()
        try:
            found += [_measured(named, answers.of(named[2])) for named in generated(cases, seed)]
        finally:
            answers.close()
    return found


def _measured(named: Named, answer: str) -> Asked:
    origin, name, text = named
    began = time.process_time()
    if python_answer(text) != answer:
        raise BrokenError(f"{origin} {name}: without a change, Python and Lean differ; see `make difftest`")
    seconds = time.process_time() - began
    m = tree_of(text)
    return Asked(origin, name, text, answer, seconds, frozenset() if m is None else frozenset(reached(m)))
