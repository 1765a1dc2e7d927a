"""Forking a whole tree from outside: the root run after its event k, with everything below it at that point.

The new tree has the old one's log up to that event, and its ids: it is a tree of its own. `forked` is then recorded in
every run, lower ones first, the root run last.
"""

from __future__ import annotations

from shepherd_dsl.core.event import Forked
from shepherd_dsl.core.forest import LogNode, Machine, below, heads, record
from shepherd_dsl.core.run import ROOT, WORLD, Commit, Driving, Run, Waiting, but, nth
from shepherd_dsl.core.shown import taken_up
from shepherd_dsl.core.value import Handle


def fork_root(m: Machine, at: int) -> Machine:
    """The new tree, at its root run's `forked`. Raises IndexError where the root run has no event `at`."""
    commit = nth(m.runs[ROOT].trace, at)
    if commit is None:
        raise IndexError(f"the root run has no event {at}")
    then = [(head.id, head.commit) for head in heads(m, ROOT, commit)]
    runs = commit.heads.insert(ROOT, _as_of(commit.heads[ROOT], commit))
    for id, head in then:
        runs = runs.insert(id, _as_of(runs[id], head))
    world = but(runs[WORLD], code=Driving(ROOT, Waiting("run.next", (Handle(0),), None)))
    runs = runs.insert(WORLD, world)
    stack = (ROOT, (WORLD, None))
    forked = Machine(
        m.program, m.read_blob, runs, stack, _log_up_to(m, commit.seq), commit.seq + 1, commit.used, m.written
    )
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


def _log_up_to(m: Machine, seq: int) -> LogNode | None:
    node = m.log
    while node is not None and node.commit.seq > seq:
        node = node.before
    return node
