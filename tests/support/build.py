"""Short names to write core programs by hand in tests."""

from __future__ import annotations

from shepherd_dsl.core.expr import Call, Comp, Do, Expr, If, Let, Lit, Prim, Return, Var
from shepherd_dsl.core.grant import Clause
from shepherd_dsl.core.program import Def, Operation, Program
from shepherd_dsl.core.value import Agent, Value

OPS = {
    "ask": Operation("pure"),
    "write": Operation("reversible"),
    "post": Operation("compensable", "retract"),
    "retract": Operation("irreversible"),
    "fire": Operation("irreversible"),
    "file.read": Operation("pure"),
    "file.write": Operation("reversible"),
    "file.remove": Operation("reversible"),
    "file.list": Operation("pure"),
}

ALL = (Clause("run.*"), Clause("inbox.take"), *[Clause(op) for op in OPS])
"""A request for everything."""


def x(value: object) -> Expr:
    """A literal, unless it is an expression already; a text that begins with `$` is a variable."""
    if isinstance(value, Var | Lit | Prim):
        return value
    if isinstance(value, str) and value.startswith("$"):
        return Var(value[1:])
    return Lit(value)  # type: ignore[arg-type]


def p(name: str, *args: object) -> Expr:
    """A primitive."""
    return Prim(name, tuple(x(arg) for arg in args))


def do(op: str, *args: object) -> Comp:
    return Do(op, tuple(x(arg) for arg in args))


def call(agent: str, *args: object) -> Comp:
    return Call(Lit(Agent(agent)), tuple(x(arg) for arg in args))


def ret(value: object) -> Comp:
    return Return(x(value))


def iff(cond: object, then: Comp, orelse: Comp) -> Comp:
    return If(x(cond), then, orelse)


def seq(*parts: Comp | tuple[str, Comp]) -> Comp:
    """`let` for each part but the last; a pair names its value."""
    *init, last = parts
    body = last[1] if isinstance(last, tuple) else last
    for part in reversed(init):
        name, bound = part if isinstance(part, tuple) else ("_", part)
        body = Let(name, bound, body)
    return body


def unwrap(name: str) -> Expr:
    """The value inside the `Ok` that variable `name` holds."""
    return p("con_arg", Var(name), 0)


def request(*clauses: Clause) -> Value:
    from shepherd_dsl.core.grant import request_value

    return request_value(clauses or ALL)


def spawn(agent: str, *args: object, grant: Value | None = None) -> Comp:
    """`do run.spawn(agent, [args…], request)`."""
    return do("run.spawn", Agent(agent), p("list", *args), grant if grant is not None else request())


def drive(handle: str) -> Comp:
    """A call of `drive'`, which passes everything of the run until it ends, and gives its last stop. A pass that is
    refused is a fault, unless the run was taken away from its intent."""
    return call("drive'", handle)


REFUSED = iff(
    p("eq", p("field", unwrap("o"), "code"), "stop"), call("drive'", "$r"), ret(p("raise", p("con_arg", "$o", 0)))
)
DRIVE = Def(
    ("r",),
    seq(
        ("s", do("run.next", "$r")),
        iff(
            p("is_con", unwrap("s"), "Intent", 3),
            seq(("o", do("run.pass", "$r")), iff(p("is_con", "$o", "Ok", 1), call("drive'", "$r"), REFUSED)),
            ret(unwrap("s")),
        ),
    ),
)


def program(steps: int = 10_000, /, **defs: tuple[tuple[str, ...], Comp]) -> Program:
    """A program of the given agents (parameters, body), with `drive'` and the operations `OPS`."""
    made = {name: Def(params, body) for name, (params, body) in defs.items()}
    return Program({**made, "drive'": DRIVE}, OPS, steps)


def blobs() -> tuple[dict[str, bytes], object]:
    """A table of contents and the function that reads it."""
    table: dict[str, bytes] = {}
    return table, table.__getitem__
