"""Forking a whole tree from outside: the root run after its event k, with everything below it at that point.

The new tree has the old one's log up to that event, and its ids: it is a tree of its own. `forked` is then recorded in
every run, lower ones first, the root run last.
"""

from __future__ import annotations

from shepherd_dsl.core.event import Forked, Outcome
from shepherd_dsl.core.forest import LogNode, Machine, below, heads, last_inside, record
from shepherd_dsl.core.run import ROOT, WORLD, Commit, Driving, Run, Waiting, but, nth
from shepherd_dsl.core.shown import taken_up
from shepherd_dsl.core.value import Handle


def fork_root(m: Machine) -> Machine | None:
    """The new tree right after an event of the root run, the last of the log but for what the world recorded since.

    It is at its root run's `forked`; None where the last event is another run's. An operation of the world that is
    under way is given up: its trace keeps the intent, and the new tree is driven on.
    """
    last, inside = m.runs[ROOT].trace, last_inside(m)
    if last is None or inside is None or last.seq != inside.seq:
        return None
    assert m.log is not None
    return _forked(m, last, m.log)


def fork_root_at(m: Machine, at: int) -> Machine:
    """`fork_root` of the tree as it was right after event `at` of its root run. Raises IndexError where there is none.

    What the world did to the root run by that event ends with its outcome, in the same step: that one is kept too.
    """
    commit = nth(m.runs[ROOT].trace, at)
    if commit is None:
        raise IndexError(f"the root run has no event {at}")
    return _forked(m, commit, _log_up_to(m, commit))


def _forked(m: Machine, commit: Commit, log: LogNode) -> Machine:
    """The fork after `commit` of the root run, with this log: to the commit, and what the world recorded then."""
    then = [(head.id, head.commit) for head in heads(m, ROOT, commit)]
    runs = commit.heads.insert(ROOT, _as_of(commit.heads[ROOT], commit))
    for id, head in then:
        runs = runs.insert(id, _as_of(runs[id], head))
    world = but(runs[WORLD], code=Driving(ROOT, Waiting("run.next", (Handle(0),), None)))
    if log.commit.run == WORLD:
        world = but(world, trace=log.commit)
    runs = runs.insert(WORLD, world)
    stack = (ROOT, (WORLD, None))
    forked = Machine(m.program, m.read_blob, runs, stack, log, log.commit.seq + 1, commit.used, m.written)
    for run in [*below(forked.runs, ROOT), forked.runs[ROOT]]:
        assert run.trace is not None
        code = run.code if run.id == ROOT else taken_up(forked, run)
        forked = record(forked, run.id, Forked(run.id, run.trace.index), code=code)
    return forked


def _as_of(run: Run, commit: Commit) -> Run:
    """`run` as it was right after `commit`: a machine operation that was under way is taken up from its beginning."""
    return but(
        run,
        code=commit.code,
        files=commit.files,
        handles=commit.handles,
        inbox=commit.inbox,
        made=commit.made,
        trace=commit,
    )


def _log_up_to(m: Machine, commit: Commit) -> LogNode:
    """The log up to the end of the step of the outside that recorded `commit`, else up to the commit.

    Where an outcome of the world comes right after an event of the root run, that event is what the world asked for.
    """
    node, after = m.log, None
    while node is not None and node.commit.seq > commit.seq:
        node, after = node.before, node
    assert node is not None
    if after is not None and after.commit.run == WORLD and isinstance(after.commit.event, Outcome):
        return after
    return node
