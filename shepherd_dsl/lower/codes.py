"""The codes of lowering and tests, E300 to E399, with the page that `shepherd explain` prints for each."""

from __future__ import annotations

from shepherd_dsl.syntax.diagnostics import register

FUNCTION_KEPT = register("E301", "a function kept as data", """
A parameter of a function type may be called and handed on to another call, and nothing else: it is not put into a
list or record, not returned, and not given to code that is only known when the program runs.

    agent twice(f: (Int) => Int) -> List[(Int) => Int] { return [f, f] }
""")  # fmt: skip

ENDLESS_COPIES = register("E302", "functions that make each other without end", """
A call with a lambda gets a copy of the callee that knows it. An agent that calls itself with an ever new lambda would
need copies without end. Give the recursion a value instead.
""")  # fmt: skip
