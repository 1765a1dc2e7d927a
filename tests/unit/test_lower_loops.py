"""`for` gathers its values in parts: the same list as one by one, in near linear time, and in few local steps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shepherd_dsl.core.expr import Call, Lit
from shepherd_dsl.core.prim import PRIMITIVES, Primitive
from shepherd_dsl.core.program import DEFAULT_STEPS, Program
from shepherd_dsl.core.run import Running
from shepherd_dsl.core.step import Ends, Faults, run_locally
from shepherd_dsl.core.value import Agent, Record, Value
from shepherd_dsl.core.wire import program_text
from shepherd_dsl.lower.loops import PART
from tests.support.cli import shepherd
from tests.support.programs import lowered, passes

SOURCE = """
agent every(n: Int) -> List[Int] { for i in range(0, n) { i * 3 } }
agent some(n: Int) -> List[Int] { for i in range(0, n) where i % 3 != 1 { i } }
agent none(n: Int) -> List[Int] { for i in range(0, n) where i < 0 { i } }
agent bound(n: Int) -> List[Int] {
  let found = for i in range(0, n) { i }
  return concat(found, [len(found)])
}
agent leaves(n: Int) -> List[Int] {
  let found = for i in range(0, n) {
    if i == 700 { return [i] }
    i
  }
  return found
}
agent nested(n: Int) -> List[Int] {
  let rows = for i in range(0, n) { len(for j in range(0, i % 5) { j }) }
  return rows
}
agent mapped(n: Int) -> List[Int] { return map(range(0, n), i => i + 1) }
agent kept(n: Int) -> List[Int] { return filter(range(0, n), i => i % 2 == 0) }
agent plain(n: Int) -> List[Int] { return plainly(0, n, []) }
agent plainly(at: Int, n: Int, found: List[Int]) -> List[Int] {
  if at == n { return found }
  return plainly(at + 1, n, append(found, at * 3))
}
agent unused(n: Int) -> Int {
  for i in range(0, n) { i }
  return n
}
"""
WANTED: dict[str, Callable[[int], list[int]]] = {
    "every": lambda n: [i * 3 for i in range(n)],
    "some": lambda n: [i for i in range(n) if i % 3 != 1],
    "none": lambda n: [],
    "bound": lambda n: [*range(n), n],
    "leaves": lambda n: [700] if n > 700 else list(range(n)),
    "nested": lambda n: [i % 5 for i in range(n)],
    "mapped": lambda n: list(range(1, n + 1)),
    "kept": lambda n: list(range(0, n, 2)),
    "plain": lambda n: [i * 3 for i in range(n)],
}
PROGRAM = attrs.evolve(lowered(SOURCE).program, steps=10**7)


def ended(agent: str, size: int, program: Program = PROGRAM) -> tuple[int, Value]:
    """How many local steps an agent makes for `size`, and its value."""
    steps, stop = run_locally(program, Running(Call(Lit(Agent(agent)), (Lit(size),)), None, None, 0))
    assert isinstance(stop, Ends), stop
    return steps, stop.value


@pytest.mark.parametrize("agent", WANTED)
@given(size=st.integers(0, 1100))
@example(size=0)
@example(size=1)
@example(size=PART - 1)
@example(size=PART)
@example(size=PART + 1)
@example(size=2 * PART)
@example(size=1000)
@settings(max_examples=10, deadline=None)
def test_a_list_in_parts_is_the_list_one_by_one(agent: str, size: int) -> None:
    _, value = ended(agent, size)
    assert value == tuple(WANTED[agent](size))
    if agent == "every":
        assert value == ended("plain", size)[1]


@pytest.mark.parametrize(("agent", "each"), [("every", 4), ("some", 5), ("unused", 4), ("mapped", 7), ("kept", 8)])
def test_steps_of_an_element_are_few_and_the_same_for_all_sizes(agent: str, each: int) -> None:
    # Beside those of each element, there are those of each part; twice the parts are made in twice the steps.
    few, more = ended(agent, 8 * PART)[0], ended(agent, 16 * PART)[0]
    parts = (more - few) - 8 * PART * each
    assert 0 <= parts <= 8 * 14
    assert few <= 8 * PART * each + 8 * 14 + 20


def test_a_hundred_thousand_elements() -> None:
    # One by one, the copies alone would be 40 GB of memory traffic.
    steps, value = ended("every", 100_000)
    assert value == tuple(range(0, 300_000, 3))
    assert steps < 410_000


def test_no_list_on_the_way_is_copied_for_each_element(monkeypatch: pytest.MonkeyPatch) -> None:
    copied = 0

    def counted(primitive: Primitive) -> Primitive:
        def counting(*args: Value) -> Value:
            nonlocal copied
            found = primitive.call(*args)
            assert isinstance(found, tuple)
            copied += len(found)
            return found

        return attrs.evolve(primitive, call=counting)

    replaced = {name: counted(PRIMITIVES[name]) for name in ("append", "concat")}
    monkeypatch.setattr("shepherd_dsl.core.step.PRIMITIVES", {**PRIMITIVES, **replaced})
    size = 40 * PART
    ended("every", size)
    # Half a part on average, and once for each time that 40 parts can be halved; one by one it is 20 parts.
    assert PART // 2 * size < copied < (PART // 2 + 8) * size


def test_the_bound_on_steps_is_part_of_the_program_and_says_the_way_out() -> None:
    small = attrs.evolve(PROGRAM, steps=100)
    steps, stop = run_locally(small, Running(Call(Lit(Agent("every")), (Lit(50),)), None, None, 0))
    assert steps == 101
    assert isinstance(stop, Faults)
    assert isinstance(stop.error, Record)
    assert stop.error.get("code") == "steps"
    assert stop.error.get("text") == ("more than 100 local steps between two events; `shepherd run --steps N` allows N")
    assert program_text(small) != program_text(PROGRAM)


def test_live_events_are_those_that_no_revert_took_back() -> None:
    passes("""
