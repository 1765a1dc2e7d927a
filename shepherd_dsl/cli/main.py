"""`shepherd`: the command line. Commands are imported when they are asked for, so that a short one stays short."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from shepherd_dsl.cli.output import report_bug, report_error
from shepherd_dsl.errors import ShepherdError

# name: (module, one line of help, group in the overview)
COMMANDS: dict[str, tuple[str, str, str]] = {
    "init": ("project", "make a folder a workspace", "Workspace"),
    "doctor": ("help", "what works here, and what would make more work", "Workspace"),
    "check": ("project", "a program's errors, all at once", "Programs"),
    "test": ("project", "a program's tests, with scripted answers", "Programs"),
    "fmt": ("project", "a program's layout, put in order", "Programs"),
    "lower": ("project", "a program's core, in canonical text", "Programs"),
    "run": ("run", "a new run of an agent", "Runs"),
    "resume": ("run", "a run that was interrupted, taken back or forked, continued", "Runs"),
    "runs": ("look", "all runs of the workspace", "Runs"),
    "replay": ("replay", "a run again, with its recorded answers: the same hashes?", "Runs"),
    "verify": ("verify", "a run before the checker in Lean: can its program have produced it?", "Runs"),
    "merge": ("back", "a run's files, written into the workspace", "Runs"),
    "discard": ("back", "a run unwound and ended", "Runs"),
    "undo": ("back", "a run's last revert, discard or merge, taken back", "Runs"),
    "log": ("look", "the events of a run", "Events"),
    "show": ("look", "one event, whole", "Events"),
    "diff": ("look", "the files between two events", "Events"),
    "revert": ("back", "code and files, put back to an event", "Events"),
    "fork": ("back", "a new run from an event of another", "Events"),
    "explain": ("help", "what an error code means; what is proved about a command", "Help"),
    "completion": ("help", "the completion script for a shell", "Help"),
    "version": ("help", "the version", "Help"),
}


class _Closed(Exception):
    """Whoever read the output has seen enough. (Click would make exit status 1 of a BrokenPipeError.)"""


class Overview(click.Group):
    """A group whose commands are found by name in `COMMANDS` and imported when asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the overview."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, None where there is none."""
        found = COMMANDS.get(cmd_name)
        if found is None:
            return None
        module = importlib.import_module(f"shepherd_dsl.cli.{found[0]}")
        command = getattr(module, f"{cmd_name}_command")
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """As click's; a closed pipe is no error."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except BrokenPipeError as closed:
            raise _Closed from closed

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The overview, by group, without importing any command."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for name, (_, about, group) in COMMANDS.items():
            groups.setdefault(group, []).append((name, about))
        for group, rows in groups.items():
            with formatter.section(group):
                formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, with a suggestion for a mistyped name."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            import difflib

            close = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f" Did you mean `{close[0]}`?" if close else " `shepherd --help` lists the commands."
            raise click.UsageError(f"no command `{name}`.{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=Overview,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--version", is_flag=True, help="Print the version.")
@click.pass_context
def shepherd(ctx: click.Context, version: bool) -> None:
    """Agents whose every effect is a commit: run, look, fork, revert, replay.

    A RUN is named by its number (`3`), an event by `3@7`, `3@-1`, `3@last_green` or the start of its hash. Without a
    run, the latest one is meant.
    """
    if version:
        from shepherd_dsl import __version__

        click.echo(__version__)
    elif ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 the user's mistake, 130 interrupted."""
    # Importing makes many objects that stay; searching them for garbage again and again takes a tenth of a short run.
    gc.set_threshold(100_000, 20, 20)
    sys.exit(run_main(argv))


def run_main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; its exit status."""
    args = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in args
    if args[:1] == ["help"]:
        args = [*args[1:2], "--help"]
    if args and args[0] in ("show", "diff", "revert", "fork"):
        # `show -1` is the last event, not an option.
        args = [f"@{arg}" if arg[:1] == "-" and arg[1:].isdecimal() else arg for arg in args]
    try:
        if "_SHEPHERD_COMPLETE" in os.environ:
            from shepherd_dsl.cli.completion import install

            install()
        result: Any = shepherd.main(args, prog_name="shepherd", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except ShepherdError as error:
        return report_error(error, as_json=as_json)
    except click.ClickException as error:
        from shepherd_dsl.errors import UserError

        context = getattr(error, "ctx", None)
        usage = f"`{context.command_path} --help` shows how it is used" if context is not None else ""
        if isinstance(error, click.NoSuchOption | click.BadOptionUsage):
            usage = "; ".join(filter(None, (_dash_hint(args[0], context), usage)))
        return report_error(UserError("usage", error.format_message(), hint=usage), as_json=as_json)
    except click.exceptions.Abort:
        return 130
    except KeyboardInterrupt:
        return 130
    except (_Closed, BrokenPipeError):
        # What is still buffered has nobody to go to; the interpreter must not complain of that at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except RecursionError:
        return report_error(ShepherdError("too_deep", "something nests too deep to be worked on"), as_json=as_json)
    except Exception as bug:
        return report_bug(bug, as_json=as_json)


def _dash_hint(command: str, context: click.Context | None) -> str:
    """How to write what begins with a dash but is no option, for commands that take such a thing."""
    if command == "run":
        return "an argument of the agent that begins with a dash comes after `--`"
    if context is not None and any(isinstance(param, click.Argument) for param in context.command.params):
        return "what begins with a dash and is no option comes after `--`"
    return ""


if __name__ == "__main__":
    main()
