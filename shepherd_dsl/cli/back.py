"""`fork`, `revert`, `undo`, `discard`, `merge`: what moves a head, or the workspace."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shepherd_dsl.cli.common import (
    EVENT,
    RUN,
    dry_option,
    event_of,
    json_option,
    revision,
    root_of,
    workspace_at,
    workspace_option,
)
from shepherd_dsl.cli.output import print_json, print_lines
from shepherd_dsl.cli.text import count, plain

if TYPE_CHECKING:
    from shepherd_dsl.runtime.actions import BackPlan, TakenBack
    from shepherd_dsl.runtime.workspace import Workspace
    from shepherd_dsl.scope.apply import MergeRecord

_MOST = 40
"""Paths that are listed."""

keep_option = click.option(
    "--keep", is_flag=True, help="Leave the workspace as it is, even where the run was merged into it."
)


@click.command("fork")
@click.argument("event", type=EVENT)
@click.option("--by", "number", metavar="N", type=click.IntRange(1, 1000), default=1, help="How many forks.")
@dry_option
@workspace_option
@json_option
def fork_command(event: str, number: int, dry_run: bool, folder: Path, as_json: bool) -> None:
    """Make a new run from EVENT of another: the same trace up to there, then its own.

    Code and files fork together; nothing is copied and nothing runs. `shepherd resume` goes on with the fork.
    """
    from shepherd_dsl.runtime.actions import fork_run

    workspace = workspace_at(folder)
    found = event_of(workspace, event)
    name = root_of(found, workspace)
    assert found.index is not None
    made = [] if dry_run else [fork_run(workspace, name, found.index) for _ in range(number)]
    if as_json:
        print_json({"from": str(found), "forks": made, "dry_run": dry_run})
    elif dry_run:
        click.echo(f"would fork {found} into {count(number, 'new run')}")
    else:
        for fork in made:
            click.echo(f"run {fork} is a fork of {found}; `shepherd resume {fork}` goes on with it")


@click.command("revert")
@click.argument("event", type=EVENT)
@keep_option
@dry_option
@workspace_option
@json_option
def revert_command(event: str, keep: bool, dry_run: bool, folder: Path, as_json: bool) -> None:
    """Put code and files of a run back to EVENT, byte for byte, and say what could not be taken back.

    Compensations that are due are made first, newest first. Nothing is forgotten: `shepherd undo` takes it back.
    """
    workspace = workspace_at(folder)
    found = event_of(workspace, event)
    name = root_of(found, workspace)
    assert found.index is not None
    _back(workspace, name, found.index, keep=keep, dry_run=dry_run, as_json=as_json, verb="reverted")


@click.command("discard")
@click.argument("run", type=RUN)
@dry_option
@workspace_option
@json_option
def discard_command(run: str, dry_run: bool, folder: Path, as_json: bool) -> None:
    """Unwind a run, with the compensations that are due, and end it. Files already merged stay."""
    workspace = workspace_at(folder)
    name = root_of(revision(workspace, run), workspace)
    _back(workspace, name, None, keep=True, dry_run=dry_run, as_json=as_json, verb="discarded")


@click.command("undo")
@click.argument("run", default="", type=RUN)
@keep_option
@dry_option
@workspace_option
@json_option
def undo_command(run: str, keep: bool, dry_run: bool, folder: Path, as_json: bool) -> None:
    """Take back the last revert, discard or merge of a run.

    Undoing a revert is a revert itself, so a second undo takes back the first one: it does not go further back. For
    that `shepherd revert` goes to any event. Refused where compensations were made: those effects are gone.
    """
    from shepherd_dsl.runtime.actions import last_action, undo_merge_of

    workspace = workspace_at(folder)
    name = root_of(revision(workspace, run), workspace)
    action = last_action(workspace, name)
    if action.kind == "merge":
        record = undo_merge_of(workspace, name, dry_run=dry_run)
        if as_json:
            print_json({"run": name, "undone": "merge", "dry_run": dry_run, "workspace": merge_json(record)})
            return
        click.echo(f"{'would take' if dry_run else 'took'} back the last merge of run {name}")
        print_lines(merge_lines(record, "would change" if dry_run else "changed"))
        return
    # A discard leaves the workspace as it is; so does taking it back.
    _back(
        workspace, name, action.to, keep=keep or action.kind == "discard", dry_run=dry_run, as_json=as_json,
        verb=f"undid the last {action.kind}: went back",
    )  # fmt: skip


@click.command("merge")
@click.argument("run", default="", type=RUN)
@dry_option
@workspace_option
@json_option
def merge_command(run: str, dry_run: bool, folder: Path, as_json: bool) -> None:
    """Write what a run changed into the workspace. Refused, with the list, where you changed the same files."""
    from shepherd_dsl.runtime.actions import merge_run

    workspace = workspace_at(folder)
    name = root_of(revision(workspace, run), workspace)
    record = merge_run(workspace, name, dry_run=dry_run)
    if as_json:
        print_json({"run": name, "dry_run": dry_run, "workspace": merge_json(record)})
        return
    print_lines(merge_lines(record, "would change" if dry_run else "changed"))


# ── shared ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _back(
    workspace: Workspace, name: str, to: int | None, *, keep: bool, dry_run: bool, as_json: bool, verb: str
) -> None:
    from shepherd_dsl.cli.terminal import TerminalDisplay
    from shepherd_dsl.handlers.context import open_context
    from shepherd_dsl.runtime.actions import plan_back, take_back
    from shepherd_dsl.runtime.shield import shield_process

    if dry_run:
        _say_plan(name, to, plan_back(workspace, name, to, keep=keep), as_json=as_json)
        return
    shield_process()
    display = TerminalDisplay(quiet=True)
    done = take_back(workspace, name, to, context=open_context(workspace.root), display=display, keep=keep)
    if as_json:
        print_json(_done_json(done))
        return
    place = f" to event {to}" if to is not None else ""
    click.echo(f"run {name} {verb}{place}: {count(done.undone, 'event')} taken back")
    _say_effects(
        ("compensated by", done.compensated),
        ("compensation failed:", done.failed),
        ("cannot be taken back:", done.irreversible),
    )
    if done.workspace is not None:
        print_lines(merge_lines(done.workspace, "changed"))


def _say_plan(name: str, to: int | None, found: BackPlan, *, as_json: bool) -> None:
    if as_json:
        print_json(_plan_json(name, to, found))
        return
    plan = found.plan
    click.echo(f"would take back {count(plan.undone, 'event')} of run {name}")
    _say_effects(
        ("would be compensated by", [debt.op for debt in plan.debts]),
        ("cannot be taken back:", plan.irreversible),
        ("nobody knows whether it happened:", plan.unknown),
    )
    if found.workspace is not None:
        print_lines(merge_lines(found.workspace, "would change"))


def _say_effects(*kinds: tuple[str, Sequence[str]]) -> None:
    """What becomes of effects: a line for each operation, behind what is said of its kind."""
    print_lines(f"  {said} {plain(op)}" for said, ops in kinds for op in ops)


def merge_lines(record: MergeRecord, verb: str) -> Iterator[str]:
    """What a merge changed in the workspace, or would."""
    if not record.steps:
        yield "the workspace has these files already"
        return
    yield f"{verb} {count(len(record.steps), 'path')} in the workspace:"
    for step in record.steps[:_MOST]:
        sign = "+" if step.old is None else "-" if step.new is None else "~"
        yield f"  {sign} {plain(step.path)}"
    if len(record.steps) > _MOST:
        yield f"  … and {len(record.steps) - _MOST} more"
    yield from (f"  left alone, it changed meanwhile: {plain(path)}" for path in record.left)


def merge_json(record: MergeRecord) -> dict[str, Any]:
    """A merge as JSON."""

    def entry(value: Any) -> Any:
        return None if value is None else {"mode": f"{value.mode:06o}", "hash": value.hash}

    return {
        "paths": [{"path": step.path, "from": entry(step.old), "to": entry(step.new)} for step in record.steps],
        "left": list(record.left),
    }


def _plan_json(name: str, to: int | None, found: BackPlan) -> dict[str, Any]:
    plan = found.plan
    return {
        "run": name,
        "to": to,
        "dry_run": True,
        "undone": plan.undone,
        "compensations": [debt.op for debt in plan.debts],
        "irreversible": list(plan.irreversible),
        "unknown": list(plan.unknown),
        "workspace": None if found.workspace is None else merge_json(found.workspace),
    }


def _done_json(done: TakenBack) -> dict[str, Any]:
    return {
        "run": done.name,
        "to": done.to,
        "dry_run": False,
        "undone": done.undone,
        "compensated": list(done.compensated),
        "failed": list(done.failed),
        "irreversible": list(done.irreversible),
        "workspace": None if done.workspace is None else merge_json(done.workspace),
    }
