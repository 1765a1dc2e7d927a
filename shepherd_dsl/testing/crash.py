"""Crash injector: end the process with SIGKILL at a chosen point of the store.

Set `SHEPHERD_CRASH=POINT` or `SHEPHERD_CRASH=POINT:N` (the N-th time the point is reached, from 1) in the environment
of the process, or call `crash_at` inside it. `POINTS` in `shepherd_dsl.trace.points` lists the points.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable


def install(setting: str, set_hook: Callable[[Callable[[str], None] | None], None]) -> None:
    """Install the crash that `setting` (`POINT` or `POINT:N`) describes. Raises ValueError where N is no number."""
    point, _, count = setting.partition(":")
    left = int(count) if count else 1

    def hook(name: str) -> None:
        nonlocal left
        if name == point:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    set_hook(hook)


def crash_at(point: str, *, nth: int = 1) -> None:
    """From now on, die by SIGKILL when `point` is reached for the `nth` time. Raises ValueError where it is unknown."""
    from shepherd_dsl.trace.points import POINTS, set_hook

    if point not in POINTS:
        raise ValueError(f"no such point: {point}")
    install(f"{point}:{nth}", set_hook)


def disarm() -> None:
    """Take the crash away again."""
    from shepherd_dsl.trace.points import set_hook

    set_hook(None)
