"""`clock.now` and `clock.sleep`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

import anyio

from shepherd_dsl.core.value import UNIT, Con, err, ok
from shepherd_dsl.handlers.context import HandlerContext
from shepherd_dsl.handlers.protocol import OperationSpec, Request

OPERATIONS: Mapping[str, OperationSpec] = MappingProxyType(
    {
        "clock.now": OperationSpec(
            effect_class="pure", params=(), result="Int", about="the time, in milliseconds since 1970 in UTC"
        ),
        "clock.sleep": OperationSpec(
            effect_class="pure", params=(("ms", "Int"),), result="Unit", about="wait so many milliseconds"
        ),
    }
)

LONGEST_MS = 366 * 24 * 3600 * 1000
"""The longest sleep, a year; a longer one is a mistake."""


class Clock(Protocol):
    """Where time comes from; `shepherd_dsl.testing.clock.FakeClock` is another."""

    def now_ms(self) -> int: ...

    async def sleep_ms(self, ms: int) -> None: ...


class SystemClock:
    """The time of this machine."""

    def now_ms(self) -> int:
        """Milliseconds since 1970; may jump when somebody sets the clock."""
        return time.time_ns() // 1_000_000

    async def sleep_ms(self, ms: int) -> None:
        """Wait, by the clock that nobody sets; can be cancelled at any moment."""
        await anyio.sleep(ms / 1000)


class ClockHandler:
    """Performs `clock.*`. Errors: `range` where a sleep is negative or longer than a year."""

    operations = OPERATIONS

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock: Clock = SystemClock() if clock is None else clock

    async def perform(self, request: Request) -> Con:
        """`Ok(milliseconds)` for `now`, `Ok(unit)` after a `sleep`."""
        if request.op == "clock.now":
            return ok(self._clock.now_ms())
        (ms,) = request.args
        assert isinstance(ms, int)
        if not 0 <= ms <= LONGEST_MS:
            return err("range", f"a sleep takes 0 to {LONGEST_MS} ms, got {_short(ms)}")
        await self._clock.sleep_ms(ms)
        return ok(UNIT)

    async def probe(self, request: Request) -> Con | None:
        """None: the time of then is gone."""
        return None

    async def aclose(self) -> None:
        """Nothing to close."""


def open_handler(context: HandlerContext) -> ClockHandler:
    """The factory of the entry point `clock`."""
    return ClockHandler()


def _short(number: int) -> str:
    return str(number) if number.bit_length() < 128 else f"a number of {number.bit_length()} bits"
