"""Definitions that lowered programs share: unwrapping outcomes, driving runs.

They are written as core computations. A program holds only those it calls.
"""

from __future__ import annotations

from collections.abc import Mapping

from shepherd_dsl.core.expr import Comp, Do, If, Let, Return, Var
from shepherd_dsl.core.program import Def
from shepherd_dsl.core.value import Con
from shepherd_dsl.lower.core import TRUE, call, con_arg, is_con, lit, prim, sequence

UNWRAP = "do'"
NEXT = "next'"
PASS = "pass'"
AWAIT = "await'"
DRIVE = "drive'"
FAILED = "failed'"
AWAIT_ALL = "await_all'"
MERGED = "merged'"
FORKS = "forks'"
READY = "ready'"
PICK = "pick'"
JOINED = "joined'"

_o, _op, _r, _s, _v = Var("outcome"), Var("op"), Var("run"), Var("stop"), Var("value")
_runs, _at, _found = Var("runs"), Var("at"), Var("found")

LEFT = prim("eq", prim("field", con_arg(_o, 0), lit("code")), lit("stop"))
"""Whether `outcome`, the `Err` of a `run.pass`, says that the run is at no intent."""


def _unwrap() -> Def:
    """`do'(outcome, op)`: the answer in `Ok`; `Err(e)` and `Unknown` end the run."""
    unknown = prim("fail", lit("unknown"), prim("text", lit("nobody knows whether `"), _op, lit("` happened")))
    failed = If(is_con(_o, "Err", 1), Return(prim("raise", con_arg(_o, 0))), Return(unknown))
    return Def(("outcome", "op"), If(is_con(_o, "Ok", 1), Return(con_arg(_o, 0)), failed))


def _do(op: str, name: str, *args: Var) -> list[tuple[str, Comp]]:
    return [("outcome", Do(op, args)), (name, call(UNWRAP, _o, lit(op)))]


def _next() -> Def:
    """`next'(run)`: the next stop of a run; `Ended` where it was discarded."""
    gone = If(
        is_con(_o, "Err", 1),
        If(
            prim("eq", prim("field", con_arg(_o, 0), lit("code")), lit("ended")),
            Return(lit(Con("Ended"))),
            call(UNWRAP, _o, lit("run.next")),
        ),
        call(UNWRAP, _o, lit("run.next")),
    )
    return Def(("run",), Let("outcome", Do("run.next", (_r,)), If(is_con(_o, "Ok", 1), Return(con_arg(_o, 0)), gone)))


def _pass() -> Def:
    """`pass'(run)`: what came of the intent that the run stands at; a pass that is refused ends the asker.

    `Left` where the run stands at no intent any more. Its owner may have taken it back since its last stop; and where
    the owner itself was put back to that stop, a run that was ending begins to end anew.
    """
    refused = call(UNWRAP, _o, lit("run.pass"))
    gone = If(is_con(_o, "Err", 1), If(LEFT, Return(lit(Con("Left"))), refused), refused)
    return Def(("run",), Let("outcome", Do("run.pass", (_r,)), If(is_con(_o, "Ok", 1), Return(con_arg(_o, 0)), gone)))


def _drive() -> Def:
    """`drive'(run)`: passes everything on until the run ends; `Done(v)`, `Failed(e)` or `Ended`."""
    on = Let("outcome", call(PASS, _r), call(DRIVE, _r))
    return Def(("run",), Let("stop", call(NEXT, _r), If(is_con(_s, "Intent", 3), on, Return(_s))))


def _await() -> Def:
    """`await'(run)`: drives the run to its end and gives its value; its failure is the failure here."""
    ended = Return(prim("fail", lit("ended"), lit("the run was discarded")))
    failed = If(is_con(_s, "Failed", 1), Return(prim("raise", con_arg(_s, 0))), ended)
    return Def(("run",), Let("stop", call(DRIVE, _r), If(is_con(_s, "Done", 1), Return(con_arg(_s, 0)), failed)))


def _failed() -> Def:
    """`failed'(run)`: drives the run to its end; `Some(text of the error)` where it failed, else `None`."""
    text = prim("con", lit("Some"), prim("field", con_arg(_s, 0), lit("text")))
    return Def(
        ("run",), Let("stop", call(DRIVE, _r), If(is_con(_s, "Failed", 1), Return(text), Return(lit(Con("None")))))
    )


def _ready() -> Def:
    """`ready'(runs, at, found)`: those of the runs, from `at` on, that stand at an intent, after those in `found`."""
    here = prim("get", _runs, _at)
    after = prim("add", _at, lit(1))
    more = If(
        is_con(_s, "Intent", 3),
        call(READY, _runs, after, prim("append", _found, _r)),
        call(READY, _runs, after, _found),
    )
    return Def(
        ("runs", "at", "found"),
        If(
            prim("lt", _at, prim("len", _runs)),
            sequence([("run", Return(here)), ("stop", call(NEXT, _r))], more),
            Return(_found),
        ),
    )


