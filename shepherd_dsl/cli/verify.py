"""`verify`: a recorded run before the checker in Lean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from shepherd_dsl.cli.common import RUN, json_option, revision, workspace_option, workspace_to_read
from shepherd_dsl.cli.output import colour, paint, print_json, warn
from shepherd_dsl.cli.text import count, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shepherd_dsl.core.event import Event
    from shepherd_dsl.trace.protocol import Recorded


@click.command("verify")
@click.argument("run", default="", type=RUN)
@workspace_option
@json_option
def verify_command(run: str, folder: Path, as_json: bool) -> int:
    """Hand a recorded run to the checker in Lean: can its program have produced these events?

    It gets the whole tree that RUN belongs to, up to an event where RUN names one, and names the first event that
    cannot be. Nothing is performed. `shepherd explain verify` says what is proved about the checker.

    The checker is the command in SHEPHERD_SHEPREF, `shepref` on the PATH, or what `make lean` or `lake build` made in a
    checkout of the project. Exit status 0: accepted; 1: rejected; 2: no verdict.
    """
    from shepherd_dsl.cli.replay import two_entries
    from shepherd_dsl.reference.process import Reference
    from shepherd_dsl.runtime.verify import verify_tree
    from shepherd_dsl.trace.revisions import shown_run

    workspace = workspace_to_read(folder)
    found = revision(workspace, run)
    reader = workspace.store().read(found.tree)
    entries = list(reader.entries())
    until = None if found.index is None else _until(entries, reader.trace(found.run)[found.index].commit)
    with Reference() as checker:
        name = checker.command.name
        verdict = verify_tree(reader, checker, until=until)
    here = entries[verdict.followed] if not verdict.accepted and verdict.followed < len(entries) else None
    place = f"{shown_run(found.tree, here.run)}@{here.index}" if here is not None else ""
    if not verdict.agrees:
        warn(
            "disagreement",
            "the Python core gives another verdict on this run; the Lean checker counts",
            hint="This is a bug in shepherd: please report it with the run.",
        )
    if as_json:
        print_json(
            {
                "run": found.tree,
                "events": verdict.events,
                "accepted": verdict.accepted,
                "followed": verdict.followed,
                "event": place or None,
                "recorded": None if here is None else _json((here.run, here.event)),
                "expected": _json(verdict.expected),
                "problem": verdict.problem,
                "checker": name,
            }
        )
        return 0 if verdict.accepted else 1
    on = colour()
    if verdict.accepted:
        click.echo(
            f"{paint('accepted', 'green', on=on)} run {found.tree}: its program can have produced "
            f"{count(verdict.events, 'event')} (checked in Lean)"
        )
        return 0
    why = f": {plain(verdict.problem)}" if verdict.problem else ""
    click.echo(f"{paint('rejected', 'red', on=on)} run {found.tree} at event {place or verdict.followed}{why}")
    recorded = None if here is None else (here.run, here.event)
    for title, text in zip(("recorded: ", "possible: "), two_entries(recorded, verdict.expected), strict=True):
        if text:
            click.echo(f"  {title}{text}")
    return 1


def _until(entries: Sequence[Recorded], commit: str) -> int:
    """How many entries of the log there are up to that commit. (A copy has the events before its fork from another
    run: the log has them under that run's name.)"""
    return next(at for at, item in enumerate(entries, start=1) if item.commit == commit)


def _json(entry: tuple[str, Event] | None) -> object:
    from shepherd_dsl.core.wire import event_json

    return None if entry is None else {"run": entry[0], "event": event_json(entry[1])}
