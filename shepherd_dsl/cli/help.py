"""`explain`, `doctor`, `completion`, `version`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from shepherd_dsl.cli.common import CODE, json_option, workspace_option
from shepherd_dsl.cli.output import colour, paint, print_json
from shepherd_dsl.cli.text import plain
from shepherd_dsl.errors import UserError


@click.command("explain")
@click.argument("code", required=False, type=CODE)
@json_option
def explain_command(code: str | None, as_json: bool) -> None:
    """Say what an error code means and what to do, or what is proved about a command or a word of the language.

    `shepherd explain revert` names the theorems about reverts, with their files and axioms. Without a code, list all
    codes and words.
    """
    from shepherd_dsl.cli.pages import page_of, titles
    from shepherd_dsl.cli.theorems import claims_of, proofs_page, words

    if code is None:
        listed, proved = titles(), words()
        if as_json:
            print_json({"codes": listed, "words": proved})
            return
        for name, title in [*listed.items(), *proved.items()]:
            click.echo(f"{name:<24} {title}")
        return
    claims = claims_of(code)
    if claims:
        if as_json:
            print_json({"word": code.lower(), "claims": claims})
        else:
            click.echo(proofs_page(code.lower(), claims).rstrip("\n"))
        return
    page = page_of(code)
    if page is None:
        import difflib

        close = difflib.get_close_matches(code, [*titles(), *words()], n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise UserError("explain.unknown", f"there is no code {code}", hint=hint + "`shepherd explain` lists all.")
    if as_json:
        print_json({"code": code, "text": page})
    else:
        click.echo(page.rstrip("\n"))


@click.command("doctor")
@click.option("--quick", is_flag=True, help="Do not read the events of all runs to see whether they are whole.")
@click.option(
    "--clean",
    is_flag=True,
    help="End what a killed shepherd left running, finish its merge, remove copies that no process uses.",
)
@workspace_option
@json_option
def doctor_command(quick: bool, clean: bool, folder: Path, as_json: bool) -> int:
    """Say what works here: the workspace, its traces, copies of files, the checker, models, handlers, secrets.

    Exit status 1 where something will fail.
    """
    from shepherd_dsl.cli.doctor import examine

    found = examine(folder, quick=quick, clean=clean)
    if as_json:
        print_json({"checks": [{"name": item.name, "state": item.state, "text": item.text} for item in found]})
    else:
        on = colour()
        marks = {"ok": ("✓", "green"), "note": ("·", "dim"), "bad": ("✗", "red")}
        for item in found:
            mark, style = marks[item.state]
            click.echo(f"{paint(mark, style, on=on)} {item.name:<10} {plain(item.text)}")
    return 1 if any(item.state == "bad" for item in found) else 0


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> None:
    """Print the completion script of SHELL: put `eval "$(shepherd completion bash)"` into its start-up file."""
    from shepherd_dsl.cli.completion import script

    click.echo(script(shell), nl=False)


@click.command("version")
@json_option
def version_command(as_json: bool) -> None:
    """Print the version, and the version of the trace format."""
    from shepherd_dsl import __version__
    from shepherd_dsl.core.format import FORMAT_VERSION

    if as_json:
        data: dict[str, Any] = {"version": __version__, "format": FORMAT_VERSION, "python": sys.version.split()[0]}
        print_json(data)
    else:
        click.echo(f"shepherd {__version__} (trace format {FORMAT_VERSION})")
