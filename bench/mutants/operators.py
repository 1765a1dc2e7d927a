"""What mutants there are: one change of one place of a module of `shepherd_dsl/core/` by one operator."""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import attrs

ROOT = Path(__file__).parents[2]
CORE = ROOT / "shepherd_dsl" / "core"

OPERATORS = {
    "compare": "a comparison by its neighbour or its opposite: < <=, == !=, is, in",
    "bool": "`and` by `or` and back",
    "not": "a condition by its opposite",
    "number": "an integer literal n by n + 1",
    "text": "a text literal by another (docstrings, `__all__`, texts of errors and assertions apart)",
    "constant": "True by False, None by 0",
    "arithmetic": "+ by -, * by //, and back",
    "return": "a returned value by None",
    "drop": "a statement (an assignment to a name that has a value, a call, `continue`, `break`) by nothing",
    "order": "`reversed(x)` and `sorted(x)` by `x`",
}

MESSAGES = {
    "err": (1,),
    "Fault": (1,),
    "wrong": (0, 2),
    "too_large": (0, 1),
    "ValueError": (0,),
    "TypeError": (0,),
    "IndexError": (0,),
    "AnswerError": (0,),
    "JsonError": (0,),
    "WireError": (0,),
    "_Misfit": (0,),
}
"""Which arguments of what makes an error are its text."""


Key: TypeAlias = tuple[str, str, str, str, str, int]


@attrs.frozen(slots=True)
class Mutant:
    """One change: where it is, what it makes of what, and the lines whose execution reaches it."""

    module: str
    operator: str
    place: int
    """The number of the place among those of the module."""
    line: int
    first: int
    last: int
    """The lines of the statement, of its head if others are inside it."""
    source: str
    """The text of the line."""
    change: str
    """`before → after`."""
    function: str
    """The function or class around it, empty at the top."""
    nth: int
    """Which it is, from 1, of those that are called the same without this number."""

    @property
    def key(self) -> Key:
        """What it is called in tables that are to last: no number of a line."""
        return self.module, self.operator, self.function, self.source, self.change, self.nth


def modules() -> tuple[str, ...]:
    """The names of all modules of the core."""
    return tuple(sorted(file.stem for file in CORE.glob("*.py") if file.stem != "__init__"))


COMPARE = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
ARITHMETIC = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv}


def places(tree: ast.Module) -> Iterator[tuple[str, ast.AST, str, int | None]]:
    """(operator, parent, field, index) of each place that a mutant may change, in the order of the text."""
    todo: list[tuple[ast.AST, bool]] = [(tree, False)]
    while todo:
        node, quiet = todo.pop()
        inside: list[tuple[ast.AST, bool]] = []
        for field, value in ast.iter_fields(node):
            items = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
            for index, item in items:
                if not isinstance(item, ast.AST) or _skipped(node, field, item):
                    continue
                hushed = quiet or _is_message(node, item)
                for operator in _operators(item, hushed):
                    yield operator, node, field, index
                inside.append((item, hushed))
        todo.extend(reversed(inside))


def _skipped(parent: ast.AST, field: str, item: ast.AST) -> bool:
    """What says nothing at run time: annotations, docstrings, assertions, imports, what only type checkers run."""
    if field in ("annotation", "returns", "decorator_list") or isinstance(
        item, ast.Assert | ast.Import | ast.ImportFrom
    ):
        return True
    if isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant):
        return True
    if isinstance(item, ast.Assign) and ast.unparse(item.targets[0]) == "__all__":
        return True
    if isinstance(item, ast.AnnAssign) and "TypeAlias" in ast.dump(item.annotation):
        return True
    return isinstance(item, ast.If) and "TYPE_CHECKING" in ast.dump(item.test)


def _is_message(parent: ast.AST, item: ast.AST) -> bool:
    """Whether `item` is the text of an error, which no law speaks of."""
    if isinstance(parent, ast.Call) and isinstance(parent.func, ast.Name):
        places = MESSAGES.get(parent.func.id, ())
        return any(at < len(parent.args) and item is parent.args[at] for at in places)
    return False


def _operators(node: ast.AST, quiet: bool) -> Iterator[str]:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARE:
        yield "compare"
    elif isinstance(node, ast.BoolOp):
        yield "bool"
    elif isinstance(node, ast.If | ast.IfExp | ast.While):
        if not isinstance(node.test, ast.Constant | ast.Compare):
            yield "not"
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, bool) or node.value is None:
            yield "constant"
        elif isinstance(node.value, int):
            yield "number"
        elif isinstance(node.value, str) and not quiet:
            yield "text"
    elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        yield "arithmetic"
    elif isinstance(node, ast.Return) and node.value is not None and not isinstance(node.value, ast.Constant):
        yield "return"
    elif isinstance(node, ast.Continue | ast.Break) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    ):
        yield "drop"
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("reversed", "sorted"):
        yield "order"
    elif isinstance(node, ast.Assign) and _assigns_again(node):
        yield "drop"


