"""The errors that all backends raise alike."""

from __future__ import annotations

from pathlib import Path

from shepherd_dsl.errors import ScopeError


def failed(verb: str, where: Path, error: OSError) -> ScopeError:
    """The system refused to `verb` a run's copy."""
    return ScopeError(
        "scope.io",
        f"cannot {verb} a run's copy: {error.strerror or error}",
        where=str(where),
        hint="The copy is derived: nothing of the trace is lost. Mend the cause and open the run again.",
    )


def interrupted(where: Path) -> ScopeError:
    """A `sync` failed, so that what the copy holds is nobody's change."""
    return ScopeError(
        "scope.interrupted",
        "the run's copy was left half-written",
        where=str(where),
        hint="Make room or mend the cause, then open the run again: its copy is rebuilt from the trace.",
    )
