"""The whole driver: a program whose effects are answered at once, recorded durably in a real workspace.

python -m bench driver
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shepherd_dsl.core.expr import Call, Do, If, Let, Lit, Prim, Return, Var
from shepherd_dsl.core.grant import Clause
from shepherd_dsl.core.program import Def, Operation, Program
from shepherd_dsl.core.value import Agent, Con, ok
from shepherd_dsl.handlers.context import open_context
from shepherd_dsl.handlers.protocol import OperationSpec, Request
from shepherd_dsl.handlers.registry import Registry
from shepherd_dsl.runtime.actions import drive_tree
from shepherd_dsl.runtime.display import Silent
from shepherd_dsl.runtime.trees import Task, start_tree
from shepherd_dsl.runtime.workspace import Workspace

EFFECTS = 1_000


class Echo:
    """Answers at once with about 250 bytes, so that an event has about 500."""

    operations: Mapping[str, OperationSpec] = {
        "echo.say": OperationSpec("pure", (("text", "Text"),), "Text", about="Gives the text back.")
    }

    async def perform(self, request: Request) -> Con:
        """The text, as it is."""
        return ok(request.args[0])

    async def probe(self, request: Request) -> Con | None:
        """Nothing to know."""
        return None

    async def aclose(self) -> None:
        """Nothing is held."""


def program(effects: int) -> Program:
    """Asks `echo.say` so many times."""
    text = "the quick brown fox jumps over the lazy dog; " * 5
    loop = If(
        Prim("le", (Var("n"), Lit(0))),
        Return(Lit("done")),
        Let(
            "_",
            Do("echo.say", (Prim("text", (Lit(text), Var("n"))),)),
            Call(Lit(Agent("loop")), (Prim("sub", (Var("n"), Lit(1))),)),
        ),
    )
    defs = {"main": Def((), Call(Lit(Agent("loop")), (Lit(effects),))), "loop": Def(("n",), loop)}
    return Program(defs, {"echo.say": Operation("pure")})


def measure() -> list[dict[str, Any]]:
    """Durable events a second through machine, driver, handler registry and store."""
    rates = []
    for _ in range(3):
        with tempfile.TemporaryDirectory(prefix="shepherd-bench-") as folder:
            workspace = Workspace.init(Path(folder))
            context = open_context(workspace.root)
            task = Task(
                program=program(EFFECTS), agent="main", args=(), request=(Clause("echo.say"),), info={"source": "bench"}
            )
            started = start_tree(workspace, task, redactor=context.redactor)
            began = time.perf_counter()
            registry = Registry(context, handlers={"echo": Echo()})
            drive_tree(workspace, started.tree, registry, context, Silent(), keep=True)
            rates.append(2 * EFFECTS / (time.perf_counter() - began))
    value = round(statistics.median(rates))
    return [
        {
            "name": "events a second, each intent durable before its handler",
            "value": value,
            "unit": "events/s",
            "target": None,
            "direction": "higher",
            "met": None,
        }
    ]
