"""Options and look-ups that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from shepherd_dsl.cli.output import warn
from shepherd_dsl.errors import RevisionError, UserError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from shepherd_dsl.runtime.workspace import Workspace
    from shepherd_dsl.trace.protocol import Recorded
    from shepherd_dsl.trace.revisions import Revision

_SHORT_OF_HASH = 7
"""Digits alone are the index of an event up to here, and the beginning of a hash from here on."""

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


class _Completed(click.ParamType[str]):
    """A text that the shell can complete; see `cli/completion.py` for what each `kind` offers."""

    def __init__(self, name: str, kind: str) -> None:
        self.name = name
        self.kind = kind

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """What `incomplete` may become."""
        from shepherd_dsl.cli.completion import complete

        return complete(self.kind, ctx.params, incomplete)


RUN = _Completed("run", "run")
EVENT = _Completed("event", "event")
SOURCE = _Completed("file", "source")
CODE = _Completed("code", "code")


def workspace_at(folder: Path) -> Workspace:
    """The workspace that `folder` lies in."""
    from shepherd_dsl.runtime.workspace import Workspace

    return Workspace.find(folder)


def workspace_to_read(folder: Path) -> Workspace:
    """The workspace that `folder` lies in, for a command that changes nothing: it says so where a merge was
    interrupted, and leaves that to others."""
    from shepherd_dsl.scope.journal import is_interrupted

    workspace = workspace_at(folder)
    if is_interrupted(workspace.root):
        warn(
            "warning",
            "a merge into this workspace was interrupted half-way; `shepherd merge`, `shepherd doctor --clean` or any "
            "run finishes it [merge.interrupted]",
        )
    return workspace


def workspace_to_change(folder: Path, *, dry_run: bool) -> Workspace:
    """The workspace that `folder` lies in, for a command that changes something: a merge that was interrupted is
    finished first. Raises RefusedError where that is not done, in a dry run."""
    from shepherd_dsl.runtime.merges import finish
    from shepherd_dsl.scope.journal import interrupted, is_interrupted

    workspace = workspace_at(folder)
    if is_interrupted(workspace.root):
        if dry_run:
            raise interrupted(workspace.root)
        finish(workspace)
    return workspace


def revision(workspace: Workspace, text: str) -> Revision:
    """The run, and event, that `text` means; the empty text is the newest run."""
    from shepherd_dsl.trace.revisions import resolve

    return resolve(workspace.store(), text)


def place_text(text: str) -> str:
    """A revision for an event: a bare number or `last_green` means that event of the newest run."""
    bare = text.lstrip("-").isdecimal() and len(text) < _SHORT_OF_HASH
    return f"@{text}" if bare or text == "last_green" else text


def at_event(workspace: Workspace, text: str) -> tuple[Revision, Recorded]:
    """The event that `text` means; of a run its last one. Raises RevisionError."""
    from shepherd_dsl.trace.revisions import resolve_event

    return resolve_event(workspace.store(), place_text(text))


def event_of(workspace: Workspace, text: str) -> Revision:
    """The event that `text` means, for commands that need one. Raises RevisionError where no event is named."""
    found = revision(workspace, place_text(text))
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
