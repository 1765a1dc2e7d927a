"""A clock for tests: time passes only when somebody sleeps or a test says so."""

from __future__ import annotations

import os
from pathlib import Path

import anyio.lowlevel

START_MS = 1_000_000_000_000
"""The time at which a fake clock starts: a round number of milliseconds."""


class FakeClock:
    """A `handlers.clock.Clock` whose `sleep_ms` returns at once and moves the time on.

    With `file`, the time survives a crash: it is on disk before `sleep_ms` returns, and a new clock on the same file
    goes on from there, never back. Sleeps that overlap add up: a test that wants them side by side uses a real clock.
    """

    def __init__(self, *, start_ms: int = START_MS, file: Path | None = None) -> None:
        self._file = file
        self._now = start_ms
        self.sleeps: list[int] = []
        if file is not None and file.exists():
            self._now = max(start_ms, int(file.read_text()))

    def now_ms(self) -> int:
        """The time."""
        return self._now

    def advance(self, ms: int) -> None:
        """Let `ms` milliseconds pass. Raises ValueError where that is negative."""
        if ms < 0:
            raise ValueError("time does not go back")
        self._move_to(self._now + ms)

    async def sleep_ms(self, ms: int) -> None:
        """Let `ms` milliseconds pass and note the sleep in `sleeps`; can be cancelled before it begins."""
        await anyio.lowlevel.checkpoint()
        self.sleeps.append(ms)
        self._move_to(self._now + ms)

    def _move_to(self, now: int) -> None:
        if self._file is not None:
            beside = self._file.with_name(self._file.name + ".new")
            with open(beside, "w") as file:
                file.write(str(now))
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, self._file)
        self._now = now
