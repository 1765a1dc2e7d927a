"""The layers of a tree of runs: which lie below a run's topmost one, and few enough of them.

    <folder>/<escaped id>/     of that run: upper/ (its topmost layer), work/ (the kernel's), layer.json, seen
    <folder>/frozen-<n>/       layers that are only read, of a run and its forks; frozen-<n>.json
    <folder>/squashed-<n>/     layers that say what several frozen or squashed ones say; squashed-<n>.json
    <folder>/left-<n>/         layers with which a process was still at work when its run's scope was closed
    <folder>/squash.new, gone-…    what is being made or removed

The more layers, the slower a look-up. So where they become many the newest are squashed into one, by a thread behind
the runs' backs. A run goes over to it when it is next mounted: what is mounted is never changed. How many are squashed
at a time is such that each file is squashed a logarithmic number of times. Layers that no run has below it any more are
removed.

A crash leaves a run with the layers that its layer.json lists, which are there, or with newer ones that say the same;
what else it leaves is found and removed when layers are next squashed, and when the tree ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event, Lock
from typing import Any, Final

import attrs

from shepherd_dsl.core.event import Entry
from shepherd_dsl.core.files import Files
from shepherd_dsl.scope.bases import Base, Bases, remove_tree
from shepherd_dsl.scope.copy import escape_run
from shepherd_dsl.scope.squash import StoppedError, squash

MOST_LAYERS: Final = 48
"""A run with so many layers below its own is not frozen again: its forks are made of values. Squashing begins long
before."""
SQUASHED_FROM: Final = 16
"""So many layers are worth squashing, …"""
SQUASHED_LEAST: Final = 8
"""… so many of them at least, and on until one is more than twice as large as those above it together."""

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_VERSION: Final = 1


@attrs.frozen(slots=True)
class Stack:
    """What lies below a run's topmost layer: layers that are only read, the newest first, and a base. `files` is what
    they hold, and `skipped` are the paths of what they hold that is not carried."""

    frozen: tuple[str, ...]
    base: Base
    files: Files
    skipped: tuple[str, ...] = ()


class Layers:
    """The layers below `folder`; for one process at a time. OSError passes through."""

    def __init__(self, folder: Path, bases: Bases) -> None:
        self.folder = folder
        self._bases = bases
        self._stacks: dict[tuple[tuple[str, ...], str], Stack] = {}
        self._last: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self._mutex = Lock()
        """Held for each change of what runs have below them, and of which layers there are."""
        self._squashed: dict[tuple[str, ...], str] = {}
        self._noted: set[tuple[str, ...]] = set()
        self._goes_over = False
        self._pool: ThreadPoolExecutor | None = None
        self._job: Future[None] | None = None
        self._stop = Event()

    def of(self, run: str) -> Path:
        """The folder of a run's topmost layer."""
        return self.folder / f"run-{escape_run(run)}"

    def read(self, run: str) -> Stack | None:
        """What lies below a run's topmost layer, where that is whole and from since the machine was started."""
        layer = self.of(run)
        try:
            found = json.loads((layer / "layer.json").read_bytes())
            if found["version"] != _VERSION or found["boot"] != _boot():
                return None
            frozen = tuple(map(str, found["frozen"]))
            top = layer / "upper" / "files"
            if (top.exists() or top.is_symlink()) and not stat.S_ISDIR(os.lstat(top).st_mode):
                return None  # a process removed the folder itself
            known = self._stacks.get((frozen, found["base"]))
            if known is not None:
                return known
            base = self._bases.named(found["base"])
            if base is None or not all((self.folder / name).is_dir() for name in frozen):
                return None
            return Stack(frozen, base, self._files(frozen, base), tuple(map(str, found.get("skipped", ()))))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, run: str, stack: Stack) -> None:
        """Note what lies below a run's topmost layer."""
        with self._mutex:
            self._write(run, stack)
        self._tidy_soon()

    def freeze(self, run: str, stack: Stack, files: Files, skipped: tuple[str, ...]) -> Stack:
        """Make the topmost layer of a run, which is not mounted and holds `files` and what is `skipped` over `stack`,
        one that is only read; what lies below the next one."""
        with self._mutex:
            name = self._new_name("frozen")
            self._sizes[name] = self._describe(name, stack.files, files)
            (self.of(run) / "upper").rename(self.folder / name)
            after = Stack((name, *stack.frozen), stack.base, files, skipped)
            self._write(run, after)
        self._tidy_soon()
        self._squash_soon(after)
        return after

    def leave(self, run: str) -> None:
        """Give up the topmost layer of a run to the process that is still at work with it."""
        with self._mutex:
            self.of(run).rename(self.folder / self._new_name("left"))

    def remove(self, run: str) -> None:
        """Remove a run's topmost layer, and those that no other run has below it."""
        self._goes_over |= bool(_frozen_of(self.of(run) / "layer.json"))
        remove_tree(self.of(run))
        self._tidy_soon()

    def current(self, stack: Stack) -> Stack:
        """The same with squashed layers in place of those that were squashed meanwhile; it waits for that where there
        are too many without. Whoever goes over to it notes so by `write`."""
        self._check_job()
        found = self._replaced(stack)
        if self.is_full(found) and self._job is not None:
            self._job.result()
            found = self._replaced(stack)
        self._goes_over |= found is not stack
        return found

    def is_full(self, stack: Stack) -> bool:
        """Whether there are so many layers that there is to be no other one."""
        return len(stack.frozen) >= MOST_LAYERS

    def close(self) -> None:
        """Stop what is done behind the back; what is half-made is dropped."""
        self._stop.set()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None
        self._job = None
        self._stop.clear()

    # ── what is there ────────────────────────────────────────────────────────────────────────────────────────────────

    def _new_name(self, kind: str) -> str:
        """A name that was never used in this process: what is known of another layer must not be taken for its own."""
        taken = [item.name.rpartition("-")[2] for item in self.folder.glob(f"{kind}-*")]
        last = max((int(number) for number in taken if number.isdecimal()), default=-1)
        self._last[kind] = max(last, self._last.get(kind, -1)) + 1
        return f"{kind}-{self._last[kind]}"

    def _write(self, run: str, stack: Stack) -> None:
        layer = self.of(run)
        layer.mkdir(parents=True, exist_ok=True)
        what = {"base": stack.base.name, "frozen": stack.frozen, "skipped": stack.skipped}
        text = json.dumps({"version": _VERSION, "boot": _boot(), **what})
        temporary = layer / "layer.json.new"
        temporary.write_text(text, "ascii")
        temporary.replace(layer / "layer.json")
        self._stacks[stack.frozen, stack.base.name] = stack
        self._noted.add(stack.frozen)

    def _describe(self, name: str, below: Files, files: Files) -> int:
        """Note in what a layer differs from what lies below it; in how many entries."""
        rows = [(path, entry and (entry.mode, entry.hash)) for path, entry in below.diff(files)]
        (self.folder / f"{name}.json").write_text(json.dumps(rows, separators=(",", ":")), "ascii")
        return len(rows)

    def _files(self, frozen: Iterable[str], base: Base) -> Files:
        files = base.files
        for name in reversed(tuple(frozen)):
            rows = json.loads((self.folder / f"{name}.json").read_bytes())
            files = files.apply(tuple((path, entry and Entry(*entry)) for path, entry in rows))
        return files

    # ── squashing ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _replaced(self, stack: Stack) -> Stack:
        with self._mutex:
            *_, frozen = self._steps(stack.frozen)
        return stack if frozen == stack.frozen else attrs.evolve(stack, frozen=frozen)

    def _steps(self, frozen: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        """The layers, and what they become by one squashed layer after the other."""
        yield frozen
        for old, new in self._squashed.items():
            at = _where(old, frozen)
            if at is not None:
                frozen = (*frozen[:at], new, *frozen[at + len(old) :])
                yield frozen

    def _tidy_soon(self) -> None:
        """Where a run has gone over to other layers, those that it had may be of no use any more."""
        if self._goes_over:
            self._goes_over = False
            with contextlib.suppress(RuntimeError):  # no thread could be started: another time
                self._work(self._remove_unused)

    def _squash_soon(self, stack: Stack) -> None:
        if len(stack.frozen) >= SQUASHED_FROM and (self._job is None or self._job.done()):
            self._check_job()
            count = how_many([self._sizes.get(name, 1) for name in stack.frozen])
            with contextlib.suppress(RuntimeError):
                self._job = self._work(self._squash, stack, count)

    def _work(self, job: Any, *args: object) -> Future[None]:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="squash")
        return self._pool.submit(job, *args)

    def _check_job(self) -> None:
        """Raises what squashing raised that is nobody's fault but its own."""
        if self._job is not None and self._job.done():
            self._job.result()
            self._job = None

    def _squash(self, stack: Stack, count: int) -> None:
        """Where it cannot be done, all stays as it is, and it is tried again when there are more layers."""
        building = self.folder / "squash.new"
        rest = stack.frozen[count:]
        with contextlib.suppress(OSError, ValueError, StoppedError):
            remove_tree(building)
            building.mkdir()
            size = squash(
                [self.folder / name / "files" for name in stack.frozen[:count]],
                [*(self.folder / name / "files" for name in rest), stack.base.folder / "files"],
                building / "files",
                stopped=self._stop.is_set,
            )
            below = self._files(rest, stack.base)
            with self._mutex:
                name = self._new_name("squashed")
            self._describe(name, below, stack.files)
            building.rename(self.folder / name)
            with self._mutex:
                self._sizes[name] = size
                self._squashed[stack.frozen[:count]] = name
        with contextlib.suppress(OSError):
            remove_tree(building)
        if not self._stop.is_set():
            self._remove_unused()

    def _remove_unused(self) -> None:
        """Remove the layers that no run has below it, nor will have."""
        with contextlib.suppress(OSError):
            with self._mutex:
                self._noted.clear()
                inside = [item.name for item in os.scandir(self.folder)]
            # Meanwhile runs may go over to other layers: that is noted.
            used = {_frozen_of(layer) for layer in self.folder.glob("*/layer.json")}
            with self._mutex:
                kept = {name for old in used | self._noted for frozen in self._steps(old) for name in frozen}
                self._squashed = {old: new for old, new in self._squashed.items() if new in kept}
                unused = [name for name in inside if name.startswith(("frozen-", "squashed-")) and name not in kept]
                unused = [name for name in unused if not name.endswith(".json")]
                for name in unused:
                    (self.folder / name).rename(self.folder / f"gone-{name}")
                    (self.folder / f"{name}.json").unlink(missing_ok=True)
                for key in [key for key in self._stacks if not kept.issuperset(key[0])]:
                    del self._stacks[key]
            for name in [*(name for name in inside if name.startswith("gone-")), *(f"gone-{name}" for name in unused)]:
                remove_tree(self.folder / name)


def how_many(sizes: list[int]) -> int:
    """How many layers of these sizes, the newest first, are squashed together."""
    total = 0
    for number, size in enumerate(sizes):
        if number >= SQUASHED_LEAST and size > 2 * total:
            return number
        total += size
    return len(sizes)


def _where(part: tuple[str, ...], whole: tuple[str, ...]) -> int | None:
    """Where `part` stands in `whole`, its elements one after the other."""
    try:
        at = whole.index(part[0])
    except ValueError:
        return None
    return at if whole[at : at + len(part)] == part else None


def _frozen_of(layer: Path) -> tuple[str, ...]:
    """The layers that a layer.json lists; none where it is not there or damaged: no run will use that one."""
    try:
        return tuple(map(str, json.loads(layer.read_bytes())["frozen"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return ()


def _boot() -> str:
    """What is another text after each start of the machine."""
    return _BOOT.read_text("ascii").strip()
