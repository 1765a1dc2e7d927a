"""A process that is killed at a step: a call that it makes of a function of the operating system, in any thread."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any


def count_steps(at: int, act: Callable[[], None]) -> list[int]:
    """Count steps from now on, in this thread and in those begun later, and `act` before step `at`; the count so far.

    `stop_counting` ends it.
    """
    steps = [0]

    def count(frame: FrameType, event: str, what: Any) -> None:
        if event == "c_call" and getattr(what, "__module__", None) in ("posix", "_socket", None):
            steps[0] += 1
            if steps[0] == at:
                act()

    threading.setprofile(count)
    sys.setprofile(count)
    return steps


def stop_counting() -> None:
    """Count no more steps."""
    sys.setprofile(None)
    threading.setprofile(None)


def killed_at(step: int, action: Callable[[], None]) -> int:
    """Do `action` in a forked process that is killed at `step`, -1 for never; how many steps there were.

    It is -1 where it was killed. An action that raises is an error here."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            steps = count_steps(step, lambda: os.kill(os.getpid(), signal.SIGKILL))
            action()
            stop_counting()
            os.write(writer, b"%d" % steps[0])
        except BaseException:
            os.write(writer, traceback.format_exc().encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    if said and not said.isdecimal():
        raise AssertionError(said)
    return int(said or -1)
