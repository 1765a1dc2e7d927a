"""Forks of a warm process: each does one piece of work on a changed core and says through a pipe what it found."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType
from typing import Any, NoReturn

import attrs

from bench.mutants.operators import CORE, ROOT
from bench.mutants.tests import importers

LONGEST = 600.0
"""Seconds by the clock after which a fork is stopped: for what waits without end."""
MEMORY = 6 << 30
"""Address space of a fork: what takes more fails for want of memory."""


class BrokenError(Exception):
    """Nothing can be said: it fails without a change, or could not be run."""


# ── in the process that forks ────────────────────────────────────────────────────────────────────────────────────────


@attrs.define(slots=True, eq=False)
class Fork:
    """A fork at work."""

    pid: int
    pipe: int
    until: float
    data: bytearray = attrs.field(factory=bytearray)


def begin(work: Callable[[int], object], until: float = LONGEST) -> Fork:
    """Fork and let it do the work, which is given the pipe's end to write to."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(read)
            apart()
            work(write)
        finally:
            os._exit(70)
    os.close(write)
    return Fork(pid, read, time.monotonic() + until)


def wait(forks: Sequence[Fork]) -> list[tuple[Fork, dict[str, Any]]]:
    """What the forks that have ended say."""
    ended = []
    ready, _, _ = select.select([fork.pipe for fork in forks], [], [], 1.0)
    for fork in forks:
        late = time.monotonic() > fork.until
        if late:
            os.killpg(fork.pid, signal.SIGKILL)
        elif fork.pipe not in ready:
            continue
        elif data := os.read(fork.pipe, 1 << 20):
            fork.data += data
            continue
        os.close(fork.pipe)
        status = os.waitpid(fork.pid, 0)[1]
        ended.append((fork, {"end": "late", "at": "the clock"} if late else _said(fork, status)))
    return ended


def _said(fork: Fork, status: int) -> dict[str, Any]:
    if fork.data:
        said: dict[str, Any] = json.loads(fork.data)
        return said
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS):
        return {"end": "crashed", "at": f"signal {os.WTERMSIG(status)}"}
    return {"end": f"broken: the fork ended with {status} and said nothing"}


# ── in the fork ──────────────────────────────────────────────────────────────────────────────────────────────────────


def apart() -> None:
    """A process group of its own, no output, no more memory than `MEMORY`, no bytecode written."""
    os.setpgid(0, 0)
    quiet = os.open(os.devnull, os.O_RDWR)
    for place in (0, 1, 2):
        os.dup2(quiet, place)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.dont_write_bytecode = True


def say(out: int, found: Mapping[str, Any]) -> NoReturn:
    """Write what was found, as JSON, and end."""
    data = json.dumps(found).encode()
    while data:
        data = data[os.write(out, data) :]
    os._exit(0)


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, text: str) -> None:
        super().__init__(name, path)
        self.text = text

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.text, self.path, "exec")


class _Finder(MetaPathFinder):
    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = texts

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        package, _, module = fullname.rpartition(".")
        if package != "shepherd_dsl.core" or module not in self.texts:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        assert spec is not None
        spec.loader = _Loader(fullname, str(CORE / f"{module}.py"), self.texts[module])
        return spec


def is_test(module: Any) -> bool:
    """Whether a module is of the tests: its name need not say so."""
    return str(getattr(module, "__file__", None) or "").startswith(f"{ROOT}/tests/")


def forget(names: frozenset[str]) -> None:
    """Let these modules, and the tests, be imported again."""
    for name, module in list(sys.modules.items()):
        if name in names or name == "tests" or is_test(module):
            del sys.modules[name]


def change(texts: Mapping[str, str], fresh: Sequence[str] = ()) -> None:
    """From now on, these modules of the core have these texts; they, `fresh`, and what imports them, are forgotten."""
    forget(frozenset().union(*(importers(module) for module in (*texts, *fresh))))
    if texts:
        sys.meta_path.insert(0, _Finder(texts))
