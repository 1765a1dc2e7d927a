"""The digest of a program, and what no program may hold."""

from __future__ import annotations

import pytest

from shepherd_dsl.core.digest import program_digest
from shepherd_dsl.core.expr import Call, Comp, Lit
from shepherd_dsl.core.files import git_blob_hash
from shepherd_dsl.core.program import DEFAULT_STEPS, MOST_STEPS, Program
from shepherd_dsl.core.value import Agent, Con, Handle, Value, record
from shepherd_dsl.core.wire import program_text
from tests.support.build import call, do, iff, p, program, ret, seq

RUN = Handle(0)
PLACES: dict[str, Comp] = {
    "return": ret(RUN),
    "inside a list": ret((1, (RUN,))),
    "inside a record": ret(record(a=RUN)),
    "inside a variant": ret(Con("Some", (RUN,))),
    "an argument of a primitive": ret(p("list", 1, RUN)),
    "further inside": ret(p("list", 1, p("list", RUN))),
    "an argument of an operation": do("ask", 1, RUN),
    "an argument of a call": call("main", RUN),
    "the agent of a call": Call(Lit(RUN), ()),
    "what is bound": seq(("a", ret(RUN)), ret(1)),
    "after what is bound": seq(("a", ret(1)), ret(RUN)),
    "a condition": iff(RUN, ret(1), ret(1)),
    "then": iff(True, ret(RUN), ret(1)),
    "else": iff(True, ret(1), ret(RUN)),
}


@pytest.mark.parametrize("place", PLACES)
def test_no_literal_of_a_program_holds_a_run(place: str) -> None:
    for made in (program(main=((), PLACES[place])), program(first=((), ret(1)), last=((), PLACES[place]))):
        with pytest.raises(ValueError, match="holds a run"):
            program_digest(made)
        with pytest.raises(ValueError, match="holds a run"):
            program_digest(made)


@pytest.mark.parametrize("value", [1, "run", (), Agent("main"), record(run=0), Con("Run", (0,))])
def test_every_other_literal_may_stand_there(value: Value) -> None:
    for body in (ret(value), ret(p("list", value)), do("ask", value), call("main", value), iff(value, ret(1), ret(1))):
        made = program(main=((), body))
        assert program_digest(made) == git_blob_hash(program_text(made).encode())
        assert program_digest(made) == program_digest(made)


def test_programs_with_the_same_text_have_the_same_digest() -> None:
    assert program_digest(program(main=((), ret(1)))) == program_digest(program(main=((), ret(1))))
    assert program_digest(program(main=((), ret(1)))) != program_digest(program(main=((), ret(2))))
    assert program_digest(program(1, main=((), ret(1)))) != program_digest(program(2, main=((), ret(1))))


def test_steps_are_a_million_unless_told_otherwise_and_a_whole_number_everywhere() -> None:
    assert Program({}, {}).steps == DEFAULT_STEPS == 1_000_000
    assert MOST_STEPS == 9_007_199_254_740_991
    assert float(MOST_STEPS) + 1 == float(MOST_STEPS + 1) == float(MOST_STEPS + 2)  # the last one told apart
