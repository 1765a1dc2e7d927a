"""Checking, lowering and running programs that tests write down."""

from __future__ import annotations

from pathlib import Path

from shepherd_dsl.check import analyse, load_source
from shepherd_dsl.core.expr import Call, Comp, Do, Expr, If, Let, Lit, Prim, Return, Var
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.value import Agent
from shepherd_dsl.lower import Lowered, lower
from shepherd_dsl.testing.scripted import TestResult, run_tests

TWO_FILES = """
agent main() -> Int
  grants clock.now, file.write
{
  do clock.now()
  do file.write("one", "1")
  do clock.now()
  do file.write("two", "2")
  return 0
}
"""
"""Its events 4 and 8 are the outcomes of writing the two."""


def lowered(source: str) -> Lowered:
    """The core of a program."""
    return lower(load_source(source))


def results(source: str) -> tuple[TestResult, ...]:
    """The results of a program's tests."""
    return run_tests(lowered(source))


def passes(source: str) -> None:
    """Every test of a program passes, and there is one."""
    found = results(source)
    assert found
    assert [result for result in found if not result.passed] == []


def codes(source: str) -> list[str]:
    """The codes of everything that is wrong with a program, in order."""
    return [diagnostic.code for diagnostic in analyse(Path("program.shep"), source=source).diagnostics]


def faults(program: Program) -> list[str]:
    """What is not well-formed in a core program: unbound variables, unknown agents, wrong numbers of arguments."""
    found: list[str] = []
    for name, definition in program.defs.items():
        todo: list[tuple[Comp, frozenset[str]]] = [(definition.body, frozenset(definition.params))]
        while todo:
            comp, bound = todo.pop()
            exprs: tuple[Expr, ...] = ()
            match comp:
                case Let(variable, value, body):
                    todo += [(value, bound), (body, bound | {variable})]
                case If(cond, then, orelse):
                    exprs = (cond,)
                    todo += [(then, bound), (orelse, bound)]
                case Return(expr):
                    exprs = (expr,)
                case Do(_, args):
                    exprs = args
                case Call(agent, args):
                    exprs = (agent, *args)
                    if isinstance(agent, Lit):
                        assert isinstance(agent.value, Agent)
                        callee = program.defs.get(agent.value.name)
                        if callee is None:
                            found.append(f"{name}: no agent {agent.value.name}")
                        elif len(callee.params) != len(args):
                            found.append(f"{name}: {agent.value.name} is given {len(args)}")
            for expr in exprs:
                found += [f"{name}: {variable} is not bound" for variable in variables(expr) if variable not in bound]
    return found


def variables(expr: Expr) -> list[str]:
    """The variables of an expression."""
    if isinstance(expr, Var):
        return [expr.name]
    return [name for arg in expr.args for name in variables(arg)] if isinstance(expr, Prim) else []
