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


def killed_at(step: int, action: Callable[[], None]) -> int:
    """Do `action` in a forked process that is killed at `step`, -1 for never; how many steps there were.

    It is -1 where it was killed. An action that raises is an error here."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        steps = 0

        def count(frame: FrameType, event: str, what: Any) -> None:
            nonlocal steps
            if event == "c_call" and getattr(what, "__module__", None) in ("posix", "_socket", None):
                steps += 1
                if steps == step:
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            threading.setprofile(count)
            sys.setprofile(count)
            action()
            sys.setprofile(None)
            os.write(writer, b"%d" % steps)
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
