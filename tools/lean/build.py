"""Compiles modules with the portable Lean: each once, in parallel, and again only when something it rests on changed.

A module's key is made of the Lean, its text and the keys of what it imports. `objects/` of the cache holds the compiled
module and what Lean said about it under that key; all checkouts share it. `trees/` has folders in which Lean finds the
modules by name, one for each set of keys. Everything is written beside its place and renamed into it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from .install import Toolchain
from .modules import Module, in_order
from .places import PORTABLE, LeanError, cache
from .server import Answer, Message, Server

START_SECONDS: Final = 6.0
"""What a further process costs before it compiles as fast as one that is warm: it is started when more work waits."""

GUESS_SECONDS: Final = 3.0
"""For a module that was never compiled here."""

UNUSED_DAYS: Final = 14
"""After which compiled modules are removed."""


@dataclass(frozen=True)
class Result:
    """What came of a module, now or in an earlier build."""

    module: Module
    ok: bool
    messages: list[Message]
    seconds: float
    fresh: bool


@dataclass
class Built:
    """The result of a build."""

    keys: dict[str, str]
    compiled: dict[str, Result] = field(default_factory=dict)
    failed: dict[str, Result] = field(default_factory=dict)
    waiting: dict[str, list[str]] = field(default_factory=dict)
    """Modules that were not compiled, with the failed ones that they rest on."""
    tree: Path | None = None
    """The folder with the compiled modules; none if one failed."""
    seconds: float = 0.0


def keys_of(modules: Mapping[str, Module], lean: str) -> dict[str, str]:
    """The key of each module: what it is made of, the Lean included."""
    recipe = hashlib.sha256((PORTABLE / "serve.js").read_bytes()).hexdigest()
    keys: dict[str, str] = {}
    for module in in_order(modules):
        content = hashlib.sha256(module.content).hexdigest()
        parts = [recipe, lean, module.name, content, [keys[imported] for imported in module.imports]]
        keys[module.name] = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return keys


def build(
    modules: Mapping[str, Module],
    lean: Toolchain,
    jobs: int,
    say: Callable[[Result], None],
    *,
    accept_sorry: bool = False,
) -> Built:
    """Compiles what has no compiled form yet. `say` hears of each module as soon as it is done."""
    started = time.monotonic()
    built = Built(keys_of(modules, lean.key))
    trees = _folder("trees")
    _remove_unused(trees)
    tree = _tree(trees, built.keys)
    with tempfile.TemporaryDirectory(prefix="new-", dir=trees) as scratch:
        place = Path(scratch) / "tree"
        place.mkdir()
        _Work(modules, lean, place, built, say, accept_sorry).run(jobs)
        if not built.failed:
            built.tree = _publish(place, tree)
    built.seconds = time.monotonic() - started
    return built


def built_tree(keys: Mapping[str, str]) -> Path | None:
    """The folder with the modules of these keys, if all are compiled."""
    tree = _tree(cache() / "trees", keys)
    if not tree.is_dir():
        return None
    with contextlib.suppress(OSError):
        os.utime(tree)
    return tree


def _tree(trees: Path, keys: Mapping[str, str]) -> Path:
    return trees / hashlib.sha256(json.dumps(sorted(keys.items())).encode()).hexdigest()[:32]


def _publish(place: Path, tree: Path) -> Path:
    if not tree.is_dir():
        with contextlib.suppress(OSError):  # another build was faster
            place.rename(tree)
    os.utime(tree)
    return tree


class _Work:
    """One build: workers take what is ready, the longest way to the end first."""

    def __init__(
        self,
        modules: Mapping[str, Module],
        lean: Toolchain,
        place: Path,
        built: Built,
        say: Callable[[Result], None],
        accept_sorry: bool,
    ) -> None:
        self.accept_sorry = accept_sorry
        self.modules, self.lean, self.place, self.built, self.say = modules, lean, place, built, say
        self.changed = threading.Condition()
        self.stopped = False
        self.running: set[str] = set()
        self.todo: dict[str, Module] = {}
        self.servers: list[Server] = []
        for module in in_order(modules):
            key = built.keys[module.name]
            if (known := self._accepted(_known(module, key))) and _link(object_file(key, "olean"), self._olean(module)):
                built.compiled[module.name] = known
                say(known)
            else:
                self.todo[module.name] = module
        self.seconds = _times()
        self.way: dict[str, float] = {}
        for module in reversed(in_order(modules)):
            after = [self.way[other.name] for other in modules.values() if module.name in other.imports]
            self.way[module.name] = self._cost(module.name) + max(after, default=0.0)

    def run(self, jobs: int) -> None:
        """Compiles everything; an interrupt ends all processes first."""
        if not self.todo:
            return
        try:
            with ThreadPoolExecutor(jobs) as pool:
                try:
                    waits = [pool.submit(self._worker, number) for number in range(jobs)]
                    for wait in waits:
                        wait.result()
                except BaseException:
                    with self.changed:
                        self.stopped = True
                        self.changed.notify_all()
                    for server in list(self.servers):
                        server.stop()
                    raise
        finally:
            write_whole(_folder("times") / "seconds.json", json.dumps(self.seconds, sort_keys=True))

    def _worker(self, number: int) -> None:
        server = Server(self.lean, self.place)
        self.servers.append(server)
        try:
            while module := self._next(number > 0 and server.process is None):
                olean = self._olean(module)
                olean.parent.mkdir(parents=True, exist_ok=True)
                self._done(module, server.compile(module.file, module.root, olean))
        finally:
            server.close()

    def _next(self, reluctant: bool) -> Module | None:
        """The next module for a worker; a reluctant one has no process yet and starts it only if that pays."""
        with self.changed:
            while self.todo and not self.stopped:
                ready = [module for module in self.todo.values() if self._ready(module)]
                ready.sort(key=lambda module: -self.way[module.name])
                if reluctant and sum(self._cost(module.name) for module in ready) < START_SECONDS:
                    ready = []
                if ready:
                    self.running.add(ready[0].name)
                    return self.todo.pop(ready[0].name)
                if not self.running and not reluctant:
                    return None
                self.changed.wait()
            return None

    def _ready(self, module: Module) -> bool:
        return all(imported in self.built.compiled for imported in module.imports)

    def _cost(self, name: str) -> float:
        return self.seconds.get(name, GUESS_SECONDS)

    def _done(self, module: Module, answer: Answer) -> None:
        with self.changed:
            self.running.discard(module.name)
            self.changed.notify_all()
            if self.stopped:
                return
            self.seconds[module.name] = round(answer.seconds, 2)
            result = Result(module, answer.ok, answer.messages, answer.seconds, fresh=True)
            if answer.ok:
                _keep(self.built.keys[module.name], self._olean(module), answer)
            if self._accepted(result):
                self.built.compiled[module.name] = result
            else:
                self.built.failed[module.name] = result
                self._give_up()
            self.say(result)

    def _accepted(self, result: Result | None) -> Result | None:
        """The result, if it is one on which others may rest."""
        if result is None or not result.ok:
            return None
        if not self.accept_sorry and any(message.fails for message in result.messages):
            return None
        return result

    def _give_up(self) -> None:
        """Takes from the list what can no longer be compiled."""
        for module in in_order(self.modules):
            because = [name for name in module.imports if name in self.built.failed or name in self.built.waiting]
            if module.name in self.todo and because:
                del self.todo[module.name]
                self.built.waiting[module.name] = because

    def _olean(self, module: Module) -> Path:
        return self.place.joinpath(*module.name.split(".")).with_suffix(".olean")


def _folder(name: str) -> Path:
    folder = cache() / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LeanError(
            f"Compiled modules cannot be kept in {folder}: {error}. SHEPHERD_LEAN_CACHE names another folder."
        ) from error
    return folder


def object_file(key: str, suffix: str) -> Path:
    """A file about what has this key."""
    return cache() / "objects" / key[:2] / f"{key}.{suffix}"


def _known(module: Module, key: str) -> Result | None:
    try:
        kept = json.loads(object_file(key, "json").read_text("utf-8"))
        messages = [Message(**message) for message in kept["messages"]]
        os.utime(object_file(key, "json"))
        os.utime(object_file(key, "olean"))
        return Result(module, True, messages, kept["seconds"], fresh=False)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(key: str, olean: Path, answer: Answer) -> None:
    """Keeps a compiled module: its file first, then what says that it is there."""
    target = object_file(key, "olean")
    target.parent.mkdir(parents=True, exist_ok=True)
    _link(olean, target)
    kept = {"seconds": answer.seconds, "messages": [asdict(message) for message in answer.messages]}
    write_whole(object_file(key, "json"), json.dumps(kept))


def _link(source: Path, target: Path) -> bool:
    """The same file under another name, whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with _beside(target) as new:
        try:
            os.link(source, new)
        except FileNotFoundError:
            return False
        except OSError:  # the file system has no links
            shutil.copyfile(source, new)
        new.replace(target)
    return True


