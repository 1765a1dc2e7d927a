"""Runs generated cases on both sides, in several processes; what `make difftest` and the tests call.

python -m tests.differential.run_cases [--cases N] [--seed N] [--jobs N]

Called so, it makes cases on which the sides differ smaller and stores them in `spec/corpus/`, where `test_corpus.py`
finds them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from random import Random, SystemRandom

import attrs

from shepherd_dsl.core.event import End, Event, Intent, Outcome, Start
from shepherd_dsl.core.forest import Machine
from shepherd_dsl.core.replay import Replayed, follow
from shepherd_dsl.core.value import Con, equal, ok
from shepherd_dsl.core.wire_log import verdict_text
from shepherd_dsl.reference.requests import request
from tests.differential.cases import (
    Log,
    first_difference,
    keep_request,
    log_json,
    log_of,
    run_request,
    runs_json,
)
from tests.differential.corpus import FOLDER, keep, ran, request_of
from tests.differential.python_side import python_answer, without_problem
from tests.differential.shepref import Shepref
from tests.differential.shrink import Small, shrunk
from tests.support.generate import BLOBS, Case, case, run_case
from tests.support.rules import reached

ORACLES = 5
"""How many oracles each program meets: reading a program costs the reference interpreter more than running it."""

MOST_STORED = 3
"""Cases that a process stores."""

SHRINK_SECONDS = 60
"""How long a case is made smaller."""

AIMED = (44, 57, 61, 88, 111, 207, 246, 258, 335, 392, 447, 467, 473, 516, 531, 547, 560, 563, 608, 615, 758, 805,
         852, 878, 893, 922, 962, 995)  # fmt: skip
"""Seeds of cases that between them reach every rule, the rarest too, which fresh cases may miss."""


@attrs.frozen(slots=True)
class Found:
    """What came of some cases: the differences, and how often each rule was reached on either side."""

    cases: int
    events: int
    differences: list[str]
    python_rules: Counter[str]
    lean_rules: Counter[str]
    verdicts: Counter[str]


class Comparison:
    """One process of the reference interpreter and what was found with it."""

    def __init__(self, store: bool = False) -> None:
        self.lean = Shepref()
        self.left_to_store = MOST_STORED if store else 0
        self.differences: list[str] = []
        self.python_rules: Counter[str] = Counter()
        self.lean_rules: Counter[str] = Counter()
        self.verdicts: Counter[str] = Counter()
        self.cases = 0
        self.events = 0

    def aimed(self, seed: int) -> None:
        """One case of the laws as it is."""
        chosen = case(seed)
        self.lean.ask(keep_request("p", chosen.program))
        self.one(f"aimed {seed}", chosen, run_case(chosen).last, Random(seed))

    def program(self, seed: int) -> None:
        """One generated program with several oracles."""
        made = case(seed)
        self.lean.ask(keep_request("p", made.program))
        for turn in range(ORACLES):
            chosen = attrs.evolve(made, seed=seed * ORACLES + turn)
            self.one(f"{seed}/{turn}", chosen, run_case(chosen).last, Random(chosen.seed))

    def one(self, name: str, chosen: Case, m: Machine, random: Random) -> None:
        """One case: the same run, then what both checkers say of its log and of a changed one."""
        self.cases += 1
        self.events += m.size
        self.python_rules += reached(m)
        line = self.lean.line(
            run_request("p", chosen.agent, chosen.args, chosen.request, chosen.files, BLOBS, m, rules="true")
        )
        said = json.loads(line)
        log = log_of(m)
        text = log_json(log)
        if "error" in said:
            self.differences.append(f"{name}: Lean says {said['error']}")
            self.store_run(name, chosen)
            return
        self.lean_rules += Counter(said["rules"])
        if not line.startswith(f'{{"log":{text},'):
            self.differences.append(f"{name}: {first_difference(text, json.dumps(said['log']))}")
            self.store_run(name, chosen)
        elif said["runs"] != runs_json(m):
            self.differences.append(f"{name}: the runs differ after the same log")
            self.store_run(name, chosen)
        if self.cases % 4 == 0:
            self.verdict(f"{name}, cut", chosen, log[: random.randrange(1, len(log) + 1)])
        if self.cases % 2 == 0:
            changed, how = tampered(random, log)
            self.verdict(f"{name}, {how}", chosen, changed)
            self.verdicts[how] += 1
        if self.cases % ORACLES == 0:
            self.diverge(f"{name}, another program", chosen, log)

    def verdict(self, name: str, chosen: Case, log: Log) -> None:
        """Both checkers on a log."""
        self.verdicts["rejected" if self.followed(name, "check", "p", chosen, log).problem else "accepted"] += 1

    def diverge(self, name: str, chosen: Case, log: Log) -> None:
        """How far another program follows a log, on both sides."""
        other = edited(chosen)
        self.lean.ask(keep_request("other", other.program))
        left = self.followed(name, "diverge", "other", other, log).problem
        self.verdicts["diverged" if left else "followed to the end"] += 1

    def followed(self, name: str, do: str, kept: str, chosen: Case, log: Log) -> Replayed:
        """What the Python core says of a log; and whether Lean says the same, what it expects instead too."""
        ours = follow(chosen.program, log, chosen.files, read_blob=BLOBS.__getitem__, other_program=do == "diverge")
        line = self.lean.line(request(do, kept, chosen.files, BLOBS, log=log_json(log)))
        if without_problem(line) != without_problem(verdict_text(ours.followed, ours.problem, ours.expected)):
            self.differences.append(f"{name}: Python says {ours.followed} {ours.problem}, Lean {line[:600]}")
            theirs = json.loads(line).get("followed", len(log))
            self.store_verdict(name, do, chosen, log, min(ours.followed, theirs))
        return ours

    def differs(self, small: Small) -> bool:
        """Whether the two sides disagree on what a case comes to; not where the Python core gives up."""
        try:
            m = ran(small)
            asked = request_of(small.case.program, small.case, m)
            return self.lean.line(asked) != python_answer(asked)
        except Exception:
            return False

    def store_run(self, name: str, chosen: Case) -> None:
        """Keep a case on which the sides differ, as small as it gets."""
        if self.left_to_store:
            self.left_to_store -= 1
            small = shrunk(Small(chosen), self.differs, seconds=SHRINK_SECONDS)
            keep(_place(name), request_of(small.case.program, small.case, ran(small)), self.lean)

    def store_verdict(self, name: str, do: str, chosen: Case, log: Log, agreed: int) -> None:
        """Keep a log on which the verdicts differ, cut behind what both follow where they differ then too."""
        if self.left_to_store:
            self.left_to_store -= 1
            for length in (agreed + 1, agreed + 8, len(log)):
                asked = request(do, chosen.program, chosen.files, BLOBS, log=log_json(log[:length]))
                if length >= len(log) or without_problem(self.lean.line(asked)) != python_answer(asked):
                    break
            keep(_place(name), asked, self.lean)


def _place(name: str) -> Path:
    return FOLDER / f"failed-{re.sub('[^a-z0-9]+', '-', name)}.jsonl"


def edited(chosen: Case) -> Case:
    """The case with another body for one agent: that of the next seed."""
    defs = dict(chosen.program.defs)
    others = case(chosen.seed + 1).program.defs
    defs["a10"] = others["a10"] if "a10" in others else defs["a10"]
    return attrs.evolve(chosen, program=attrs.evolve(chosen.program, defs=defs))


def tampered(random: Random, log: Log) -> tuple[Log, str]:
    """The log with one edit: a changed outcome, a dropped event, swapped events, a forged grant, a changed argument."""
    log = list(log)
    kind = random.choice(("dropped", "swapped", "outcome", "grant", "argument", "end", "run"))
    places = {"outcome": Outcome, "grant": Start, "argument": Intent, "end": End}.get(kind)
    chosen = [at for at, (_, event) in enumerate(log) if places is None or isinstance(event, places)]
    if not chosen:
        kind, chosen = "dropped", list(range(len(log)))
    at = random.choice(chosen)
    run, event = log[at]
    changed: Event = event
    if kind == "dropped":
        del log[at]
        return log, "an event dropped"
    if kind == "swapped":
        other = random.randrange(len(log))
        log[at], log[other] = log[other], log[at]
        return log, "two events swapped"
    if kind == "run":
        log[at] = (random.choice(["root", "root.0", "world", "root.0.0"]), event)
        return log, "another run"
    if isinstance(event, Outcome):
        value = ok("forged") if not equal(event.answer, ok("forged")) else Con("Unknown")
        changed = Outcome(value, event.files, event.by)
    elif isinstance(event, Start):
        changed = Start(event.version, event.program, event.agent, event.args, ((),), event.files)
    elif isinstance(event, Intent):
        changed = Intent(event.op, (*event.args, "forged"))
    elif isinstance(event, End):
        changed = End("done", "forged")
    log[at] = (run, changed)
    return log, f"a changed {type(event).__name__.lower()}"


def some(seeds: tuple[list[int], list[int]], store: bool = False) -> Found:
    """Aimed cases and the programs of some seeds, in one process; with `store`, what differs goes into the corpus."""
    aimed, fresh = seeds
    both = Comparison(store)
    try:
        for seed in aimed:
            both.aimed(seed)
        for seed in fresh:
            both.program(seed)
            if len(both.differences) > 20:
                break
    finally:
        both.lean.close()
    return Found(both.cases, both.events, both.differences, both.python_rules, both.lean_rules, both.verdicts)


def compare(cases: int, seed: int, jobs: int, store: bool = False) -> Found:
    """`AIMED` and `cases` fresh cases, of programs from `seed` on, in `jobs` processes."""
    programs = [seed + at for at in range(-(-cases // ORACLES))]
    parts = [(list(AIMED[at::jobs]), programs[at::jobs]) for at in range(jobs)]
    with ProcessPoolExecutor(jobs) as pool:
        found = list(pool.map(partial(some, store=store), parts))
    return Found(
        sum(one.cases for one in found),
        sum(one.events for one in found),
        [text for one in found for text in one.differences],
        sum((one.python_rules for one in found), Counter()),
        sum((one.lean_rules for one in found), Counter()),
        sum((one.verdicts for one in found), Counter()),
    )


def fresh_seed() -> int:
    """A seed that no run had before, unless `SHEPHERD_SEED` gives it."""
    given = os.environ.get("SHEPHERD_SEED")
    return int(given) if given else SystemRandom().randrange(10**6, 10**9)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.differential.run_cases")
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    seed = fresh_seed() if options.seed is None else options.seed
    print(f"{options.cases} cases from seed {seed}", flush=True)
    started = time.monotonic()
    found = compare(options.cases, seed, options.jobs, store=True)
    seconds = time.monotonic() - started
    print(f"{found.cases} cases, {found.events} events in {seconds:.0f} s: {len(found.differences)} differences")
    for text in found.differences[:20]:
        print(text)
    return 1 if found.differences else 0


if __name__ == "__main__":
    sys.exit(main())
