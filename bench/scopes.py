"""Forks, reverts and merges of whole workspaces, in one run with what else could be used: `make bench-scopes`.

python -m bench.scopes [--backend overlay|fuse] [--size MB/FILES …] [--rounds N]

A fork is the machine's `run.fork` with all it records, durable, and the copy's files mounted, so that a process could
start; a "scope fork" is the files alone. `git status` runs in a copy that is a repository, and in one on the disk. The
methods take turns, so that what else the machine does falls on all of them; medians are shown. It writes
`bench/scopes.json` (another backend's name is in the file's) and, with `--readme`, the table into README.md and the
plot into docs/forks.svg.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any, Final

import attrs

from bench.scopes_report import write_readme
from shepherd_dsl.core.event import Forked
from shepherd_dsl.core.files import Files
from shepherd_dsl.core.grant import Clause
from shepherd_dsl.core.machine import Asked, answer, start
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.value import ok
from shepherd_dsl.core.wire import program_text
from shepherd_dsl.handlers.secrets import Redactor
from shepherd_dsl.runtime.live_tree import LiveTree
from shepherd_dsl.runtime.workspace import Workspace
from shepherd_dsl.scope.apply import merge_into
from shepherd_dsl.scope.ignore import nothing_ignored
from shepherd_dsl.scope.probe import CANDIDATES, Candidate
from shepherd_dsl.scope.protocol import ScopeBackend
from tests.support.build import ALL, call, do, iff, p, program, ret, seq, spawn

SIZES: Final = ("42/2000", "200/8000")
DIRTY: Final = (0, 10, 100, 1_000)
FORKS: Final = 1_000
"""Live forks of one workspace."""

_TEXT: Final = b"def f(x):\n    return x + 1  # a comment\n" * 20_000


def lay(folder: Path, megabytes: int, count: int) -> None:
    """A workspace of `count` files, log-normal in size, 8 to 40 in a folder, the same every time."""
    random = Random(1)
    weights = [random.lognormvariate(0, 1.2) for _ in range(count)]
    scale = megabytes * 1e6 / sum(weights)
    source = random.randbytes(1 << 20) + _TEXT
    place, left = folder, 0
    for number, weight in enumerate(weights):
        if not left:
            place, left = folder / f"part{number % 23}" / f"module{number}", random.randint(8, 40)
            place.mkdir(parents=True)
        left -= 1
        begin = random.randrange(len(source) // 2)
        with open(place / f"file{number}.py", "wb") as file:
            size = max(1, int(weight * scale))
            while size > 0:
                size -= file.write(source[begin : begin + size])


def forking() -> Program:
    """A worker that asks without end, and a main that passes each question and forks the worker behind its outcome."""
    work = seq(("_", do("write")), call("worker"))
    again = seq(
        ("_", do("run.next", "$w")),
        ("_", do("run.pass", "$w")),
        ("_", do("run.fork", "$w", p("mul", "$n", 2))),
        call("loop", "$w", p("add", "$n", 1)),
    )
    main = seq(("w", spawn("worker")), call("loop", p("con_arg", "$w", 0), 1))
    return program(10**6, worker=((), work), loop=(("w", "n"), iff(True, again, ret(0))), main=((), main))


@attrs.define(slots=True, eq=False)
class Subject:
    """A workspace with a tree on it whose worker is at a question, in a scope of `backend`; `home` has its copies."""

    tree: LiveTree
    backend: ScopeBackend
    home: Path
    files: Files
    paths: list[str]
    import_s: float
    base_s: float
    scope: Any = None

    def fork(self, dirty: int, random: Random) -> float:
        """Seconds for a fork of the worker after it wrote to `dirty` files."""
        for path in random.sample(self.paths, dirty):
            (self.scope.folder / path).write_bytes(b"%d\n" % random.getrandbits(60))
        change = self.scope.changes(self.tree.writer.put_blob)
        began = time.perf_counter()
        self.tree.machine = answer(self.tree.machine, ok(()), change)
        _, made = self.tree.to_stop()
        copy = next(commit.run for commit in made if isinstance(commit.event, Forked))
        self.backend.fork("root.0", copy)
        scope = self.backend.open(copy, self.tree.machine.runs[copy].files)
        spent = time.perf_counter() - began
        if self.scope.files != scope.files:
            raise RuntimeError("the copy has other files")
        scope.close()
        return spent

    def fork_scope(self, name: str) -> float:
        """Seconds until the files of a copy, which is then removed, can be used."""
        began = time.perf_counter()
        self.backend.fork("root.0", name)
        self.backend.open(name, self.scope.files)
        spent = time.perf_counter() - began
        self.backend.remove(name)
        return spent

    def revert(self, random: Random) -> float:
        """Seconds to have the files back as they were before writing to 10 of them."""
        before = self.scope.files
        for path in random.sample(self.paths, 10):
            (self.scope.folder / path).write_bytes(b"%d\n" % random.getrandbits(60))
        self.scope.changes(self.tree.writer.put_blob)
        began = time.perf_counter()
        self.scope.sync(before)
        return time.perf_counter() - began


def subject(root: Path, candidate: Candidate) -> Subject:
    """The tree on a workspace."""
    workspace = Workspace.init(root)
    made = forking()
    writer = workspace.store().create(program=program_text(made), info={})
    began = time.perf_counter()
    files, _ = workspace.import_files(writer, redactor=Redactor())
    import_s = time.perf_counter() - began
    machine = start(made, "main", (), (*ALL, Clause("write")), files, read_blob=writer.blob)
    tree = LiveTree(machine, writer, recorded=0)
    stop, _ = tree.to_stop()
    if not isinstance(stop, Asked):
        raise RuntimeError(f"the tree is at {stop}")
    home = workspace.state / "scopes" / writer.name
    backend = candidate.make(home, writer.blob, nothing_ignored)
    began = time.perf_counter()
    scope = backend.open("root.0", files)
    made_s = time.perf_counter() - began
    return Subject(tree, backend, home, files, [path for path, _ in files.items()], import_s, made_s, scope=scope)


def others(root: Path, spare: Path) -> dict[str, Callable[[], None]]:
    """Other ways to a second copy of a workspace, as far as the machine has them."""

    def run(*command: str) -> None:
        subprocess.run(command, check=True, capture_output=True)

    target = str(spare / "copy")
    found: dict[str, Callable[[], None]] = {
        "cp -a": lambda: run("cp", "-a", str(root / "src"), target),
        "git worktree": lambda: run("git", "-C", str(root), "worktree", "add", "--detach", "-f", target),
    }
    try:
        run("cp", "--reflink=always", str(next(root.glob("src/*/*/*"))), str(spare / "probe"))
        found["cp --reflink"] = lambda: run("cp", "-a", "--reflink=always", str(root / "src"), target)
    except subprocess.CalledProcessError:
        pass
    return found


def measure(size: str, rounds: int, home: Path, candidate: Candidate) -> dict[str, Any]:
    """One size: seconds and bytes by name."""
    megabytes, count = map(int, size.split("/"))
    root, spare = home / "workspace", home / "spare"
    lay(root / "src", megabytes, count)
    spare.mkdir()
    who = ["-c", "gc.auto=0", "-c", "user.name=bench", "-c", "user.email=bench@example.invalid"]
    for command in (["init", "-q"], ["add", "src"], [*who, "commit", "-qm", "all"]):
        subprocess.run(["git", "-C", str(root), *command], check=True)
    what, random = subject(root, candidate), Random(2)
    taken: dict[str, list[float]] = {}

    def timed(name: str, seconds: float) -> None:
        taken.setdefault(name, []).append(seconds)

    ways = others(root, spare)
    for number in range(rounds):
        timed("scope fork, 0 dirty", what.fork_scope(f"alone.{number}"))
        for dirty in DIRTY:
            if dirty <= count:
                timed(f"fork, {dirty} dirty", what.fork(dirty, random))
        timed("revert, 10 dirty", what.revert(random))
        timed("merge, 1 file", _merge(what, root, random))
    for _ in range(max(1, rounds // 5)):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            timed(name, time.perf_counter() - began)
            timed("fork, 0 dirty", what.fork(0, random))
            shutil.rmtree(spare / "copy")
            subprocess.run(["git", "-C", str(root), "worktree", "prune"], check=True)
    for name, seconds in _git_status(what, root, rounds):
        timed(name, seconds)
    row = {
        "size": size,
        "import s": what.import_s,
        "base s": what.base_s,
        "bytes of a clean fork": _bytes_of_a_fork(what),
        **{name: statistics.median(values) * 1e3 for name, values in taken.items()},
    }
    if size == SIZES[0]:
        row |= _many(what)
    what.backend.close()
    what.tree.writer.close()
    return row


def _merge(what: Subject, root: Path, random: Random) -> float:
    """Seconds to write one changed file into the workspace, durably; it is put back."""
    path = random.choice(what.paths)
    after = what.files.apply(((path, what.files.get(random.choice(what.paths))),))
    began = time.perf_counter()
    merge_into(root, what.files, after, read_blob=what.tree.writer.blob)
    spent = time.perf_counter() - began
    merge_into(root, after, what.files, read_blob=what.tree.writer.blob)
    return spent


def _git_status(what: Subject, root: Path, rounds: int) -> Iterator[tuple[str, float]]:
    """(name, seconds) of `git status` in a copy and in the workspace, in turns."""
    what.backend.fork("root.0", "status")
    scope = what.backend.open("status", what.scope.files)
    libc = ctypes.CDLL(None, use_errno=True)

    def enter() -> None:
        for fd in scope.namespaces:
            if libc.setns(fd, 0):
                os._exit(125)
        os.chdir(scope.place)

    def run(*command: str, inside: bool) -> float:
        began = time.perf_counter()
        subprocess.run(
            ["git", *command], cwd=None if inside else root, preexec_fn=enter if inside else None, check=True,
            capture_output=True,
        )  # fmt: skip
        return time.perf_counter() - began

    who = ("-c", "gc.auto=0", "-c", "user.name=bench", "-c", "user.email=bench@example.invalid")
    for command in (("init", "-q"), ("add", "-A"), (*who, "commit", "-qm", "all"), ("status",)):
        run(*command, inside=True)
    for _ in range(rounds):
        yield "git status in a copy", run("status", inside=True)
        yield "git status on the disk", run("status", inside=False)
    scope.close()


def _bytes_of_a_fork(what: Subject) -> int:
    """What a clean fork takes beyond the blocks of its folders."""
    folder = what.home
    before = _bytes(folder)
    what.fork(0, Random(3))
    return _bytes(folder) - before


def _bytes(folder: Path) -> int:
    return sum(
        os.lstat(os.path.join(at, name)).st_blocks * 512 for at, _, names in os.walk(folder) for name in names
    )  # fmt: skip


def _many(what: Subject) -> dict[str, float]:
    """A thousand forks that stay open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    files, held, spent = what.scope.files, [], []
    for number in range(FORKS):
        began = time.perf_counter()
        what.backend.fork("root.0", f"many.{number}")
        held.append(what.backend.open(f"many.{number}", files))
        spent.append(time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for scope in held:
        scope.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    first, last = statistics.median(spent[:20]), statistics.median(spent[-20:])
    return {"1,000 forks: first": first * 1e3, "1,000 forks: last": last * 1e3, "1,000 forks: peak MB": peak}


def rows(results: list[Mapping[str, Any]], backend: str = "overlay") -> list[dict[str, Any]]:
    """The targets, as the other benchmarks give them."""
    found: list[dict[str, Any]] = []

    def row(name: str, value: float, unit: str, target: float | None) -> None:
        met = None if target is None else value <= target
        found.append(
            {"name": name, "value": round(value, 2), "unit": unit, "target": target, "direction": "lower", "met": met}
        )

    limits = {"fork, 0 dirty": 10, "fork, 100 dirty": 40, "revert, 10 dirty": 30, "merge, 1 file": 30}
    if backend == "fuse":
        limits["scope fork, 0 dirty"] = 5
    for result in results:
        for name, value in result.items():
            if name in ("size", "bytes of a clean fork"):
                continue
            unit = "s" if name.endswith(" s") else "MB" if name.endswith("MB") else "ms"
            row(f"{result['size']}: {name}", value, unit, limits.get(name))
        row(f"{result['size']}: bytes of a clean fork", result["bytes of a clean fork"], "B", 8192)
        ratio = result["git status in a copy"] / result["git status on the disk"]
        row(f"{result['size']}: git status in a copy over on the disk", ratio, "times", 5)
    if len(results) > 1:
        ratio = results[-1]["fork, 0 dirty"] / results[0]["fork, 0 dirty"]
        row(f"clean fork, {results[-1]['size']} over {results[0]['size']}", ratio, "times", 1.3)
    first = results[0]
    if "1,000 forks: last" in first:
        ratio = first["1,000 forks: last"] / first["1,000 forks: first"]
        row("the last of 1,000 forks over the first", ratio, "times", 2)
    return found


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m bench.scopes")
    parser.add_argument("--backend", choices=[item.name for item in CANDIDATES], default="overlay")
    parser.add_argument("--size", action="append", help="megabytes/files; may be given again")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--readme", action="store_true", help="write the table and the plot into the documentation")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="shepherd-bench-", dir=os.environ.get("TMPDIR", "/var/tmp")) as name:
        candidate = next(item for item in CANDIDATES if item.name == args.backend)
        usable, reason = candidate.usable(Path(name))
        if not usable:
            print(f"no {args.backend} here: {reason}")
            return
        results = []
        for size in args.size or SIZES:
            folder = Path(name) / size.replace("/", "-")
            folder.mkdir()
            results.append(measure(size, args.rounds, folder, candidate))
            shutil.rmtree(folder)
    found = rows(results, args.backend)
    for item in found:
        mark = {True: "met", False: "missed", None: ""}[item["met"]]
        target = "" if item["target"] is None else f"≤ {item['target']:g}"
        print(f"{item['name']:<52} {item['value']:>12,.2f} {item['unit']:<6} {target:>8} {mark}")
    file = "scopes.json" if args.backend == "overlay" else f"scopes-{args.backend}.json"
    Path(__file__).with_name(file).write_text(json.dumps(found, indent=1) + "\n")
    if args.readme:
        write_readme(results)


if __name__ == "__main__":
    main()
