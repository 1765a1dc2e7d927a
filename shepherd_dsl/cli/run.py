"""`run` and `resume`: driving a run from the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from shepherd_dsl.cli.common import RUN, SOURCE, F, json_option, revision, root_of, workspace_at, workspace_option
from shepherd_dsl.cli.ending import report_end, report_interrupted
from shepherd_dsl.errors import UserError

if TYPE_CHECKING:
    from shepherd_dsl.runtime.trees import Task

_DRIVING = (
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


def driving_options(command: F) -> F:
    """The options of commands that drive a run."""
    for option in reversed(_DRIVING):
        command = option(command)
    return command


UNCONFINED = "the commands of this run work in a copy of the workspace, but are not confined to it"


def source_of(text: str) -> tuple[Path, str]:
    """The file and the agent (empty: the only or the last one) of `FILE[:agent]`."""
    path = Path(text)
    if not path.exists() and ":" in text:
        before, _, agent = text.rpartition(":")
        return Path(before), agent
    return path, ""


def task_of(source: str, arguments: tuple[str, ...]) -> Task:
    """The task that `FILE[:agent] ARGS…` means. Raises ProgramError, or UserError for the agent or its arguments."""
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
        program=lowered.program,
        agent=info.name,
        args=read_arguments(wanted, info.params, arguments),
        request=info.request,
        info={"source": path.name, "agent": wanted},
    )


@click.command("run", context_settings={"ignore_unknown_options": False})
@click.argument("source", metavar="FILE[:AGENT]", type=SOURCE)
@click.argument("arguments", metavar="[ARGS]...", nargs=-1)
@driving_options
def run_command(
    source: str,
    arguments: tuple[str, ...],
    model: str | None,
    keep: bool,
    quiet: bool,
    verbose: bool,
    assume: str | None,
    folder: Path,
    as_json: bool,
) -> int:
    """Run an agent of a program on a copy of the workspace; each effect is a commit.

    A run that is done is merged into the workspace, unless --keep. Exit status: 0 done, 1 failed, 2 your mistake, 130
    interrupted (`shepherd resume` goes on).
    """
    from shepherd_dsl.cli.terminal import TerminalDisplay
    from shepherd_dsl.handlers.context import open_context
    from shepherd_dsl.runtime.actions import run_task
    from shepherd_dsl.runtime.shield import shield_process

    shield_process()
    workspace = workspace_at(folder)
    task = task_of(source, arguments)
    context = open_context(workspace.root, model=model, assume=None if assume is None else assume == "yes")
    display = TerminalDisplay(quiet=quiet or as_json, verbose=verbose)
    started: list[str] = []

    def named(name: str) -> None:
        started.append(name)
        if not as_json:
            display.said(f"run {name}: {task.info['agent']} of {task.info['source']}")
            if any(clause.op.startswith("shell.") for clause in task.request):
                display.said(UNCONFINED)
            for name in context.secrets.too_short:
                display.said(f"the secret {name} is too short to be looked for, so it is not kept out of the trace")

    try:
        ended = run_task(workspace, task, context=context, display=display, keep=keep, named=named)
    except KeyboardInterrupt:
        display.close()
        return report_interrupted(started[0] if started else None, as_json=as_json)
    finally:
        display.close()
    return report_end(ended, keep=keep, as_json=as_json)


@click.command("resume")
@click.argument("run", default="", type=RUN)
@click.option("--again", is_flag=True, help="Perform an interrupted operation once more instead of calling it unknown.")
@driving_options
def resume_command(
    run: str,
    again: bool,
    model: str | None,
    keep: bool,
    quiet: bool,
    verbose: bool,
    assume: str | None,
    folder: Path,
    as_json: bool,
) -> int:
    """Go on with a run: after a crash, an interruption, a revert or a fork.

    An operation that was under way when its driver stopped gets the outcome `Unknown`, unless its handler can tell, or
    it changes nothing and is simply asked again.
    """
    from shepherd_dsl.cli.terminal import TerminalDisplay
    from shepherd_dsl.handlers.context import open_context
    from shepherd_dsl.runtime.actions import resume_run
    from shepherd_dsl.runtime.shield import shield_process

    shield_process()
    workspace = workspace_at(folder)
    name = root_of(revision(workspace, run), workspace)
    context = open_context(workspace.root, model=model, assume=None if assume is None else assume == "yes")
    display = TerminalDisplay(quiet=quiet or as_json, verbose=verbose)
    if not as_json:
        display.said(f"run {name} goes on; {UNCONFINED}")
    try:
        ended = resume_run(workspace, name, context=context, display=display, keep=keep, again=again)
    except KeyboardInterrupt:
        display.close()
        return report_interrupted(name, as_json=as_json)
    finally:
        display.close()
    return report_end(ended, keep=keep, as_json=as_json)
