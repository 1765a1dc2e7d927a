"""Completion in shells: of commands and options by click, of runs, events, agents and codes here."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from click.shell_completion import BashComplete, CompletionItem, ShellComplete, add_completion_class, split_arg_string

from shepherd_dsl.errors import ShepherdError

VARIABLE = "_SHEPHERD_COMPLETE"
"""The environment variable by which a shell asks for completions."""

_MOST = 40

_BASH = """\
_shepherd_complete() {
    local IFS=$'\\n' line kind value word prefix
    line="${COMP_LINE:0:COMP_POINT}"
    # Bash breaks words at `@` and `:`, which stand in revisions and in FILE:AGENT; the reply is what follows the break.
    word="${line##*[[:space:]]}"
    prefix="${word%"${word##*[@:]}"}"
    COMPREPLY=()
    for line in $(env COMP_WORDS="$line" VARIABLE=bash_complete "$1"); do
        IFS=',' read -r kind value <<< "$line"
        case "$kind" in
            dir) compopt -o dirnames 2>/dev/null ;;
            file) compopt -o default 2>/dev/null ;;
            *) COMPREPLY+=("${value#"$prefix"}") ;;
        esac
    done
    case "${COMPREPLY[*]}" in *[@:]) compopt -o nospace 2>/dev/null ;; esac
}
complete -o nosort -F _shepherd_complete shepherd shep
"""


class Bash(BashComplete):
    """Bash completion that takes the line as it is typed."""

    name: ClassVar[str] = "bash"

    def source(self) -> str:
        """The script for both names of the command."""
        return _BASH.replace("VARIABLE", VARIABLE)

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the one to complete, and that one."""
        line = os.environ["COMP_WORDS"]
        words = split_arg_string(line)[1:]
        if not words or line[-1:].isspace():
            return words, ""
        return words[:-1], words[-1]


def install() -> None:
    """Let click use what is here."""
    add_completion_class(Bash)


def script(shell: str) -> str:
    """What a start-up file of `shell` evaluates."""
    from click.shell_completion import get_completion_class

    from shepherd_dsl.cli.main import shepherd

    install()
    found: type[ShellComplete] | None = get_completion_class(shell)
    assert found is not None
    if shell == "bash":
        return found(shepherd, {}, "shepherd", VARIABLE).source()
    return "".join(found(shepherd, {}, name, VARIABLE).source() for name in ("shepherd", "shep"))


def complete(kind: str, given: Mapping[str, Any], incomplete: str) -> list[CompletionItem]:
    """What `incomplete` may become, for a `run`, an `event`, a `source` or a `code`. `given` are the options so far.

    Never raises: where the workspace cannot be read there is nothing to offer.
    """
    try:
        return [item for item in islice(_offers(kind, given, incomplete), _MOST) if item.value.startswith(incomplete)]
    except (ShepherdError, OSError) as error:
        if os.environ.get("SHEPHERD_TRACEBACK"):
            print(error, file=sys.stderr)
        return []


def _offers(kind: str, given: Mapping[str, Any], incomplete: str) -> Iterator[CompletionItem]:
    if kind == "source":
        yield from _sources(incomplete)
    elif kind == "code":
        from shepherd_dsl.cli.pages import titles
        from shepherd_dsl.cli.theorems import words

        known = {**words(), **titles()}
        yield from (CompletionItem(code, help=title) for code, title in known.items() if code.startswith(incomplete))
    else:
        yield from _revisions(kind, Path(given.get("folder") or "."), incomplete)


def _sources(incomplete: str) -> Iterator[CompletionItem]:
    file, colon, _ = incomplete.rpartition(":")
    if not colon:
        yield CompletionItem(incomplete, type="file")
        return
    # Reading the program would be right, and too slow for a key press.
    for name in re.findall(r"(?m)^\s*agent\s+(\w+)", Path(file).read_text("utf-8", "replace")):
        yield CompletionItem(f"{file}:{name}")


def _revisions(kind: str, folder: Path, incomplete: str) -> Iterator[CompletionItem]:
    from shepherd_dsl.cli.common import workspace_at
    from shepherd_dsl.trace.objects import summary_of
    from shepherd_dsl.trace.revisions import resolve

    store = workspace_at(folder).store()
    run, at, place = incomplete.partition("@")
    if not at:
        for name in reversed(store.names()):
            if name.startswith(incomplete):
                yield CompletionItem(name if kind == "run" else f"{name}@", help=store.read(name).info.get("agent", ""))
        return
    found = resolve(store, run)
    trace = store.read(found.tree).trace(found.run)
    if "last_green".startswith(place):
        yield CompletionItem(f"{run}@last_green", help="the last command that ended with 0")
    for index in range(len(trace) - 1, -1, -1):
        if str(index).startswith(place):
            yield CompletionItem(f"{run}@{index}", help=summary_of(trace[index].event))
