"""The loop of the FUSE server: one request after the other, without a scheduler.

No handler of ours ever waits, so tasks would only cost: with trio's loop requests take 1.3 to 2 times as long.
pyfuse3 reaches its loop through one name, `pyfuse3.trio`, which it replaces itself to run on asyncio; this module
stands there in the same way, from the import on, which takes half as long without trio. Between two requests the server
answers what it is asked beside them.
"""

from __future__ import annotations

import select
import sys
from collections.abc import Callable, Coroutine
from typing import Any

_IN = select.POLLIN | select.POLLHUP | select.POLLERR


class Lock:
    """Taken by nobody else."""

    async def __aenter__(self) -> None:
        return

    async def __aexit__(self, *_: object) -> None:
        return


class ClosedResourceError(Exception):
    """Never raised."""


class _Nursery:
    """Runs one task after the other; the session is one task."""

    def __init__(self) -> None:
        self._tasks: list[Coroutine[Any, Any, Any]] = []

    async def __aenter__(self) -> _Nursery:
        return self

    def start_soon(self, task: Callable[..., Coroutine[Any, Any, Any]], *args: object, name: str | None = None) -> None:
        """Run it when the block ends."""
        self._tasks.append(task(*args))

    async def __aexit__(self, *_: object) -> None:
        while self._tasks:
            await self._tasks.pop(0)


def open_nursery() -> _Nursery:
    """As trio's."""
    return _Nursery()


class _Task:
    name = "server"


def current_task() -> _Task:
    """As trio's; for messages alone."""
    return _Task()


def current_trio_token() -> None:
    """There is none."""


def notify_closing(fd: int) -> None:
    """Nobody waits."""


async def wait_readable(fd: int) -> None:
    """Answer what comes beside, until the kernel has a request. Requests go first: what a process did before it ended
    is known before the next question is answered."""
    while True:
        ready = {fd for fd, _ in _poll.poll()}
        if fd in ready:
            return
        for other in ready:
            _beside[other]()


def breathe() -> None:
    """In the middle of long work: answer what may be answered at any time."""
    for fd, _ in _poll.poll(0):
        if fd in _urgent:
            _beside[fd]()


def stand_in() -> None:
    """Be pyfuse3's loop in this process, which must not have imported it yet."""
    here = sys.modules[__name__]
    here.lowlevel = here  # type: ignore[attr-defined]
    sys.modules["trio"] = here


def serve(session: int, beside: dict[int, Callable[[], None]], urgent: int) -> None:
    """Serve requests until the file system ends. `beside` are the functions to be called when the descriptors can be
    read; the one of `urgent` may be called in the middle of a request too."""
    import pyfuse3

    if getattr(pyfuse3, "trio", None) is not sys.modules[__name__]:
        raise RuntimeError("pyfuse3 was imported before its loop")
    for fd in (session, *beside):
        _poll.register(fd, _IN)
    _beside.update(beside)
    _urgent.add(urgent)
    running = pyfuse3.main(1, 1)
    try:
        running.send(None)
    except StopIteration:
        return
    raise RuntimeError("a request waited")


_poll = select.poll()
_beside: dict[int, Callable[[], None]] = {}
_urgent: set[int] = set()