agent worker() -> Int grants clock.now {
  do clock.now()
  do clock.now()
  return 1
}
agent one_by_one(events: List[Event], at: Int, found: List[Step]) -> List[Step] {
  if at < 0 { return found }
  match events[at] {
    Reverted(to) => return one_by_one(events, to, found)
    _ => return one_by_one(events, at - 1, cons(at, found))
  }
}
agent steps<T>(worker: Run[T]) -> List[Step] grants run { for e in live(worker) { e.step } }
agent same<T>(worker: Run[T]) -> Bool grants run {
  let events = history(worker)
  let found = live(worker)
  let wanted = one_by_one(events, len(events) - 1, [])
  return found == for at in wanted { { step: at, event: events[at] } }
}
test "live" with { clock.now() -> 1 } {
  let w = spawn worker()
  expect same(w) and steps(w) == [0]
  await w
  expect same(w) and steps(w) == [0, 1, 2, 3, 4, 5]
  revert w to 2
  expect same(w) and steps(w) == [0, 1, 2]
  await w
  expect same(w) and steps(w) == [0, 1, 2, 7, 8, 9]
  revert w to 7
  revert w to 1
  expect same(w) and steps(w) == [0, 1]
  await w
  expect same(w) and len(steps(w)) == 6
}
""")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "many.shep").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    assert shepherd("init", ".").status == 0
    return tmp_path


def test_run_takes_a_bound_on_steps(workspace: Path) -> None:
    refused = shepherd("run", "many.shep:unused", "2000", "--steps", "5000", "--json")
    assert refused.status == 1
    assert "`shepherd run --steps N`" in json.dumps(refused.json()["value"])
    assert shepherd("run", "many.shep:unused", "2000", "--steps", "9000").status == 0
    (workspace / ".shepherd" / "config.toml").write_text("[run]\nsteps = 5000\n")
    assert shepherd("run", "many.shep:unused", "2000").status == 1
    assert shepherd("run", "many.shep:unused", "2000", "--steps", str(DEFAULT_STEPS)).status == 0
    assert shepherd("replay", "--json").json()["identical"]
    wrong = shepherd("run", "many.shep:unused", "1", "--steps", "0")
    assert wrong.status == 2
    assert "--steps" in wrong.err


def test_an_edited_program_is_replayed_with_the_recorded_bound(workspace: Path) -> None:
    # With any other bound it would not fail as it did.
    assert shepherd("run", "many.shep:unused", "2000", "--steps", "5000").status == 1
    found = shepherd("replay", "--with", "many.shep", "--json")
    assert found.json()["same"] == found.json()["events"] == 2
