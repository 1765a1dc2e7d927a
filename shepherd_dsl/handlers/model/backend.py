"""The backend protocol: one try of one request at one provider."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from shepherd_dsl.handlers.model.chat import Chat, Reply, Trouble

Show = Callable[[str], None]
"""Takes pieces of an answer while it comes, for display alone."""


class Backend(Protocol):
    """Asks one provider once. What can go wrong outside comes back as `Trouble`; calls may overlap."""

    async def ask(self, chat: Chat, show: Show) -> Reply | Trouble: ...

    async def aclose(self) -> None: ...