def _pick() -> Def:
    """`pick'(runs)`: whose intent is next; recorded only where there is a choice."""
    one = prim("eq", prim("len", _runs), lit(1))
    return Def(
        ("runs",),
        If(
            one,
            Return(prim("get", _runs, lit(0))),
            Let("outcome", Do("run.pick", (_runs,)), call(UNWRAP, _o, lit("run.pick"))),
        ),
    )


def _await_all() -> Def:
    """`await_all'(runs)`: several runs in flight; their values in the order of the list."""
    found = call(READY, _runs, lit(0), lit(()))
    return Def(
        ("runs",),
        sequence([("found", found), ("value", call(PASS_ALL, _found))], call(_VALUES, _runs, lit(0), lit(()))),
    )


PASS_ALL = "await_all.pass'"
_VALUES = "await_all.values'"
_WITHOUT = "await_all.without'"


def _pass_all() -> Def:
    """Passes one intent after another, until no run stands at one."""
    other = Var("others")
    on = sequence(
        [
            ("run", call(PICK, _runs)),
            ("outcome", call(PASS, _r)),
            ("others", call(_WITHOUT, _runs, _r, lit(0), lit(()))),
            ("stop", call(NEXT, _r)),
        ],
        If(is_con(_s, "Intent", 3), call(PASS_ALL, prim("append", other, _r)), call(PASS_ALL, other)),
    )
    return Def(("runs",), If(prim("eq", prim("len", _runs), lit(0)), Return(TRUE), on))


def _without() -> Def:
    here = prim("get", _runs, _at)
    after = prim("add", _at, lit(1))
    return Def(
        ("runs", "run", "at", "found"),
        If(
            prim("lt", _at, prim("len", _runs)),
            If(
                prim("eq", here, _r),
                call(_WITHOUT, _runs, _r, after, _found),
                call(_WITHOUT, _runs, _r, after, prim("append", _found, here)),
            ),
            Return(_found),
        ),
    )


def _values() -> Def:
    here = prim("get", _runs, _at)
    return Def(
        ("runs", "at", "found"),
        If(
            prim("lt", _at, prim("len", _runs)),
            sequence(
                [("run", Return(here)), ("value", call(AWAIT, _r))],
                call(_VALUES, _runs, prim("add", _at, lit(1)), prim("append", _found, _v)),
            ),
            Return(_found),
        ),
    )


def _merged() -> Def:
    """`merged'(answer)`: a conflict that nothing looks at ends the run."""
    paths = prim("text_join", con_arg(_v, 0), lit(", "))
    conflict = prim("fail", lit("conflict"), prim("text", lit("merging conflicts in "), paths))
    return Def(("value",), If(is_con(_v, "Merged", 0), Return(_v), Return(conflict)))


def _forks() -> Def:
    """`forks'(run, at, count, found)`: that many forks of the run at one step."""
    count = Var("count")
    return Def(
        ("run", "at", "count", "found"),
        If(
            prim("lt", prim("len", _found), count),
            sequence(_do("run.fork", "value", _r, _at), call(FORKS, _r, _at, count, prim("append", _found, _v))),
            Return(_found),
        ),
    )


def _joined() -> Def:
    """`joined'(parts, from, to)`: the elements of the parts from one index up to before another, at least one part.

    Halves are joined, so that each element is copied as often as the parts can be halved.
    """
    parts, low, high, middle = Var("parts"), Var("from"), Var("to"), Var("middle")
    halves: list[tuple[str, Comp]] = [
        ("middle", Return(prim("div", prim("add", low, high), lit(2)))),
        ("left", call(JOINED, parts, low, middle)),
        ("right", call(JOINED, parts, middle, high)),
    ]
    return Def(
        ("parts", "from", "to"),
        If(
            prim("eq", prim("sub", high, low), lit(1)),
            Return(prim("get", parts, low)),
            sequence(halves, Return(prim("concat", Var("left"), Var("right")))),
        ),
    )


def definitions() -> Mapping[str, Def]:
    """All shared definitions by name."""
    return {
        UNWRAP: _unwrap(),
        NEXT: _next(),
        PASS: _pass(),
        DRIVE: _drive(),
        AWAIT: _await(),
        FAILED: _failed(),
        READY: _ready(),
        PICK: _pick(),
        AWAIT_ALL: _await_all(),
        PASS_ALL: _pass_all(),
        _WITHOUT: _without(),
        _VALUES: _values(),
        MERGED: _merged(),
        FORKS: _forks(),
        JOINED: _joined(),
    }
