"""Programs in which a run was lent to a `holder`, and a copy of that is put back to an event from before the copy was
made: when the holder's copy ends, the run lent to it goes back to who lent it there."""

from __future__ import annotations

from shepherd_dsl.core.expr import Comp
from shepherd_dsl.core.grant import Clause
from shepherd_dsl.core.program import Program
from tests.support import build
from tests.support.build import do, drive, p, program, request, ret, seq
from tests.support.scenes import F, G, S, W, passes

FEW = (Clause("run.*"), Clause("ask"))
"""What is granted to each: a short request makes a short log."""
Y, Z = p("con_arg", "$y", 0), p("con_arg", "$z", 0)
LEAF = ((), seq(do("ask", "leaf"), ret("leaf")))
HOLDER = (("r",), seq(do("ask", "holder"), ret("held")))


def spawn(agent: str, *args: object) -> Comp:
    """`do run.spawn(agent, [args…], request)`."""
    return build.spawn(agent, *args, grant=request(*FEW))


def lends(*parts: Comp | tuple[str, Comp]) -> tuple[Comp | tuple[str, Comp], ...]:
    """Make a run, lend it to a holder that asks, do `parts`, put the holder back to its start, drive it to its end.

    Then the run is the asker's own again, which gives what `run.next` says of it.
    """
    return (
        ("y", spawn("leaf")),
        ("z", spawn("holder", Y)),
        do("run.next", Z),
        *parts,
        do("run.revert", Z, 0),
        drive(Z),
        ("n", do("run.next", Y)),
        ret("$n"),
    )


def copied_with_its_maker() -> Program:
    """The copy of a run is copied together with the one that made it, and then put back to its start."""
    mid = seq(
        ("y", spawn("leaf")),
        ("z", spawn("holder", Y)),
        do("run.next", Z),
        ("f", do("run.fork", Z, 1)),
        do("ask", "mid"),
        do("run.revert", F, 0),
        drive(F),
        ret("mid"),
    )
    main = seq(("w", spawn("mid")), do("run.next", W), ("g", do("run.fork", W, 9)), drive(G), ret(1))
    return program(leaf=LEAF, holder=HOLDER, mid=((), mid), main=((), main))


def copied_with_its_lender() -> Program:
    """A run is copied together with what it made and lent to another that it made."""
    main = seq(("w", spawn("lender")), do("run.next", W), ("g", do("run.fork", W, 7)), drive(G), ret(1))
    return program(leaf=LEAF, holder=HOLDER, lender=((), seq(*lends(do("ask", "here")))), main=((), main))


def copied_though_gone() -> Program:
    """A copy is copied at an event from before its original gave back what lends: what comes of that copies what the
    first copy never had."""
    main = seq(
        ("w", spawn("lender")),
        ("s", spawn("over", W)),
        drive(S),
        ("f", do("run.fork", S, 15)),
        ("g", do("run.fork", F, 3)),
        drive(G),
        ret(1),
    )
    over = (("r",), seq(do("run.next", "$r"), do("ask", "over"), drive("$r"), ret("over")))
    return program(leaf=LEAF, holder=HOLDER, over=over, lender=((), seq(*lends(do("ask", "here")))), main=((), main))


def lent_twice() -> Program:
    """What was lent twice is, in a copy, lent once, by the one who made the copy: it is that one's own in the end."""
    mid = (
        ("r",),
        seq(("z", spawn("holder", "$r")), ("f", do("run.fork", Z, 0)), do("run.revert", F, 0), drive(F), ret(1)),
    )
    main = seq(("y", spawn("leaf")), ("w", spawn("mid", Y)), *passes(W, 1), drive(W), do("ask", "main"), ret(1))
    return program(leaf=LEAF, holder=HOLDER, mid=mid, main=((), main))


def copied_while_holding() -> Program:
    """A run looks at one that it holds, not below it. It is copied before and after that one is copied too, and its
    copies are put back to their start."""
    look = (("r",), seq(do("ask", "look"), ("t", do("run.trace", "$r", 0)), ret(p("len", p("con_arg", "$t", 0)))))
    mid = seq(
        ("y", spawn("leaf")),
        ("z", spawn("holder", Y)),
        ("s", spawn("look", Y)),
        do("run.next", S),
        ("g", do("run.fork", S, 1)),
        do("ask", "mid"),
        *passes(Z, 1),
        ("f", do("run.fork", S, 1)),
        drive(F),
        do("run.revert", F, 0),
        do("run.revert", G, 0),
        ret("mid"),
    )
    main = seq(("w", spawn("mid")), do("run.next", W), ("g", do("run.fork", W, 11)), drive(G), ret(1))
    return program(leaf=LEAF, holder=HOLDER, look=look, mid=((), mid), main=((), main))
