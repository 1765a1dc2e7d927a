"""A Python agent as a core agent.

Its body is a loop: `do python.step(name)` asks the Python function what it wants next, the loop performs that, and goes
round. The operation is `pure`: its answer is a function of the run's trace, which is what makes a Python agent an agent
like any other. No rule of the core knows of it, so replay, fork, revert and check hold for it as they stand. An
operation is a name in the program and never a value, so what is performed is a chain of tests over all operations.

    python.step(name)   Ask(op, args) | Return(what) | Fail({code, text})

Oracle answers contain no run. Where a run is meant, the answer says where it is to be found among the values that the
loop was given, and `build'` puts it in:

    what ::= Plain(v) | Run(k, [Item(i) | Field(l) | Arg(i) …]) | List([what…]) | Rec(record, [[label, what]…])
           | Con(name, what)

`given` are those values, in order: the arguments, then what came of each operation whose name begins with `run.`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from shepherd_dsl.core.expr import Comp, Do, Expr, If, Let, Return, Var
from shepherd_dsl.core.program import Def
from shepherd_dsl.lower import runtime
from shepherd_dsl.lower.core import Binding, call, called, con_arg, is_con, lit, prim, sequence

STEP = "python.step"
AWAIT = "run.await"
"""Asked for: a run is driven to its end. Answered with its last stop, as `run.next` gives it."""
STOP = "run.stop"
"""Asked for: a run is driven to the next stop that is not one of Python agents to be stepped."""
DRIVE_ALL = "run.drive_all"
"""Asked for: some runs are driven to their ends, several in flight."""

_LOOP, _PERFORM = "python.run'", "python.do'"
_BUILD, _ITEMS, _FIELDS, _WALK = "python.build'", "python.items'", "python.fields'", "python.walk'"
_AWAIT, _STOP = "python.await'", "python.stop'"

_name, _given, _want, _got, _op, _args = (Var(x) for x in ("name", "given", "want", "got", "op", "args"))
_what, _whats, _at, _found, _value, _path = (Var(x) for x in ("what", "whats", "at", "found", "value", "path"))
_run, _outcome, _next = Var("run"), Var("outcome"), Var("next")


def body(name: str, params: Sequence[str]) -> Def:
    """The Python agent `name` with these parameters."""
    args = prim("list", *(Var(param) for param in params))
    return Def(tuple(params), call(_LOOP, lit(name), prim("list", args)))


def definitions(ops: Mapping[str, int], run_ops: Mapping[str, int]) -> dict[str, Def]:
    """What all Python agents of a program share; operations are given with the number of their arguments."""
    found = {
        _LOOP: _loop(),
        _PERFORM: _perform(ops, run_ops),
        _BUILD: _build(),
        _ITEMS: _items(),
        _FIELDS: _fields(),
        _WALK: _walk(),
        _AWAIT: _await(),
        _STOP: _stop(),
    }
    return {**found, **reached(found.values())}


def reached(found: Iterable[Def]) -> dict[str, Def]:
    """The shared definitions that those found call, and those that they call."""
    shared = runtime.definitions()
    reached: dict[str, Def] = {}
    todo = list(found)
    while todo:
        for name in called(todo.pop().body):
            if name in shared and name not in reached:
                reached[name] = shared[name]
                todo.append(shared[name])
    return reached


def _loop() -> Def:
    """`run'(name, given)`: one turn, and the next."""
    again = If(
        prim("text_starts", con_arg(_want, 0), lit("run.")),
        call(_LOOP, _name, prim("append", _given, _got)),
        call(_LOOP, _name, _given),
    )
    asked = Let("got", call(_PERFORM, con_arg(_want, 0), con_arg(_want, 1), _given), again)
    ends = If(
        is_con(_want, "Return", 1),
        call(_BUILD, con_arg(_want, 0), _given),
        If(
            is_con(_want, "Fail", 1),
            Return(prim("raise", con_arg(_want, 0))),
            Return(prim("fail", lit("python"), lit("`python.step` was answered with something else than a step"))),
        ),
    )
    turn: list[Binding] = [("outcome", Do(STEP, (_name,))), ("want", call(runtime.UNWRAP, _outcome, lit(STEP)))]
    return Def(("name", "given"), sequence(turn, If(is_con(_want, "Ask", 2), asked, ends)))


def _perform(ops: Mapping[str, int], run_ops: Mapping[str, int]) -> Def:
    """`do'(op, args, given)`: the outcome of an operation; those on runs get their arguments built."""
    chain: Comp = Return(
        prim("fail", lit("python"), prim("text", lit("the program of this run has no operation `"), _op, lit("`")))
    )

    def arguments(count: int, of: Expr) -> tuple[Expr, ...]:
        return tuple(prim("get", of, lit(at)) for at in range(count))

    own: dict[str, Comp] = {op: Do(op, arguments(count, _args)) for op, count in ops.items()}
    built: dict[str, Comp] = {op: Do(op, arguments(count, _found)) for op, count in run_ops.items()}
    built[AWAIT] = call(_AWAIT, prim("get", _found, lit(0)))
    built[STOP] = call(_STOP, prim("get", _found, lit(0)))
    runs = prim("get", _found, lit(0))
    built[DRIVE_ALL] = Let("runs", call(runtime.READY, runs, lit(0), lit(())), call(runtime.PASS_ALL, Var("runs")))
    for op in sorted(own, reverse=True):
        chain = If(prim("eq", _op, lit(op)), own[op], chain)
    on_runs = chain
    for op in sorted(built, reverse=True):
        on_runs = If(prim("eq", _op, lit(op)), built[op], on_runs)
    on_runs = Let("found", call(_ITEMS, _args, lit(0), lit(()), _given), on_runs)
    return Def(("op", "args", "given"), If(prim("text_starts", _op, lit("run.")), on_runs, chain))


def _build() -> Def:
    """`build'(what, given)`: the value that an answer of `python.step` describes."""
    run = call(_WALK, prim("get", _given, con_arg(_what, 0)), con_arg(_what, 1), lit(0))
    items = call(_ITEMS, con_arg(_what, 0), lit(0), lit(()), _given)
    fields = call(_FIELDS, con_arg(_what, 1), lit(0), con_arg(_what, 0), _given)
    variant = Let(
        "value", call(_BUILD, con_arg(_what, 1), _given), Return(prim("con", con_arg(_what, 0), _value))
    )  # fmt: skip
    nothing = Return(prim("fail", lit("python"), lit("a step describes no value")))
    chain: Comp = nothing
    made: dict[tuple[str, int], Comp] = {
        ("Con", 2): variant,
        ("Rec", 2): fields,
        ("List", 1): items,
        ("Run", 2): run,
        ("Plain", 1): Return(con_arg(_what, 0)),
    }
    for (name, arity), one in made.items():
        chain = If(is_con(_what, name, arity), one, chain)
    return Def(("what", "given"), chain)


def _items() -> Def:
    """`items'(whats, at, found, given)`: the list of what they describe, from `at` on, after `found`."""
    on = call(_ITEMS, _whats, prim("add", _at, lit(1)), prim("append", _found, _value), _given)
    one = Let("value", call(_BUILD, prim("get", _whats, _at), _given), on)
    more = prim("lt", _at, prim("len", _whats))
    return Def(("whats", "at", "found", "given"), If(more, one, Return(_found)))


def _fields() -> Def:
    """`fields'(whats, at, found, given)`: the record `found` with the fields described put in, from `at` on."""
    pair = prim("get", _whats, _at)
    put = prim("with", _found, prim("get", pair, lit(0)), _value)
    on = call(_FIELDS, _whats, prim("add", _at, lit(1)), put, _given)
    one = Let("value", call(_BUILD, prim("get", pair, lit(1)), _given), on)
    more = prim("lt", _at, prim("len", _whats))
    return Def(("whats", "at", "found", "given"), If(more, one, Return(_found)))


def _walk() -> Def:
    """`walk'(value, path, at)`: what stands inside a value at the end of a path."""
    step, key = prim("get", _path, _at), con_arg(prim("get", _path, _at), 0)
    inside = If(
        is_con(step, "Item", 1),
        Return(prim("get", _value, key)),
        If(is_con(step, "Field", 1), Return(prim("field", _value, key)), Return(prim("con_arg", _value, key))),
    )
    on = Let("next", inside, call(_WALK, _next, _path, prim("add", _at, lit(1))))
    return Def(("value", "path", "at"), If(prim("lt", _at, prim("len", _path)), on, Return(_value)))


def _await() -> Def:
    """`await'(run)`: passes everything on until the run ends; what came of the last `run.next` or refused pass."""
    return _driving(_passing(call(_AWAIT, _run)))


def _stop() -> Def:
    """`stop'(run)`: as `run.next`, past the steps of Python agents, which only say how a run goes on."""
    on = _passing(call(_STOP, _run))
    return _driving(If(prim("eq", con_arg(con_arg(_outcome, 0), 0), lit(STEP)), on, Return(_outcome)))


def _passing(then: Comp) -> Comp:
    """`run.pass`, and `then`; else the outcome that says why nothing was passed.

    A run that has left its intent since (`runtime.LEFT`) is only to be brought to its next stop.
    """
    refused = If(runtime.LEFT, then, Return(_outcome))
    return Let("outcome", Do("run.pass", (_run,)), If(is_con(_outcome, "Ok", 1), then, refused))


def _driving(at_intent: Comp) -> Def:
    """`run.next`, and `at_intent` where the run is at an intent; else that outcome."""
    # Primitives are strict: what is inside an outcome is looked at only where it is known to be `Ok`.
    stop = If(is_con(con_arg(_outcome, 0), "Intent", 3), at_intent, Return(_outcome))
    return Def(("run",), Let("outcome", Do("run.next", (_run,)), If(is_con(_outcome, "Ok", 1), stop, Return(_outcome))))


def main(bindings: Sequence[Binding], last: Expr, params: Sequence[str]) -> Def:
    """The root agent of runs that are handed to one another: spawns them, awaits the last one and merges it."""
    end: list[Binding] = [
        ("value", call(runtime.AWAIT, last)),
        ("outcome", Do("run.merge", (last,))),
        ("found", call(runtime.UNWRAP, _outcome, lit("run.merge"))),
        ("_", call(runtime.MERGED, _found)),
    ]
    return Def(tuple(params), sequence([*bindings, *end], Return(_value)))
