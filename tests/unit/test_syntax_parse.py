"""Text to tree: what each construct becomes, where lines end, what texts mean, and where nodes stand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from shepherd_dsl.syntax import decode, parse, render
from shepherd_dsl.syntax import tree as t
from shepherd_dsl.syntax.diagnostics import explain
from shepherd_dsl.syntax.layout import RESERVED
from shepherd_dsl.syntax.table import FIXED

ROOT = Path(__file__).parents[2]
PROGRAMS = sorted([*ROOT.glob("examples/*.shep"), *ROOT.glob("shepherd_dsl/std/*.shep")])


def module(source: str) -> t.Module:
    parsed, diagnostics = parse(source, file="a.shep")
    assert not diagnostics, render(source, diagnostics)
    return parsed


def stmts(body: str) -> tuple[t.Stmt, ...]:
    agent = module(f"agent main() -> Unit {{\n{body}\n}}\n").items[0]
    assert isinstance(agent, t.AgentDecl)
    assert agent.body is not None
    return agent.body.stmts


def expr(text: str) -> Any:
    (stmt,) = stmts(f"return {text}")
    assert isinstance(stmt, t.Return)
    return stmt.value


def codes(source: str) -> list[str]:
    return [diagnostic.code for diagnostic in parse(source, file="a.shep")[1]]


def nodes(root: object) -> Iterator[Any]:
    todo = [root]
    while todo:
        node = todo.pop()
        if isinstance(node, tuple):
            todo.extend(node)
        elif not isinstance(node, t.Span) and attrs.has(type(node)):
            yield node
            todo.extend(getattr(node, field.name) for field in attrs.fields(type(node)))


def test_declarations() -> None:
    items = module(
        'import "fix.shep"\n'
        "effect a.b(x: Int, y: List[Text]) -> Note compensable by a.c\n"
        'effect a.c(n: Note) -> Unit irreversible\n  "takes it back"\n'
        "effect a.d() -> Unit\n"
        "type Note = { id: Int, tag: Some(Text) | None }\n"
        "agent ask<T, U>(p: (T, Int) => U, q: agent(Text) grants (run) -> T,) -> T\n"
        '  grants run, all(fix), file.write("src/**", _) at most 3,\n    shell.run\n'
        '  """\n  Do it.\n  """\n'
        'test "t" { }\n'
    ).items
    imported, effect, undo, unclassed, note, agent, test = items
    assert isinstance(imported, t.Import)
    assert imported.path == "fix.shep"
    assert isinstance(effect, t.EffectDecl)
    assert effect.cls is not None
    assert (effect.cls.kind, effect.cls.undo and effect.cls.undo.text) == ("compensable", "a.c")
    assert isinstance(undo, t.EffectDecl)
    assert undo.doc is not None
    assert undo.doc.plain == "takes it back"
    assert isinstance(unclassed, t.EffectDecl)
    assert unclassed.cls is None
    assert isinstance(note, t.TypeDecl)
    assert isinstance(note.type, t.RecordType)
    tag = note.type.fields[1].type
    assert isinstance(tag, t.VariantType)
    assert [(case.name.text, len(case.args)) for case in tag.cases] == [("Some", 1), ("None", 0)]
    assert isinstance(agent, t.AgentDecl)
    assert [name.text for name in agent.type_params] == ["T", "U"]
    function, value = (param.type for param in agent.params)
    assert isinstance(function, t.FunctionType)
    assert isinstance(value, t.AgentType)
    assert len(value.grants) == 1
    run, everything, write, shell = agent.grants
    assert isinstance(run, t.Grant)
    assert run.op.text == "run"
    assert isinstance(everything, t.AllGrant)
    assert isinstance(write, t.Grant)
    assert write.limit == 3
    assert write.args is not None
    assert [type(arg) for arg in write.args] == [t.LiteralPattern, t.Wildcard]
    assert isinstance(shell, t.Grant)
    assert shell.args is None
    assert agent.doc is not None
    assert (agent.doc.plain, agent.body) == ("Do it.", None)
    assert isinstance(test, t.TestDecl)
    assert test.script == ()


def test_a_script() -> None:
    (test,) = module(
        'test "t" with {\n  a.b(_, "x*") -> 1, error("c", "t"), unknown\n  a.c -> { n: 1 }\n} {\n}\n'
    ).items
    assert isinstance(test, t.TestDecl)
    first, second = test.script
    assert [type(answer) for answer in first.answers] == [t.ScriptValue, t.ScriptError, t.ScriptUnknown]
    assert second.op.args is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("42", t.IntLit), ("1_000.50", t.DecLit), ("true", t.BoolLit), ("()", t.UnitLit), ('"x"', t.TextLit),
        ("x", t.Var), ("None", t.Construct), ("Some(1)", t.Construct), ("[]", t.ListExpr), ("{}", t.RecordExpr),
        ("{ match: 1, run: 2 }", t.RecordExpr), ("a.match", t.Field), ("xs[0]", t.Index), ("f(x)", t.Call),
        ("-x", t.Unary), ("not x", t.Unary), ('x matches "a*"', t.Binary), ("s => s.score", t.Lambda),
        ("(a, x) => a + x", t.Lambda), ("if a { 1 } else if b { 2 } else { 3 }", t.If),
        ("match x { Some(y) when y > 1 => y, _ => fail \"no\" }", t.Match), ("for x in xs where x > 1 { x }", t.For),
        ("do a.b(1)", t.Do), ("try do a.b()", t.Do), ("spawn a(1) grants (run)", t.Spawn), ("await r", t.Await),
        ("await all [a, b]", t.AwaitAll), ("fork r at 3", t.Fork), ("inject v into r", t.Inject),
        ("revert r to 3", t.Revert), ("discard r", t.Discard), ("merge r", t.Merge), ("failed(r)", t.Failed),
        ('asked(r, a.b("x"))', t.Asked), ("observe r from 0 starting [] { injected m, l => append(l, m) }", t.Observe),
    ],
)  # fmt: skip
def test_expressions(text: str, kind: type) -> None:
    assert type(expr(text)) is kind


@pytest.mark.parametrize(
    ("text", "grouped"),
    [
        ("a or b and not c == d + e * -f", "a or (b and (not (c == (d + (e * (-f))))))"),
        ("a - b - c", "(a - b) - c"),
        ("-a.b", "-(a.b)"),
        ("await r == await s", "(await r) == (await s)"),
        ("await a.b(c)", "await (a.b(c))"),
        ("(await r).code", "(await r).code"),
        ("x => y => x + y", "x => (y => (x + y))"),
        ("fork r at a + 1 by k * 2", "fork r at (a + 1) by (k * 2)"),
        ("do a.b(1).code == 0", "((do a.b(1)).code) == 0"),
    ],
)
def test_precedence(text: str, grouped: str) -> None:
    assert t.same(expr(text), expr(grouped))


def test_supervise_and_its_clauses() -> None:
    (stmt,) = stmts(
        "supervise a, b {\n"
        '  intent shell.run("rm *") => deny "no"\n'
        "  intent _ in r when (ok) => {\n    if bad { answer 1 }\n    pass\n  }\n"
        "  outcome shell.run(cmd) in r -> exit when exit.code != 0 => inject cmd into r\n"
        "}"
    )
    assert isinstance(stmt, t.Supervise)
    assert len(stmt.runs) == 2
    first, second, third = stmt.clauses
    assert isinstance(first.body.stmts[0], t.Deny)
    assert not first.body.braced
    assert (second.op.op, second.run and second.run.text) == (None, "r")
    assert isinstance(second.guard, t.Var)
    assert isinstance(second.body.stmts[1], t.Pass)
    assert third.kind == "outcome"
    assert isinstance(third.value, t.NamePattern)


def test_words_that_are_soft_or_follow_a_dot_are_names() -> None:
    stmts("let test = 1\nlet type = from(to)\nlet at = fork at at at by by\nlet answer = 1\nanswer + 1\nanswer.a\ndeny")
    stmts("match x { Ok(answer) => answer, Err(deny) => fail deny.text }")
    module("agent main(r: Run[Int]) -> Unit grants run.merge, run.pass {}")


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ("let a = 1\nlet b = 2", 2),
        ("let a =\n  1 +\n  2", 1),
        ("let a = b\n  .c\n  + d\n  and e", 1),
        ("let a = b\n(c)", 2),
        ("let a = b\n[c]", 2),
        ("let a = b\n-c", 2),
        ("let a = b\n{ c: 1 }", 2),
        ("f(a,\n  b,\n)", 1),
        ("if a\n{ b }\nelse\n{ c }", 1),
        ("for a in b\nwhere c { d }", 1),
        ("f(x => match x {\n  A => 1\n  B => 2\n}, [\n1,\n2\n])\n\n\n// c\ng()", 2),
        ("a\nx => y", 2),
        ("a\n(x) => y", 2),
        ("return\nf()", 2),
    ],
)
def test_where_statements_end(body: str, count: int) -> None:
    assert len(stmts(body)) == count


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        ('"a"', ("a",)),
        ('""', ()),
        (r'"\n\t\r\"\\\$\u{1F411}"', ('\n\t\r"\\$\U0001f411',)),
        ('"$x $ {"', ("$x $ {",)),
        ('"""one"""', ("one",)),
        ('"""\n    a\n      b\n\n    c\n    """', ("a\n  b\n\nc",)),
        ('"""\n    a\n  """', ("  a",)),
        ('"""a\n    b"""', ("a\nb",)),
        ('"""\r\n  a\r\n  b\r\n  """', ("a\nb",)),
        ('"""\n  say "hi" and ""\n  """', ('say "hi" and ""',)),
        ('"""\n  \\n\n  """', ("\n",)),
    ],
)
def test_texts(written: str, parts: tuple[str, ...]) -> None:
    assert expr(written).parts == parts


def test_interpolation() -> None:
    outer = expr('"a ${x + "in ${ {k: [1]}.k }"} ${y}"').parts
    assert (outer[0], outer[2]) == ("a ", " ")
    assert isinstance(outer[1], t.Binary)
    assert isinstance(outer[1].right, t.TextLit)
    several = expr('"""\n    a ${x}\n      ${\n  y\n}b\n    """').parts
    assert (several[0], several[2], several[4]) == ("a ", "\n  ", "b")


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.name)
def test_nodes_stand_inside_their_parents(path: Path) -> None:
    parsed = module(path.read_text("utf-8"))
    for node in nodes(parsed):
        for field in attrs.fields(type(node)):
            for child in nodes(getattr(node, field.name)):
                assert node.span.start <= child.span.start <= child.span.end <= node.span.end


def test_spans_are_those_of_the_text() -> None:
    source = 'agent main() -> Int {\n  return f( a.b ,1 )[ 2 ] + "x${y}"\n}\n'
    agent = module(source).items[0]
    written = {
        type(node): source[node.span.start : node.span.end] for node in nodes(agent) if not isinstance(node, t.Name)
    }
    assert written[t.Binary] == 'f( a.b ,1 )[ 2 ] + "x${y}"'
    assert written[t.Index] == "f( a.b ,1 )[ 2 ]"
    assert written[t.Call] == "f( a.b ,1 )"
    assert written[t.Field] == "a.b"
    assert written[t.TextLit] == '"x${y}"'


def test_crlf_and_a_byte_order_mark_change_nothing() -> None:
    source = (ROOT / "examples/fix.shep").read_text("utf-8")
    plain = module(source)
    assert t.same(plain, module(source.replace("\n", "\r\n")))
    assert t.same(plain, module("\ufeff" + source))
    text, diagnostics = decode(b"\xef\xbb\xbf" + source.encode(), file="a")
    assert (text, diagnostics) == (source, ())


@pytest.mark.parametrize("data", ["agent".encode("utf-16"), b"agent\xff", b"\x00\x01\x02\x80"])
def test_what_is_not_utf_8_is_said(data: bytes) -> None:
    text, (diagnostic,) = decode(data, file="a")
    assert diagnostic.code == "E001"
    assert text[diagnostic.span.start : diagnostic.span.end] == "\ufffd"


@pytest.mark.parametrize(
    "deep",
    ["(" * 10_000, "(" * 10_000 + ")" * 10_000, "[" * 10_000, "{a:" * 10_000, "not " * 10_000 + "x", "1" + "+ 1" * 9000,
     '"${' * 10_000, "f" + "(x)" * 10_000, "if a { b } " + "else if a { b } " * 3000, "x => " * 5000 + "x"],
    ids=range(10),
)  # fmt: skip
def test_what_is_nested_too_deeply_is_an_error(deep: str) -> None:
    assert "E010" in codes(f"agent main() -> Int {{\n  return {deep}\n}}\n")


def test_a_huge_number_is_an_error() -> None:
    assert codes("agent main() -> Int { return " + "9" * 5000 + " }") == ["E007"]


def test_all_errors_are_found_and_what_is_right_stays() -> None:
    source = (
        "agent a() -> Int {\n  let x = \n  return 1\n}\n"
        "agent b(x Int) -> Int {\n  let y = 2 3\n  return 2\n}\n"
        "effect no.result()\n"
        "agent c() -> Int {\n  return (3\n}\n"
        "agent d() -> Int { return 4 }\n"
    )
    parsed, diagnostics = parse(source, file="a.shep")
    lines = t.Lines(source)
    assert [(d.code, lines.position(d.span.start)[0]) for d in diagnostics] == [
        ("E012", 2), ("E011", 5), ("E014", 6), ("E012", 9), ("E008", 11),
    ]  # fmt: skip
    names = [item.name.text for item in parsed.items if isinstance(item, t.AgentDecl)]
    assert {"a", "d"} <= set(names)


def test_nodes_compare_by_identity_and_trees_by_content() -> None:
    one, two = expr("f(x, 1)"), expr("f( x,\n 1 )")
    assert one != two
    assert t.same(one, two)
    assert not t.same(one, expr("f(x, 2)"))
    assert not t.same(expr("1"), expr("true"))


def test_a_page_is_found_in_any_case() -> None:
    assert explain(" e012 ") == explain("E012")


def test_the_reference_lists_the_reserved_words() -> None:
    page = (ROOT / "spec/language.md").read_text("utf-8")
    listed = page.split("Reserved words cannot be names of variables, parameters or agents:")[1].split(". After a dot")[
        0
    ]
    fixed = {FIXED[kind] for kind in RESERVED}
    assert sorted(listed.replace("\n", " ").replace(" ", "").split(",")) == sorted(fixed)
