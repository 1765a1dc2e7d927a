"""Speed and memory of the pure core: `python -m bench.core` prints a JSON list of measurements.

Each is {name, value, unit, target, direction, met}: `direction` says what is better. Times are the best
of several rounds, which a busy machine disturbs least. No disk and no handler is involved.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from shepherd_dsl.core.files import Files
from shepherd_dsl.core.forest import Machine, log_since, put, with_stack
from shepherd_dsl.core.machine import advance, start, step
from shepherd_dsl.core.oracle import Query, run_to_end
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.replay import replay
from shepherd_dsl.core.run import Commit, Waiting, but
from shepherd_dsl.core.run_ops import body_of, copy_tree
from shepherd_dsl.core.step import run_locally
from shepherd_dsl.core.value import Con, Handle, ok
from tests.support.build import ALL, call, do, iff, p, program, ret, seq, spawn

ROUNDS = 5
FORKS = 2_000


def line(name: str, value: float, unit: str, target: float, direction: str) -> dict[str, object]:
    """One line of the result; `direction` is `higher` or `lower`."""
    met = value >= target if direction == "higher" else value <= target
    return {"name": name, "value": round(value, 2), "unit": unit, "target": target, "direction": direction, "met": met}


def best(action: Callable[[], object]) -> float:
    """The least seconds of several rounds."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return min(times)


def summing() -> Program:
    """Counts down and sums up: a call, an `if`, a `let` and three primitives a round."""
    again = seq(("s", ret(p("add", "$acc", "$n"))), call("sum", p("sub", "$n", 1), "$s"))
    return program(10**9, sum=(("n", "acc"), iff(p("le", "$n", 0), ret("$acc"), again)))


def asking(count: int) -> Program:
    """A worker that asks `count` times, and a main that passes all of it."""
    loop = iff(p("le", "$n", 0), ret("end"), seq(("a", do("ask", "a question")), call("worker", p("sub", "$n", 1))))
    stop = p("con_arg", "$s", 0)
    some = seq(
        ("s", do("run.next", "$r")),
        iff(p("is_con", stop, "Intent", 3), seq(do("run.pass", "$r"), call("some", "$r")), ret(stop)),
    )
    main = seq(("w", spawn("worker", count)), call("some", p("con_arg", "$w", 0)))
    return program(10**6, worker=(("n",), loop), some=(("r",), some), main=((), main))


def alone(count: int) -> Program:
    """A root run that asks `count` times."""
    loop = iff(p("le", "$n", 0), ret("end"), seq(("a", do("ask", "a question")), call("main", p("sub", "$n", 1))))
    return program(10**6, main=(("n",), loop))


def oracle(query: Query) -> tuple[Con, tuple[()]]:
    """The same answer to everything."""
    return ok({"ask": "an answer"}.get(query.op, "yes")), ()


def begin(made: Program, *args: int) -> Machine:
    return start(made, "main", args, ALL, Files.empty(), read_blob={}.__getitem__)


def local_steps() -> Iterator[dict[str, object]]:
    made = summing()
    code = body_of(made, "sum", (100_000, 0))
    count, _ = run_locally(made, code)
    yield line("local steps to the next stop", count / best(lambda: run_locally(made, code)), "1/s", 300_000, "higher")


def replaying() -> Iterator[dict[str, object]]:
    made = asking(1_500)
    m = run_to_end(begin(made), oracle)
    log = [(commit.run, commit.event) for commit in log_since(m, 0)]
    seconds = best(lambda: replay(made, log, Files.empty(), read_blob={}.__getitem__))
    yield line("replay, a worker and its owner", len(log) / seconds, "events/s", 20_000, "higher")
    made = alone(4_000)
    m = run_to_end(begin(made, 4_000), oracle)
    log = [(commit.run, commit.event) for commit in log_since(m, 0)]
    seconds = best(lambda: replay(made, log, Files.empty(), read_blob={}.__getitem__))
    yield line("replay, one run", len(log) / seconds, "events/s", 20_000, "higher")


def forking() -> Iterator[dict[str, object]]:
    """A fork at the head of a child with 10 and with 10,000 events: the copy alone, and the machine's whole step."""
    for events in (10, 10_000):
        m = run_to_end(begin(asking(events // 2)), oracle, max_answers=events // 2 - 1)
        child = m.runs["root.0"]
        head = child.trace
        assert head is not None

        def copies(m: Machine = m, head: Commit = head) -> None:
            for index in range(FORKS):
                copy_tree(m, "root.0", head, f"root.{index + 1}", owner="root")

        yield line(f"fork at the head of {events} events", best(copies) / FORKS * 1e6, "us", 20, "lower")
        asker = m.runs["root"]
        waiting = Waiting("run.fork", (Handle(0), head.index), None)
        asking_run = _with_code(m, asker.id, waiting)

        def whole(m: Machine = asking_run) -> None:
            for _ in range(FORKS):
                step(m)

        yield line(f"whole step of run.fork, {events} events", best(whole) / FORKS * 1e6, "us", 40, "lower")


def _with_code(m: Machine, id: str, code: Waiting) -> Machine:
    """The machine with run `id` active and waiting for a machine operation."""
    return with_stack(put(m, but(m.runs[id], code=code)), (id, ("world", None)))


def memory() -> Iterator[dict[str, object]]:
    """Peak memory of a process that holds a run of 10,000 events, the interpreter included."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); from bench import core; core.hold()"
    done = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parents[1])],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    yield line("peak memory of a run of 10,000 events", float(done.stdout) / 1024, "MB", 200, "lower")


def hold() -> None:
    """Makes a run of 10,000 events and prints the peak memory in KB."""
    m = run_to_end(begin(alone(5_000), 5_000), oracle)
    assert m.size >= 10_000
    assert advance(m) is not None
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def measure() -> list[dict[str, object]]:
    """All measurements of the core."""
    return [*local_steps(), *replaying(), *forking(), *memory()]


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
