"""The Python embedding: agents written in Python, and what they can do.

    @agent(grants=[…])   a function becomes an agent; with only a docstring, a model performs it
    do, try_do           ask for an effect; shell, read, write, ask … are such calls by name
    Run                  what calling an agent gives; hand it to another agent, or ask for its result()
    observe, revert, fork, merge, discard, inject, next_stop, pass_, answer, deny, gather
    run, resume          start a tree, go on with one

`docs/python.md` has the whole picture. Names are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import Any

EXPORTS: dict[str, str] = {
    **dict.fromkeys(("Declarations", "agent"), "agent"),
    **dict.fromkeys(("Data", "Error", "Event", "Exit", "Outcome", "Report", "Stop", "Variant"), "data"),
    **dict.fromkeys(("Ran", "resume", "run"), "start"),
    "Run": "run",
    **dict.fromkeys(
        (
            "approve", "ask", "do", "fail", "files", "message", "messages", "now", "random_int", "read", "remove",
            "script", "shell", "sleep", "try_do", "write",
        ),
        "effects",
    ),
    **dict.fromkeys(
        (
            "answer", "deny", "discard", "fork", "gather", "head", "inject", "last_green", "live", "merge", "next_stop",
            "observe", "pass_", "result", "revert",
        ),
        "meta",
    ),
}  # fmt: skip
"""Each public name, and the module of this package that has it."""


def load(name: str) -> Any:
    """The public name `name`, its module imported. Raises AttributeError where there is none."""
    module = EXPORTS.get(name)
    if module is None:
        raise AttributeError(f"module 'shepherd_dsl' has no attribute '{name}'")
    return getattr(importlib.import_module(f"shepherd_dsl.agents.{module}"), name)
