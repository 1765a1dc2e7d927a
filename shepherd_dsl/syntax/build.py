"""From the rules of the grammar to nodes of the tree: one function a rule, named as in grammar.lark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from shepherd_dsl.syntax import codes
from shepherd_dsl.syntax import tree as t
from shepherd_dsl.syntax.diagnostics import Diagnostic
from shepherd_dsl.syntax.span import Span
from shepherd_dsl.syntax.text import dedent, unescape
from shepherd_dsl.syntax.token import Token

Children = Sequence[Any]


class Builder:
    """What the building functions share: the source, and the errors that they find."""

    def __init__(self, file: str, source: str) -> None:
        self.file = file
        self.source = source
        self.diagnostics: list[Diagnostic] = []

    def text(self, span: Span, parts: Children) -> t.TextLit:
        """A text from its tokens and the expressions between them."""
        tokens = [part for part in parts if isinstance(part, Token)]
        raw = [self.source[token.content.start : token.content.end] if token.content else "" for token in tokens]
        multiline = tokens[0].text.startswith('"""')
        chunks = [unescape(chunk) for chunk in (dedent(raw) if multiline else raw)]
        out: list[str | t.Expr] = []
        for chunk, part in zip(chunks, [*parts[1::2], None], strict=True):
            if chunk:
                out.append(chunk)
            if part is not None:
                out.append(part)
        return t.TextLit(tuple(out), multiline, span)

    def plain(self, text: t.TextLit | None, what: str) -> t.TextLit | None:
        """A text that may not be interpolated; an error if it is."""
        if text is not None and text.plain is None:
            where = next(part.span for part in text.parts if not isinstance(part, str))
            self.diagnostics.append(
                Diagnostic(
                    codes.INTERPOLATED,
                    where,
                    self.file,
                    f"{what} cannot be interpolated",
                    expected="a text without `${…}`",
                )
            )
        return text


def _tuple(children: Children) -> tuple[Any, ...]:
    return tuple(child for child in children if child is not None)


def _name(token: Token) -> t.Name:
    return t.Name(token.text, token.span)


def _list(_: Builder, __: Span, c: Children) -> Any:
    return _tuple(c)


def _first(_: Builder, __: Span, c: Children) -> Any:
    return c[0]


# Declarations --------------------------------------------------------------------------------------------------------


def import_decl(b: Builder, span: Span, c: Children) -> Any:
    return t.Import(b.text(c[0].span, [c[0]]).plain or "", span)


def effect_decl(b: Builder, span: Span, c: Children) -> Any:
    name, params, result, cls, doc = c
    return t.EffectDecl(name, params, result, cls, b.plain(doc, "the description of an effect"), span)


def effect_class(_: Builder, span: Span, c: Children) -> Any:
    undo = c[1] if len(c) > 1 else None
    return t.EffectClass(c[0].text, undo, span)


def type_decl(_: Builder, span: Span, c: Children) -> Any:
    return t.TypeDecl(_name(c[0]), c[1], span)


def agent_decl(b: Builder, span: Span, c: Children) -> Any:
    name, type_params, params, result, grants, doc, body = c
    doc = b.plain(doc, "the description of an agent")
    return t.AgentDecl(name, type_params or (), params, result, grants or (), doc, body, span)


def type_params(_: Builder, __: Span, c: Children) -> Any:
    return tuple(_name(token) for token in c)


def param(_: Builder, span: Span, c: Children) -> Any:
    return t.Param(c[0], c[1], span)


def test_decl(b: Builder, span: Span, c: Children) -> Any:
    name, script, body = c
    b.plain(name, "the name of a test")
    return t.TestDecl(name.plain or "", script or (), body, span)


def script_line(_: Builder, span: Span, c: Children) -> Any:
    return t.ScriptLine(c[0], tuple(_answer(value) for value in c[1:]), span)


