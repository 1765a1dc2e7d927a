"""`replay`: a recorded program again, with the recorded answers; or an edited one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shepherd_dsl.cli.common import RUN, SOURCE, json_option, revision, root_of, workspace_option, workspace_to_read
from shepherd_dsl.cli.output import colour, paint, print_json
from shepherd_dsl.cli.text import fit, plain, terminal_width
from shepherd_dsl.errors import UserError

if TYPE_CHECKING:
    from shepherd_dsl.core.event import Event
    from shepherd_dsl.runtime.workspace import Workspace

_BEFORE = 24
"""How much is shown of what two events have in common before they differ."""


@click.command("replay")
@click.argument("run", default="", type=RUN)
@click.option(
    "--with", "edited", metavar="FILE", type=SOURCE, help="Replay an edited program against the recorded answers."
)
@workspace_option
@json_option
def replay_command(run: str, edited: str | None, folder: Path, as_json: bool) -> int:
    """Run a recorded program again with the recorded answers; every commit must come out the same.

    Nothing is performed.

    With --with, an edited program is asked instead: how far does it go the same way, and what does it do differently?
    """
    workspace = workspace_to_read(folder)
    name = root_of(revision(workspace, run), workspace)
    if edited is not None:
        return _edited(workspace, name, edited, as_json=as_json)
    from shepherd_dsl.runtime.actions import replay_run

    report = replay_run(workspace, name)
    if as_json:
        print_json(
            {
                "run": name,
                "events": report.total,
                "followed": report.followed,
                "identical": report.identical,
                "problem": report.problem,
            }
        )
        return 0 if report.identical else 1
    on = colour()
    if report.identical:
        click.echo(f"{paint('identical', 'green', on=on)} run {name}: all {report.total} commits have the same hashes")
        return 0
    click.echo(f"{paint('differs', 'red', on=on)} run {name}, entry {report.followed} of its log: {report.problem}")
    return 1


def _edited(workspace: Workspace, name: str, edited: str, *, as_json: bool) -> int:
    from shepherd_dsl.check import load
    from shepherd_dsl.cli.run import source_of
    from shepherd_dsl.core.wire import event_json
    from shepherd_dsl.lower import lower
    from shepherd_dsl.runtime.actions import replay_with

    path, _ = source_of(edited)
    if not path.is_file():
        raise UserError("file.none", "there is no such file", where=str(path), hint="Name a .shep file.")
    found, recorded = replay_with(workspace, name, lower(load(path)).program)
    now = found.expected
    if as_json:
        print_json(
            {
                "run": name,
                "same": found.followed,
                "events": len(recorded),
                "problem": found.problem,
                "recorded": _json_of(recorded, found.followed),
                "now": None if now is None else {"run": now[0], "event": event_json(now[1])},
            }
        )
        return 0
    on = colour()
    if not found.problem:
        click.echo(
            f"{paint('the same', 'green', on=on)} run {name}: the edited program makes all {len(recorded)} events"
        )
        return 0
    click.echo(
        f"{paint('differs', 'yellow', on=on)} run {name}: "
        f"{found.followed} of {len(recorded)} events are the same, then {found.problem}"
    )
    before = recorded[found.followed] if found.followed < len(recorded) else None
    for title, text in zip(("recorded: ", "now:      "), two_entries(before, now), strict=True):
        if text:
            click.echo(f"  {title}{text}")
    return 0


def two_entries(left: tuple[str, Event] | None, right: tuple[str, Event] | None) -> tuple[str, str]:
    """Two entries of logs that differ, each on a line; empty for none."""
    shown = _shown(left), _shown(right)
    return _difference(left, right) if shown[0] == shown[1] else shown


def _json_of(recorded: Sequence[tuple[str, Event]], at: int) -> object:
    from shepherd_dsl.core.wire import event_json

    return None if at >= len(recorded) else {"run": recorded[at][0], "event": event_json(recorded[at][1])}


def _shown(entry: tuple[str, Event] | None) -> str:
    from shepherd_dsl.cli.rows import event_line

    if entry is None:
        return ""
    return f"{entry[0]}: {fit(plain(event_line(entry[1])), terminal_width() - 14 - len(entry[0]))}"


def _difference(left: tuple[str, Event] | None, right: tuple[str, Event] | None) -> tuple[str, str]:
    """The events in canonical text, from a little before the place where they differ."""
    from shepherd_dsl.core.wire import event_text

    one, other = ["" if entry is None else plain(f"{entry[0]}: {event_text(entry[1])}") for entry in (left, right)]
    same = next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), 0)
    begin = max(0, same - _BEFORE)
    lead, width = "…" * bool(begin), terminal_width() - 12
    return fit(lead + one[begin:], width), fit(lead + other[begin:], width)
