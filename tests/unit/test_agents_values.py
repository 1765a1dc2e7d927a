"""Values between Python and the core, and what the loop builds of what a function wants."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Annotated, Any, NamedTuple, NewType, NotRequired, Optional, TypedDict

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shepherd_dsl import (
    Data,
    Run,
    Variant,
    agent,
    files,
    inject,
    messages,
    read,
    result,
    resume,
    run,
    shell,
    try_do,
    write,
)
from shepherd_dsl.agents import loop
from shepherd_dsl.agents.build import build
from shepherd_dsl.agents.convert import from_value, to_value
from shepherd_dsl.agents.handler import PythonHandler
from shepherd_dsl.agents.kinds import type_of
from shepherd_dsl.agents.spec import places, plain, what_of
from shepherd_dsl.check.types import VALUE, show
from shepherd_dsl.core.expr import Call, Lit
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.run import Running
from shepherd_dsl.core.step import Ends, run_locally
from shepherd_dsl.core.value import UNIT, Agent, Con, Handle, Value, dec, equal, handles_in, record
from shepherd_dsl.errors import UserError
from shepherd_dsl.handlers.context import open_context
from shepherd_dsl.runtime.actions import fork_run, replay_run
from shepherd_dsl.runtime.workspace import Workspace


class Colour(enum.Enum):
    Red = 1
    Green = 2


@dataclasses.dataclass
class Point:
    x: int
    y: Decimal | None = None


@attrs.define
class Shape:
    points: list[Point]
    colour: Colour


class Named(NamedTuple):
    name: str
    flag: bool


class Loose(TypedDict):
    must: int
    may: NotRequired[str]


Id = NewType("Id", int)

KINDS: list[tuple[Any, str, Any]] = [
    (str, "Text", "x"),
    (int, "Int", -3),
    (bool, "Bool", True),
    (None, "Unit", None),
    (Decimal, "Dec", Decimal("-1.25")),
    (list[int], "List[Int]", [1, 2]),
    (tuple[str, ...], "List[Text]", ("a", "b")),
    (Sequence[bool], "List[Bool]", [False]),
    (list, "List[Value]", [1, "x", None, [True]]),
    (int | None, "Option[Int]", 3),
    (Optional[str], "Option[Text]", None),  # noqa: UP045
    (Annotated[int, "note"], "Int", 3),
    (Id, "Int", Id(3)),
    (Colour, "Green | Red", Colour.Green),
    (Point, "{ x: Int, y: Option[Dec] }", Point(1, Decimal("0.5"))),
    (
        Shape,
        "{ colour: Green | Red, points: List[{ x: Int, y: Option[Dec] }] }",
        Shape([Point(1), Point(2, Decimal(3))], Colour.Red),
    ),
    (Named, "{ flag: Bool, name: Text }", Named("n", False)),
    (Loose, "{ may: Option[Text], must: Int }", {"must": 1, "may": "x"}),
    (dict | None, "", None),
    (Run, "Run[Value]", None),
    (Run[Point], "Run[{ x: Int, y: Option[Dec] }]", None),
    (Any, "Value", Variant("Some", (1, "x"))),
]


def hold(given_: Run[Any]) -> Handle:
    raise AssertionError


def held(*_: object) -> Run[Any]:
    raise AssertionError


@pytest.mark.parametrize(("annotation", "shown", "value"), KINDS)
def test_annotations_are_types(annotation: Any, shown: str, value: Any) -> None:
    """Each annotation stands for its type, and its values go there and back as they were."""
    if not shown:
        with pytest.raises(UserError):
            type_of(annotation, "here")
        return
    found = type_of(annotation, "here")
    assert show(found) == shown
    if annotation not in (Run, Run[Point]):
        core = to_value(value, found, "here", hold)
        back = from_value(core, found, annotation, held)
        assert back == value
        assert type(back) is type(value)


def test_a_type_does_not_contain_itself() -> None:
    """Types of the language are finite."""

    @dataclasses.dataclass
    class Tree:
        kids: list[Any]

    Tree.__annotations__["kids"] = list[Tree]
    with pytest.raises(UserError, match="contains itself"):
        type_of(Tree, "here")


values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.decimals(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.from_regex(r"[a-z][a-z0-9]{0,3}", fullmatch=True), inner, max_size=3).map(Data)
        | st.builds(Variant, st.sampled_from(["A", "Bc"]), st.lists(inner, max_size=3).map(tuple))
    ),
    max_leaves=12,
)


@given(values)
def test_any_value_goes_there_and_back(value: Any) -> None:
    """What has no class of its own loses nothing on the way."""
    core = to_value(value, VALUE, "here", hold)
    assert from_value(core, VALUE, None, held) == value
    assert equal(to_value(from_value(core, VALUE, None, held), VALUE, "here", hold), core)


# ── what the loop builds ─────────────────────────────────────────────────────────────────────────────────────────────

leaves: st.SearchStrategy[Value] = st.sampled_from(
    [UNIT, True, 0, 7, "x", dec(15, 1), Agent("a"), *map(Handle, range(4))]
)
cores: st.SearchStrategy[Value] = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3).map(lambda d: record(d.items()))
        | st.builds(lambda name, one: Con(name, (one,)), st.sampled_from(["Some", "Other"]), inner)
    ),
    max_leaves=10,
)


def evaluated(name: str, *args: Value) -> Value:
    """What the loop's agent `name` gives for these arguments."""
    program = Program(loop.definitions({}, {}), {})
    _, stop = run_locally(program, Running(Call(Lit(Agent(name)), tuple(map(Lit, args))), None, None, 0))
    assert isinstance(stop, Ends), stop
    return stop.value


