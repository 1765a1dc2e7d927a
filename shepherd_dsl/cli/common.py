"""Options and look-ups that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from shepherd_dsl.errors import RevisionError, UserError

if TYPE_CHECKING:
    from shepherd_dsl.runtime.workspace import Workspace
    from shepherd_dsl.trace.revisions import Revision

F = TypeVar("F", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/cli.md describes it).")
dry_option = click.option("--dry-run", is_flag=True, help="Only say what would be done.")
workspace_option = click.option(
    "-C",
    "--workspace",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="The workspace; by default the one this folder lies in.",
)


def workspace_at(folder: Path) -> Workspace:
    """The workspace that `folder` lies in."""
    from shepherd_dsl.runtime.workspace import Workspace

    return Workspace.find(folder)


def revision(workspace: Workspace, text: str) -> Revision:
    """The run, and event, that `text` means; the empty text is the newest run."""
    from shepherd_dsl.trace.revisions import resolve

    return resolve(workspace.store(), text)


def event_of(workspace: Workspace, text: str) -> Revision:
    """The event that `text` means, for commands that need one: a bare number is an event of the newest run.

    Raises RevisionError where no event is named.
    """
    bare = text.lstrip("-").isdecimal() or text == "last_green"
    found = revision(workspace, f"@{text}" if bare else text)
    if found.index is None:
        raise RevisionError(
            "revision.event_missing",
            f"`{text}` names a run; an event of it is needed",
            hint=f"write {text}@EVENT; `shepherd log {text}` lists the events",
        )
    return found


def root_of(found: Revision, workspace: Workspace) -> str:
    """The tree of a revision that must mean its root run.

    Raises UserError for another run: only its owner takes that back, and the owner's event is named that stands there.
    """
    from shepherd_dsl.trace.revisions import ROOT

    if found.run == ROOT:
        return found.tree
    place = _root_event_at(found, workspace)
    hint = f"the root run was then at {found.tree}@{place}" if place is not None else ""
    raise UserError(
        "run.owned",
        f"run {found} is owned by another run, its handler; from outside, only a root run is taken back or forked",
        hint=hint,
    )


def _root_event_at(found: Revision, workspace: Workspace) -> int | None:
    """The last event of the root run before the one that `found` names."""
    from shepherd_dsl.trace.revisions import ROOT

    last = None
    for item in workspace.store().read(found.tree).entries():
        if item.run == ROOT:
            last = item.index
        if item.run == found.run and item.index == found.index:
            return last
    return last
