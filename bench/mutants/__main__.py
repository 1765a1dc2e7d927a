"""Make the mutants, run the tests on them, write the page.

    python -m bench.mutants [--module NAME …] [--sample N] [--seed N] [--minutes N] [--jobs N]

Without options all mutants are tried. What was found before and still holds is not tried again.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from random import Random
from typing import Any

import attrs

from bench.mutants import report
from bench.mutants.child import Order, run, warm
from bench.mutants.forks import BrokenError, Fork, begin, wait
from bench.mutants.operators import ROOT, Mutant, modules, mutants_of, text_of
from bench.mutants.tests import Chooser, digest, file_digest, ground, test_files

KEPT = ROOT / "build" / "mutants"
SHORT, LONG = "0.08", "0.3"
"""The part of the cases that the laws draw, in the first stage and in the second; what fails so even without a change,
for want of cases, waits for the second stage and draws them all there."""
REACH = "0.1"
"""The part of the cases with which is measured what a test reaches: that takes many times longer."""
SPARKS = 25
"""So many tests, the best bets, run before the rest of the first stage is even imported."""
LEAST, TIMES = 2.0, 10
"""A test does not end when it takes so many times its measured time, and at least so many seconds of processor time."""
CHECKED = 60
"""So many tests, the cheapest, each module must pass unchanged by itself; the whole core unchanged must pass all."""


def alone(order: Order) -> dict[str, Any]:
    """Do one order and wait for it."""
    fork = begin(partial(run, order))
    while True:
        for _, said in wait([fork]):
            return said


# ── what is measured once ────────────────────────────────────────────────────────────────────────────────────────────


def kept(name: str, key: str) -> Any:
    """What was kept under a name, if its key is still the same."""
    file = KEPT / f"{name}.json"
    if not file.exists():
        return None
    found = json.loads(file.read_text("utf-8"))
    return found["value"] if found["key"] == key else None


def keep(name: str, key: str, value: Any) -> None:
    """Keep a value under a name."""
    (KEPT / f"{name}.json").write_text(json.dumps({"key": key, "value": value}), "utf-8")


def reached(files: Sequence[str], jobs: int) -> tuple[Chooser, tuple[str, ...]]:
    """Which test reaches which line, and all tests; measured for the test files that have changed."""
    lines: dict[str, dict[int, set[str]]] = {}
    tests: list[str] = []
    names = {file: (f"reached-{file.replace('/', '.')}", digest(ground(), file_digest(file))) for file in files}
    todo = [file for file in files if kept(*names[file]) is None]
    if todo:
        print(f"measuring what {len(todo)} files of tests reach", flush=True)
    working: dict[int, tuple[Fork, str]] = {}
    while todo or working:
        while todo and len(working) < jobs:
            order = Order({}, [todo[0]], REACH, {}, stop=False, measure=True, fresh=modules())
            fork = begin(partial(run, order))
            working[fork.pid] = fork, todo.pop(0)
        for fork, said in wait([fork for fork, _ in working.values()]):
            _, file = working.pop(fork.pid)
            if said["end"] not in ("passed", "failed"):
                raise BrokenError(f"{file} without a change: {said}")
            keep(*names[file], said)
    for file in files:
        value = kept(*names[file])
        tests.extend(value["seconds"])
        for module, found in value["reached"].items():
            for line, by in found.items():
                lines.setdefault(module, {}).setdefault(int(line), set()).update(by)
    return Chooser(lines), tuple(tests)


def unchanged(
    tests: Sequence[str], files: Sequence[str], cases: str, full: frozenset[str] = frozenset()
) -> tuple[dict[str, float], list[str]]:
    """The unchanged core on the way that mutants take: how long each test takes, and which fail."""
    names = {
        file: (
            f"unchanged-{cases}-{file.replace('/', '.')}",
            digest(ground(), file_digest(file), *sorted(test for test in full if test.partition("::")[0] == file)),
        )
        for file in files
    }
    fresh = [file for file in files if kept(*names[file]) is None]
    if fresh:
        print(f"the unchanged core, with {cases} of the cases, {len(fresh)} files of tests", flush=True)
        texts = {module: text_of(module) for module in modules()}
        mine = [test for test in tests if test.partition("::")[0] in fresh]
        said = alone(Order(texts, mine, cases, {}, full, stop=False))
        if said["end"] not in ("passed", "failed") or said["collected"] != len(mine):
            raise BrokenError(f"the unchanged core: {said}")
        for file in fresh:
            seconds = {test: spent for test, spent in said["seconds"].items() if test.partition("::")[0] == file}
            failed = [test for test in said["failed"] if test.partition("::")[0] == file]
            keep(*names[file], {"seconds": seconds, "failed": failed})
    every = [kept(*names[file]) for file in files]
    all_seconds = {test: spent for one in every for test, spent in one["seconds"].items()}
    return all_seconds, [test for one in every for test in one["failed"]]


# ── one mutant ───────────────────────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen(slots=True)
class Setup:
    """All that is known before the first mutant."""

    chooser: Chooser
    short: dict[str, float]
    long: dict[str, float]
    unfit: frozenset[str]
    """Tests that need more cases than the first stage draws."""
    drawing: frozenset[str]
    """Tests in files that draw cases: only these find more in the second stage."""


class Memory:
    """What was found, by contents: a kill holds while its test is the same, a survival for the same test files."""

    def __init__(self) -> None:
        self.file = KEPT / "verdicts.jsonl"
        self.killed: dict[str, tuple[str, str]] = {}
        self.survived: dict[str, set[str]] = {}
        self.hints: dict[str, str] = {}
        if self.file.exists():
            for row in self.file.read_text("utf-8").splitlines():
                if row.endswith("}"):
                    self._take(json.loads(row))

    def _take(self, row: dict[str, Any]) -> None:
        if "by" in row:
            self.killed[row["key"]] = row["by"], row["file"]
            self.hints[row["name"]] = row["by"]
        else:
            self.survived.setdefault(row["key"], set()).update(row["files"])

    def add(self, row: dict[str, Any]) -> None:
        """Keep a row, on disk too."""
        self._take(row)
        with self.file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(row) + "\n")


class Trial:
    """A mutant on its way through the stages."""

    def __init__(self, mutant: Mutant, memory: Memory, setup: Setup, kills: Counter[str]) -> None:
        self.mutant, self.memory, self.setup, self.kills = mutant, memory, setup, kills
        self.key = digest(ground(), LONG, mutant.place, *mutant.key)
        self.name = digest(*mutant.key)
        self.stages = self._stages()

    def known(self) -> bool | None:
        """Whether it is killed, where that is known."""
        if self.key in self.memory.killed:
            by, content = self.memory.killed[self.key]
            file = by.partition("::")[0].partition(" ")[0]
            if (ROOT / file).exists() and file_digest(file) == content:
                return True
        return None if self._to_meet() else False

    def _to_meet(self) -> list[str]:
        done = self.memory.survived.get(self.key, set())
        return [
            test
            for test in self.setup.chooser.tests(self.mutant)
            if test in self.setup.long and file_digest(test.partition("::")[0]) not in done
        ]

    def _stages(self) -> Iterator[Order]:
        tests = self._to_meet()
        hint = self.memory.hints.get(self.name)
        text, unfit = text_of(self.mutant.module, self.mutant.place), self.setup.unfit
        for cases, seconds in ((SHORT, self.setup.short), (LONG, self.setup.long)):
            first = cases == SHORT
            mine = [test for test in tests if (test not in unfit if first else test in unfit | self.setup.drawing)]
            mine.sort(key=lambda test: (test != hint, seconds[test] / (1 + self.kills[test]), test))
            for part in (mine[:SPARKS], mine[SPARKS:]) if first else (mine,):
                if part:
                    limits = {test: max(LEAST, TIMES * seconds[test]) for test in part}
                    yield Order({self.mutant.module: text}, part, cases, {**limits, "": LEAST * TIMES}, unfit)

    def take(self, said: dict[str, Any]) -> bool | None:
        """What a stage found: killed, not killed by it (None), or an exception."""
        match said["end"]:
            case "passed":
                return None
            case "failed":
                by = said["failed"][0]
            case "late" | "crashed":
                by = said["at"]
            case other:
                raise BrokenError(f"{self.mutant}: {other}")
        file = by.partition("::")[0].partition(" ")[0]
        content = file_digest(file) if (ROOT / file).is_file() else ""
        if not content:
            by, content = "pyproject.toml", file_digest("pyproject.toml")
        self.memory.add({"key": self.key, "name": self.name, "by": by, "file": content})
        self.kills[by] += 1
        return True

    def survive(self) -> None:
        """No stage killed it."""
        files = sorted({file_digest(test.partition("::")[0]) for test in self._to_meet()})
        self.memory.add({"key": self.key, "name": self.name, "files": files})


def judge(trials: Sequence[Trial], jobs: int, until: float) -> tuple[dict[Mutant, bool], list[str]]:
    """Take all through their stages, `jobs` at a time; also what was broken."""
    found: dict[Mutant, bool] = {}
    broken: list[str] = []
    waiting = list(reversed(trials))
    working: dict[int, tuple[Fork, Trial]] = {}
    began = time.monotonic()
    said_at = 0

    def go(trial: Trial) -> None:
        order = next(trial.stages, None)
        if order is None:
            trial.survive()
            found[trial.mutant] = False
            print(f"SURVIVED {trial.mutant.module}.py:{trial.mutant.line} {trial.mutant.change}", flush=True)
        else:
            fork = begin(partial(run, order))
            working[fork.pid] = fork, trial

    while working or (waiting and time.monotonic() < until):
        while waiting and len(working) < jobs and time.monotonic() < until:
            go(waiting.pop())
        for fork, said in wait([fork for fork, _ in working.values()]) if working else ():
            _, trial = working.pop(fork.pid)
            try:
                if trial.take(said):
                    found[trial.mutant] = True
                else:
                    go(trial)
            except BrokenError as why:
                broken.append(str(why))
                print(f"BROKEN {why}", flush=True)
        if len(found) >= said_at + 50:
            said_at = len(found)
            print(
                f"{said_at} of {len(trials)}, {sum(found.values())} killed, {time.monotonic() - began:.0f} s",
                flush=True,
            )
    return found, broken


def checked(setup: Setup, chosen: Sequence[str], jobs: int) -> None:
    """Each module, unchanged, on the way of its mutants: nothing must fail."""
    todo = [module for module in chosen if kept(f"same-{module}", digest(ground())) is None]
    working: dict[int, tuple[Fork, str]] = {}
    while todo or working:
        while todo and len(working) < jobs:
            module = todo.pop()
            reaching = (setup.chooser.of_module.get(module) or setup.chooser.at_import(module)) - setup.unfit
            tests = sorted(reaching & setup.short.keys(), key=lambda test: (setup.short[test], test))[:CHECKED]
            if tests:
                fork = begin(partial(run, Order({module: text_of(module)}, tests, SHORT, {})))
                working[fork.pid] = fork, module
        for fork, said in wait([fork for fork, _ in working.values()]) if working else ():
            _, module = working.pop(fork.pid)
            if said["end"] != "passed":
                raise BrokenError(f"{module} without a change: {said['end']} {said.get('failed')}")
            keep(f"same-{module}", digest(ground()), True)


def main() -> None:
    """Make, run, write."""
    parser = argparse.ArgumentParser(prog="python -m bench.mutants", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--module", action="append", choices=modules(), help="only this module (may be given again)")
    parser.add_argument("--sample", type=int, default=0, help="so many mutants, drawn; 0 for all")
    parser.add_argument("--seed", type=int, default=2026, help="seed of the order, and so of a sample")
    parser.add_argument("--minutes", type=float, default=0, help="stop after so long; 0 for no limit")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="so many at once")
    args = parser.parse_args()
    KEPT.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + 60 * args.minutes if args.minutes else float("inf")
    files = test_files()
    warm(files)
    chooser, tests = reached(files, args.jobs)
    short, unfit = unchanged(tests, files, SHORT)
    long, failed = unchanged(tests, files, LONG, frozenset(unfit))
    if failed:
        raise BrokenError(f"tests fail without any change: {', '.join(failed)}")
    if unfit:
        print(f"{len(unfit)} of {len(tests)} tests need all cases: they are in the second stage alone", flush=True)
    draws = {file for file in files if "cases(" in (ROOT / file).read_text("utf-8")}
    drawing = frozenset(test for test in tests if test.partition("::")[0] in draws)
    setup = Setup(chooser, short, long, frozenset(unfit), drawing)
    chosen = tuple(args.module or modules())
    checked(setup, chosen, args.jobs)

    every = [mutant for module in modules() for mutant in mutants_of(module)]
    report.TOTALS.update(Counter(mutant.module for mutant in every))
    memory, kills = Memory(), Counter[str]()
    trials = [Trial(mutant, memory, setup, kills) for mutant in every]
    found = {trial.mutant: known for trial in trials if (known := trial.known()) is not None}
    mine = [trial for trial in trials if trial.mutant.module in chosen]
    Random(args.seed).shuffle(mine)
    mine = [trial for trial in mine[: args.sample or None] if trial.mutant not in found]
    print(f"{len(every)} mutants, {len(found)} known, {len(mine)} to try", flush=True)
    more, broken = judge(mine, args.jobs, until)
    found.update(more)
    score = report.write(found, len(every))
    print(f"{score:.1f} % of {len(found)} killed; written to {report.PAGE.relative_to(ROOT)}")
    for row in report.stale(every, found):
        print(f"equivalent.toml: {row}")
    if broken:
        raise BrokenError(f"{len(broken)} mutants could not be tried")
    if score < report.TARGET:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