def _answer(value: t.Expr) -> t.ScriptAnswer:
    if isinstance(value, t.Var) and value.name == "unknown":
        return t.ScriptUnknown(value.span)
    callee = value.callee if isinstance(value, t.Call) and len(value.args) == 2 else None
    if isinstance(value, t.Call) and isinstance(callee, t.Var) and callee.name == "error":
        return t.ScriptError(value.args[0], value.args[1], value.span)
    return t.ScriptValue(value, value.span)


# Types ---------------------------------------------------------------------------------------------------------------


def type_name(_: Builder, span: Span, c: Children) -> Any:
    return t.TypeName(_name(c[0]), (), span)


def type_args(_: Builder, span: Span, c: Children) -> Any:
    return t.TypeName(_name(c[0]), c[1], span)


def variant_type(_: Builder, span: Span, c: Children) -> Any:
    return t.VariantType(c[0], span)


def variant(_: Builder, __: Span, c: Children) -> Any:
    return (*c[0], *c[1:]) if isinstance(c[0], tuple) else tuple(c)


def case_bare(_: Builder, span: Span, c: Children) -> Any:
    return t.CaseType(_name(c[0]), (), span)


def case_args(_: Builder, span: Span, c: Children) -> Any:
    return t.CaseType(_name(c[0]), c[1], span)


def record_type(_: Builder, span: Span, c: Children) -> Any:
    return t.RecordType(_tuple(c), span)


def field_type(_: Builder, span: Span, c: Children) -> Any:
    return t.FieldType(c[0], c[1], span)


def function_type(_: Builder, span: Span, c: Children) -> Any:
    return t.FunctionType(c[0] or (), c[1], span)


def agent_type(_: Builder, span: Span, c: Children) -> Any:
    params, grants, result = c
    return t.AgentType(params or (), result, grants or (), span)


# Grants and patterns -------------------------------------------------------------------------------------------------


def grant(b: Builder, span: Span, c: Children) -> Any:
    op, args, limit = c
    return t.Grant(op, args, None if limit is None else _int(limit), span)


def all_grant(_: Builder, span: Span, c: Children) -> Any:
    return t.AllGrant(c[0], span)


def wildcard(_: Builder, span: Span, c: Children) -> Any:
    return t.Wildcard(span)


def name_pattern(_: Builder, span: Span, c: Children) -> Any:
    return t.NamePattern(c[0].text, span)


def literal_pattern(b: Builder, span: Span, c: Children) -> Any:
    value = c[0] if isinstance(c[0], t.TextLit) else literal(b, span, c)
    if isinstance(value, t.TextLit):
        b.plain(value, "a text in a pattern")
    return t.LiteralPattern(value, span)


def negative_pattern(_: Builder, span: Span, c: Children) -> Any:
    token = c[0]
    value = t.IntLit(-_int(token), span) if token.kind == "INT" else t.DecLit("-" + token.text.replace("_", ""), span)
    return t.LiteralPattern(value, span)


def unit_pattern(_: Builder, span: Span, c: Children) -> Any:
    return t.LiteralPattern(t.UnitLit(span), span)


def con_pattern(_: Builder, span: Span, c: Children) -> Any:
    return t.ConPattern(_name(c[0]), c[1] or (), span)


def record_pattern(_: Builder, span: Span, c: Children) -> Any:
    return t.RecordPattern(_tuple(c), span)


def field_pattern(_: Builder, span: Span, c: Children) -> Any:
    return t.FieldPattern(c[0], c[1], span)


def op_pattern(_: Builder, span: Span, c: Children) -> Any:
    return t.OpPattern(c[0], c[1], span)


def any_op(_: Builder, span: Span, c: Children) -> Any:
    return t.OpPattern(None, None, span)


def op_name(_: Builder, span: Span, c: Children) -> Any:
    return t.Name(".".join(part.text for part in c), span)


# Statements ----------------------------------------------------------------------------------------------------------


def block(_: Builder, span: Span, c: Children) -> Any:
    return t.Block(_tuple(c), True, span)


def body(_: Builder, span: Span, c: Children) -> Any:
    return c[0] if isinstance(c[0], t.Block) else t.Block((c[0],), False, span)


def let_stmt(_: Builder, span: Span, c: Children) -> Any:
    return t.Let(c[0], c[1], c[2], span)


