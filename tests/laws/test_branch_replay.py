"""Law `branch_replay`: a fork equals the run started under the fork's id with the first k events and `forked` fixed.

So a copy that is driven as its original was, and answered alike, does what the original did after event k: for any
number of children, nested. Operations are reversible here: a copy owes nothing for what was done before it was made.
And no run looks at indices after event k: the copies below have a `forked` more, one of the events that are fixed.
"""

from __future__ import annotations

from collections import Counter

from shepherd_dsl.core.event import Change, Forked, Intent, Outcome
from shepherd_dsl.core.event_equal import event_difference
from shepherd_dsl.core.expr import Comp
from shepherd_dsl.core.oracle import Query
from shepherd_dsl.core.program import Def, Operation, Program
from shepherd_dsl.core.run import Commit, commits, copy_id, made, maker_of, nth, question_of, split_copy
from shepherd_dsl.core.value import Con
from tests.support.build import ALL, call, do, drive, p, ret, seq, spawn
from tests.support.generate import BASE, SOME, Case, case, cases, run_case, scripted


def branches(seed: int, passes: int, at: int) -> Case:
    """A generated agent, driven some way, forked at event `at`, then both branches driven to the end."""
    chosen = case(seed)
    agent = ("a21", "a12", "a00", "a01")[seed % 4]
    args = [3] * len(chosen.program.defs[agent].params)
    w, f = p("con_arg", "$w", 0), p("con_arg", "$f", 0)
    body: Comp = seq(
        ("w", spawn(agent, *args)),
        call("some'", w, passes),
        ("f", do("run.fork", w, at)),
        drive(w),
        drive(f),
        ret(1),
    )
    defs = {**chosen.program.defs, "main": Def((), body), "some'": SOME}
    ops = {op: Operation("reversible") for op in chosen.program.ops}
    return Plain(seed, Program(defs, ops, chosen.program.steps), "main", (), ALL, BASE)


class Plain(Case):
    """A case whose oracle answers alike whoever asks."""

    def oracle(self, query: Query) -> tuple[Con, Change]:
        value, change = scripted(self.seed, "anyone", "ever", query.op, query.args)
        return (value if value.name == "Ok" else Con("Ok", ("yes",))), change if query.op != "run.pick" else ()


def renamed(id: str, group: set[str], fork: str) -> str:
    """The id in the branch of what has the id `id` in the original: a run of the group, or made by one of it."""
    if id in group:
        return copy_id(fork, id)
    parts = split_copy(id)
    if parts is not None:
        return copy_id(renamed(parts[0], group, fork), renamed(parts[1], group, fork))
    if "." not in id:
        return id
    maker = maker_of(id)
    return made(renamed(maker, group, fork), int(id[len(maker) + 1 :]))


def looks_at_indices(commit: Commit) -> bool:
    """Whether the copy, or a run below it, is told here what it asked for by index."""
    if not commit.run.startswith("root.1(") or not isinstance(commit.event, Outcome):
        return False
    question = question_of(commit.parent)
    assert question is not None
    return isinstance(question.event, Intent) and question.event.op in ("run.trace", "run.fork", "run.revert")


def after(trace: Commit | None, index: int) -> list[Commit]:
    return [commit for commit in commits(trace) if commit.index > index]


def test_a_branch_does_what_its_original_does() -> None:
    seen: Counter[str] = Counter()
    for seed in cases(600):
        done = run_case(branches(seed, seed % 3, seed // 3 % 9), world=False)
        runs = done.last.runs
        copy = runs.get("root.1(root.0)")
        if copy is None or type(runs["root"].code).__name__ != "Done":
            continue
        group = {parts[1] for id in runs if (parts := split_copy(id)) is not None and parts[0] == "root.1"}
        if any(looks_at_indices(commit) for id in runs for commit in commits(runs[id].trace)):
            continue
        seen[f"copies {min(len(group), 3)}"] += 1
        below = [id for id in sorted(runs) if id == "root.0" or id.startswith("root.0.")]
        for id in below:
            other = renamed(id, group, "root.1")
            if id in group:
                fork = next(at for at in commits(runs[other].trace) if isinstance(at.event, Forked) and at.run == other)
                theirs = after(runs[other].trace, fork.index)
                mine = after(runs[id].trace, fork.index - 1)
                shift = 1
            elif other in runs:
                mine, theirs, shift = commits(runs[id].trace), commits(runs[other].trace), 0
            else:
                # What was below at the start of the branch but not at event k is made again, or it was taken back.
                continue
            # The original's events that were taken up again are the same in both.
            assert len(mine) == len(theirs), (seed, id)
            for one, another in zip(mine, theirs, strict=True):
                assert one.index + shift == another.index
                if isinstance(one.event, Forked):
                    assert isinstance(another.event, Forked)
                    assert renamed(one.event.of, group, "root.1") == another.event.of
                    continue
                problem = event_difference(one.event, another.event)
                assert problem == "", (seed, id, one.index, problem)
                seen[type(one.event).__name__] += 1
    assert seen["copies 1"]
    assert seen["copies 3"]
    for kind in ("Intent", "Outcome", "End", "Start"):
        assert seen[kind], kind


def test_the_inherited_events_are_the_same_objects() -> None:
    for seed in cases(100):
        runs = run_case(branches(seed, 2, 2), world=False).last.runs
        for id, run in runs.items():
            parts = split_copy(id)
            if parts is None or parts[1] not in runs:
                continue
            mark = next(one for one in commits(run.trace) if isinstance(one.event, Forked) and one.run == id)
            assert isinstance(mark.event, Forked)
            assert mark.event.of == parts[1]
            assert mark.parent is nth(runs[parts[1]].trace, mark.event.at)
            assert mark.index == mark.event.at + 1
