"""`run` and `resume`: driving a run from the terminal."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from shepherd_dsl.cli.common import RUN, SOURCE, json_option, revision, root_of, workspace_at, workspace_option
from shepherd_dsl.cli.ending import report_end, report_interrupted
from shepherd_dsl.core.program import MOST_STEPS
from shepherd_dsl.errors import UserError

if TYPE_CHECKING:
    from shepherd_dsl.cli.terminal import TerminalDisplay
    from shepherd_dsl.handlers.context import HandlerContext
    from shepherd_dsl.runtime.actions import Ended
    from shepherd_dsl.runtime.trees import Task
    from shepherd_dsl.runtime.workspace import Workspace

_OPTIONS = (
    click.option(
        "--model", metavar="MODEL", help="anthropic:NAME, openai:NAME, openai-responses:NAME, local, cassette:FILE."
    ),
    click.option("--keep", is_flag=True, help="Do not merge the run's files into the workspace."),
    click.option("-q", "--quiet", is_flag=True, help="Do not show the events as they come."),
    click.option("-v", "--verbose", is_flag=True, help="Also show what commands and models print."),
    click.option("--yes", "assume", flag_value="yes", help="Approve whatever human.approve asks."),
    click.option("--no", "assume", flag_value="no", help="Refuse whatever human.approve asks."),
    workspace_option,
    json_option,
)


@attrs.frozen(slots=True, kw_only=True)
class Driving:
    """The options of commands that drive a run. `assume` answers `human.approve`; None asks."""

    model: str | None
    keep: bool
    quiet: bool
    verbose: bool
    assume: bool | None
    folder: Path
    as_json: bool


def driving(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the options of `Driving`, which it gets as its parameter `how`."""

    @functools.wraps(command)
    def gathered(
        *,
        model: str | None,
        keep: bool,
        quiet: bool,
        verbose: bool,
        assume: str | None,
        folder: Path,
        as_json: bool,
        **own: object,
    ) -> int:
        how = Driving(
            model=model,
            keep=keep,
            quiet=quiet,
            verbose=verbose,
            assume=None if assume is None else assume == "yes",
            folder=folder,
            as_json=as_json,
        )
        return command(how=how, **own)

    found = gathered
    for option in reversed(_OPTIONS):
        found = option(found)
    return found


def _drive(how: Driving, ops: Collection[str], work: Callable[[HandlerContext, TerminalDisplay], Ended]) -> int:
    """Let `work` drive a run that is granted `ops`, tell how it ended, and give the exit status.

    `work` names the run by `display.begin`, so that an interruption can say how it goes on.
    """
    from shepherd_dsl.cli.terminal import TerminalDisplay
    from shepherd_dsl.handlers.context import open_context
    from shepherd_dsl.runtime.shield import shield_process

    shield_process()
    context = open_context(workspace_at(how.folder).root, model=how.model, assume=how.assume)
    model = None
    remarks = []
    if any(op.startswith("shell.") for op in ops):
        from shepherd_dsl.scope.jail import remark

        confined = remark(off=context.config.jail.off)
        if confined is not None:
            remarks.append(confined)
    if "model.chat" in ops or "model.*" in ops:
        from shepherd_dsl.handlers.model.handler import chosen_model

        model, why = chosen_model(context)
        remarks.append(f"model: {model} ({why})")
    for name in context.secrets.too_short:
        remarks.append(f"the secret {name} is too short to be looked for, so it is not kept out of the trace")
    display = TerminalDisplay(
        quiet=how.quiet or how.as_json, verbose=how.verbose, remarks=() if how.as_json else remarks
    )
    try:
        ended = work(context, display)
    except KeyboardInterrupt:
        display.close()
        return report_interrupted(display.tree or None, model=model, as_json=how.as_json)
    finally:
        display.close()
    return report_end(ended, keep=how.keep, model=model, as_json=how.as_json)


def source_of(text: str) -> tuple[Path, str]:
    """The file and the agent (empty: the only or the last one) of `FILE[:agent]`."""
    path = Path(text)
    if not path.exists() and ":" in text:
        before, _, agent = text.rpartition(":")
        return Path(before), agent
    return path, ""


