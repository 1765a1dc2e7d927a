"""The reference interpreter of this checkout, built where it is not."""

from __future__ import annotations

from functools import cache

from shepherd_dsl.reference.find import Command
from shepherd_dsl.reference.process import Reference
from tools.lean.__main__ import portable_build
from tools.lean.places import SOURCES


@cache
def command() -> Command:
    """How the reference interpreter is started with the portable Lean."""
    built, lean = portable_build(2, show=False)
    assert built.tree is not None, "the Lean sources do not compile"
    argv = tuple(lean.command("--run", SOURCES / "Shepref.lean"))
    return Command("portable Lean", argv, environment=lean.environment(built.tree))


class Shepref(Reference):
    """`shepref`, started once; each request is one line (`lean/Shepherd/Reference.lean`)."""

    def __init__(self) -> None:
        super().__init__(command())
