"""Named points of the driver at which a crash is interesting, beside those of the store (`trace.points`)."""

from __future__ import annotations

from typing import Final

from shepherd_dsl.trace.points import reached

__all__ = ["POINTS", "reached", "reached_in_merge"]

POINTS: Final = (
    "task.imported",
    "stop.recorded",
    "early.marked",
    "handler.before",
    "scope.synced",
    "handler.after",
    "scope.changed",
    "answer.given",
    "drive.ended",
    "merge.staged",
    "merge.plan",
    "merge.kept",
    "merge.unlink",
    "merge.put",
    "merge.synced",
    "merge.beside",
    "merge.done",
    "merged",
)
"""Every point, in the order in which a run first meets it (those of a merge apart).

`merge.kept` is met where a merge is built on something of the user's.
"""


def reached_in_merge(name: str) -> None:
    """A merge into the workspace did the thing that `scope.apply` calls `name`."""
    reached(f"merge.{name.split()[0]}")
