"""A tree under way: the pure machine with its durable log."""

from __future__ import annotations

from shepherd_dsl.core.event import Intent
from shepherd_dsl.core.forest import Machine, log_since
from shepherd_dsl.core.machine import OuterStop, advance, outer_stop
from shepherd_dsl.core.run import Commit
from shepherd_dsl.trace.protocol import LogEntry, TreeWriter


class LiveTree:
    """The machine of one tree and its writer, kept in step.

    `recorded` is how many entries of the machine's log the writer has. Nothing that the machine decided is acted on
    before it is recorded: `to_stop` is durable when it returns with an open question.
    """

    def __init__(self, machine: Machine, writer: TreeWriter, *, recorded: int) -> None:
        self.machine = machine
        self.writer = writer
        self.recorded = recorded

    def to_stop(self) -> tuple[OuterStop, list[Commit]]:
        """Take the machine to its next outer stop and record what it did; the stop, and the new commits."""
        self.machine = advance(self.machine)
        stop = outer_stop(self.machine)
        return stop, self.record()

    def record(self) -> list[Commit]:
        """Record what the machine has done since: one durable journal record. The new commits, oldest first."""
        new = log_since(self.machine, self.recorded)
        if not new:
            return new
        for commit in new:
            event = commit.event
            if isinstance(event, Intent) and event.op == "file.write" and isinstance(event.args[-1], str):
                self.writer.put_blob(event.args[-1].encode("utf-8"))
        self.writer.append([LogEntry(commit.run, commit.event, commit.files) for commit in new], durable=True)
        self.recorded = self.machine.size
        return new
