"""What the driver tells whoever watches a run."""

from __future__ import annotations

from typing import Protocol

from shepherd_dsl.core.machine import Asked
from shepherd_dsl.core.run import Commit


class Display(Protocol):
    """Told about a run as it goes on. Nothing it does changes the run; texts come without secrets."""

    def recorded(self, commits: list[Commit]) -> None:
        """Events that are now durable, oldest first."""

    def started(self, asked: Asked) -> None:
        """A handler begins to perform an intent."""

    def output(self, asked: Asked, text: str) -> None:
        """A piece of output of a handler, for showing only."""

    def finished(self, asked: Asked) -> None:
        """The handler is through."""

    def said(self, text: str) -> None:
        """A plain remark: what is not confined, what was left out."""


class Silent:
    """A display that shows nothing."""

    def recorded(self, commits: list[Commit]) -> None:
        """See `Display`."""

    def started(self, asked: Asked) -> None:
        """See `Display`."""

    def output(self, asked: Asked, text: str) -> None:
        """See `Display`."""

    def finished(self, asked: Asked) -> None:
        """See `Display`."""

    def said(self, text: str) -> None:
        """See `Display`."""
