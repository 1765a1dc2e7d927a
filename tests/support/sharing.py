"""Programs in which a limited clause is shared by a run and what it made, in copies and in copies of copies."""

from __future__ import annotations

from shepherd_dsl.core.grant import Clause
from shepherd_dsl.core.program import Program
from tests.support.build import do, drive, p, program, request, ret, seq, spawn
from tests.support.scenes import F, G, W, passes

Y = p("con_arg", "$y", 0)


def copied_under_a_limit(limit: int) -> Program:
    """A run copies what it made, at an event from before it was itself copied: the copy of the copy shares its limit.

    Both branches of the fork then do the same: two `ask` each, on top of the two that were asked before the fork.
    """
    leaf = seq(do("ask", "first"), do("ask", "second"), ret("leaf"))
    mid = seq(
        ("y", spawn("leaf")),
        *passes(Y, 1),
        do("ask", "mid"),
        ("f", do("run.fork", Y, 0)),
        ("a", drive(F)),
        ret("$a"),
    )
    main = seq(
        ("w", spawn("mid", grant=request(Clause("run.*"), Clause("ask", limit=limit)))),
        *passes(W, 1),
        do("run.next", W),
        ("g", do("run.fork", W, 7)),
        ("a", drive(G)),
        ("b", drive(W)),
        ret(p("list", "$a", "$b")),
    )
    return program(leaf=((), leaf), mid=((), mid), main=((), main))
