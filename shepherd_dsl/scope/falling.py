"""A backend that was chosen, not asked for: where it opens nothing after all, the next best takes its place.

What a probe found may be remembered, and things may have changed since: rights were given up, a setting was closed.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator

from shepherd_dsl.core.files import Files
from shepherd_dsl.errors import ScopeError
from shepherd_dsl.scope.protocol import Scope, ScopeBackend

_FULL = (errno.ENOSPC, errno.EDQUOT)


class FallingBackend:
    """The first of some backends that opens a scope, and from then on that one; see `scope.protocol.ScopeBackend`.

    `backends` come the best first, and are made as they are needed. `said` is told of one that is given up, and why,
    and of the next, by their names. On a full disk none is: the others would take more room.
    """

    def __init__(self, backends: Iterator[ScopeBackend], said: Callable[[str, str, str], None]) -> None:
        self._rest = backends
        self._backend = next(backends)
        self._said = said
        self._has_opened = False
        self.name = self._backend.name

    def open(self, run: str, files: Files) -> Scope:
        """The scope of `run`, holding `files`. Raises ScopeError, that of the best backend, where none can make it."""
        why: ScopeError | None = None
        while True:
            try:
                scope = self._backend.open(run, files)
            except ScopeError as error:
                why = why or error
                if self._has_opened or _is_full(error):
                    raise why from why.__cause__
                following = next(self._rest, None)
                if following is None:
                    raise why from why.__cause__
                self._backend.close()
                self._said(self.name, error.what, following.name)
                self._backend, self.name = following, following.name
            else:
                self._has_opened = True
                return scope

    def fork(self, run: str, copy: str) -> None:
        """As of the backend."""
        self._backend.fork(run, copy)

    def remove(self, run: str) -> None:
        """As of the backend."""
        self._backend.remove(run)

    def close(self, *, ended: bool = False) -> None:
        """As of the backend."""
        self._backend.close(ended=ended)


def _is_full(error: ScopeError) -> bool:
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno in _FULL
