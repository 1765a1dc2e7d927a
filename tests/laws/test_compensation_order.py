"""Law `compensation_order`: each debt is paid once per owing run, newest first, and only if the world had answered Ok.

The debts are found here from the events alone, by the words of `core.md`.
"""

from __future__ import annotations

from collections import Counter

from shepherd_dsl.core.event import Forked, Injected, Intent, Outcome, Reverted, Undo
from shepherd_dsl.core.forest import log_since
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.run import Commit, Undoing, commits
from shepherd_dsl.core.unwind import ABANDONED
from shepherd_dsl.core.value import equal
from tests.support.generate import case, cases, ran
from tests.support.stepping import below, steps_of


def asked(trace: list[Commit], at: int) -> int:
    """The index of the question that the outcome at `at` answers."""
    at -= 1
    while True:
        event = trace[at].event
        if isinstance(event, Intent | Undo):
            return at
        at = event.to if isinstance(event, Reverted) else at - 1
        assert isinstance(event, Reverted | Injected | Forked)


def owed(program: Program, trace: list[Commit], kept: int) -> list[tuple[int, int, str]]:
    """(place in the log, index, compensation) of what a run owes beyond its event `kept`."""
    found: dict[int, tuple[int, int, str]] = {}
    for at, commit in enumerate(trace):
        event = commit.event
        if isinstance(event, Forked):
            found.clear()
        if not isinstance(event, Outcome):
            continue
        question = trace[asked(trace, at)].event
        if isinstance(question, Undo):
            if not (event.by == "machine" and equal(event.answer, ABANDONED)):
                found.pop(question.at, None)
        elif isinstance(question, Intent) and event.by == "world" and event.answer.name == "Ok":
            declared = program.ops.get(question.op)
            if declared is not None and declared.undo is not None:
                found[at] = (commit.seq, at, declared.undo)
    return [debt for at, debt in found.items() if at > kept]


def test_what_is_owed_is_paid_newest_first() -> None:
    seen: Counter[str] = Counter()
    for seed in cases(350):
        chosen = case(seed)
        expected: dict[str, list[tuple[str, int, str]]] = {}
        raised: dict[str, list[tuple[str, int, str]]] = {}
        for before, after in steps_of(chosen):
            for id, run in after.runs.items():
                was = before.runs.get(id)
                if isinstance(run.code, Undoing) and was is not None and not isinstance(was.code, Undoing):
                    target, to = run.code.run, run.code.to
                    heads: dict[str, int] = {}
                    if to is not None:
                        commit = commits(before.runs[target].trace)[to]
                        if commit.run != target:
                            continue  # into inherited events: the ids below are those of the original
                        heads = {one: commit.heads[one].trace.index for one in below_then(commit)}  # type: ignore[union-attr]
                        heads[target] = to
                    debts = [
                        (*debt, member)
                        for member in [target, *below(before, target)]
                        for debt in owed(chosen.program, commits(before.runs[member].trace), heads.get(member, -1))
                    ]
                    debts.sort(reverse=True)
                    expected[id] = [(member, at, op) for _, at, op, member in debts]
                    raised[id] = []
                    seen["taken back"] += 1
                    seen["several"] += len(debts) > 1
                    seen["of several runs"] += len({debt[3] for debt in debts}) > 1
            for commit in log_since(after, before.size):
                if isinstance(commit.event, Undo):
                    if before.stack[0] in raised:
                        raised[before.stack[0]].append((commit.run, commit.event.at, commit.event.op))
                    question = commits(commit)[commit.event.at].event
                    assert isinstance(question, Outcome)
                    assert question.by == "world"
                    assert question.answer.name == "Ok"
                    assert commit.event.args == question.answer.args
            for id in sorted(expected):
                finished = not isinstance(after.runs[id].code, Undoing)
                if finished:
                    wanted, did = expected.pop(id), raised.pop(id)
                    cut_short = any(
                        isinstance(one.event, Outcome) and equal(one.event.answer, ABANDONED)
                        for one in log_since(after, before.size)
                    )
                    assert did == (wanted[: len(did)] if cut_short else wanted), (seed, id)
                    seen["paid"] += len(did)
    assert seen["paid"] > 30
    assert seen["several"]
    assert seen["of several runs"]


def below_then(commit: Commit) -> list[str]:
    found, todo = [], list(commit.heads[commit.run].kids)
    while todo:
        top = todo.pop()
        found.append(top)
        todo.extend(commit.heads[top].kids)
    return found


def test_no_debt_is_paid_twice() -> None:
    failed = 0
    for seed in cases(350):
        for id, run in ran(seed).last.runs.items():
            trace = commits(run.trace)
            settled: set[int] = set()
            for at, commit in enumerate(trace):
                if isinstance(commit.event, Undo):
                    assert commit.event.at not in settled, (seed, id)
                elif isinstance(commit.event, Outcome):
                    question = trace[asked(trace, at)].event
                    if isinstance(question, Undo) and not equal(commit.event.answer, ABANDONED):
                        settled.add(question.at)
                        failed += commit.event.answer.name != "Ok"
    assert failed
