"""`runs`, `log`, `show`, `diff`: looking at what was recorded. They take no lock and run nothing."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shepherd_dsl.cli.common import json_option, revision, workspace_at, workspace_option
from shepherd_dsl.cli.output import colour, paint, plain, print_json

if TYPE_CHECKING:
    from shepherd_dsl.cli.rows import Row
    from shepherd_dsl.trace.protocol import Recorded


# ── runs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@click.command("runs")
@workspace_option
@json_option
def runs_command(folder: Path, as_json: bool) -> None:
    """List the runs of the workspace, newest first."""
    from shepherd_dsl.core.event import End, Forked

    workspace = workspace_at(folder)
    store: Any = workspace.store()
    found = []
    for name in reversed(store.names()):
        reader = store.read(name)
        trace = reader.trace("root")
        if not len(trace):
            continue
        last = trace[-1]
        state = last.event.kind if isinstance(last.event, End) else "running" if store.is_locked(name) else "stopped"
        first = trace[0].event
        found.append(
            {
                "run": name,
                "agent": first.agent,
                "source": reader.info.get("source", ""),
                "state": state,
                "events": len(trace),
                "runs": len([run for run in reader.runs() if run != "world"]),
                "forked": reader.info.get("forked", ""),
                "commit": last.commit,
                "time_ms": last.time_ms,
                "live": not isinstance(last.event, Forked),
            }
        )
    if as_json:
        for item in found:
            del item["live"]
        print_json({"runs": found})
        return
    if not found:
        click.echo("no runs yet; `shepherd run FILE` makes one")
        return
    on = colour()
    marks = {"done": ("✓", "green"), "failed": ("✗", "red"), "discarded": ("✗", "dim")}
    for item in found:
        mark, style = marks.get(item["state"], ("…", "yellow"))
        extra = f"  from {item['forked']}" if item["forked"] else ""
        others = f"  {item['runs']} runs" if item["runs"] > 1 else ""
        click.echo(
            f"{paint(mark, style, on=on)} {item['run']:>3}  {item['state']:<9}  {item['events']:>4} events  "
            f"{plain(item['agent'])}  {paint(plain(item['source']), 'dim', on=on)}{extra}{others}"
        )


# ── log ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@click.command("log")
@click.argument("run", default="")
@click.option("-n", "count", type=click.IntRange(min=1), help="Show at most so many lines.")
@click.option("--all", "reverted", is_flag=True, help="Also what was reverted.")
@click.option("--events", "every", is_flag=True, help="Every event on a line of its own, run.next and run.pass too.")
@workspace_option
@json_option
def log_command(run: str, count: int | None, reverted: bool, every: bool, folder: Path, as_json: bool) -> None:
    """Show the events of a run and of all below it, newest first.

    An outcome stands on one line with the intent that it answers; the number is its index in the run's trace.
    """
    from shepherd_dsl.cli.rows import rows
    from shepherd_dsl.trace.revisions import ROOT

    workspace = workspace_at(folder)
    found = revision(workspace, run)
    reader: Any = workspace.store().read(found.tree)
    entries = _newest_first(reader) if found.run == ROOT else _one_run(reader, found.run)
    picked = list(islice(rows(entries, every=every, reverted=reverted, read_blob=reader.blob), count))
    if as_json:
        print_json({"run": str(found), "events": [_row_json(row) for row in picked]})
        return
    _page(_render(found.tree, picked, reader))


def _newest_first(reader: Any) -> Iterator[Recorded]:
    """All entries of a tree, newest first, read in growing pieces."""
    total, seen, piece = len(reader), 0, 64
    while seen < total:
        tail = reader.tail(min(total, seen + piece))
        for item in reversed(tail[: len(tail) - seen]):
            if item.run != "world":
                yield item
        seen, piece = len(tail), piece * 4


def _one_run(reader: Any, run: str) -> Iterator[Recorded]:
    trace = reader.trace(run)
    return (trace[index] for index in range(len(trace) - 1, -1, -1))


def _row_json(row: Row) -> dict[str, Any]:
    from shepherd_dsl.core.wire import event_json

    return {
        "run": row.recorded.run,
        "index": row.recorded.index,
        "commit": row.recorded.commit,
        "time_ms": row.recorded.time_ms,
        "live": row.live,
        "family": row.family,
        "text": row.text,
        "result": row.result,
        "event": event_json(row.recorded.event),
    }


_STYLES = {"✓": "green", "✗": "red", "?": "yellow"}


def _render(tree: str, picked: list[Row], reader: Any) -> list[str]:
    from shepherd_dsl.trace.revisions import ROOT, shown_run

    on = colour()
    width = max(shutil.get_terminal_size((120, 24)).columns, 60)
    order = [run for run in reader.runs() if any(row.recorded.run == run for row in picked)]
    spans: dict[str, tuple[int, int]] = {}
    for place, row in enumerate(picked):
        first, _ = spans.get(row.recorded.run, (place, place))
        spans[row.recorded.run] = (first, place)
    digits = max((len(str(row.recorded.index)) for row in picked), default=1)
    lines = []
    for place, row in enumerate(picked):
        lanes = []
        for run in order:
            first, last = spans[run]
            lanes.append("*" if run == row.recorded.run else "|" if first <= place <= last else " ")
        graph = " ".join(lanes)
        name = "" if row.recorded.run == ROOT else f"  ({shown_run(tree, row.recorded.run)})"
        if row.family == "start" and row.recorded.run == ROOT:
            name = "  (root)"
        head = f"{graph}  {row.recorded.index:>{digits}}  "
        space = width - len(head) - 20 - len(name)
        text = _fit(plain(row.text), max(24, min(44, space - 24)))
        result = _fit(plain(f"{row.mark} {row.result}".strip()), max(12, space - len(text) - 2))
        body = f"{paint(row.recorded.commit[:7], 'yellow', on=on)}  {row.family:<6} · {text}"
        gap = " " * max(2, 46 - len(text)) if result else ""
        line = f"{head}{body}{gap}{paint(result, _STYLES.get(row.mark, 'dim'), on=on)}{paint(name, 'cyan', on=on)}"
        lines.append(line.rstrip() if row.live else paint(line.rstrip() + "  (reverted)", "dim", on=on))
    return lines


def _fit(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _page(lines: list[str]) -> None:
    """Print, through the pager where the output is longer than the terminal."""
    text = "\n".join(lines) + ("\n" if lines else "")
    if sys.stdout.isatty() and len(lines) > shutil.get_terminal_size().lines:
        click.echo_via_pager(text)
    else:
        click.echo(text, nl=False)


# ── show ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@click.command("show")
@click.argument("event", default="")
@workspace_option
@json_option
def show_command(event: str, folder: Path, as_json: bool) -> None:
    """Show one event whole: what was asked, what was answered, which files it changed."""
    from shepherd_dsl.core.wire import event_json
    from shepherd_dsl.trace.revisions import resolve_event

    workspace = workspace_at(folder)
    bare = event.lstrip("-").isdecimal() or event == "last_green"
    found, item = resolve_event(workspace.store(), f"@{event}" if bare else event)
    reader: Any = workspace.store().read(found.tree)
    notes = dict(reader.notes(found.run, item.index))
    if as_json:
        print_json(
            {
                "run": str(found).partition("@")[0],
                "index": item.index,
                "commit": item.commit,
                "time_ms": item.time_ms,
                "event": event_json(item.event),
                "notes": notes,
            }
        )
        return
    from shepherd_dsl.cli.detail import detail

    on = colour()
    click.echo(f"{paint('commit', 'yellow', on=on)} {item.commit}   {found}   {_when(item.time_ms)}".rstrip())
    for line in detail(item, reader, on=on):
        click.echo(line)
    for name, text in sorted(notes.items()):
        click.echo(f"\n{paint(f'note {name}', 'dim', on=on)}")
        for line in text.splitlines():
            click.echo(f"    {plain(line)}")


def _when(time_ms: int | None) -> str:
    if time_ms is None:
        return ""
    import datetime

    moment = datetime.datetime.fromtimestamp(time_ms / 1000, tz=datetime.UTC).astimezone()
    return moment.isoformat(sep=" ", timespec="milliseconds")


# ── diff ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@click.command("diff")
@click.argument("first", default="")
@click.argument("second", default="")
@click.option("--stat", is_flag=True, help="Only the paths and how many lines changed.")
@workspace_option
@json_option
def diff_command(first: str, second: str, stat: bool, folder: Path, as_json: bool) -> None:
    """Show what changed in a run's files: between two events, up to one from the start, or in the whole run.

    A bare number is an event of the newest run: `shepherd diff 2 6`.
    """
    from shepherd_dsl.cli.difference import changed_paths, difference
    from shepherd_dsl.trace.revisions import resolve_event

    workspace = workspace_at(folder)
    store: Any = workspace.store()

    def at(text: str) -> Any:
        bare = text.lstrip("-").isdecimal() or text == "last_green"
        return resolve_event(store, f"@{text}" if bare else text)

    if second:
        (_, old), (found, new) = at(first), at(second)
    else:
        found, new = at(first)
        old = store.read(found.tree).trace(found.run)[0]
    reader = store.read(found.tree)
    if as_json:
        print_json({"from": old.commit, "to": new.commit, "paths": changed_paths(old.files, new.files)})
        return
    for line in difference(old.files, new.files, reader.blob, stat=stat, on=colour()):
        click.echo(line)
