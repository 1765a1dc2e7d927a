"""`runs`, `log`, `show`, `diff`: looking at what was recorded. They take no lock and run nothing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shepherd_dsl.cli.common import (
    EVENT,
    RUN,
    at_event,
    json_option,
    revision,
    workspace_option,
    workspace_to_read,
)
from shepherd_dsl.cli.output import colour, paint, print_json, print_lines
from shepherd_dsl.cli.text import count, pad, plain, terminal_width
from shepherd_dsl.core.content import Content
from shepherd_dsl.errors import CorruptError, RevisionError

if TYPE_CHECKING:
    from shepherd_dsl.cli.rows import Row
    from shepherd_dsl.core.event import Event
    from shepherd_dsl.trace.protocol import Recorded


# ── runs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@click.command("runs")
@click.option("-n", "limit", metavar="N", type=click.IntRange(min=1), help="Show at most so many.")
@workspace_option
@json_option
def runs_command(limit: int | None, folder: Path, as_json: bool) -> None:
    """List the runs of the workspace, newest first.

    A run is done, failed, discarded, running, or stopped: `shepherd resume` goes on with a stopped one.
    """
    workspace = workspace_to_read(folder)
    store = workspace.store()
    found = [_run_json(store, name) for name in islice(reversed(store.names()), limit)]
    if as_json:
        print_json({"runs": found})
        return
    if not found:
        print_lines(["no runs yet; `shepherd run FILE` makes one"])
        return
    on = colour()
    marks = {"done": ("✓", "green"), "failed": ("✗", "red"), "discarded": ("✗", "dim"), "damaged": ("✗", "red")}
    cells = [
        (
            item["run"],
            item["state"],
            count(item["events"], "event"),
            plain(item["agent"]),
            plain(item["source"]),
            ", ".join(
                [f"fork of {plain(item['forked'] or '')}"] * bool(item["forked"])
                + [f"{item['runs']} runs"] * (item["runs"] > 1)
            ),
        )
        for item in found
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(5)]
    lines = []
    for run, state, events, agent, source, more in cells:
        mark, style = marks.get(state, ("…", "yellow"))
        lines.append(
            f"{paint(mark, style, on=on)} {run:>{widths[0]}}  {pad(state, widths[1])}  {events:>{widths[2]}}  "
            f"{pad(agent, widths[3])}  {paint(pad(source, widths[4]), 'dim', on=on)}  {more}".rstrip()
        )
    print_lines(lines)


def _run_json(store: Any, name: str) -> dict[str, Any]:
    from shepherd_dsl.core.event import End, Start
    from shepherd_dsl.trace.live import live_backwards
    from shepherd_dsl.trace.revisions import ROOT

    try:
        reader = store.read(name)
        trace = reader.trace(ROOT)
        start, last = trace[0].event, trace[-1]
        newest = next(live_backwards(trace)).event
        if not isinstance(start, Start):
            raise CorruptError("store.log", "its trace does not begin with a start", where=name)
    except (CorruptError, RevisionError, StopIteration):
        # One damaged run, or one fetched from elsewhere that is none, does not hide the others.
        return {**dict.fromkeys(("agent", "source"), ""), **dict.fromkeys(("commit", "forked", "time_ms")),
                "run": name, "state": "damaged", "events": 0, "runs": 0}  # fmt: skip
    state = newest.kind if isinstance(newest, End) else "running" if store.is_locked(name) else "stopped"
    return {
        "run": name,
        "agent": start.agent,
        "source": reader.info.get("source", ""),
        "state": state,
        "events": len(trace),
        "runs": sum(run != "world" for run in reader.runs()),
        "forked": reader.info.get("forked") or None,
        "commit": last.commit,
        "time_ms": last.time_ms,
    }


# ── log ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@click.command("log")
@click.argument("run", default="", type=RUN)
@click.option("-n", "limit", metavar="N", type=click.IntRange(min=1), help="Show at most so many lines.")
@click.option("--all", "reverted", is_flag=True, help="Also what was reverted.")
@click.option("--events", "every", is_flag=True, help="Every event on a line of its own, run.next and run.pass too.")
@workspace_option
@json_option
def log_command(run: str, limit: int | None, reverted: bool, every: bool, folder: Path, as_json: bool) -> None:
    """Show the events of RUN and of all runs below it, newest first; up to an event, where RUN names one.

    An outcome stands on one line with the intent that it answers; the number is the outcome's index in its run's trace.
    Without RUN, the latest one.
    """
    from shepherd_dsl.cli.rows import rows
    from shepherd_dsl.cli.run_names import RunNames
    from shepherd_dsl.trace.revisions import ROOT

    workspace = workspace_to_read(folder)
    found = revision(workspace, run)
    reader: Any = workspace.store().read(found.tree)
    if found.run == ROOT and found.index is None:
        entries = _newest_first(reader)
    else:
        trace = reader.trace(found.run)
        last = len(trace) - 1 if found.index is None else found.index
        entries = (trace[index] for index in range(last, -1, -1))
    named = RunNames(reader).event
    picked = list(islice(rows(entries, every=every, reverted=reverted, read_blob=reader.content, named=named), limit))
    if as_json:
        print_json({"run": str(found), "events": [_row_json(row) for row in picked]})
        return
    from shepherd_dsl.cli.graph import render

    print_lines(render(picked, tree=found.tree, width=terminal_width(), on=colour()), pager=True)


def _newest_first(reader: Any) -> Iterator[Recorded]:
    """All entries of a tree, newest first, read in growing pieces."""
    total, seen, piece = len(reader), 0, 64
    while seen < total:
        tail = reader.tail(min(total, seen + piece))
        for item in reversed(tail[: len(tail) - seen]):
            if item.run != "world":
                yield item
        seen, piece = len(tail), piece * 4


def _event_json(item: Recorded) -> dict[str, Any]:
    from shepherd_dsl.core.wire import event_json

    event: Event = item.event
    return {
        "run": item.run,
        "index": item.index,
        "commit": item.commit,
        "time_ms": item.time_ms,
        "event": event_json(event),
    }


def _row_json(row: Row) -> dict[str, Any]:
    shown = {"live": row.live, "family": row.family, "text": row.text, "mark": row.mark, "result": row.result}
    return {**_event_json(row.recorded), **shown}


# ── show ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@click.command("show")
@click.argument("event", default="", type=EVENT)
@workspace_option
@json_option
def show_command(event: str, folder: Path, as_json: bool) -> None:
    """Show one event whole: what was asked, what was answered, which files it changed.

    EVENT is a number (of the latest run), 3@7, 3@-1, 3@last_green or the start of a hash; a run means its last event.
    """
    workspace = workspace_to_read(folder)
    found, item = at_event(workspace, event)
    reader = workspace.store().read(found.tree)
    notes = dict(reader.notes(found.run, item.index))
    if as_json:
        print_json({**_event_json(item), "notes": notes, "revision": str(found)})
        return
    from shepherd_dsl.cli.detail import detail, note_lines

    on = colour()
    lines = [f"{paint('commit', 'yellow', on=on)} {item.commit}   {found}   {_when(item.time_ms)}".rstrip()]
    lines += detail(item, reader, on=on)
    lines += [line for name, text in sorted(notes.items()) for line in note_lines(name, text, on=on)]
    print_lines(lines, pager=True)


def _when(time_ms: int | None) -> str:
    if time_ms is None:
        return ""
    import datetime

    moment = datetime.datetime.fromtimestamp(time_ms / 1000, tz=datetime.UTC).astimezone()
    return moment.isoformat(sep=" ", timespec="milliseconds")


# ── diff ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@click.command("diff")
@click.argument("first", default="", type=EVENT)
@click.argument("second", default="", type=EVENT)
@click.option("--stat", is_flag=True, help="Only the paths and how many lines changed.")
@workspace_option
@json_option
def diff_command(first: str, second: str, stat: bool, folder: Path, as_json: bool) -> None:
    """Show what changed in a run's files: between two events, up to one from the start, or in the whole run.

    A bare number is an event of the latest run: `shepherd diff 2 6`.
    """
    from shepherd_dsl.cli.difference import changed_paths, difference

    workspace = workspace_to_read(folder)
    found, new = at_event(workspace, second or first)
    reader = workspace.store().read(found.tree)
    start, old = at_event(workspace, first) if second else (found, reader.trace(found.run)[0])
    if as_json:
        print_json({"from": old.commit, "to": new.commit, "paths": changed_paths(old.files, new.files)})
        return
    other = workspace.store().read(start.tree)

    def read_blob(name: str) -> Content:
        # The trees of a workspace share one store, but what is not packed yet only its own reader knows.
        try:
            return reader.content(name)
        except CorruptError:
            return other.content(name)

    print_lines(list(difference(old.files, new.files, read_blob, stat=stat, on=colour())), pager=True)