def _assigns_again(node: ast.Assign) -> bool:
    """Whether the statement gives a name a value made from its old one: dropping it leaves a program that runs."""
    target = node.targets[0]
    return isinstance(target, ast.Name) and any(
        isinstance(inner, ast.Name) and inner.id == target.id for inner in ast.walk(node.value)
    )


def mutants_of(module: str) -> list[Mutant]:
    """All mutants of a module."""
    text = (CORE / f"{module}.py").read_text("utf-8")
    lines = text.splitlines()
    tree = ast.parse(text)
    spans = _spans(tree)
    found = []
    count: Counter[tuple[str, ...]] = Counter()
    for place, (operator, parent, field, index) in enumerate(places(tree)):
        node = _at(parent, field, index)
        line = getattr(node, "lineno", 0)
        first, last, function = spans[id(node)]
        change = f"{_short(node)} → {_short(_changed(node, operator))}"
        source = lines[line - 1].strip()
        called = operator, function, source, change
        count[called] += 1
        found.append(Mutant(module, operator, place, line, first, last, source, change, function, count[called]))
    return found


def text_of(module: str, place: int = -1) -> str:
    """The text of the module with the change at a place; -1 for none."""
    tree = ast.parse((CORE / f"{module}.py").read_text("utf-8"))
    if place < 0:
        return ast.unparse(tree)
    operator, parent, field, index = next(found for at, found in enumerate(places(tree)) if at == place)
    changed = _changed(_at(parent, field, index), operator)
    if index is None:
        setattr(parent, field, changed)
    else:
        getattr(parent, field)[index] = changed
    return ast.unparse(ast.fix_missing_locations(tree))


def _at(parent: ast.AST, field: str, index: int | None) -> ast.AST:
    found = getattr(parent, field)
    chosen: ast.AST = found if index is None else found[index]
    return chosen


def _short(node: ast.AST) -> str:
    """The first line of the text of a node."""
    if isinstance(node, ast.If):
        return f"if {ast.unparse(node.test)}"
    if isinstance(node, ast.While):
        return f"while {ast.unparse(node.test)}"
    return ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))).splitlines()[0]


def _spans(tree: ast.Module) -> dict[int, tuple[int, int, str]]:
    """The lines of the statement, or of the case, around each node, without those of the statements inside; and the
    name of the function or class."""
    found: dict[int, tuple[int, int, str]] = {}
    todo: list[tuple[ast.AST, tuple[int, int], str]] = [(tree, (1, 1), "")]
    while todo:
        node, span, function = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            function = f"{function}.{node.name}" if function else node.name
        if isinstance(node, ast.stmt | ast.match_case):
            first = node.pattern.lineno if isinstance(node, ast.match_case) else node.lineno
            inside = getattr(node, "body", None) or getattr(node, "cases", None)
            if not inside:
                span = (first, getattr(node, "end_lineno", None) or first)
            else:
                start = inside[0].pattern.lineno if isinstance(inside[0], ast.match_case) else inside[0].lineno
                span = (first, max(first, start - 1))
        found[id(node)] = *span, function
        todo.extend((child, span, function) for child in ast.iter_child_nodes(node))
    return found


def _changed(node: ast.AST, operator: str) -> ast.AST:
    node = copy.copy(node)
    match node:
        case ast.Compare():
            node.ops = [COMPARE[type(node.ops[0])](), *node.ops[1:]]
        case ast.BoolOp():
            node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        case ast.If() | ast.IfExp() | ast.While():
            node.test = ast.UnaryOp(ast.Not(), node.test)
        case ast.Constant(value=bool()):
            node.value = not node.value
        case ast.Constant(value=None):
            node.value = 0
        case ast.Constant(value=int() as number):
            node.value = number + 1
        case ast.Constant(value=str() as text):
            node.value = f"{text}x"
        case ast.BinOp():
            node.op = ARITHMETIC[type(node.op)]()
        case ast.Return():
            node.value = ast.Constant(None)
        case ast.Call():
            return ast.Call(ast.Name("list", ast.Load()), node.args[:1], [])
        case _:
            return ast.Pass()
    return node
