"""What `log`, `show`, `diff` and the commands that take back print, as stored in `tests/examples/cli/`.

    python -m tests.examples.cli_examples        writes the files anew

Times of day are replaced by `TIME`; everything else, hashes included, is the same on every machine.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.cli import Printed, make_workspace, run_work, shepherd

STORED = Path(__file__).parent / "cli"

# file: the commands whose output it holds, run in this order over all files in one workspace
EXAMPLES: dict[str, list[str]] = {
    "log": ["log", "log -n 2", "log 1@4", "log --events -n 3"],
    "runs": ["runs"],
    "show": ["show 0", "show 1@1", "show 1@4", "show last_green", "show @6", "show -1"],
    "diff": ["diff", "diff --stat", "diff 4 6", "diff 1@6 1@6"],
    "wide": ["log 2", "log 2 --all", "log 2.1", "show 2.0@-1", "runs"],
    "revert": ["revert 1@6 --dry-run", "revert 1@6", "log 1", "log 1 --all", "undo 1 --dry-run", "revert 1@4"],
    "fork": ["fork 1@4 --dry-run", "fork 1@4", "log 3", "merge 3 --dry-run", "replay 3", "discard 3", "undo 3", "runs"],
    "replay": ["replay 1", "replay 2", "replay 2 --with work.shep", "replay 1 --with edited.shep"],
    "mistakes": ["log 9", "show 1@99", "show zz", "revert", "fork 2.0@1", "undo 2 3", "lgo", "explain nope"],
}
WIDTHS = {"wide": (60, 100, 160)}


def outputs() -> Iterator[tuple[str, str]]:
    """Each file's name with what it should hold."""
    with tempfile.TemporaryDirectory() as place, contextlib.chdir(place):
        folder = make_workspace(Path(place) / "repo")
        with contextlib.chdir(folder):
            assert run_work(folder, "--quiet").status == 0
            text = (folder / "work.shep").read_text("utf-8")
            (folder / "edited.shep").write_text(text.replace("sh check.sh", "sh check.sh --fast"), "utf-8")
            for name, lines in EXAMPLES.items():
                if name == "wide":
                    assert shepherd("run", "work.shep:twice", "--quiet").status == 0
                parts = []
                for width in WIDTHS.get(name, (100,)):
                    for line in lines:
                        parts.append(_shown(line, shepherd(*shlex.split(line), width=width), width))
                yield name, "\n".join(parts)


def _shown(line: str, printed: Printed, width: int) -> str:
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", "TIME", printed.out + printed.err)
    columns = "" if width == 100 else f"   # {width} columns"
    status = "" if printed.status == 0 else f"[exit status {printed.status}]\n"
    return f"$ shepherd {line}{columns}\n{text}{status}"


if __name__ == "__main__":
    STORED.mkdir(exist_ok=True)
    for name, text in outputs():
        (STORED / f"{name}.txt").write_text(text, "utf-8")