@given(cores, st.lists(cores, max_size=3))
def test_descriptions_build_what_they_describe(value: Value, rest: list[Value]) -> None:
    """Whatever holds runs that the loop was given is described without any, and built as it was."""
    given_ = (*rest, tuple(map(Handle, range(4))))
    known = {index: place for at, one in enumerate(given_) for index, place in places(one, at)}
    what = what_of(value, lambda handle: known[handle.index])
    assert next(handles_in(what), None) is None
    assert equal(evaluated("python.build'", what, given_), value)
    if next(handles_in(value), None) is None:
        assert equal(plain(what), value)


@given(cores)
def test_every_run_in_a_value_is_found(value: Value) -> None:
    """Each place leads to its run."""
    found = dict(places(value, 0))
    assert set(found) == set(handles_in(value))
    for index, place in found.items():
        assert evaluated("python.build'", place, (value,)) == Handle(index)


# ── whatever a function does ─────────────────────────────────────────────────────────────────────────────────────────

COMMANDS: dict[str, Callable[[int], Any]] = {
    "write": lambda n: write(f"f{n % 3}.txt", str(n)),
    "read": lambda n: try_do("file.read", f"f{n % 3}.txt").kind,
    "files": lambda n: files("*"),
    "denied": lambda n: try_do("clock.now").kind,
    "messages": lambda n: messages(),
    "shell": lambda n: shell("true").code,
    "spawn": lambda n: helper(n).result(),
    "inject": lambda n: _injected(n),
}


def _injected(n: int) -> list[str]:
    found = hears()
    inject(found, str(n))
    return result(found)


@agent(grants=["file.write"])
def helper(n: int) -> int:
    write("helper.txt", str(n))
    return n + 1


@agent
def hears() -> list[str]:
    return messages()


@agent(grants=["file.write", "file.read", "file.list", "shell.run", "run", helper])
def script_of(commands: list[str]) -> list[str]:
    told = [str(COMMANDS[command](at)) for at, command in enumerate(commands)]
    return [*told, read("helper.txt") if "helper.txt" in files("*") else "none"]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    commands=st.lists(st.sampled_from(sorted(COMMANDS)), max_size=6),
    kept=st.sampled_from([0, 64]),
    at=st.integers(0, 200),
)
def test_whatever_a_function_does(
    tmp_path_factory: pytest.TempPathFactory, commands: list[str], kept: int, at: int
) -> None:
    """Any sequence of effects: replay gives the same hashes, and a fork anywhere ends the same."""
    space = Workspace.init(tmp_path_factory.mktemp("space"))
    handler = PythonHandler(open_context(space.root), build([script_of]), kept=kept)
    ran = run(script_of(commands), workspace=space, handlers={"python": handler}, keep=True)
    expected = ran.result()
    assert len(expected) == len(commands) + 1
    assert replay_run(space, ran.tree).identical
    tree = fork_run(space, ran.tree, at % (len(space.store().read(ran.tree).trace("root")) - 1))
    assert resume(tree, workspace=space, agents=[script_of], keep=True).result() == expected
