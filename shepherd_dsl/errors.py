"""The errors of the project, one tree.

    ShepherdError                 code, what, where, why, hint; exit status 1
    ├── UserError                 the user's mistake; exit status 2
    │   ├── ProgramError          the program does not parse or check (carries its diagnostics)
    │   ├── RevisionError         no such run or event
    │   └── RefusedError          the command would lose something, and says what
    ├── StoreError                the trace cannot be read or written
    │   ├── LockedError           another process writes this run
    │   └── CorruptError          the trace is damaged, and says where
    ├── ScopeError                the run's files cannot be made, read or written
    ├── HandlerError              a handler is missing, or what it needs; exit status 2
    │   ├── MissingExtraError     an optional package is not installed
    │   └── BrokenHandlerError    a handler fails where it must not; exit status 1
    ├── EffectError               an effect of a Python agent was answered with an error
    ├── AgentError                a Python agent of a recorded run cannot be found
    ├── CheckerError              the checker in Lean is missing or gave no verdict; exit status 2
    └── DivergenceError           a replayed program asked something else than the trace says

Every error has a stable `code` (`E…` for diagnostics of programs, words with dots for the others) and says what to do
next.
"""

from __future__ import annotations


class ShepherdError(Exception):
    """Base of all errors meant for a person.

    `code` is stable; `what` is one sentence; `where` names a file, run or event; `hint` says what to do next.
    """

    exit_status = 1

    def __init__(self, code: str, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        hint = f"\n  hint: {self.hint}" if self.hint else ""
        return f"{place}{self.what} [{self.code}]{hint}"


class UserError(ShepherdError):
    """The user's mistake."""

    exit_status = 2


class ProgramError(UserError):
    """A program that does not parse or check; `rendered` holds all its diagnostics, ready to print.

    `diagnostics` has them as data (`syntax.diagnostics.Diagnostic`), which this module does not know.
    """

    def __init__(self, code: str, what: str, *, rendered: str = "", where: str = "", hint: str = "") -> None:
        super().__init__(code, what, where=where, hint=hint)
        self.rendered = rendered
        self.diagnostics: tuple[object, ...] = ()


class RevisionError(UserError):
    """No such run, event or revision."""


class RefusedError(UserError):
    """Refused because something would be lost; `paths` names the files concerned, where it is about files.

    `conflicts` says of each why (`scope.conflict.Conflict`, which this module does not know), where it is a merge's.
    """

    def __init__(
        self,
        code: str,
        what: str,
        *,
        where: str = "",
        hint: str = "",
        paths: tuple[str, ...] = (),
        conflicts: tuple[object, ...] = (),
    ) -> None:
        super().__init__(code, what, where=where, hint=hint)
        self.paths = paths
        self.conflicts = conflicts


class StoreError(ShepherdError):
    """The trace cannot be read or written."""


class LockedError(StoreError):
    """Another process writes this run."""


class CorruptError(StoreError):
    """The trace is damaged."""


class ScopeError(ShepherdError):
    """The run's files cannot be made, read or written."""


class HandlerError(ShepherdError):
    """A handler is missing, or what it needs: a key, a package, a file. Nothing was done."""

    exit_status = 2


class BrokenHandlerError(HandlerError):
    """A handler fails where it must not."""

    exit_status = 1


class MissingExtraError(HandlerError):
    """An optional package is not installed. `hint` replaces the usual command where the extra alone is not enough."""

    def __init__(self, extra: str, *, needed_for: str, hint: str = "") -> None:
        super().__init__(
            "extra.missing",
            f"{needed_for} needs the extra `{extra}`",
            hint=hint or f"pip install 'shepherd-dsl[{extra}]'",
        )
        self.extra = extra


class EffectError(ShepherdError):
    """An effect of a Python agent was answered with `Err({code, text})`, or with `Unknown` (code `unknown`).

    Where the agent does not catch it, its run fails with that error. `paths` names the files of a merge that conflicts.
    """

    def __init__(self, code: str, what: str, *, where: str = "", hint: str = "", paths: tuple[str, ...] = ()) -> None:
        super().__init__(code, what, where=where, hint=hint)
        self.paths = paths


class AgentError(ShepherdError):
    """A Python agent of a recorded run cannot be found; the run stays where it is."""


class CheckerError(ShepherdError):
    """The checker in Lean is missing or gave no verdict. Its exit status is never that of a rejected run."""

    exit_status = 2


class DivergenceError(ShepherdError):
    """A replayed program asked something else than its trace says."""
