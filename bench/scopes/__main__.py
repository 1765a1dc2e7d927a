"""Forks, reverts and merges of whole workspaces, in one run with what else could be used: `make bench-scopes`.

python -m bench.scopes [--size MB/FILES …] [--backend NAME …] [--rounds N] [--in FOLDER] [--steady] [--readme]

A fork is the machine's `run.fork` with all it records, durable, and the copy's files mounted, so that a process could
start. Sizes, backends and other ways take turns, so that what else the machine does falls on all of them; medians are
shown. With `--in`, the workspaces lie in that folder (on btrfs or xfs, for instance). It writes `bench/scopes.json`
and, with `--readme`, the table into README.md and the plot into docs/forks.svg.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any, Final

import attrs

from bench.scopes import steady
from bench.scopes.chain import CHAIN, chain
from bench.scopes.others import Way, ways
from bench.scopes.report import write_readme
from bench.scopes.subject import Subject, commit_all, lay, memory_mb, usable_backends

SIZES: Final = ("42/2000", "200/8000")
DIRTY: Final = (0, 10, 100, 1_000)
FORKS: Final = 1_000
"""Live forks of one workspace."""
_SETTLE_S: Final = 10
_SLOW_MB: Final = 1_000
"""Workspaces so large are not copied whole."""


@attrs.define(slots=True, eq=False)
class Sized:
    """One size: its workspace, a subject for each backend, the other ways, and the seconds taken, by name."""

    size: str
    subjects: dict[str, Subject]
    ways: dict[str, Way]
    taken: dict[str, list[float]] = attrs.field(factory=dict)
    found: dict[str, float] = attrs.field(factory=dict)

    @staticmethod
    def laid(size: str, folder: Path, backends: list[str], stack: ExitStack) -> Sized:
        """Lay the workspace in `folder` and open a tree on it for each backend; all is closed with the `stack`."""
        megabytes, count = map(int, size.split("/"))
        root, spare = folder / "workspace", folder / "spare"
        lay(root / "src", megabytes, count)
        spare.mkdir(parents=True)
        large = megabytes > _SLOW_MB
        if not large:
            commit_all(root)
        subjects: dict[str, Subject] = {}
        found: dict[str, float] = {}
        for name in backends:
            if name == "copy" and large:
                continue
            subject = subjects[name] = Subject.on(root, name)
            stack.callback(subject.close)
            found["import again s" if "import s" in found else "import s"] = subject.import_s
            found[f"{name}: first scope s"] = subject.base_s
        others = stack.enter_context(ways(root, spare, (megabytes, count), slow=not large))
        return Sized(size, subjects, others, found=found)

    @property
    def count(self) -> int:
        """How many files there are."""
        return int(self.size.split("/")[1])

    def timed(self, name: str, seconds: float) -> None:
        """Note a time."""
        self.taken.setdefault(name, []).append(seconds)

    def row(self) -> dict[str, Any]:
        """Medians in ms, and what was found once."""
        medians = {name: statistics.median(values) * 1e3 for name, values in self.taken.items()}
        return {"size": self.size, **self.found, **medians}


def measure(sizes: list[Sized], rounds: int) -> None:
    """All that is timed again and again, sizes and backends in turn."""
    random = Random(2)
    for number in range(rounds):
        for sized in sizes:
            for name, subject in sized.subjects.items():
                if name == "copy" and number % 5:
                    continue
                if name != "copy":
                    sized.timed(f"{name}: fork of the files alone", subject.fork_scope(f"alone.{number}"))
                for dirty in DIRTY:
                    if dirty <= sized.count:
                        sized.timed(f"{name}: fork, {dirty} dirty", subject.fork(dirty, random))
                sized.timed(f"{name}: revert, 10 dirty", subject.revert(random))
            sized.timed("merge, 1 file", next(iter(sized.subjects.values())).merge(random))
            for name, way in sized.ways.items():
                if way.slow and number % 5:
                    continue
                began = time.perf_counter()
                way.copy()
                sized.timed(name, time.perf_counter() - began)
                way.drop()
    for sized in sizes:
        for name, subject in sized.subjects.items():
            if name != "copy":
                files, folders = subject.bytes_of_a_fork()
                sized.found[f"{name}: bytes of a clean fork"] = files
                sized.found[f"{name}: folder bytes of a clean fork"] = folders


def many(subject: Subject, name: str) -> dict[str, float]:
    """A thousand forks that stay open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    files, held, spent = subject.scope.files, [], []
    before, without = subject.mounts(), memory_mb()
    for number in range(FORKS):
        began = time.perf_counter()
        subject.backend.fork("root.0", f"many.{number}")
        held.append(subject.backend.open(f"many.{number}", files))
        spent.append(time.perf_counter() - began)
    memory, mounts = memory_mb(), subject.mounts() - before
    for scope in held:
        scope.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    first, last = statistics.median(spent[:20]), statistics.median(spent[-20:])
    return {
        f"{name}: 1,000 forks: first": first * 1e3,
        f"{name}: 1,000 forks: last": last * 1e3,
        f"{name}: 1,000 forks: memory MB": memory - without,
        f"{name}: 1,000 forks: mounts": mounts,
    }


