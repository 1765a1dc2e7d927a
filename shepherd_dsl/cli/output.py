"""What all commands share in printing: colour, JSON, errors."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterable
from typing import Any, Final

from shepherd_dsl.cli.text import plain
from shepherd_dsl.errors import ProgramError, RefusedError, ShepherdError

_UNPRINTABLE: Final = re.compile(
    r"[\x7f-\x9f\xad\u0600-\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]"
)


def colour(stream: Any = None) -> bool:
    """Whether to print colours: on a terminal, unless `NO_COLOR` is set."""
    stream = sys.stdout if stream is None else stream
    if os.environ.get("NO_COLOR"):
        return False
    return bool(stream.isatty()) or os.environ.get("FORCE_COLOR", "") not in ("", "0")


_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}


def paint(text: str, *styles: str, on: bool) -> str:
    """`text` in the given styles where `on`."""
    if not on or not text:
        return text
    return f"\x1b[{';'.join(_CODES[style] for style in styles)}m{text}\x1b[0m"


def print_json(data: Any) -> None:
    """One JSON document on standard output (`docs/cli.md` describes each)."""
    text = json.dumps(data, ensure_ascii=False, indent=2, sort_keys=True)
    if not text.replace("\n", "").isprintable():
        # JSON itself escapes only some of what steers a terminal; what is not ASCII stands in texts alone.
        text = _UNPRINTABLE.sub(lambda found: json.dumps(found.group())[1:-1], text)
    sys.stdout.write(text + "\n")


def print_lines(lines: Iterable[str], *, pager: bool = False) -> None:
    """Lines on standard output; with `pager` through the pager where the terminal is too low for them."""
    lines = list(lines)
    text = "".join(f"{line}\n" for line in lines)
    if pager and sys.stdout.isatty() and len(lines) >= shutil.get_terminal_size().lines:
        import click

        # As Git does: colours pass, short output does not clear the screen, long lines are not wrapped.
        os.environ.setdefault("LESS", "FRX")
        click.echo_via_pager(text)
        return
    sys.stdout.write(text)


def warn(title: str, text: str, *, hint: str = "") -> None:
    """A line on standard error about something that did not go as wished, and what to do."""
    on = colour(sys.stderr)
    sys.stderr.write(f"{paint(title, 'yellow', 'bold', on=on)} {_safe(text)}\n")
    if hint:
        sys.stderr.write(f"  {paint('hint', 'cyan', on=on)} {_safe(hint)}\n")


def error_json(error: ShepherdError) -> dict[str, Any]:
    """An error as JSON: `code`, `what`, `where`, `hint`, and the `conflicts` of a merge."""
    body: dict[str, Any] = {"code": error.code, "what": error.what, "where": error.where, "hint": error.hint}
    if isinstance(error, RefusedError) and error.conflicts:
        from shepherd_dsl.scope.conflict import Conflict

        found = [one for one in error.conflicts if isinstance(one, Conflict)]
        body["conflicts"] = [{**one.json(), "path": _clean(one.path)} for one in found]
    return body


def report_error(error: ShepherdError, *, as_json: bool) -> int:
    """Print an error, on standard error; the exit status that belongs to it."""
    if as_json:
        body = error_json(error)
        if isinstance(error, ProgramError):
            body["rendered"] = error.rendered
        body = {name: _clean(text) if isinstance(text, str) else text for name, text in body.items()}
        sys.stderr.write(json.dumps({"error": body}, ensure_ascii=False, sort_keys=True) + "\n")
        return error.exit_status
    on = colour(sys.stderr)
    if isinstance(error, ProgramError) and error.rendered:
        sys.stderr.write(_safe(error.rendered.rstrip("\n")) + "\n")
        return error.exit_status
    place = f"{plain(_clean(error.where))}: " if error.where else ""
    sys.stderr.write(
        f"{paint('error', 'red', 'bold', on=on)} {place}{_safe(error.what)} {paint(f'[{error.code}]', 'dim', on=on)}\n"
    )
    if error.hint:
        sys.stderr.write(f"  {paint('hint', 'cyan', on=on)} {_safe(error.hint)}\n")
    return error.exit_status


def report_bug(bug: Exception, *, as_json: bool) -> int:
    """Print an error that is our own fault. The traceback is shown with `SHEPHERD_TRACEBACK=1` only."""
    if os.environ.get("SHEPHERD_TRACEBACK"):
        import traceback

        sys.stderr.write(_safe("".join(traceback.format_exception(bug))) + "\n")
    return report_error(
        ShepherdError(
            "internal",
            f"{type(bug).__name__}: {plain(str(bug))[:300]}",
            hint="This is a bug in shepherd. SHEPHERD_TRACEBACK=1 shows where; what was recorded is safe.",
        ),
        as_json=as_json,
    )


def _safe(text: str) -> str:
    """`text` without secrets, and without what steers a terminal: an error may quote a path, a trace or a server."""
    return "\n".join(plain(line) for line in _clean(text).split("\n"))


def _clean(text: str) -> str:
    from shepherd_dsl.handlers.secrets import Redactor, find_secrets

    return Redactor(find_secrets(os.environ).values).text(text)
