"""Lowering of bodies: statements and expressions to core computations.

Expressions become bindings followed by a core expression. Blocks that a `return` or a verdict may leave are lowered
with what comes after them as a continuation, so that every way out is in tail position; all others are computations of
their own, bound by `let`. Loops, and continuations that several branches share, become local functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from shepherd_dsl.check.constant import decimal
from shepherd_dsl.check.env import AgentSig, Builtin, EffectSig, Local, Tables
from shepherd_dsl.check.grants import INBOX, united
from shepherd_dsl.check.schema import answer_schema, plain, type_value
from shepherd_dsl.check.types import COMMAND, PATH, TEXT, TEXTS, ListOf, Param, Rec, Type, resolve, settle, substitute
from shepherd_dsl.check.types import UNIT as UNIT_TYPE
from shepherd_dsl.core.expr import Call, Comp, Do, Expr, If, Lit, Prim, Return, Var
from shepherd_dsl.core.grant import request_value
from shepherd_dsl.core.program import Def
from shepherd_dsl.core.value import NONE, Agent, some
from shepherd_dsl.lower import loops, patterns, runs, runtime, supervise
from shepherd_dsl.lower.core import FALSE, NOTHING, TRUE, Binding, Namer, call, is_con, lit, prim, sequence
from shepherd_dsl.lower.errors import lowering_error
from shepherd_dsl.lower.walk import leaves
from shepherd_dsl.syntax import tree


@attrs.frozen(slots=True, eq=False)
class Fn:
    """A function that is known where it is called: the local definition a lambda became."""

    name: str


@attrs.frozen(slots=True, eq=False)
class Then:
    """A continuation: what comes after a value. `cheap` says that it may be written out more than once."""

    of: Callable[[Expr], Comp]
    cheap: bool = False


RETURN = Then(Return, cheap=True)
RETURN_UNIT = Then(lambda _: Return(NOTHING), cheap=True)
CONTROL = (tree.If, tree.Match, tree.For, tree.Merge)
DEEPEST_COPY = 16
"""How deep specialised copies of functions may be made inside each other; deeper means without end."""


@attrs.define(slots=True, eq=False)
class Unit:
    """One agent that becomes a core definition, with the local functions inside it.

    `agent` gives the core name for an agent of the program with its type parameters decided.
    """

    name: str
    tables: Tables
    agent: Callable[[AgentSig, dict[Param, Type]], str]
    ensure: Callable[[AgentSig], None]
    namer: Namer = attrs.field(factory=Namer)
    local: dict[str, Def] = attrs.field(factory=dict)
    copies: dict[tuple[object, ...], str] = attrs.field(factory=dict)
    depth: int = 0
    expects: list[tree.Span] = attrs.field(factory=list)

    def helper(self, kind: str) -> str:
        """A new name for a local function."""
        return self.namer.fresh(f"{self.name}.{kind}")


@attrs.define(slots=True, eq=False)
class Frame:
    """One function being lowered. `env`: what the variables in scope stand for; `bindings`: those made so far."""

    unit: Unit
    env: dict[Local, Expr | Fn]
    types: dict[Param, Type]
    module: tree.Module
    bindings: list[Binding] = attrs.field(factory=list)
    judge: Callable[[tree.Pass | tree.Answer | tree.Deny], Comp] | None = None

    # Small things ----------------------------------------------------------------------------------------------------

    @property
    def tables(self) -> Tables:
        """What the checker found out."""
        return self.unit.tables

    def type_of(self, node: object) -> Type:
        """The type the checker found for a node, type parameters replaced."""
        return settle(substitute(self.tables.types[node], self.types), default=TEXT)

    def fresh(self, wanted: str) -> str:
        """A new variable."""
        return self.unit.namer.fresh("_" if wanted == "_" else wanted)

    def let(self, bound: Comp, name: str = "t") -> Var:
        """Bind a computation."""
        if isinstance(bound, Return) and isinstance(bound.expr, Var):
            return bound.expr
        variable = self.fresh(name)
        self.bindings.append((variable, bound))
        return Var(variable)

    def bind(self, node: object, value: Expr | Fn) -> None:
        """Say what the variable that `node` binds stands for."""
        local = self.tables.refs[node]
        assert isinstance(local, Local)
        self.env[local] = value

    def named(self, node: object, value: Expr) -> None:
        """Bind the variable of `node` to the value of a core expression."""
        local = self.tables.refs[node]
        assert isinstance(local, Local)
        if isinstance(value, (Var, Lit)):
            self.env[local] = value
        else:
            self.env[local] = self.let(Return(value), local.name)

    def apart(self, make: Callable[[], Comp]) -> Comp:
        """A computation with its own bindings."""
        before, self.bindings = self.bindings, []
        last = make()
        made, self.bindings = self.bindings, before
        return sequence(made, last)

    def shared(self, then: Then, kind: str = "join") -> Then:
        """`then`, fit to be used more than once."""
        if then.cheap:
            return then
        name = self.unit.helper(kind)
        variable = self.fresh("v")
        self.unit.local[name] = Def((variable,), self.apart(lambda: then.of(Var(variable))))
        return Then(lambda value: call(name, value), cheap=True)

    def function(self, kind: str, params: Sequence[str], body: Callable[[str], Comp]) -> str:
        """A local function; `body` is given its name, so that it may call itself."""
        name = self.unit.helper(kind)
        self.unit.local[name] = Def(tuple(params), self.apart(lambda: body(name)))
        return name

    # Blocks ----------------------------------------------------------------------------------------------------------

    def block(self, block: tree.Block, then: Then, *, used: bool = True) -> Comp:
        """A block whose value goes to `then`; unit goes there where the value is not used."""
        return self.apart(lambda: self._stmts(block.stmts, 0, then, used))

    def _stmts(self, stmts: Sequence[tree.Stmt], start: int, then: Then, used: bool) -> Comp:
        for index in range(start, len(stmts)):
            stmt = stmts[index]
            last = index == len(stmts) - 1
            match stmt:
                case tree.Return(value, _):
                    return Return(NOTHING) if value is None else self.tail(value, RETURN)
                case tree.Fail(value, _):
                    return Return(prim("fail", lit("fail"), self.value(value)))
                case tree.Pass() | tree.Answer() | tree.Deny():
                    assert self.judge is not None
                    return self.judge(stmt)
                case tree.ExprStmt(expr, _) if last and used:
                    return self.tail(expr, then)
                case tree.ExprStmt(expr, _):
                    ends = last and then in (RETURN, RETURN_UNIT)
                    if ends and not isinstance(expr, CONTROL) and self.type_of(expr) == UNIT_TYPE:
                        return self.tail(expr, RETURN)
                    if leaves(expr) or (ends and isinstance(expr, CONTROL)):
                        return self.control(expr, self._rest(stmts, index, then, used), used=False)
                    self.value(expr, used=False)
                case tree.Let(name, _, value, _):
                    if leaves(value):
                        return self.control(value, self._bound(stmts, index, then, used))
                    self._let(stmt, name.text, value)
                case tree.Supervise():
                    if leaves(stmt):
                        return supervise.lower(self, stmt, self._rest(stmts, index, then, used))
                    self.let(self.apart(lambda stmt=stmt: supervise.lower(self, stmt, RETURN)), "_")  # type: ignore[misc]
                case tree.Expect(cond, _):
                    self._expect(stmt, cond)
        return then.of(NOTHING)

    def _rest(self, stmts: Sequence[tree.Stmt], index: int, then: Then, used: bool) -> Then:
        if index == len(stmts) - 1:
            if then in (RETURN, RETURN_UNIT):
                return RETURN_UNIT
            return Then(lambda _: then.of(NOTHING), cheap=then.cheap)
        return Then(lambda _: self.apart(lambda: self._stmts(stmts, index + 1, then, used)))

    def _bound(self, stmts: Sequence[tree.Stmt], index: int, then: Then, used: bool) -> Then:
        def rest(value: Expr) -> Comp:
            self.bind(stmts[index], value if isinstance(value, (Var, Lit)) else self.let(Return(value)))
            return self._stmts(stmts, index + 1, then, used)

        return Then(lambda value: self.apart(lambda: rest(value)))

    def _let(self, stmt: tree.Let, name: str, value: tree.Expr) -> None:
        if isinstance(value, tree.Var):
            local = self.tables.refs.get(value)
            known = self.env.get(local) if isinstance(local, Local) else None
            if isinstance(known, Fn):
                self.bind(stmt, known)
                return
        self.named_value(stmt, name, value)

    def named_value(self, node: object, name: str, value: tree.Expr) -> None:
        """Bind the variable of `node` to the value of a surface expression."""
        found = self.value(value, name)
        self.bind(node, found if isinstance(found, (Var, Lit)) else self.let(Return(found), name))

    def _expect(self, stmt: tree.Expect, cond: tree.Expr) -> None:
        from shepherd_dsl.lower import expect

        expect.lower(self, stmt, cond)

    # Control ---------------------------------------------------------------------------------------------------------

    def control(self, expr: tree.Expr, then: Then, *, used: bool = True) -> Comp:
        """An `if`, `match`, `for` or `merge … else` whose value, or unit, goes to `then`."""
        used = used and expr not in self.tables.unused
        match expr:
            case tree.If(cond, yes, no, _):
                test = self.value(cond)
                then = self.shared(then)
                used = used and no is not None
                other = then.of(NOTHING) if no is None else self.block(no, then, used=used)
                return If(test, self.block(yes, then, used=used), other)
            case tree.Match():
                subject = self.atom(self.value(expr.subject), "subject")
                return patterns.arms(self, expr, subject, self.shared(then), used)
            case tree.For():
                return loops.lower(self, expr, then, used)
            case tree.Merge(run, orelse, _) if orelse is not None:
                found = self.operation("run.merge", [self.value(run)])
                then = self.shared(then)
                done = Then(lambda _: then.of(NOTHING), cheap=True)
                return If(is_con(found, "Merged", 0), then.of(NOTHING), self.block(orelse, done, used=False))
        return self.tail(expr, then)

    def atom(self, value: Expr, name: str = "t") -> Expr:
        """A value that may be written more than once."""
        return value if isinstance(value, (Var, Lit)) else self.let(Return(value), name)

    def tail(self, expr: tree.Expr, then: Then) -> Comp:
        """An expression whose value goes to `then`: calls at the end of an agent become tail calls."""
        if then is RETURN:
            if isinstance(expr, CONTROL) and not (isinstance(expr, tree.Merge) and expr.orelse is None):
                return self.control(expr, RETURN)
            value = self.value(expr)
            if self.bindings and isinstance(value, Var) and self.bindings[-1][0] == value.name:
                return self.bindings.pop()[1]
            return Return(value)
        if isinstance(expr, CONTROL) and leaves(expr):
            return self.control(expr, then)
        return then.of(self.value(expr))

    # Expressions -----------------------------------------------------------------------------------------------------

    def value(self, expr: tree.Expr, name: str = "t", *, used: bool = True) -> Expr:
        """The core expression for an expression; what it computes first is added to the bindings."""
        match expr:
            case tree.IntLit(number, _):
                return lit(number)
            case tree.BoolLit(truth, _):
                return lit(truth)
            case tree.DecLit(text, _):
                return lit(decimal(text))
            case tree.UnitLit():
                return NOTHING
            case tree.TextLit(pieces, _, _):
                if expr.plain is not None:
                    return lit(expr.plain)
                inner = iter(self.values([p for p in pieces if not isinstance(p, str)]))
                return Prim("text", tuple(lit(p) if isinstance(p, str) else next(inner) for p in pieces))
            case tree.Var():
                return self._variable(expr)
            case tree.Construct(con, args, _):
                return prim("con", lit(con.text), *self.values(args))
            case tree.ListExpr(items, _):
                return Prim("list", tuple(self.values(items)))
            case tree.RecordExpr(fields, _):
                pairs: list[Expr] = []
                for field, inner_value in zip(fields, self.values([f.value for f in fields]), strict=True):
                    pairs += [lit(field.name.text), inner_value]
                return Prim("record", tuple(pairs))
            case tree.Field(target, label, _):
                return prim("field", self.value(target), lit(label.text))
            case tree.Index(target, index, _):
                return prim("get", *self.values([target, index]))
            case tree.Unary(op, operand, _):
                return prim("not" if op == "not" else "neg", self.value(operand))
            case tree.Binary():
                return self._binary(expr)
            case tree.Call():
                return self._call(expr, name)
            case tree.Do(op, args, trying, _):
                return self.operation(op.text, self.values(args), name, trying=trying)
            case tree.If() | tree.Match() | tree.For():
                made = self.apart(lambda: self.control(expr, RETURN, used=used))
                return self.let(made, name if used else "_")
            case tree.Lambda(_, _, span):
                raise lowering_error("E301", span, "a function is kept as data", self)
        return runs.value(self, expr, name, used)

    def values(self, exprs: Sequence[tree.Expr]) -> list[Expr]:
        """Several expressions, left to right: one that may fault comes before what a later one does."""
        found: list[Expr] = []
        places: list[int] = []
        for expr in exprs:
            before = len(self.bindings)
            found.append(self.value(expr))
            if len(self.bindings) > before:
                for index in reversed(range(len(places))):
                    if isinstance(found[index], Prim):
                        name = self.fresh("t")
                        self.bindings.insert(places[index], (name, Return(found[index])))
                        found[index] = Var(name)
                        places = [place + (at > index) for at, place in enumerate(places)]
            places.append(len(self.bindings))
        return found

    def _variable(self, expr: tree.Var) -> Expr:
        ref = self.tables.refs[expr]
        if isinstance(ref, AgentSig):
            return lit(Agent(self.unit.agent(ref, {})))
        assert isinstance(ref, Local)
        found = self.env[ref]
        if isinstance(found, Fn):
            raise lowering_error("E301", expr.span, f"the function `{expr.name}` is kept as data", self)
        return found

    def operation(self, op: str, args: Sequence[Expr], name: str = "t", *, trying: bool = False) -> Var:
        """`do op(args)`, unwrapped, or as an outcome where `trying`."""
        outcome = self.let(Do(op, tuple(args)), name if trying else "outcome")
        return outcome if trying else self.let(call(runtime.UNWRAP, outcome, lit(op)), name)

    def _binary(self, expr: tree.Binary) -> Expr:
        op = expr.op
        if op in ("and", "or"):
            first = self.value(expr.left)
            second = self.apart(lambda: Return(self.value(expr.right)))
            return self.let(If(first, second, Return(FALSE)) if op == "and" else If(first, Return(TRUE), second))
        left, right = self.values([expr.left, expr.right])
        if op in ("==", "!=", "<", "<=", ">", ">=", "matches"):
            return self.comparison(expr, left, right)
        if op == "+":
            found = self.type_of(expr.left)
            if found in TEXTS:
                return prim("text", left, right)
            if isinstance(found, ListOf):
                return prim("concat", left, right)
        names = {"+": "add", "-": "sub", "*": "mul", "/": "div", "%": "mod"}
        return prim(names[op], left, right)

    def comparison(self, expr: tree.Binary, left: Expr, right: Expr) -> Expr:
        """A comparison of two lowered sides."""
        match expr.op:
            case "==":
                return prim("eq", left, right)
            case "!=":
                return prim("not", prim("eq", left, right))
            case "<":
                return prim("lt", left, right)
            case "<=":
                return prim("le", left, right)
            case ">":
                return prim("lt", right, left)
            case ">=":
                return prim("le", right, left)
        globs = {PATH: "match_path", COMMAND: "match_words"}
        return prim(globs.get(self.type_of(expr.left), "match_text"), left, right)  # type: ignore[arg-type]

    # Calls -----------------------------------------------------------------------------------------------------------

    def _call(self, expr: tree.Call, name: str) -> Expr:
        ref = self.tables.refs.get(expr.callee)
        if isinstance(ref, Builtin):
            return self._builtin(expr, ref)
        if isinstance(ref, AgentSig):
            return self.let(self.call_agent(ref, expr, expr.args), name)
        found = self.env.get(ref) if isinstance(ref, Local) else None
        args = self._arguments(expr.args)
        if isinstance(found, Fn):
            return self.let(call(found.name, *(self._plain(a, expr.span) for a in args)), name)
        callee = self.value(expr.callee)
        return self.let(Call(callee, tuple(self._plain(a, expr.span) for a in args)), name)

    def _plain(self, arg: Expr | Fn, span: tree.Span) -> Expr:
        if isinstance(arg, Fn):
            raise lowering_error("E301", span, "a function is given to code that is not known here", self)
        return arg

    def _arguments(self, args: Sequence[tree.Expr]) -> list[Expr | Fn]:
        functions: list[Fn | None] = []
        for arg in args:
            ref = self.tables.refs.get(arg)
            known = self.env.get(ref) if isinstance(ref, Local) else None
            functions.append(known if isinstance(known, Fn) else None)
            if isinstance(arg, tree.Lambda):
                functions[-1] = self._lambda(arg)
        plain_args = iter(self.values([arg for arg, fn in zip(args, functions, strict=True) if fn is None]))
        return [next(plain_args) if fn is None else fn for fn in functions]

    def _lambda(self, expr: tree.Lambda) -> Fn:
        params = [self.fresh(name.text) for name in expr.params]
        for name, param in zip(expr.params, params, strict=True):
            self.bind(name, Var(param))
        return Fn(self.function("lambda", params, lambda _: self.tail(expr.body, RETURN)))

    def insts(self, sig: AgentSig, node: object) -> dict[Param, Type]:
        """The type arguments of a call or spawn."""
        given = self.tables.insts.get(node, ())
        return {
            param: settle(substitute(found, self.types), default=TEXT)
            for param, found in zip(sig.type_params, given, strict=False)
        }

    def call_agent(self, sig: AgentSig, node: object, args: Sequence[tree.Expr]) -> Call:
        """A call of an agent, of a copy of it where it is given functions."""
        return self.call_with(sig, self.insts(sig, node), self._arguments(args))

    def call_with(self, sig: AgentSig, types: dict[Param, Type], given: Sequence[Expr | Fn]) -> Call:
        """A call with lowered arguments."""
        plain_args = [arg for arg in given if not isinstance(arg, Fn)]
        if len(plain_args) == len(given):
            return call(self.unit.agent(sig, types), *plain_args)
        return call(self._copy(sig, types, given), *plain_args)

    def _copy(self, sig: AgentSig, types: dict[Param, Type], given: Sequence[Expr | Fn]) -> str:
        functions = tuple(arg.name if isinstance(arg, Fn) else None for arg in given)
        key = (sig, tuple(types.items()), functions)
        if key in self.unit.copies:
            return self.unit.copies[key]
        if self.unit.depth >= DEEPEST_COPY:
            raise lowering_error("E302", sig.decl.name.span, f"`{sig.decl.name.text}` needs ever more copies", self)
        self.unit.ensure(sig)
        name = self.unit.helper(sig.name.removeprefix("std."))
        self.unit.copies[key] = name
        inner = Frame(self.unit, {}, types, sig.env.module)
        params: list[str] = []
        for written, arg in zip(sig.decl.params, given, strict=True):
            if isinstance(arg, Fn):
                inner.bind(written, arg)
            else:
                param = inner.fresh(written.name.text)
                params.append(param)
                inner.bind(written, Var(param))
        self.unit.depth += 1
        self.unit.local[name] = Def(tuple(params), inner.body(sig))
        self.unit.depth -= 1
        return name

    def body(self, sig: AgentSig) -> Comp:
        """The body of an agent, its parameters being bound."""
        assert sig.decl.body is not None
        return self.block(sig.decl.body, RETURN, used=resolve(sig.result) != UNIT_TYPE)

    def _builtin(self, expr: tree.Call, builtin: Builtin) -> Expr:
        if builtin.prim is not None:
            return Prim(builtin.prim, tuple(self.values(expr.args)))
        given = self.tables.insts[expr][0]
        found = settle(substitute(given, self.types), default=TEXT)
        if not plain(found):
            raise lowering_error("E136", expr.span, "a model cannot give a value of this type", self)
        if builtin.name == "decode":
            return prim("decode", lit(type_value(found)), self.value(expr.args[0]))
        if builtin.name == "schema_of":
            schema = answer_schema(found)
            return lit(NONE if schema is None else some(schema))
        return lit(not isinstance(found, Rec))

    # Requests --------------------------------------------------------------------------------------------------------

    def request(self, expr: tree.Spawn) -> Expr:
        """The request of a spawn: the grants of the callee, or the narrowed ones, and the inbox."""
        return lit(request_value(united(self.tables.requests[expr], [INBOX])))

    def effect(self, node: object) -> EffectSig | None:
        """The operation that a pattern names."""
        return self.tables.effects.get(node)
