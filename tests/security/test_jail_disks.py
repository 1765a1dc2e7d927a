"""What a run wrote and the disk has no room to record is an outcome, and the run goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shepherd_dsl.scope.jail import probe_jail
from tests.support.scopes import why_not

MEGABYTE = 1 << 20
JAIL = probe_jail()

pytestmark = pytest.mark.skipif(JAIL.strength != "full", reason=f"the jail of this machine is `{JAIL.strength}`")

PROGRAM = """
agent told(script: Text) -> Text grants shell.script {
  match try do shell.script(script) {
    Ok(done) => return "${done.code} ${done.out}"
    Err(why) => return "${why.code} ${why.text}"
    Unknown => return "unknown"
  }
}

agent main() -> Text grants shell.script {
  let first = told("FIRST")
  let second = told("SECOND")
  return "first: ${first}; second: ${second}"
}
"""


def run_on_small_disk(place: Path, size: int, backend: str, first: str, second: str) -> str:
    """What is printed of a run with two scripts, in a workspace on a file system of its own, of so many bytes."""
    shell = (
        'mount -t tmpfs -o size="$1" none "$0" && cd "$0" && "$2" -m shepherd_dsl.cli.main init > /dev/null && '
        'printf %s "$3" > a.shep && printf %s "$4" > .shepherd/config.toml && '
        'exec "$2" -m shepherd_dsl.cli.main run a.shep --keep'
    )
    program = PROGRAM.replace("FIRST", first).replace("SECOND", second)
    config = f'[scope]\nbackend = "{backend}"\n[jail]\nkeep_free = {20 * MEGABYTE}\n'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", shell, str(place), str(size), sys.executable, program, config],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": os.getcwd()}, timeout=120,
    )  # fmt: skip
    if done.returncode != 0 and "unshare" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("backend", ["overlay", "fuse", "copy"])
@pytest.mark.parametrize("count", [1, 15])
def test_what_cannot_be_recorded_is_an_outcome(tmp_path: Path, backend: str, count: int) -> None:
    if why_not(backend):
        pytest.skip(f"no {backend} here: {why_not(backend)}")
    write = f"for i in \\$(seq {count}); do head -c {60_000_000 // count} /dev/urandom > f$i; done; echo written"
    printed = run_on_small_disk(tmp_path, 100 * MEGABYTE, backend, write, "ls; echo x > new; cat new")
    assert "first: limit what shell.script wrote is not kept: recording it would leave less than 52" in printed
    assert "; second: 0 a.shep" in printed
    assert "f1" not in printed.partition("second:")[2]


def test_what_can_be_pressed_together_is_recorded(tmp_path: Path) -> None:
    """However large it looks."""
    write = "truncate -s 3G sparse; head -c 60000000 /dev/zero > zeros"
    printed = run_on_small_disk(tmp_path, 160 * MEGABYTE, "overlay", write, "stat -c %s sparse zeros")
    assert "first: 0 ; second: 0 3221225472" in printed
