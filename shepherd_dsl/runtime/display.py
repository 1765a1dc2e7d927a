"""What the driver tells whoever watches a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from shepherd_dsl.core.machine import Asked
from shepherd_dsl.core.run import Commit

if TYPE_CHECKING:
    from collections.abc import Callable

    from shepherd_dsl.handlers.secrets import Redactor


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

    def paused(self) -> None:
        """A handler talks to a person at the terminal: nothing is to be written there until `resumed`. May nest."""

    def resumed(self) -> None:
        """The terminal is free again; what was told meanwhile may be shown now."""

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

    def paused(self) -> None:
        """See `Display`."""

    def resumed(self) -> None:
        """See `Display`."""

    def said(self, text: str) -> None:
        """See `Display`."""


class Sheltered:
    """A display as the driver uses it: one that fails (its terminal is gone) is not told any more, and no remark holds
    a secret."""

    def __init__(self, display: Display, redactor: Redactor) -> None:
        self._display: Display = display
        self._redactor = redactor

    def recorded(self, commits: list[Commit]) -> None:
        """See `Display`."""
        self._tell(lambda: self._display.recorded(commits))

    def started(self, asked: Asked) -> None:
        """See `Display`."""
        self._tell(lambda: self._display.started(asked))

    def output(self, asked: Asked, text: str) -> None:
        """See `Display`."""
        self._tell(lambda: self._display.output(asked, text))

    def finished(self, asked: Asked) -> None:
        """See `Display`."""
        self._tell(lambda: self._display.finished(asked))

    def paused(self) -> None:
        """See `Display`."""
        self._tell(lambda: self._display.paused())

    def resumed(self) -> None:
        """See `Display`."""
        self._tell(lambda: self._display.resumed())

    def said(self, text: str) -> None:
        """See `Display`."""
        self._tell(lambda: self._display.said(self._redactor.text(text)))

    def _tell(self, tell: Callable[[], None]) -> None:
        try:
            tell()
        except Exception:
            self._display = Silent()
