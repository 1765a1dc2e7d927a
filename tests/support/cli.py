"""The command line in a small workspace of its own, in process or as a process."""

from __future__ import annotations

import contextlib
import io
import json
import os
from pathlib import Path
from typing import Any

import attrs

from shepherd_dsl.cli.main import run_main

PROGRAM = """\
effect tracker.comment(issue: Int, text: Text) -> Note compensable by tracker.retract
effect tracker.retract(note: Note) -> Unit irreversible
type Note = { id: Int }

agent work(feature: Text) -> Exit
  grants model.chat, file.write("src/**"), shell.run("sh *"), tracker.comment
{
  let text = ask("Write ${feature}.")
  do file.write("src/new.txt", text)
  let exit = do shell.run("sh check.sh")
  if exit.code != 0 { fail "the check failed: ${exit.out}" }
  do tracker.comment(42, "done: ${feature}")
  return exit
}

agent twice() -> Int
  grants run, file.write("**")
{
  let first = spawn part("one")
  let second = spawn part("two")
  await all [first, second]
  merge first else { fail "conflict" }
  merge second else { fail "conflict" }
  return 2
}

agent part(name: Text) -> Int
  grants file.write("**")
{
  do file.write("${name}.txt", "${name} 你好\\n")
  return 1
}

test "the check decides" with {
  model.chat(_) -> "text"
  shell.run("sh check.sh") -> { code: 0, out: "fine" }
  tracker.comment(42, _) -> { id: 7 }
} {
  expect work("it").out == "fine"
}
"""
CASSETTE = '{"cassette": 1}\n{"any": true, "reply": {"text": "one\\ntwo\\n"}, "note": "written down for a test"}\n'
CHECK = "echo checking; grep -q two src/new.txt && echo fine\n"


@attrs.frozen(slots=True)
class Printed:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str

    def json(self) -> Any:
        """Standard output as one JSON document."""
        return json.loads(self.out)


def shepherd(*args: str, width: int = 100) -> Printed:
    """Run a command in this process, as if its output were a pipe."""
    out, err = io.StringIO(), io.StringIO()
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(width)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = run_main(args)
    finally:
        os.environ.pop("COLUMNS")
        if before is not None:
            os.environ["COLUMNS"] = before
    return Printed(status, out.getvalue(), err.getvalue())


def make_workspace(folder: Path) -> Path:
    """A workspace with `work.shep`, recorded answers and a check, before any run."""
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "old.txt").write_text("old\n")
    (folder / "work.shep").write_text(PROGRAM)
    (folder / "answers.jsonl").write_text(CASSETTE)
    (folder / "check.sh").write_text(CHECK)
    assert shepherd("init", str(folder)).status == 0
    return folder


def run_work(folder: Path, *more: str) -> Printed:
    """One run of `work` to its end; `folder` must be the current one."""
    return shepherd("run", "work.shep:work", "it", "--model", "cassette:answers.jsonl", *more)