def task_of(source: str, arguments: tuple[str, ...], *, steps: int) -> Task:
    """The task that `FILE[:agent] ARGS…` means, with `steps` as the program's bound on local steps.

    Raises ProgramError, or UserError for the agent or its arguments.
    """
    from shepherd_dsl.check import load
    from shepherd_dsl.cli.arguments import read_arguments
    from shepherd_dsl.lower import lower
    from shepherd_dsl.runtime.trees import Task

    path, wanted = source_of(source)
    if not path.is_file():
        raise UserError("file.none", "there is no such file", where=str(path), hint="Name a .shep file.")
    lowered = lower(load(path))
    if not lowered.agents:
        raise UserError("agent.none", "the program has no agent that can be run", where=str(path))
    if not wanted and len(lowered.agents) > 1 and "main" not in lowered.agents:
        names = ", ".join(lowered.agents)
        raise UserError(
            "agent.which",
            f"the program has several agents: {names}",
            where=str(path),
            hint=f"name one: shepherd run {path}:{next(reversed(list(lowered.agents)))}",
        )
    wanted = wanted or ("main" if "main" in lowered.agents else next(iter(lowered.agents)))
    info = lowered.agents.get(wanted)
    if info is None:
        raise UserError(
            "agent.unknown",
            f"the program has no agent `{wanted}`",
            where=str(path),
            hint="it has " + ", ".join(lowered.agents),
        )
    return Task(
        program=attrs.evolve(lowered.program, steps=steps),
        agent=info.name,
        args=read_arguments(wanted, info.params, arguments),
        request=info.request,
        info={"source": path.name, "agent": wanted},
    )


@click.command("run", context_settings={"ignore_unknown_options": False})
@click.argument("source", metavar="FILE[:AGENT]", type=SOURCE)
@click.argument("arguments", metavar="[ARGS]...", nargs=-1)
@click.option(
    "--steps",
    metavar="N",
    type=click.IntRange(1, MOST_STEPS),
    help="Let the program make N local steps between two events (1,000,000, or `steps` of [run] in the configuration).",
)
@driving
def run_command(source: str, arguments: tuple[str, ...], steps: int | None, how: Driving) -> int:
    """Run an agent of a program on a copy of the workspace; each effect is a commit.

    A run that is done is merged into the workspace, unless --keep. Exit status: 0 done, 1 failed, 2 your mistake, 130
    interrupted (`shepherd resume` goes on). Write `--` before an argument that begins with a dash.
    """
    from shepherd_dsl.config import CONFIG_FILE, read_config
    from shepherd_dsl.runtime.actions import run_task
    from shepherd_dsl.runtime.workspace import STATE

    workspace = workspace_at(how.folder)
    if steps is None:
        steps = read_config(workspace.root / STATE / CONFIG_FILE).run.steps
    task = task_of(source, arguments, steps=steps)

    def work(context: HandlerContext, display: TerminalDisplay) -> Ended:
        def named(name: str) -> None:
            display.begin(name, "" if how.as_json else f"run {name}: {task.info['agent']} of {task.info['source']}")

        return run_task(workspace, task, context=context, display=display, keep=how.keep, named=named)

    return _drive(how, {clause.op for clause in task.request}, work)


@click.command("resume")
@click.argument("run", default="", type=RUN)
@click.option("--again", is_flag=True, help="Perform an interrupted operation once more instead of calling it unknown.")
@driving
def resume_command(run: str, again: bool, how: Driving) -> int:
    """Go on with a run: after a crash, an interruption, a revert or a fork.

    An operation that was under way when its driver stopped gets the outcome `Unknown`, unless its handler can tell, or
    it changes nothing and is simply asked again.
    """
    from shepherd_dsl.runtime.actions import resume_run

    workspace = workspace_at(how.folder)
    name = root_of(revision(workspace, run), workspace)

    def work(context: HandlerContext, display: TerminalDisplay) -> Ended:
        display.begin(name, "" if how.as_json else f"run {name} goes on")
        return resume_run(workspace, name, context=context, display=display, keep=how.keep, again=again)

    return _drive(how, _granted(workspace, name), work)


def _granted(workspace: Workspace, name: str) -> set[str]:
    """The operations that the root run of a tree was granted, by name."""
    from shepherd_dsl.core.event import Start
    from shepherd_dsl.core.value import Record
    from shepherd_dsl.trace.revisions import ROOT

    trace = workspace.store().read(name).trace(ROOT)
    start = trace[0].event if trace else None
    layers = start.grant if isinstance(start, Start) and isinstance(start.grant, tuple) else ()
    return {
        str(clause.get("op"))
        for layer in layers
        for clause in (layer if isinstance(layer, tuple) else ())
        if isinstance(clause, Record)
    }