def rows(results: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The targets, as the other benchmarks give them."""
    found: list[dict[str, Any]] = []

    def row(name: str, value: float, unit: str, target: float | None) -> None:
        met = None if target is None else value <= target
        found.append(
            {"name": name, "value": round(value, 2), "unit": unit, "target": target, "direction": "lower", "met": met}
        )

    limits = {
        "overlay: fork, 0 dirty": 10, "overlay: fork, 100 dirty": 40, "overlay: revert, 10 dirty": 30,
        "fuse: fork, 0 dirty": 5, "merge, 1 file": 30, "overlay: bytes of a clean fork": 8192,
        "fuse: bytes of a clean fork": 8192, "fuse: revert, 10 dirty": 30,
    }  # fmt: skip
    for result in results:
        for name, value in result.items():
            if name == "size":
                continue
            unit = "s" if name.endswith(" s") else "MB" if name.endswith("MB") else "B" if "bytes" in name else "ms"
            unit = "" if ": layers at depth" in name or name.endswith("mounts") else unit
            limit = int(result["size"].split("/")[1]) / 10_000 if name == "import again s" else limits.get(name)
            row(f"{result['size']}: {name}", value, unit, limit)
    first, last = results[0], results[-1]
    for name in ("overlay", "fuse", "reflink"):
        clean = f"{name}: fork, 0 dirty"
        if len(results) > 1 and clean in first and clean in last:
            limit = 1.3 if name == "overlay" else None
            row(f"{clean}, {last['size']} over {first['size']}", last[clean] / first[clean], "times", limit)
        if f"{name}: 1,000 forks: last" in first:
            ratio = first[f"{name}: 1,000 forks: last"] / first[f"{name}: 1,000 forks: first"]
            row(f"{name}: the last of 1,000 forks over the first", ratio, "times", 2)
        if f"{name}: fork at depth {CHAIN[-1]}" in first:
            ratio = first[f"{name}: fork at depth {CHAIN[-1]}"] / first[f"{name}: fork at depth {CHAIN[0]}"]
            row(f"{name}: fork at depth {CHAIN[-1]} over depth {CHAIN[0]}", ratio, "times", 3)
    return found


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m bench.scopes")
    parser.add_argument("--size", action="append", help="megabytes/files; may be given again")
    parser.add_argument("--backend", action="append", help="a scope backend, or `best`; may be given again")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--in", dest="folder", help="where the workspaces are laid", type=Path)
    parser.add_argument("--steady", action="store_true", help="ordinary work in a scope, in place of forks")
    parser.add_argument("--readme", action="store_true", help="write the table and the plot into the documentation")
    args = parser.parse_args()
    where = args.folder or Path(os.environ.get("TMPDIR", "/var/tmp"))
    with tempfile.TemporaryDirectory(prefix="shepherd-bench-", dir=where) as name:
        home = Path(name)
        backends = usable_backends(home)
        for found, why in backends.items():
            print(f"{found}: {why}")
        usable = [found for found in backends if found[0] != "!"]
        wanted = [usable[0] if found == "best" else found for found in args.backend or usable]
        chosen = [found for found in usable if found in wanted]
        if args.steady:
            table = steady.measure(home, args.rounds, [found for found in chosen if found != "copy"])
        else:
            results = _forks(home, args.size or list(SIZES), chosen, args.rounds)
            table = rows(results)
    for item in table:
        mark = {True: "met", False: "missed", None: ""}[item["met"]]
        target = "" if item["target"] is None else f"≤ {item['target']:g}"
        print(f"{item['name']:<56} {item['value']:>12,.2f} {item['unit']:<6} {target:>8} {mark}")
    if args.steady:
        return
    Path(__file__).parent.with_name("scopes.json").write_text(json.dumps(table, indent=1) + "\n")
    if args.readme:
        write_readme(results)


def _forks(home: Path, sizes: list[str], backends: list[str], rounds: int) -> list[Mapping[str, Any]]:
    """A row for each size."""
    with ExitStack() as stack:
        all_sizes = []
        for size in sizes:
            folder = home / size.replace("/", "-")
            folder.mkdir()
            all_sizes.append(Sized.laid(size, folder, backends, stack))
        os.sync()  # else what was just laid is written to the disk meanwhile
        time.sleep(_SETTLE_S)
        measure(all_sizes, rounds)
        first = all_sizes[0]
        for name, subject in first.subjects.items():
            if name != "copy":
                first.found |= many(subject, name) | chain(subject, name)
    return [sized.row() for sized in all_sizes]


if __name__ == "__main__":
    main()
