"""Laws `grant_safe`, `grant_narrows`: nothing outside the grant is performed, nor more often than the grant says.

What a run may do is read from its `start` event and counted over the log: independent of the machine's own counts.
"""

from __future__ import annotations

from collections import Counter

import pytest

from shepherd_dsl.core.event import Denied, Forked, Intent, Outcome, Start, Undo
from shepherd_dsl.core.forest import Machine, log_since
from shepherd_dsl.core.grant import matches, request_from
from shepherd_dsl.core.run import ROOT, WORLD, Commit, commits, copy_id, maker_of, question_of, split_copy
from tests.support import scenes
from tests.support.generate import cases, ran
from tests.support.sharing import copied_under_a_limit

Origin = tuple[str, int]


def intents_of(m: Machine) -> list[Commit]:
    return [commit for commit in log_since(m, 0) if isinstance(commit.event, Intent) and commit.run != WORLD]


def forked_at(m: Machine) -> dict[str, int]:
    """For each fork made inside, the place in the log at which its original stood."""
    found: dict[str, int] = {}
    for commit in log_since(m, 0):
        parts = split_copy(commit.run)
        if isinstance(commit.event, Forked) and parts is not None:
            assert commit.parent is not None
            found[parts[0]] = max(found.get(parts[0], -1), commit.parent.seq)
    return found


def used_by_then(m: Machine, origin: str, clause: int, until: int, forks: dict[str, int]) -> int:
    """How many intents the limited clause has counted up to a place in the log, inherited ones of a copy included."""
    count = 0
    for commit in intents_of(m):
        if commit.seq > until:
            break
        event = commit.event
        assert isinstance(event, Intent)
        for layer in m.runs[commit.run].grant:
            if layer.origin == origin and matches(layer.clauses[clause], event.op, event.args):
                count += 1
    parts = split_copy(origin)
    if parts is not None:
        count += used_by_then(m, parts[1], clause, min(until, forks[parts[0]]), forks)
    return count


def test_no_intent_outside_the_grant_nor_beyond_its_limit() -> None:
    denied = limited = 0
    for seed in cases(250):
        m = ran(seed).last
        forks = forked_at(m)
        for commit in log_since(m, 0):
            event = commit.event
            if commit.run == WORLD or not isinstance(event, Intent | Denied):
                continue
            layers = [request_from(part) for part in _start(m, commit.run).grant]  # type: ignore[union-attr]
            fits = all(any(matches(clause, event.op, event.args) for clause in layer) for layer in layers)
            if isinstance(event, Intent):
                assert fits, (seed, commit.run, event.op)
            else:
                denied += 1
        for run in m.runs.values():
            for layer in run.grant:
                if layer.origin != run.id:
                    continue
                for index in layer.limited:
                    clause = layer.clauses[index]
                    if any(other.op == clause.op and other is not clause for other in layer.clauses):
                        continue
                    count = used_by_then(m, run.id, index, m.size, forks)
                    assert clause.limit is not None
                    assert count <= clause.limit, (seed, run.id, clause)
                    assert count == m.used.get((run.id, index), 0), (seed, run.id, clause)
                    limited += count > 0
    assert denied > 20
    assert limited > 20


def shared_otherwise(m: Machine) -> tuple[list[str], int]:
    """The copies that share a limit with others than their original does, and how many copies of copies there are.

    Where the fork copied a run, the copy shares with that one's copy; else with whom its original shares.
    """
    found, again = [], 0
    for one in m.runs.values():
        parts = split_copy(one.id)
        if parts is None or parts[1] not in m.runs:
            continue
        fork, old = parts
        for mine, its in zip(one.grant, m.runs[old].grant, strict=True):
            copied = copy_id(fork, its.origin)
            if mine.origin != (copied if copied in m.runs else its.origin):
                found.append(one.id)
        again += split_copy(old) is not None
    return found, again


@pytest.mark.parametrize("limit", [2, 3, 4])
def test_one_branch_does_not_use_up_the_limit_of_another(limit: int) -> None:
    m = scenes.run(copied_under_a_limit(limit))
    copies = ("root.0.1(root.0.0)", "root.1(root.0).1(root.1(root.0.0))")
    asked = [[kind for kind in scenes.kinds(m, id) if kind in ("Intent", "Denied")] for id in copies]
    left = limit - 2
    assert asked == [["Intent"] * left + ["Denied"] * (2 - left)] * 2
    used = [m.used.get((id, 1), 0) for id in ("root.0", "root.1(root.0)")]
    assert used == [limit] * 2
    found, again = shared_otherwise(m)
    assert (found, again) == ([], 1)


def test_a_copy_shares_the_limits_that_its_original_shares() -> None:
    copies = 0
    for seed in cases(250):
        found, again = shared_otherwise(ran(seed).last)
        assert found == [], seed
        copies += again
    assert copies > 20


def _start(m: Machine, run: str) -> Start:
    event = commits(m.runs[run].trace)[0].event
    assert isinstance(event, Start)
    return event


def test_a_run_holds_what_its_maker_held_and_one_layer_more() -> None:
    narrowed = 0
    for seed in cases(150):
        m = ran(seed).last
        for id in sorted(m.runs):
            if id in (ROOT, WORLD) or split_copy(id) is not None:
                continue
            mine, makers = _start(m, id).grant, _start(m, maker_of(id)).grant
            assert isinstance(mine, tuple)
            assert mine[:-1] == makers, (seed, id)
            narrowed += 1
    assert narrowed > 100


def test_what_is_denied_is_refused_by_a_layer() -> None:
    kinds: Counter[str] = Counter()
    for seed in cases(250):
        m = ran(seed).last
        for commit in log_since(m, 0):
            event = commit.event
            if not isinstance(event, Denied):
                continue
            refused = False
            for layer in m.runs[commit.run].grant:
                clauses = [(at, one) for at, one in enumerate(layer.clauses) if matches(one, event.op, event.args)]
                spent = [
                    one.limit is not None and commit.used.get((layer.origin, at), 0) >= one.limit for at, one in clauses
                ]
                if all(spent):
                    kinds["spent" if spent else "outside"] += 1
                    refused = True
            assert refused, (seed, commit.run, event.op)
    assert kinds["spent"]
    assert kinds["outside"]


def test_the_world_performs_only_intents_and_compensations_of_what_it_did() -> None:
    undone = 0
    for seed in cases(250):
        done = ran(seed)
        for commit in log_since(done.last, 0):
            event = commit.event
            if not isinstance(event, Outcome) or event.by != "world" or commit.run == WORLD:
                continue
            question = question_of(commit.parent)
            assert question is not None
            if isinstance(question.event, Undo):
                undone += 1
                at = next(one for one in commits(commit) if one.index == question.event.at)
                asked = question_of(at.parent)
                assert asked is not None
                assert isinstance(asked.event, Intent)
                assert done.case.program.ops[asked.event.op].undo == question.event.op, seed
    assert undone > 20
