"""Running a recorded program again, with the recorded answers: nothing is performed, and nothing printed."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from shepherd_dsl.core.event import Event
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.replay import Replayed, first_divergence
from shepherd_dsl.runtime.trees import recorded, replay_tree
from shepherd_dsl.runtime.workspace import Workspace
from shepherd_dsl.trace.protocol import TreeReader

_OTHER_COMMIT = "the event is that of its program, but not its commit: what it says of files or its parent was changed"


@attrs.frozen(slots=True, eq=False)
class ReplayReport:
    """A replay of `total` entries: the first `followed` gave the same commits; `problem` says why the next did not."""

    name: str
    followed: int
    total: int
    problem: str
    identical: bool


def replay_run(workspace: Workspace, name: str) -> ReplayReport:
    """Run the recorded program again with the recorded answers, and compare every commit hash."""
    reader = workspace.store().read(name)
    result = replay_tree(reader)
    recorded_ = list(reader.entries())
    again = made_again(reader, result)
    if result.problem:
        return ReplayReport(name, result.followed, len(recorded_), result.problem, identical=False)
    for at, (made, item) in enumerate(zip(again, recorded_, strict=True)):
        if made != item.commit:
            return ReplayReport(name, at, len(recorded_), _OTHER_COMMIT, identical=False)
    return ReplayReport(name, len(recorded_), len(recorded_), "", identical=True)


def made_again(reader: TreeReader, result: Replayed) -> Sequence[str]:
    """The commit hashes of the entries that a replay made, computed from the events alone."""
    from shepherd_dsl.core.forest import log_since
    from shepherd_dsl.trace.hashes import commit_hashes
    from shepherd_dsl.trace.protocol import LogEntry

    if result.machine is None:
        return []
    made = log_since(result.machine, 0)[: result.followed]
    return commit_hashes([LogEntry(item.run, item.event, item.files) for item in made], program=reader.program)


def replay_with(workspace: Workspace, name: str, program: Program) -> tuple[Replayed, list[tuple[str, Event]]]:
    """How far an edited program, with the recorded bound on local steps, follows the answers; and the recorded log."""
    reader = workspace.store().read(name)
    before, log, base = recorded(reader)
    program = attrs.evolve(program, steps=before.steps)
    return first_divergence(program, log, base, read_blob=reader.content), log