def binder(_: Builder, span: Span, c: Children) -> Any:
    return _name(c[0]) if isinstance(c[0], Token) else c[0]


def return_stmt(_: Builder, span: Span, c: Children) -> Any:
    return t.Return(c[0], span)


def fail_stmt(_: Builder, span: Span, c: Children) -> Any:
    return t.Fail(c[0], span)


def expect_stmt(_: Builder, span: Span, c: Children) -> Any:
    return t.Expect(c[0], span)


def pass_stmt(_: Builder, span: Span, c: Children) -> Any:
    return t.Pass(span)


def answer_stmt(_: Builder, span: Span, c: Children) -> Any:
    return t.Answer(c[0], span)


def deny_stmt(_: Builder, span: Span, c: Children) -> Any:
    return t.Deny(c[0], span)


def expr_stmt(_: Builder, span: Span, c: Children) -> Any:
    return t.ExprStmt(c[0], span)


def supervise_stmt(_: Builder, span: Span, c: Children) -> Any:
    found = _tuple(c)
    runs = tuple(child for child in found if not isinstance(child, t.SuperviseClause))
    return t.Supervise(runs, found[len(runs) :], span)


def supervise_intent(_: Builder, span: Span, c: Children) -> Any:
    op, run, guard, body = c
    return t.SuperviseClause("intent", op, run, None, guard, body, span)


def supervise_outcome(_: Builder, span: Span, c: Children) -> Any:
    op, run, value, guard, body = c
    return t.SuperviseClause("outcome", op, run, value, guard, body, span)


# Expressions ---------------------------------------------------------------------------------------------------------


def _int(token: Token) -> int:
    return int(token.text.replace("_", "")) if len(token.text) <= 4000 else 0


def literal(b: Builder, span: Span, c: Children) -> Any:
    token = c[0]
    if token.kind == "INT":
        if len(token.text) > 4000:
            message = "this number has more than 4,000 digits"
            b.diagnostics.append(Diagnostic(codes.NUMBER, span, b.file, message, hint="compute it"))
        return t.IntLit(_int(token), span)
    if token.kind == "DEC":
        return t.DecLit(token.text.replace("_", ""), span)
    return t.BoolLit(token.kind == "TRUE", span)


def unit(_: Builder, span: Span, c: Children) -> Any:
    return t.UnitLit(span)


def text(b: Builder, span: Span, c: Children) -> Any:
    return b.text(span, c)


def var(_: Builder, span: Span, c: Children) -> Any:
    return t.Var(c[0].text, span)


def construct(_: Builder, span: Span, c: Children) -> Any:
    return t.Construct(_name(c[0]), (), span)


def list_expr(_: Builder, span: Span, c: Children) -> Any:
    return t.ListExpr(c[0] or (), span)


def record_expr(_: Builder, span: Span, c: Children) -> Any:
    return t.RecordExpr(_tuple(c), span)


def field_init(_: Builder, span: Span, c: Children) -> Any:
    return t.FieldInit(c[0], c[1], span)


def field(_: Builder, span: Span, c: Children) -> Any:
    return t.Field(c[0], _name(c[1]), span)


def index(_: Builder, span: Span, c: Children) -> Any:
    return t.Index(c[0], c[1], span)


def call(_: Builder, span: Span, c: Children) -> Any:
    callee, args = c
    if isinstance(callee, t.Construct) and not callee.args:
        return t.Construct(callee.name, args or (), span)
    return t.Call(callee, args or (), span)


def unary(_: Builder, span: Span, c: Children) -> Any:
    return t.Unary(c[0].text, c[1], span)


def binary(_: Builder, span: Span, c: Children) -> Any:
    return t.Binary(c[1].text, c[0], c[2], span)


def lambda_one(_: Builder, span: Span, c: Children) -> Any:
    return t.Lambda((c[0],), c[1], span)


def lambda_many(_: Builder, span: Span, c: Children) -> Any:
    return t.Lambda(tuple(c[:-1]), c[-1], span)


