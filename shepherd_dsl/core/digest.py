"""The digest of a core program: the Git blob hash of its canonical text, under which the trace holds it."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from shepherd_dsl.core.expr import Call, Comp, Do, Expr, If, Let, Lit, Prim, Return
from shepherd_dsl.core.files import git_blob_hash
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.value import handles_in
from shepherd_dsl.core.wire import program_text

_KNOWN: WeakKeyDictionary[Program, str] = WeakKeyDictionary()


def program_digest(program: Program) -> str:
    """The digest of `program`, 40 hex digits. Computed once for each program object.

    Raises ValueError where a literal of the program holds a run: a run is only ever reached by having made it or having
    been given it.
    """
    found = _KNOWN.get(program)
    if found is None:
        if any(_holds_run(definition.body) for definition in program.defs.values()):
            raise ValueError("a literal of the program holds a run")
        found = _KNOWN[program] = git_blob_hash(program_text(program).encode("utf-8"))
    return found


def _holds_run(body: Comp) -> bool:
    """Whether a literal in `body` holds a run."""
    todo: list[Comp | Expr] = [body]
    while todo:
        part = todo.pop()
        match part:
            case Lit():
                if next(handles_in(part.value), None) is not None:
                    return True
            case Prim() | Do():
                todo.extend(part.args)
            case Return():
                todo.append(part.expr)
            case Let():
                todo += (part.bound, part.body)
            case If():
                todo += (part.cond, part.then, part.orelse)
            case Call():
                todo += (part.agent, *part.args)
    return False