def write_whole(target: Path, text: str) -> None:
    """Writes a file so that others see all of it or nothing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with _beside(target) as new:
        new.write_text(text, "utf-8")
        new.replace(target)


@contextlib.contextmanager
def _beside(target: Path) -> Iterator[Path]:
    new = target.with_name(f"{target.name}.{os.getpid()}-{threading.get_ident()}.new")
    try:
        yield new
    finally:
        new.unlink(missing_ok=True)


def _times() -> dict[str, float]:
    """What each module took when it was last compiled."""
    try:
        return dict(json.loads((_folder("times") / "seconds.json").read_text("utf-8")))
    except (OSError, ValueError):
        return {}


def _remove_unused(trees: Path) -> None:
    """Removes what no build has used for a while, at most once a day."""
    mark = trees.parent / "swept"
    with contextlib.suppress(OSError):
        if mark.is_file() and time.time() - mark.stat().st_mtime < 86400:
            return
        mark.touch()
        limit = time.time() - UNUSED_DAYS * 86400
        for tree in trees.iterdir():
            if tree.stat().st_mtime < limit:
                shutil.rmtree(tree, ignore_errors=True)
        for file in (trees.parent / "objects").glob("*/*"):
            if file.stat().st_mtime < limit:
                file.unlink(missing_ok=True)


def default_jobs() -> int:
    """Two processes where there are two processors: each needs up to 2 GB."""
    return min(2, len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1)
