"""`random.int(low, high)`: an integer from `low` to `high`, both included, each as likely as the others."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from types import MappingProxyType

from shepherd_dsl.core.value import Con, err, ok
from shepherd_dsl.handlers.context import HandlerContext
from shepherd_dsl.handlers.protocol import OperationSpec, Request

OPERATIONS: Mapping[str, OperationSpec] = MappingProxyType(
    {
        "random.int": OperationSpec(
            effect_class="pure",
            params=(("low", "Int"), ("high", "Int")),
            result="Int",
            about="an integer from low to high, both included",
        )
    }
)


class RandomHandler:
    """Performs `random.int`. Errors: `range` where `low` is above `high`.

    `below(n)` gives a number from 0 to n - 1; the system's generator unless given.
    """

    operations = OPERATIONS

    def __init__(self, below: Callable[[int], int] = secrets.randbelow) -> None:
        self._below = below

    async def perform(self, request: Request) -> Con:
        """`Ok(number)`, or `Err(range)`."""
        low, high = request.args
        assert isinstance(low, int)
        assert isinstance(high, int)
        if low > high:
            return err("range", "the lower bound is above the upper bound")
        return ok(low + self._below(high - low + 1))

    async def probe(self, request: Request) -> Con | None:
        """None: nobody saw the number."""
        return None

    async def aclose(self) -> None:
        """Nothing to close."""


def open_handler(context: HandlerContext) -> RandomHandler:
    """The factory of the entry point `random`."""
    return RandomHandler()
