"""Lowered programs are closed, the same on every machine, and do what the source says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shepherd_dsl.check import load
from shepherd_dsl.core.expr import Call, Do, If, Let, Lit, Prim, Return, Var
from shepherd_dsl.core.value import Agent, Con, Record
from shepherd_dsl.errors import ProgramError
from shepherd_dsl.lower import lower
from shepherd_dsl.lower.core import _flat
from tests.examples.programs import programs
from tests.support.programs import faults, lowered, passes, results


@pytest.mark.parametrize("path", programs(), ids=lambda path: path.stem)
def test_a_lowered_program_is_closed(path: Path) -> None:
    found = lower(load(path))
    for program in (found.program, *(test.program for test in found.tests)):
        assert faults(program) == []
        for definition in program.defs.values():
            assert all(isinstance(comp, Return | Let | If | Call | Do) for comp in _flat(definition.body))


@pytest.mark.parametrize("path", programs(), ids=lambda path: path.stem)
def test_helpers_have_names_that_no_program_can_write(path: Path) -> None:
    found = lower(load(path))
    written = set(found.agents)
    imported = {sig.name for sig in load(path).agents()}
    for name in found.program.defs:
        assert name in written | imported or "'" in name or "." in name


def test_the_text_does_not_depend_on_the_hash_seed() -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from shepherd_dsl.check import load\nfrom shepherd_dsl.lower import lower\n"
        "from shepherd_dsl.core.wire import program_text\n"
        "for p in sys.argv[1:]:\n"
        "    found = lower(load(Path(p)))\n"
        "    print(program_text(found.program), [program_text(t.program) for t in found.tests])\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code, *map(str, programs())],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4711")
    }
    assert len(outputs) == 1
    assert len(outputs.pop()) > 10_000


def test_a_program_holds_only_what_it_reaches() -> None:
    assert list(lowered("agent one() -> Int { return 1 }").program.defs) == ["one"]
    tested = lowered('agent one() -> Int { return 1 }\ntest "t" { expect ask("x") == "" }')
    assert list(tested.program.defs) == ["one"]
    assert "std.ask" in tested.tests[0].program.defs


def test_a_call_at_the_end_of_an_agent_is_a_tail_call() -> None:
    for source in (
        "agent f(n: Int) -> Int { return f(n - 1) }",
        "agent f(n: Int) -> Int { f(n - 1) }",
        "agent f(n: Int) -> Int { if n == 0 { return 0 }\n return f(n - 1) }",
        "agent f(n: Int) -> Int { match n { 0 => 0, _ => f(n - 1) } }",
        "agent f(n: Int) -> Unit { if n > 0 { f(n - 1) } }",
        "agent f(n: Int) -> Int { for x in [n] { return f(n - x) }\n return 1 }",
    ):
        program = lowered(source).program
        for definition in program.defs.values():
            for comp in _flat(definition.body):
                if isinstance(comp, Let):
                    assert not isinstance(comp.bound, Call), source


def test_deep_recursion_does_not_end_a_program() -> None:
    passes(
        """
agent up(n: Int) -> Int { if n == 0 { return 0 }
  return up(n - 1) + 1 }
agent down(n: Int, so_far: Int) -> Int { if n == 0 { return so_far }
  return down(n - 1, so_far + 1) }
test "deep" { expect up(20000) == 20000
  expect down(20000, 0) == 20000 }
"""
    )


def test_what_may_fault_comes_before_what_is_done_later() -> None:
    source = """
effect note.add(text: Text) -> Int irreversible
agent f(xs: List[Int]) -> { a: Int, b: Int } grants note.add { return { a: xs[3], b: do note.add("x") } }
agent g(xs: List[Int]) -> { a: Int, b: Int } grants note.add { return { a: do note.add("x"), b: xs[3] } }
test "order" with { note.add(_) -> 1 } {
  let one = spawn f([])
  expect failed(one)
  expect not asked(one, note.add)
  let two = spawn g([])
  expect failed(two)
  expect asked(two, note.add("x"))
}
"""
    passes(source)


def test_and_and_or_leave_the_right_side_alone() -> None:
    passes(
        """
agent no() -> Bool { fail "asked" }
test "short" {
  expect not (false and no())
  expect true or no()
  let xs: List[Int] = []
  expect not (len(xs) > 0 and xs[0] == 1)
}
"""
    )


def test_variables_of_one_name_are_kept_apart() -> None:
    passes(
        """
agent f(x: Int) -> Int {
  let y = x + 1
  let x = y * 2
  let g = map([1, 2], x => x + y)
  let h = for x in g { let y = x
    y + 1 }
  return fold(h, x, (y, x) => y + x)
}
test "shadows" { expect f(1) == 4 + 4 + 5 }
"""
    )


def test_a_lambda_sees_the_variables_around_every_call() -> None:
    passes(
        """
