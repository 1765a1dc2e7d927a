"""Bodies: statements and plain expressions of agents and tests.

Types flow both ways: an expression is told what is wanted of it where that is known, and gives the type it has. What
is wrong is reported once; the part that is wrong then has the type `Never`, which fits everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import attrs

from shepherd_dsl.check import calls, codes, operators, patterns, runs
from shepherd_dsl.check.declare import near
from shepherd_dsl.check.env import Local, ModuleEnv, Tables
from shepherd_dsl.check.infer import fits, join
from shepherd_dsl.check.types import (
    BOOL,
    DEC,
    INT,
    NEVER,
    TEXT,
    UNIT,
    VALUE,
    Basic,
    Hole,
    ListOf,
    Param,
    Rec,
    Type,
    Variant,
    rec,
    resolve,
    show,
    variant,
)
from shepherd_dsl.core.grant import Clause
from shepherd_dsl.syntax import tree

DIRECT = (tree.If, tree.Match, tree.For, tree.Merge)
"""Expressions whose blocks belong to the statements around them: `return` may stand there."""


@attrs.define(slots=True, eq=False)
class Body:
    """Checks one body.

    `held` is what it may ask for. `result` is what `return` gives, None in a test. `exits` says whether a `return` or
    a verdict may stand here; `verdict` is the type that `answer` gives inside an `intent` clause.
    """

    env: ModuleEnv
    tables: Tables
    held: tuple[Clause, ...]
    result: Type | None
    type_params: dict[str, Param] = attrs.field(factory=dict)
    in_test: bool = False
    exits: bool = True
    verdict: Type | None = None
    asked: list[tuple[tree.Span, *tuple[Type, ...]]] = attrs.field(factory=list)
    scopes: list[dict[str, Local]] = attrs.field(factory=lambda: [{}])

    # Names -----------------------------------------------------------------------------------------------------------

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Names bound inside end here."""
        self.scopes.append({})
        yield
        self.scopes.pop()

    @contextmanager
    def inside(self, *, exits: bool) -> Iterator[None]:
        """In a part where `return` and verdicts may stand only if they might before and `exits` says so."""
        before, self.exits = self.exits, self.exits and exits
        yield
        self.exits = before

    def bind(self, name: str, found: Type, span: tree.Span, node: object) -> None:
        """A new variable; `node` is the node that binds it."""
        local = Local(name, found, span)
        self.tables.refs[node] = local
        if name != "_":
            self.scopes[-1][name] = local

    def lookup(self, name: str) -> Local | None:
        """The variable of that name, the innermost."""
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        return None

    def visible(self) -> list[str]:
        """The variables in scope."""
        return [name for scope in self.scopes for name in scope]

    # Statements ------------------------------------------------------------------------------------------------------

    def block(self, block: tree.Block, wanted: Type | None = None, *, used: bool = True, whole: bool = False) -> Type:
        """The type of a block's value: that of its last expression, else unit; `Never` where it does not end.

        `whole` leaves it to the caller to say what a missing value means.
        """
        with self.scope():
            found: Type = UNIT
            ended = False
            for index, stmt in enumerate(block.stmts):
                last = index == len(block.stmts) - 1
                value = self.statement(stmt, wanted if last else None, used=used and last)
                ended = ended or resolve(value) == NEVER
                found = value if last else UNIT
            if ended:
                return NEVER
            if wanted is not None and used and not whole and not _is_value(block) and not fits(found, wanted):
                self.mismatch(block.span, found, wanted, hint="the last line of the block is its value")
                return wanted
            return found

    def statement(self, stmt: tree.Stmt, wanted: Type | None, *, used: bool) -> Type:
        """The type a statement leaves behind; `Never` where nothing comes after it."""
        match stmt:
            case tree.ExprStmt(expr, _):
                with self.inside(exits=isinstance(expr, DIRECT)):
                    if not used:
                        self.tables.unused.add(expr)
                        return self.infer(expr, None, used=False)
                    return self.infer(expr, None) if wanted is None else self.check(expr, wanted)
            case tree.Let(name, written, value, _):
                with self.inside(exits=isinstance(value, DIRECT)):
                    found = self.infer(value) if written is None else self.check(value, self.written(written))
                self.bind(name.text, found, name.span, stmt)
                return NEVER if resolve(found) == NEVER and written is None else UNIT
            case tree.Return(value, span):
                return self._return(value, span)
            case tree.Fail(value, _):
                with self.inside(exits=False):
                    self.check(value, TEXT)
                return NEVER
            case tree.Expect(cond, span):
                if not self.in_test:
                    self.env.report(codes.MISPLACED, span, "`expect` stands in a test", hint="use `if … { fail … }`")
                with self.inside(exits=False):
                    self.check(cond, BOOL)
                return UNIT
            case tree.Supervise():
                return runs.supervise(self, stmt)
            case tree.Pass() | tree.Answer() | tree.Deny():
                return runs.verdict(self, stmt)

    def _return(self, value: tree.Expr | None, span: tree.Span) -> Type:
        if not self.exits or self.result is None:
            where = "a test gives nothing back" if self.result is None else "`return` cannot stand inside a value"
            self.env.report(codes.MISPLACED, span, where, hint="give the value to a `let` first, or end with it")
        wanted = NEVER if self.result is None else self.result
        with self.inside(exits=False):
            if value is None:
                if not fits(UNIT, wanted):
                    self.mismatch(span, UNIT, wanted, hint="say what is returned")
            else:
                self.check(value, wanted)
        return NEVER

    def written(self, found: tree.Type) -> Type:
        """A type written inside a body."""
        return calls.read_type(self, found)

    # Expressions -----------------------------------------------------------------------------------------------------

    def check(self, expr: tree.Expr, wanted: Type) -> Type:
        """Check that an expression fits where `wanted` is expected; gives `wanted`, `Never` where it does not end."""
        found = self.infer(expr, wanted)
        if resolve(found) == NEVER:
            return NEVER if isinstance(expr, (tree.If, tree.Match)) else wanted
        if not fits(found, wanted):
            self.mismatch(expr.span, found, wanted, hint=_mismatch_hint(found, wanted))
        return wanted

    def mismatch(self, span: tree.Span, found: Type, wanted: Type, *, hint: str = "") -> None:
        """Report a type that does not fit."""
        self.env.report(
            codes.MISMATCH, span, f"this is `{show(found)}`", expected=f"a value of type {show(wanted)}", hint=hint
        )

    def infer(self, expr: tree.Expr, wanted: Type | None = None, *, used: bool = True) -> Type:
        """The type of an expression; `wanted` helps to find it and is not enforced."""
        found = self._infer(expr, wanted, used)
        self.tables.types[expr] = found
        return found

    def known(self, expr: tree.Expr, why: str) -> Type:
        """The type of an expression where its outermost form must be known."""
        found = resolve(self.infer(expr))
        if isinstance(found, Hole):
            self.env.report(
                codes.UNDECIDED, expr.span, f"the type of this is not known yet, and {why}", hint="write its type"
            )
            return NEVER
        return found

    def _infer(self, expr: tree.Expr, wanted: Type | None, used: bool) -> Type:
        match expr:
            case tree.IntLit() | tree.DecLit() | tree.BoolLit() | tree.UnitLit():
                return patterns.literal_type(expr)
            case tree.TextLit(pieces, _, _):
                for piece in pieces:
                    if not isinstance(piece, str):
                        self.infer(piece)
                return TEXT
            case tree.Var():
                return self._variable(expr)
            case tree.Construct():
                return self._construct(expr, wanted)
            case tree.ListExpr(items, _):
                return self._list(items, wanted)
            case tree.RecordExpr():
                return self._record(expr, wanted)
            case tree.Field(target, name, _):
                return self._field(target, name)
            case tree.Index(target, index, _):
                found = self.known(target, "only a list has items")
                self.check(index, INT)
                if isinstance(found, ListOf):
                    return found.item
                if found != NEVER:
                    self.mismatch(target.span, found, ListOf(Hole()))
                return NEVER
            case tree.Unary() | tree.Binary():
                return operators.infer(self, expr)
            case tree.Call():
                return calls.call(self, expr, wanted)
            case tree.Do():
                return calls.do(self, expr)
            case tree.Lambda():
                self.env.report(codes.LAMBDA_PLACE, expr.span, "a lambda can only be given to a call",
                                hint="give it to a parameter with a function type, or declare an agent")  # fmt: skip
                return NEVER
            case tree.If():
                return self._if(expr, wanted, used)
            case tree.Match():
                return self._match(expr, wanted, used)
            case tree.For():
                return self._for(expr, wanted, used)
            case _:
                return runs.infer(self, expr, used)

    def _variable(self, expr: tree.Var) -> Type:
        local = self.lookup(expr.name)
        if local is not None:
            self.tables.refs[expr] = local
            return local.type
        sig = self.env.agents.get(expr.name)
        if sig is not None:
            if sig.type_params:
                self.env.report(
                    codes.NOT_CALLABLE, expr.span, f"`{expr.name}` has type parameters, so it is not a value",
                    hint="call it, or declare an agent that calls it",
                )  # fmt: skip
                return NEVER
            self.tables.refs[expr] = sig
            return sig.value_type()
        self.unknown(expr.name, expr.span)
        return NEVER

    def unknown(self, name: str, span: tree.Span) -> None:
        """Report a name that means nothing here."""
        close = near(name, [*self.visible(), *self.env.agents, *calls.builtin_names()])
        hint = f"did you mean `{close}`?" if close else ""
        if any(sig.startswith(name + ".") for sig in self.env.effects):
            hint = f"operations are asked for with `do {name}.…`"
        self.env.report(codes.NO_NAME, span, f"nothing is called `{name}` here", hint=hint)

    def _construct(self, expr: tree.Construct, wanted: Type | None) -> Type:
        name = expr.name.text
        target = resolve(wanted) if wanted is not None else None
        cases = target.get(name) if isinstance(target, Variant) else None
        if cases is None:
            return variant({name: tuple(self.infer(arg) for arg in expr.args)}) if name not in ("Some", "None") else (
                self._option(expr)
            )  # fmt: skip
        if len(cases) != len(expr.args):
            self.arity(expr.span, f"`{name}`", len(expr.args), len(cases))
            for arg in expr.args:
                self.infer(arg)
            return NEVER
        for arg, inner in zip(expr.args, cases, strict=True):
            self.check(arg, inner)
        return target if target is not None else NEVER

    def _option(self, expr: tree.Construct) -> Type:
        some = expr.name.text == "Some"
        if len(expr.args) != int(some):
            self.arity(expr.span, f"`{expr.name.text}`", len(expr.args), int(some))
        found = [self.infer(arg) for arg in expr.args]
        return Variant((("None", ()), ("Some", (found[0] if some and found else Hole(),))))

    def arity(self, span: tree.Span, what: str, given: int, wanted: int) -> None:
        """Report a wrong number of arguments."""
        plural = "" if wanted == 1 else "s"
        self.env.report(codes.ARITY, span, f"{what} is given {given}", expected=f"{wanted} argument{plural}")

    def _list(self, items: Sequence[tree.Expr], wanted: Type | None) -> Type:
        target = resolve(wanted) if wanted is not None else None
        if isinstance(target, ListOf) and not isinstance(resolve(target.item), Hole):
            for item in items:
                self.check(item, target.item)
            return target
        found: Type | None = None
        for item in items:
            inner = self.infer(item)
            both = inner if found is None else join(found, inner)
            if both is None and found is not None:
                self.mismatch(item.span, inner, found, hint="the items of a list have one type")
            else:
                found = both
        return ListOf(Hole() if found is None else found)

    def _record(self, expr: tree.RecordExpr, wanted: Type | None) -> Type:
        target = resolve(wanted) if wanted is not None else None
        fields: dict[str, Type] = {}
        for field in expr.fields:
            label = field.name.text
            if label in fields:
                self.env.report(codes.TWICE, field.name.span, f"the field `{label}` is given twice")
            inner = target.get(label) if isinstance(target, Rec) else None
            fields[label] = self.infer(field.value) if inner is None else self.check(field.value, inner)
        return rec(fields)

    def _field(self, target: tree.Expr, name: tree.Name) -> Type:
        found = self.known(target, f"`.{name.text}` needs it")
        inner = found.get(name.text) if isinstance(found, Rec) else None
        if inner is not None:
            return inner
        if found != NEVER:
            labels = [label for label, _ in found.fields] if isinstance(found, Rec) else []
            close = near(name.text, labels)
            hint = f"did you mean `{close}`?" if close else ""
            if not labels:
                hint = "take it apart with `match`" if isinstance(found, Variant) or found == VALUE else ""
            self.env.report(codes.NO_FIELD, name.span, f"`{show(found)}` has no field `{name.text}`", hint=hint,
                            expected=f"one of {', '.join(labels)}" if labels else "a record")  # fmt: skip
        return NEVER

    # Control ---------------------------------------------------------------------------------------------------------

    def branches(self, blocks: Sequence[tree.Block], wanted: Type | None, used: bool) -> list[Type]:
        """The types of blocks of which one is taken."""
        return [self.block(block, wanted, used=used) for block in blocks]

    def one_of(self, found: Sequence[tuple[Type, tree.Span]]) -> Type:
        """The type of a value that comes from one of several branches."""
        result: Type = NEVER
        for inner, span in found:
            both = join(result, inner)
            if both is None:
                self.mismatch(span, inner, result, hint="every branch gives a value of one type")
            else:
                result = both
        return result

    def _if(self, expr: tree.If, wanted: Type | None, used: bool) -> Type:
        with self.inside(exits=False):
            self.check(expr.cond, BOOL)
        used = used and expr.orelse is not None
        then = self.block(expr.then, wanted, used=used)
        if expr.orelse is None:
            return UNIT
        orelse = self.block(expr.orelse, wanted, used=used)
        if not used:
            return NEVER if resolve(then) == NEVER and resolve(orelse) == NEVER else UNIT
        return self.one_of([(then, expr.then.span), (orelse, expr.orelse.span)])

    def _match(self, expr: tree.Match, wanted: Type | None, used: bool) -> Type:
        with self.inside(exits=False):
            subject = self.known(expr.subject, "`match` needs it")
        found: list[tuple[Type, tree.Span]] = []
        sound = True
        for arm in expr.arms:
            with self.scope():
                before = len(self.env.diagnostics)
                patterns.check(self, arm.pattern, subject)
                sound = sound and len(self.env.diagnostics) == before
                if arm.guard is not None:
                    with self.inside(exits=False):
                        self.check(arm.guard, BOOL)
                found.append((self.block(arm.body, wanted, used=used), arm.body.span))
        if sound:
            patterns.coverage(self, expr, subject)
        if not used:
            return NEVER if found and all(resolve(t) == NEVER for t, _ in found) else UNIT
        return self.one_of(found)

    def _for(self, expr: tree.For, wanted: Type | None, used: bool) -> Type:
        with self.inside(exits=False):
            items = self.known(expr.iterable, "`for` goes over a list")
        item: Type = NEVER
        if isinstance(items, ListOf):
            item = items.item
        elif items != NEVER:
            self.mismatch(
                expr.iterable.span, items, ListOf(Hole()), hint="`for` goes over a list; `range(0, n)` counts"
            )
        target = resolve(wanted) if wanted is not None else None
        inner = target.item if isinstance(target, ListOf) and not isinstance(resolve(target.item), Hole) else None
        with self.scope():
            self.bind(expr.name.text, item, expr.name.span, expr)
            if expr.where is not None:
                with self.inside(exits=False):
                    self.check(expr.where, BOOL)
            found = self.block(expr.body, inner, used=used)
        return ListOf(inner if inner is not None else found) if used else UNIT


def _is_value(block: tree.Block) -> bool:
    return bool(block.stmts) and isinstance(block.stmts[-1], tree.ExprStmt)


def _mismatch_hint(found: Type, wanted: Type) -> str:
    a, w = resolve(found), resolve(wanted)
    if a == INT and w == DEC:
        return "write it with a point (`1.0`), or use int_dec"
    if a == DEC and w == INT:
        return "int_dec and dec_int turn one into the other"
    if w == TEXT and isinstance(a, Basic):
        return 'write "${…}" to make a text of it'
    if isinstance(a, Variant) and a.get("Ok") is not None:
        return "`try do` gives an outcome to match on; `do` gives the answer itself"
    if isinstance(w, Variant) and w.get("Some") == (a,):
        return "write Some(…)"
    return ""
