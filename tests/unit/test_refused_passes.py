"""A supervisor that may not pass ends with the reason, and asks not for ever; what a worker is told ends nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from shepherd_dsl import EffectError, Run, agent, next_stop, pass_, run, try_do
from tests.support.programs import passes

WORKER = """
effect note.add(text: Text) -> Int irreversible
agent worker(n: Int) -> Int grants note.add {
  if n == 0 { return 0 }
  let _ = try do note.add("x")
  return worker(n - 1)
}
agent awaits(w: Run[Int]) -> Int grants run, note.add { return await w }
agent supervises(w: Run[Int]) -> Int grants run, note.add {
  supervise w { outcome note.add(_) -> _ => pass_over() }
  return await w
}
agent pass_over() -> Int { return 0 }
agent gathers(w: Run[Int]) -> Int grants run, note.add {
  let all_of = await all [w, spawn worker(4)]
  return all_of[0]
}
agent outer(w: Run[Int]) -> Int grants run, note.add { return await spawn awaits(w) }
agent judge(w: Run[Int]) -> Int grants run, note.add {
  supervise w { intent note.add(_) => deny "not that" }
  return await w
}
"""
EVERY_OTHER = "run.next, run.spawn, run.discard, run.pick, note.add"


@pytest.mark.parametrize("how", ["awaits", "supervises", "gathers", "outer"])
@pytest.mark.parametrize(
    ("grant", "why"),
    [
        (EVERY_OTHER, "`run.pass` with these arguments is not granted"),
        (
            f"{EVERY_OTHER}, run.pass at most 2",
            "`run.pass` was granted a limited number of times, and they are used up",
        ),
    ],
    ids=["none", "two"],
)
def test_a_refused_pass_ends_the_supervisor(how: str, grant: str, why: str) -> None:
    passes(
        WORKER
        + f"""
test "refused" with {{ note.add(_) -> 1 }} {{
  let w = spawn worker(5)
  let s = spawn {how}(w) grants ({grant})
  expect failed(s, "{why}")
}}
"""
    )


@pytest.mark.parametrize("answer", ['error("denied", "no")', "unknown", "1"])
@pytest.mark.parametrize("how", ["awaits", "supervises", "outer"])
def test_what_the_worker_is_told_ends_no_supervisor(how: str, answer: str) -> None:
    """Also an error of the world that says `denied` itself."""
    passes(
        WORKER
        + f"""
test "told" with {{ note.add(_) -> {answer} }} {{
  expect await spawn {how}(spawn worker(5)) == 0
}}
"""
    )


def test_an_outer_supervisor_that_denies_ends_neither() -> None:
    """The inner one has passed; that its own owner denied is what the worker is told."""
    passes(
        WORKER
        + """
test "denied further out" {
  let s = spawn outer(spawn worker(3))
  expect await spawn judge(s) == 0
  expect await s == 0
  expect not asked(s, note.add)
}
"""
    )


def test_a_clause_that_takes_the_run_away_is_no_refusal() -> None:
    """After the revert the run is at no intent: nothing is passed, and no `outcome` clause is asked."""
    passes(
        WORKER
        + """
agent back(w: Run[Int]) -> Int grants run, note.add {
  supervise w {
    intent note.add(_) when len(history(w)) < 3 => { revert w to 0 }
    outcome note.add(_) -> Err({ code: "stop" }) => { fail "a refusal is no outcome" }
  }
  return await w
}
test "taken back" with { note.add(_) -> 1 } { expect await spawn back(spawn worker(3)) == 0 }
"""
    )


def test_a_pass_gives_the_outcome_that_it_passed() -> None:
    """`do run.pass` ends the asker where the pass is refused, not where the worker is told an error."""
    passes(
        WORKER
        + """
agent by_hand(w: Run[Int]) -> Text grants run {
  let _ = do run.next(w)
  match do run.pass(w) {
    Ok(_) => return "ok"
    Err(e) => return e.text
    Unknown => return "unknown"
  }
}
test "by hand" with { note.add(_) -> error("world", "it rained") } {
  expect await spawn by_hand(spawn worker(1)) == "it rained"
  expect failed(spawn by_hand(spawn worker(1)) grants (run.next), "`run.pass` with these arguments is not granted")
}
"""
    )


# ── Python ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@agent(grants=["clock.now"])
def asks() -> int:
    return sum(try_do("clock.now").ok for _ in range(4))


@agent(grants=["run.next", "run.pass at most 5", "run.discard"])
def awaits(worker: Run[int]) -> int:
    return worker.result()


@agent(grants=["run.next", "run.pass at most 5", "run.discard"])
def by_hand(worker: Run[int]) -> int:
    count = 0
    while next_stop(worker) is not None:
        assert pass_(worker).ok
        count += 1
    return count


@pytest.mark.parametrize("supervisor", [awaits, by_hand])
def test_a_python_agent_fails_with_denied(tmp_path: Path, supervisor: object) -> None:
    """Its own steps are passed too, so five passes are soon used up."""
    with pytest.raises(EffectError) as raised:
        run(supervisor(asks()), workspace=tmp_path).result()  # type: ignore[operator]
    assert raised.value.code == "denied"
