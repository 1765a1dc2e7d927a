"""Law `observe_inert`: reading a run's trace changes no run but the asker's own trace (and its table of handles)."""

from __future__ import annotations

from shepherd_dsl.core.run import Run, Waiting, commits
from shepherd_dsl.core.wire import event_text
from tests.support.build import ALL, do, drive, p, program, ret, seq, spawn
from tests.support.generate import BASE, Case, case, cases, run_case
from tests.support.same import same_state
from tests.support.stepping import steps_of


def test_a_step_that_reads_a_trace_touches_the_asker_alone() -> None:
    reads = 0
    for seed in cases(200):
        for before, after in steps_of(case(seed)):
            asker = before.stack[0]
            code = before.runs[asker].code
            if not isinstance(code, Waiting) or code.op != "run.trace":
                continue
            reads += 1
            assert after.size == before.size + 1
            assert same_state(after.stack, before.stack)
            for id, run in before.runs.items():
                if id != asker:
                    assert after.runs[id] is run, (seed, id)
            was, now = before.runs[asker], after.runs[asker]
            assert now.files is was.files
            assert (now.owner, now.givers, now.kids, now.inbox, now.made) == (
                was.owner,
                was.givers,
                was.kids,
                was.inbox,
                was.made,
            )
            assert now.handles[: len(was.handles)] == was.handles
            assert now.trace is not None
            assert now.trace.parent is was.trace
    assert reads > 20


def test_a_worker_is_the_same_whether_it_is_watched_or_not() -> None:
    compared = 0
    for seed in cases(80):
        agents = case(seed).program.defs
        both = []
        for watched in (False, True):
            w = p("con_arg", "$w", 0)
            look = [do("run.trace", w, 0)] * 3 if watched else []
            main = seq(("w", spawn("a20", 0, 1)), *look, do("run.next", w), *look, do("run.pass", w), *look, drive(w))
            made = program(400, main=((), seq(main, *look, ret(1))))
            made = type(made)({**agents, **made.defs}, made.ops, made.steps)
            both.append(run_case(Case(seed, made, "main", (), ALL, BASE), world=False).last)
        left, right = both
        for id in sorted(left.runs):
            if id == "root.0" or id.startswith("root.0."):
                a, b = left.runs[id], right.runs[id]
                assert type(a.code) is type(b.code), (seed, id)
                assert a.files == b.files, (seed, id)
                # The digest in `start` is that of another program.
                assert texts(a)[1:] == texts(b)[1:], (seed, id)
                compared += 1
    assert compared > 40


def texts(run: Run) -> list[str]:
    """The events of a run in canonical text."""
    return [event_text(commit.event) for commit in commits(run.trace)]