agent apply(f: (Int) => Int, n: Int) -> Int { return f(n) }
agent nested(a: Int) -> List[Int] {
  return map([1, 2], b => apply(c => apply(d => a * 1000 + b * 100 + c * 10 + d, b), a))
}
agent hand_on(f: (Int) => Int, n: Int) -> Int {
  let g = f
  return apply(g, n)
}
test "closures" {
  expect nested(3) == [3131, 3232]
  let by = 7
  expect hand_on(n => n * by, 2) == 14
}
"""
    )


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("expect 1 + 1 == 3", "expect 1 + 1 == 3\n  left: 2\n  right: 3"),
        ('expect "1" != "1"', 'left: "1"\n  right: "1"'),
        ("expect false", "expect false"),
        ("expect not (1 < 2)", "left: 1\n  right: 2"),
        ('let r = spawn f()\n  expect failed(r, "x")', "the run ended with"),
        ("let r = spawn f()\n  expect asked(r, clock.now)", "expect asked(r, clock.now)"),
    ],
)
def test_an_expectation_that_does_not_hold_shows_both_sides(body: str, shown: str) -> None:
    (result,) = results(f'agent f() -> Int {{ return 1 }}\ntest "t" {{\n  {body}\n}}')
    assert not result.passed
    assert shown in result.reason
    assert result.where.startswith("program.shep:")


def test_a_call_without_an_answer_is_named() -> None:
    (result,) = results('test "t" with { clock.now() -> 1 } {\n  let n = do random.int(1, do clock.now())\n}')
    assert not result.passed
    assert "the script has no answer for random.int(1, 1)" in result.reason


def test_a_call_without_an_answer_fails_the_test_even_if_nobody_minds() -> None:
    (result,) = results('test "t" { match try do clock.now() { Ok(_) => (), _ => () } }')
    assert not result.passed
    assert "clock.now()" in result.reason


def test_a_test_that_asks_for_ever_ends() -> None:
    source = """
agent f() -> Int grants clock.now { do clock.now()
  return f() }
test "t" with { clock.now() -> 1 } { f() }
"""
    (result,) = results(source)
    assert "the test asks more than 10,000 times" in result.reason


def test_answers_come_in_turn_and_the_last_goes_on() -> None:
    passes(
        """
agent thrice() -> List[Int] grants clock.now { return [do clock.now(), do clock.now(), do clock.now()] }
test "t" with { clock.now() -> 1, 2 } {
  expect thrice() == [1, 2, 2]
  let other = spawn thrice()
  expect await other == [1, 2, 2]
}
"""
    )


def test_a_bare_text_stands_for_the_record_around_it() -> None:
    test = lowered(
        'test "t" with { model.chat(_) -> "hello"\n http.request(_) -> error("a", "b") } { let n = 1 }'
    ).tests[0]
    reply = test.script[0].answers[0].args[0]
    assert isinstance(reply, Record)
    assert reply.get("text") == "hello"
    assert reply.get("calls") == ()
    assert isinstance(reply.get("usage"), Record)
    assert test.script[1].answers[0] == Con("Err", (Record((("code", "a"), ("text", "b"))),))


def test_what_a_caller_needs_to_know() -> None:
    found = lowered(
        """
agent plan(goal: Text, n: Int) -> List[Text] grants file.read("docs/**"), model.chat at most 3 "Makes a plan." {
  return [goal]
}
agent poet(topic: Text) -> Text "Write a poem."
agent pick<T>(items: List[T]) -> T { return items[0] }
"""
    ).agents
    assert list(found) == ["plan", "poet"]
    plan = found["plan"]
    assert [name for name, _ in plan.params] == ["goal", "n"]
    assert [clause.op for clause in plan.request] == ["file.read", "model.chat", "inbox.take"]
    assert (plan.doc, plan.performed, plan.request[1].limit) == ("Makes a plan.", False, 3)
    assert found["poet"].performed
    assert [clause.op for clause in found["poet"].request] == ["model.chat", "inbox.take"]


def test_a_type_is_read_where_the_agent_is_called() -> None:
    program = lowered(
        """
agent both() -> { n: Int, text: Text } grants model.chat {
  let n: Int = ask("a")
  let text: Text = ask("b")
  let again: Int = ask("c")
  return { n: n + again, text: text }
}
"""
    ).program
    assert [name for name in program.defs if name.startswith("std.ask")] == ["std.ask", "std.ask'2"]


def test_an_agent_value_is_its_core_name() -> None:
    program = lowered("agent a(n: Int) -> Int { return n }\nagent b() -> List[Int] { return map([1], a) }").program
    values = [
        arg.value
        for comp in _flat(program.defs["b"].body)
        if isinstance(comp, Call)
        for arg in comp.args
        if isinstance(arg, Lit)
    ]
    assert values == [Agent("a")]
    assert not any(isinstance(v, Var | Prim) for v in values)


@pytest.mark.parametrize("depth", [40, 90])
def test_deeply_nested_programs_lower(depth: int) -> None:
    source = "agent f(n: Int) -> Int {\n" + "if n > 0 {\n" * depth + "return 1\n" + "}\n" * depth + "return 2\n}\n"
    source += 'test "t" { expect f(1) == 1 and f(0) == 2 }'
    try:
        passes(source)
    except ProgramError as error:
        assert error.code.startswith("E0")  # noqa: PT017
    wide = "agent g(n: Int) -> Int {\n" + "".join(f"if n == {i} {{ return {i} }}\n" for i in range(depth * 4))
    passes(wide + 'return -1\n}\ntest "t" { expect g(3) == 3 and g(-5) == -1 }')
