"""Writes `docs/cli.md`: every command with its options, its JSON form, and a session from a small workspace.

    python -m tools.cli_docs

The sessions are what the commands print, with the time of day replaced by `TIME`; hashes are the same everywhere. So
that the page can be written where no Lean is, `verify` asks a stand-in that answers as the checker does.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

from shepherd_dsl.cli.main import COMMANDS
from shepherd_dsl.cli.main import shepherd as group
from shepherd_dsl.reference.find import VARIABLE
from tests.support.cli import make_workspace, shepherd
from tests.support.python_shepref import COMMAND

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "cli.md"
SCHEMA = json.loads((ROOT / "spec" / "cli.schema.json").read_text("utf-8"))["$defs"]

# In this order, each in the state that those before it leave. `shown` is what a reader types.
SESSIONS: dict[str, list[str]] = {
    "init": ["init"],
    "doctor": [],
    "check": ["check work.shep", "check mistake.shep"],
    "test": ["test work.shep"],
    "fmt": ["fmt --check ."],
    "lower": ["lower tiny.shep"],
    "run": ["run work.shep:work it --model cassette:answers.jsonl", "run failing.shep -q"],
    "runs": ["runs"],
    "log": ["log 1", "log 1 --events -n 3"],
    "show": ["show 1@last_green"],
    "diff": ["diff 1@4 1@6"],
    "replay": ["replay 1", "replay 1 --with edited.shep"],
    "verify": ["verify 1"],
    "fork": ["fork 1@4"],
    "resume": ["resume 3 --keep -q --model cassette:answers.jsonl"],
    "merge": ["merge 3 --dry-run"],
    "revert": ["revert 1@4 --dry-run", "revert 1@4", "log 1 --all"],
    "undo": ["revert 2@2", "undo 2", "undo 1"],
    "discard": ["discard 3"],
    "explain": ["explain merge.conflict"],
    "completion": [],
    "version": ["version"],
}
FORMS = {
    "run": ["run"], "resume": ["run"], "revert": ["back", "back_plan"], "discard": ["back", "back_plan"],
    "undo": ["back", "back_plan", "undo_merge"], "merge": ["merge_run"], "replay": ["replay", "replay_with"],
}  # fmt: skip
FILES = {
    "mistake.shep": 'agent greet(name: Text) -> Text {\n  return "hello " + nam\n}\n',
    "tiny.shep": "agent one() -> Int {\n  return 1\n}\n",
    "failing.shep": "agent main() -> Int\n  grants shell.run(\"ls *\")\n{\n  let exit = do shell.run(\"ls nowhere\")\n"
    '  if exit.code != 0 { fail "ls failed:\\n${exit.out}" }\n  return exit.code\n}\n',
}  # fmt: skip

HEAD = """\
# The command line

`shepherd` (also `shep`). This page is written by `tools/cli_docs.py`; its sessions are what the commands print.

## Runs and events by name

| | |
|---|---|
| `3` | run 3; its last event where one is needed |
| `3@7`, `3@-1` | event 7 of run 3, its last event |
| `3@last_green` | the last live outcome of a command that ended with 0 |
| `3@e8f1a2c`, `e8f1a2c` | the event whose commit begins so (at least 4 digits) |
| `7`, `@7`, `-1`, `last_green` | where an event is meant: of the latest run |
| `3.0`, `3.1(root.0)@2` | a run that run 3 made, a copy of one |
| nothing | the latest run that was made here |

## Exit status

0 done; 1 failed (a run that failed or was not merged, a test, a difference, damage); 2 your mistake (nothing was
changed); 130 interrupted (`shepherd resume` goes on). A reader that closes the pipe early is no error.

## Output

Results go to standard output; progress, remarks and errors to standard error. Long output of `log`, `show` and `diff`
goes through the pager (`PAGER`) on a terminal. Colours are for terminals only: `NO_COLOR` turns them off, `FORCE_COLOR`
on. `COLUMNS` sets the width where there is no terminal. What runs printed is shown without the sequences that steer a
terminal. In lists of files a name is quoted as Git does (`"a\\nb"`) where it would not be shown as it is: control
characters, those that turn the direction of writing, bytes that are no UTF-8, quotes, backslashes, blanks at its ends.
`SHEPHERD_TRACEBACK=1` shows where a bug in shepherd itself happened.

`--json` prints one document on standard output; [spec/cli.schema.json](../spec/cli.schema.json) describes each under
the name given below. Values and events in it are in canonical text ([spec/contract.md](../spec/contract.md)). An error
is a `failure` on standard error. All commands that look at a workspace take `-C FOLDER`, `--workspace FOLDER`; without
it, the workspace is the nearest folder upwards with a `.shepherd/`.

## Completion

    eval "$(shepherd completion bash)"      # or zsh; fish: shepherd completion fish | source

completes commands, options, files, agents (`work.shep:…`), runs, events (`3@…`) and codes.

## Commands
"""


def page() -> str:
    """The whole page."""
    sessions = dict(_sessions())
    parts = [HEAD]
    area = ""
    for name, (_, _, section) in COMMANDS.items():
        if section != area:
            area = section
            parts.append(f"*{area}*\n")
        parts.append(_command(name, sessions[name]))
    return "\n".join(parts)


def _command(name: str, session: str) -> str:
    context = click.Context(group, info_name="shepherd")
    command = group.get_command(context, name)
    assert command is not None
    mine = click.Context(command, parent=context, info_name=name)
    usage = " ".join(command.collect_usage_pieces(mine))
    paragraphs = (command.help or "").strip().split("\n\n")
    text = "\n\n".join(textwrap.fill(" ".join(part.split()), width=120) for part in paragraphs)
    lines = [f"### shepherd {name}\n", f"    shepherd {name} {usage}\n", f"{text}\n"]
    rows = [_option(param) for param in command.params if isinstance(param, click.Option) and not _shared(param)]
    if rows:
        lines.append("| option | |\n|---|---|\n" + "\n".join(rows) + "\n")
    takes_json = any(param.name == "as_json" for param in command.params)
    if takes_json:
        forms = FORMS.get(name, [name])
        lines.append("JSON: " + ", ".join(f"`{form}`" for form in forms) + ".\n")
    if session:
        lines.append(session)
    return "\n".join(lines)


def _shared(option: click.Option) -> bool:
    return option.name in ("as_json", "folder")


def _option(option: click.Option) -> str:
    value = "" if option.is_flag else f" {option.make_metavar(click.Context(click.Command('x')))}"
    names = ", ".join(f"`{name}{value}`" for name in option.opts)
    return f"| {names} | {option.help} |"


def _sessions() -> Iterator[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as place:
        folder = make_workspace(Path(place) / "repo")
        for name, text in FILES.items():
            (folder / name).write_text(text, "utf-8")
        program = (folder / "work.shep").read_text("utf-8")
        (folder / "edited.shep").write_text(program.replace("sh check.sh", "sh check.sh --fast"), "utf-8")
        with contextlib.chdir(folder), _environment(VARIABLE, COMMAND):
            for name, lines in SESSIONS.items():
                yield name, "\n".join(_shown(line, folder) for line in lines)


@contextlib.contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


def _shown(line: str, folder: Path) -> str:
    printed = shepherd(*shlex.split(line), width=100)
    text = (printed.err + printed.out).replace(str(folder), "/home/you/repo")
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", "TIME", text)
    if printed.status:
        text += f"(exit status {printed.status})\n"
    return f"    $ shepherd {line}\n" + "".join(f"    {row}".rstrip() + "\n" for row in text.splitlines())


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