def if_expr(_: Builder, span: Span, c: Children) -> Any:
    cond, then, orelse = c
    if isinstance(orelse, t.If):
        orelse = t.Block((t.ExprStmt(orelse, orelse.span),), False, orelse.span)
    return t.If(cond, then, orelse, span)


def arm(_: Builder, span: Span, c: Children) -> Any:
    return t.Arm(c[0], c[1], c[2], span)


def match_expr(_: Builder, span: Span, c: Children) -> Any:
    return t.Match(c[0], tuple(child for child in c[1:] if isinstance(child, t.Arm)), span)


def for_expr(_: Builder, span: Span, c: Children) -> Any:
    return t.For(c[0], c[1], c[2], c[3], span)


def do_expr(_: Builder, span: Span, c: Children) -> Any:
    return t.Do(c[0], c[1] or (), False, span)


def try_expr(_: Builder, span: Span, c: Children) -> Any:
    return t.Do(c[0], c[1] or (), True, span)


def spawn_expr(_: Builder, span: Span, c: Children) -> Any:
    return t.Spawn(c[0], c[1] or (), c[2], span)


def await_one(_: Builder, span: Span, c: Children) -> Any:
    return t.Await(c[0], span)


def await_all(_: Builder, span: Span, c: Children) -> Any:
    return t.AwaitAll(c[0], span)


def fork(_: Builder, span: Span, c: Children) -> Any:
    return t.Fork(c[0], c[1], c[2], span)


def inject(_: Builder, span: Span, c: Children) -> Any:
    return t.Inject(c[0], c[1], span)


def revert(_: Builder, span: Span, c: Children) -> Any:
    return t.Revert(c[0], c[1], span)


def discard(_: Builder, span: Span, c: Children) -> Any:
    return t.Discard(c[0], span)


def merge(_: Builder, span: Span, c: Children) -> Any:
    return t.Merge(c[0], c[1], span)


def observe(_: Builder, span: Span, c: Children) -> Any:
    return t.Observe(c[0], c[1], c[2], _tuple(c[3:]), span)


def observe_intent(_: Builder, span: Span, c: Children) -> Any:
    op, guard, accumulator, body = c
    return t.ObserveClause("intent", op, None, guard, accumulator, body, span)


def observe_denied(_: Builder, span: Span, c: Children) -> Any:
    op, guard, accumulator, body = c
    return t.ObserveClause("denied", op, None, guard, accumulator, body, span)


def observe_outcome(_: Builder, span: Span, c: Children) -> Any:
    op, value, guard, accumulator, body = c
    return t.ObserveClause("outcome", op, value, guard, accumulator, body, span)


def observe_injected(_: Builder, span: Span, c: Children) -> Any:
    value, guard, accumulator, body = c
    return t.ObserveClause("injected", None, value, guard, accumulator, body, span)


def failed(_: Builder, span: Span, c: Children) -> Any:
    return t.Failed(c[0], c[1], span)


def asked(_: Builder, span: Span, c: Children) -> Any:
    return t.Asked(c[0], c[1], span)


def name(_: Builder, span: Span, c: Children) -> Any:
    return _name(c[0])


# What an ERROR stands in for: nothing where a list leaves it out, and something harmless where a value is needed.


def error(_: Builder, span: Span, c: Children) -> Any:
    return None


def body_error(_: Builder, span: Span, c: Children) -> Any:
    return t.UnitLit(span)


_SAME_SHAPE: dict[str, Callable[[Builder, Span, Children], Any]] = {
    "start": _list, "params": _list, "script": _list, "types": _list, "grants": _list, "pattern_args": _list,
    "no_args": _list, "args": _list, "group": _first, "soft": _first, "agent_error": error,
}  # fmt: skip

ACTIONS_BY_NAME: dict[str, Callable[[Builder, Span, Children], Any]] = {
    name: function
    for name, function in globals().items()
    if callable(function) and not name.startswith("_") and getattr(function, "__module__", "") == __name__
    and isinstance(function, type(_list))
} | _SAME_SHAPE  # fmt: skip
"""The function of each action that grammar.lark names."""
