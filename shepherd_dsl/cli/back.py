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
    workspace_option,
    workspace_to_change,
)
from shepherd_dsl.cli.output import print_json, print_lines
from shepherd_dsl.cli.text import count, plain
from shepherd_dsl.errors import UserError
from shepherd_dsl.path_text import path_text

if TYPE_CHECKING:
    from shepherd_dsl.runtime.actions import BackPlan, TakenBack
    from shepherd_dsl.runtime.workspace import Workspace
    from shepherd_dsl.scope.journal import MergeRecord
    from shepherd_dsl.scope.settle import Policy

_MOST = 40
"""Paths that are listed."""

keep_option = click.option(
    "--keep", is_flag=True, help="Leave the workspace as it is, even where the run was merged into it."
)
mine_option = click.option(
    "--keep-mine",
    "mine",
    is_flag=True,
    help="Leave the files that conflict, or that no run may change, as you have them, and do the rest.",
)
overwrite_option = click.option(
    "--overwrite", is_flag=True, help="Replace the files that conflict; `shepherd undo` brings yours back."
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

    workspace = workspace_to_change(folder, dry_run=dry_run)
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
@mine_option
@overwrite_option
@dry_option
@workspace_option
@json_option
def revert_command(
    event: str, keep: bool, mine: bool, overwrite: bool, dry_run: bool, folder: Path, as_json: bool
) -> None:
    """Put code and files of a run back to EVENT, byte for byte, and say what could not be taken back.

    Compensations that are due are made first, newest first. Where the run was merged, the workspace follows; refused,
    with the list, where you have changed the same files since, unless --keep-mine or --overwrite says what then.
    Nothing is forgotten: `shepherd undo` takes it back.
    """
    policy = _policy(keep=keep, mine=mine, overwrite=overwrite)
    workspace = workspace_to_change(folder, dry_run=dry_run)
    found = event_of(workspace, event)
    name = root_of(found, workspace)
    assert found.index is not None
    _back(workspace, name, found.index, keep=keep, policy=policy, dry_run=dry_run, as_json=as_json, verb="reverted")


@click.command("discard")
@click.argument("run", type=RUN)
@dry_option
@workspace_option
@json_option
def discard_command(run: str, dry_run: bool, folder: Path, as_json: bool) -> None:
    """Unwind a run, with the compensations that are due, and end it. Files already merged stay."""
    workspace = workspace_to_change(folder, dry_run=dry_run)
    name = root_of(revision(workspace, run), workspace)
    _back(workspace, name, None, keep=True, dry_run=dry_run, as_json=as_json, verb="discarded")


@click.command("undo")
@click.argument("run", default="", type=RUN)
@keep_option
@mine_option
@overwrite_option
@dry_option
@workspace_option
@json_option
def undo_command(run: str, keep: bool, mine: bool, overwrite: bool, dry_run: bool, folder: Path, as_json: bool) -> None:
    """Take back the last revert, discard or merge of a run.

    The workspace gets, byte for byte, what it had before; refused, with the list, where you have changed the same
    files since. An undo can be undone: a second undo takes back the first one, and does not go further back. For that
    `shepherd revert` goes to any event. Refused where compensations were made: those effects are gone.
    """
    from shepherd_dsl.runtime.actions import last_action, undo_merge_of

    policy = _policy(keep=keep, mine=mine, overwrite=overwrite)
    workspace = workspace_to_change(folder, dry_run=dry_run)
    name = root_of(revision(workspace, run), workspace)
    action = last_action(workspace, name)
    if action.kind in ("merge", "unmerge"):
        if keep:
            raise UserError(
                "usage", f"the last thing done to run {name} was in the workspace alone: --keep would undo nothing"
            )
        record = undo_merge_of(workspace, name, policy=policy, dry_run=dry_run)
        if as_json:
            print_json({"run": name, "undone": action.kind, "dry_run": dry_run, "workspace": merge_json(record)})
            return
        what = "merge" if action.kind == "merge" else "undo"
        click.echo(f"{'would take' if dry_run else 'took'} back the last {what} of run {name}")
        print_lines(merge_lines(record, "would change" if dry_run else "changed"))
        return
    # What left the workspace as it was, a discard always, is undone without it.
    _back(
        workspace, name, action.to, keep=keep or not action.merged, policy=policy, undo=True, dry_run=dry_run,
        as_json=as_json, verb=f"undid the last {action.kind}: went back",
    )  # fmt: skip


@click.command("merge")
@click.argument("run", default="", type=RUN)
@click.option(
    "--markers", is_flag=True, help="Write both versions of clashing lines into the files, between conflict markers."
)
@mine_option
@overwrite_option
@dry_option
@workspace_option
@json_option
def merge_command(
    run: str, markers: bool, mine: bool, overwrite: bool, dry_run: bool, folder: Path, as_json: bool
) -> int:
    """Write what a run changed into the workspace. Texts that you have changed too are merged line by line.

    Refused, with the list, where you and the run changed the same lines, or a file that is not merged by lines: then
    nothing is written, unless an option says what to do with conflicts. --markers goes with each of the other two,
    which then settle what has no lines. Exit status 1 where markers were written.
    """
    from shepherd_dsl.runtime.actions import merge_run

    policy = _policy(markers=markers, mine=mine, overwrite=overwrite)
    workspace = workspace_to_change(folder, dry_run=dry_run)
    name = root_of(revision(workspace, run), workspace)
    record = merge_run(workspace, name, policy=policy, dry_run=dry_run)
    if as_json:
        print_json({"run": name, "dry_run": dry_run, "workspace": merge_json(record)})
    else:
        print_lines(merge_lines(record, "would change" if dry_run else "changed"))
    return int(any(one.settled == "markers" for one in record.conflicts))


# ── shared ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _policy(*, keep: bool = False, markers: bool = False, mine: bool = False, overwrite: bool = False) -> Policy:
    """What becomes of conflicts. Raises UserError where two options say different things of the same."""
    given = {"--keep": keep, "--keep-mine": mine, "--overwrite": overwrite}
    chosen = [name for name, on in given.items() if on]
    if len(chosen) > 1:
        raise UserError("usage", f"{chosen[0]} and {chosen[1]} exclude each other", hint="Give one of them.")
    if markers:
        return "markers_keep" if mine else "markers_overwrite" if overwrite else "markers"
    return "keep" if mine else "overwrite" if overwrite else "refuse"


def _back(
    workspace: Workspace,
    name: str,
    to: int | None,
    *,
    keep: bool,
    policy: Policy = "refuse",
    undo: bool = False,
    dry_run: bool,
    as_json: bool,
    verb: str,
) -> None:
    from shepherd_dsl.cli.terminal import TerminalDisplay
    from shepherd_dsl.handlers.context import open_context
    from shepherd_dsl.runtime.actions import plan_back, take_back
    from shepherd_dsl.runtime.shield import shield_process

    if dry_run:
        _say_plan(name, to, plan_back(workspace, name, to, keep=keep, policy=policy, undo=undo), as_json=as_json)
        return
    shield_process()
    display = TerminalDisplay(quiet=True)
    done = take_back(
        workspace,
        name,
        to,
        context=open_context(workspace.root),
        display=display,
        keep=keep,
        policy=policy,
        undo=undo,
    )
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
    """What a merge changed in the workspace, or would, and how."""
    steps = [step for step in record.steps if step.path not in record.left]
    by_line = set(record.by_line)
    settled = {one.path: one for one in record.conflicts}
    if not record.steps and not record.conflicts:
        yield "the workspace has these files already"
        yield from _stripped_lines(record)
        return
    if steps:
        yield f"{verb} {count(len(steps), 'path')} in the workspace:"
    for step in steps[:_MOST]:
        sign = "+" if step.old is None else "-" if step.new is None else "~"
        conflict = settled.get(step.path)
        how = "merged line by line" if step.path in by_line else ""
        if conflict is not None:
            how = "yours overwritten" if conflict.settled == "overwritten" else conflict.words()
        yield f"  {sign} {path_text(step.path)}{how and f' ({how})'}"
    if len(steps) > _MOST:
        yield f"  … and {len(steps) - _MOST} more"
    kept = [one for one in record.conflicts if one.settled == "kept"]
    yield from (f"  left as you have it, {one.words()}: {path_text(one.path)}" for one in kept[:_MOST])
    if len(kept) > _MOST:
        yield f"  … and {len(kept) - _MOST} more left"
    yield from (f"  left alone, it changed meanwhile: {path_text(path)}" for path in record.left)
    yield from _stripped_lines(record)


def _stripped_lines(record: MergeRecord) -> Iterator[str]:
    yield from (f"  without its set-id bits and capabilities: {path_text(path)}" for path in record.stripped[:_MOST])
    if len(record.stripped) > _MOST:
        yield f"  … and {len(record.stripped) - _MOST} more without"


def merge_json(record: MergeRecord) -> dict[str, Any]:
    """A merge as JSON."""

    def entry(value: Any) -> Any:
        return None if value is None else {"mode": f"{value.mode:06o}", "hash": value.hash}

    return {
        "paths": [{"path": step.path, "from": entry(step.old), "to": entry(step.new)} for step in record.steps],
        "left": list(record.left),
        "by_line": list(record.by_line),
        "conflicts": [one.json() for one in record.conflicts],
        "stripped": list(record.stripped),
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
