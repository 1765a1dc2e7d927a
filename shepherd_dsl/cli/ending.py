"""How a run ended, for people and as JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from shepherd_dsl.cli.output import colour, error_json, paint, print_json, print_lines, warn
from shepherd_dsl.cli.text import plain, terminal_width

if TYPE_CHECKING:
    from shepherd_dsl.core.value import Value
    from shepherd_dsl.runtime.actions import Ended
    from shepherd_dsl.runtime.workspace import TakenIn

_LAST = 20
"""Lines of a failure, or on a terminal of a value, that are shown: what is printed last tells most."""


def report_end(ended: Ended, *, keep: bool, model: str | None, as_json: bool) -> int:
    """Print how a run ended, on standard output; the exit status. `model` is the one it could ask, if any."""
    from shepherd_dsl.cli.back import merge_lines

    status = 0 if ended.kind == "done" and ended.refused is None else 1
    if as_json:
        print_json({**_json(ended), "model": model})
        return status
    on = colour()
    if ended.kind == "done":
        assert ended.value is not None
        lines = list(done_lines(f"{paint('done', 'green', 'bold', on=on)} run {ended.name}:", ended.value))
        print_lines(bounded(lines, ended.name) if sys.stdout.isatty() else lines)
        if ended.refused is not None:
            warn(
                "not merged",
                f"{ended.refused.where}: {ended.refused.what}" if ended.refused.where else ended.refused.what,
                hint=f"{ended.refused.hint} `shepherd merge {ended.name}` tries again.",
            )
        elif keep:
            print_lines([f"kept apart; `shepherd merge {ended.name}` writes its files into the workspace"])
        elif ended.merged is not None and (ended.merged.steps or ended.merged.stripped):
            print_lines(merge_lines(ended.merged, "changed"))
        return status
    print_lines(failure_lines(f"{paint(ended.kind, 'red', 'bold', on=on)} run {ended.name}", ended.value))
    if ended.kind == "failed":
        print_lines([f"  nothing was merged; `shepherd log {ended.name}` shows how it came to that"])
    return status


def report_interrupted(name: str | None, *, model: str | None, as_json: bool) -> int:
    """Say that a run was interrupted, and how it goes on; the exit status 130."""
    if as_json:
        nothing = dict.fromkeys(("value", "workspace", "refused", "imported"))
        print_json({**nothing, "run": name, "state": "interrupted", "model": model})
    elif name is None:
        warn("interrupted", "before anything was recorded")
    else:
        warn("interrupted", f"everything so far is recorded; `shepherd resume {name}` goes on")
    return 130


def bounded(lines: list[str], name: str) -> list[str]:
    """The first of `lines`, then the last ones; where the value of run `name` has more, how to see it whole."""
    if len(lines) <= _LAST + 1:
        return lines
    left = len(lines) - 1 - _LAST
    return [lines[0], f"  … {left} lines; `shepherd show {name}@-1` shows it whole …", *lines[-_LAST:]]


def done_lines(lead: str, value: Value) -> Iterator[str]:
    """The value of a run after `lead`: a text as it is, below it where it has several lines."""
    from shepherd_dsl.cli.values import laid_out, shown

    if isinstance(value, str):
        lines = [plain(line) for line in value.splitlines()]
        if len(lines) > 1:
            yield lead
            yield from (f"  {line}".rstrip() for line in lines)
        else:
            yield f"{lead} {''.join(lines)}".rstrip()
        return
    line = plain(shown(value))
    if len(line) + 20 <= terminal_width():
        yield f"{lead} {line}"
        return
    first, *rest = laid_out(value, width=terminal_width())
    yield f"{lead} {first}"
    yield from rest


def failure_lines(lead: str, error: Value | None) -> Iterator[str]:
    """An error value after `lead`: the first line of its text with its code, then its last lines, indented."""
    from shepherd_dsl.core.value import Record

    if not isinstance(error, Record):
        yield lead
        return
    text, code = str(error.get("text")), error.get("code")
    lines = [plain(line).rstrip() for line in text.strip().splitlines()] or [""]
    yield f"{lead}: {lines[0]} [{code}]"
    rest = lines[1:]
    if len(rest) > _LAST:
        yield f"    … {len(rest) - _LAST} lines, which `shepherd show` has …"
    yield from (f"    {line}".rstrip() for line in rest[-_LAST:])


def _imported_json(taken: TakenIn) -> dict[str, int]:
    return {"files": taken.count, "bytes": taken.size, "took_ms": round(taken.seconds * 1000)}


def _json(ended: Ended) -> dict[str, Any]:
    from shepherd_dsl.cli.back import merge_json
    from shepherd_dsl.core.wire import value_json

    return {
        "run": ended.name,
        "state": ended.kind,
        "value": None if ended.value is None else value_json(ended.value),
        "workspace": None if ended.merged is None else merge_json(ended.merged),
        "refused": None if ended.refused is None else error_json(ended.refused),
        "imported": None if ended.taken is None else _imported_json(ended.taken),
    }
