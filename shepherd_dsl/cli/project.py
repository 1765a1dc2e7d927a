"""`init`, `check`, `fmt`, `lower`, `test`: a workspace and its programs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from shepherd_dsl.cli.common import json_option
from shepherd_dsl.cli.output import colour, paint, print_json
from shepherd_dsl.errors import ProgramError, ShepherdError, UserError

FILES = click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))


@click.command("init")
@click.argument("folder", default=Path(), type=click.Path(path_type=Path, file_okay=False))
@json_option
def init_command(folder: Path, as_json: bool) -> None:
    """Make FOLDER (this one) a workspace, with a .shepherd/ for the traces of its runs."""
    from shepherd_dsl.runtime.workspace import STATE, Workspace

    before = (folder / STATE).is_dir()
    workspace = Workspace.init(folder)
    if as_json:
        print_json({"workspace": str(workspace.root), "new": not before})
        return
    click.echo(f"{'already a workspace' if before else 'made a workspace'}: {workspace.root}")
    click.echo("  runs see a copy of it, without secrets, caches and dependencies; .shepherdignore says what else")


def _existing(files: tuple[Path, ...]) -> list[Path]:
    found: list[Path] = []
    for path in files:
        if path.is_dir():
            found += sorted(path.rglob("*.shep"))
        elif path.is_file():
            found.append(path)
        else:
            raise UserError(
                "file.none", "there is no such file", where=str(path), hint="Name .shep files or folders of them."
            )
    if not found:
        raise UserError(
            "file.none",
            "no .shep files there",
            where=", ".join(map(str, files)),
            hint="Name .shep files or folders of them.",
        )
    return found


@click.command("check")
@FILES
@json_option
def check_command(files: tuple[Path, ...], as_json: bool) -> int:
    """Check programs without running them; all errors of a file at once. Folders are searched for .shep files."""
    from shepherd_dsl.check import load
    from shepherd_dsl.lower import lower

    results: list[dict[str, Any]] = []
    for path in _existing(files):
        try:
            lowered = lower(load(path))
            results.append({"file": str(path), "ok": True, "agents": list(lowered.agents), "tests": len(lowered.tests)})
        except ProgramError as error:
            results.append({"file": str(path), "ok": False, "rendered": error.rendered, "errors": _errors(error)})
    bad = [item for item in results if not item["ok"]]
    if as_json:
        print_json({"files": results})
        return 2 if bad else 0
    on = colour()
    for item in results:
        if item["ok"]:
            agents = ", ".join(item["agents"]) or "no agents"
            click.echo(f"{paint('ok', 'green', on=on)} {item['file']}: {agents}")
        else:
            click.echo(item["rendered"].rstrip("\n"), err=True)
    return 2 if bad else 0


def _errors(error: ProgramError) -> list[dict[str, Any]]:
    found = []
    for item in getattr(error, "diagnostics", ()):
        found.append(
            {
                "code": item.code,
                "file": item.file,
                "start": item.span.start,
                "end": item.span.end,
                "message": item.message,
                "expected": item.expected,
                "hint": item.hint,
            }
        )
    return found


@click.command("fmt")
@FILES
@click.option("--check", "check_only", is_flag=True, help="Change nothing; exit 1 where a file would change.")
@json_option
def fmt_command(files: tuple[Path, ...], check_only: bool, as_json: bool) -> int:
    """Format programs in place; `-` reads standard input and writes standard output."""
    from shepherd_dsl.syntax import format_source

    if files == (Path("-"),):
        click.echo(format_source(_text(sys.stdin.buffer.read(), "<stdin>"), file="<stdin>"), nl=False)
        return 0
    changed = []
    texts = []
    for path in _existing(files):
        data = path.read_bytes()
        text = format_source(_text(data, str(path)), file=str(path))
        if text.encode() != data:
            changed.append(str(path))
            texts.append((path, text))
    if not check_only:
        # Only after all of them parsed, so that an error leaves every file as it was.
        for path, text in texts:
            _write(path, text)
    if as_json:
        print_json({"changed": changed, "check": check_only})
    else:
        for name in changed:
            click.echo(f"{'would format' if check_only else 'formatted'} {name}")
    return 1 if check_only and changed else 0


def _text(data: bytes, file: str) -> str:
    from shepherd_dsl.syntax import decode, program_error

    text, problems = decode(data, file=file)
    if problems:
        raise program_error(problems, {file: text})
    return text


def _write(path: Path, text: str) -> None:
    """Replace a file in one step, keeping its mode."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.write_text(text, "utf-8", newline="")
        temporary.chmod(path.stat().st_mode & 0o7777)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ShepherdError("file.write", f"cannot be written: {error.strerror}", where=str(path)) from error


@click.command("lower")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def lower_command(file: Path, as_json: bool) -> None:
    """Print the core program of FILE: three expressions, five computations, in canonical text.

    With --json the same as `program`, laid out, and its `digest`, by which a trace names it.
    """
    from shepherd_dsl.check import load
    from shepherd_dsl.core.digest import program_digest
    from shepherd_dsl.core.wire import program_text
    from shepherd_dsl.lower import lower

    program = lower(load(_existing((file,))[0])).program
    if as_json:
        print_json({"program": json.loads(program_text(program)), "digest": program_digest(program)})
        return
    click.echo(program_text(program))


@click.command("test")
@FILES
@click.option("-k", "only", help="Only tests whose name contains this.")
@json_option
def test_command(files: tuple[Path, ...], only: str | None, as_json: bool) -> int:
    """Run the tests in programs: no model, no world, nothing but their scripts."""
    from shepherd_dsl.check import load
    from shepherd_dsl.lower import lower
    from shepherd_dsl.testing.scripted import run_tests

    results = []
    for path in _existing(files):
        for result in run_tests(lower(load(path)), only=only):
            results.append((path, result))
    failed = [result for _, result in results if not result.passed]
    if as_json:
        print_json(
            {
                "tests": [
                    {
                        "file": str(path),
                        "name": result.name,
                        "passed": result.passed,
                        "where": result.where,
                        "reason": result.reason,
                    }
                    for path, result in results
                ]
            }
        )
        return 1 if failed else 0
    on = colour()
    for _, result in results:
        mark = paint("✓", "green", on=on) if result.passed else paint("✗", "red", on=on)
        click.echo(f"{mark} {result.name}")
        if not result.passed:
            click.echo(f"    {result.where}: {result.reason}")
    click.echo(f"{len(results) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0
