"""The digest of a core program: the Git blob hash of its canonical text, under which the trace holds it."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from shepherd_dsl.core.files import git_blob_hash
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.wire import program_text

_KNOWN: WeakKeyDictionary[Program, str] = WeakKeyDictionary()


def program_digest(program: Program) -> str:
    """The digest of `program`, 40 hex digits. Computed once for each program object."""
    found = _KNOWN.get(program)
    if found is None:
        found = _KNOWN[program] = git_blob_hash(program_text(program).encode("utf-8"))
    return found
