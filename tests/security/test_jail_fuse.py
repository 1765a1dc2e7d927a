"""The jail of commands whose run's files are served over FUSE: they stand in namespaces of a process of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from shepherd_dsl.scope.jail import probe_jail
from tests.security.jail_attempts import ATTEMPTS, RACES
from tests.security.jail_world import World, answer_of, world
from tests.security.test_jail import WORK
from tests.support.scopes import needs_fuse

JAIL = probe_jail()
CONFIG = '[scope]\nbackend = "fuse"\n'
# pyfuse3 does not hand on `fallocate`; `posix_fallocate` writes zeros instead.
NOT_HERE = "; fallocate -l 100000 big"

pytestmark = [
    needs_fuse,
    pytest.mark.skipif(JAIL.strength != "full", reason=f"the jail of this machine is `{JAIL.strength}`: {JAIL.why}"),
]


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("jail")) as found:
        yield found


def test_ordinary_work_goes_on(outside: World) -> None:
    names = [name for name in WORK if name not in ("pytest", "processes", "virtual_environment")]  # these take long
    assert NOT_HERE in WORK["big_file"]
    scripts = [f"mkdir {name}; cd {name}\nset -e\n{WORK[name].replace(NOT_HERE, '')}" for name in names]
    _, outcomes = outside.run(*scripts, config=CONFIG)
    assert {name: answer_of(outcome) for name, outcome in zip(names, outcomes, strict=True)} == {
        name: (0, answer_of(outcome)[1]) for name, outcome in zip(names, outcomes, strict=True)
    }


def test_programs_are_executed_from_it_and_git_works(outside: World) -> None:
    compiled = "echo 'int main(void){return 7;}' > c.c; gcc -o c c.c; ./c; echo $?"
    git = (
        "git init -q . && git config user.email a@b.c && git config user.name x && git add . && git commit -qm all && "
        "git status --porcelain && git fsck --strict && pwd"
    )
    _, (first, second) = outside.run(compiled, git, config=CONFIG)
    assert answer_of(first) == (0, "7\n")
    code, out = answer_of(second)
    assert code == 0, out
    assert out.rstrip().endswith("/mount/run-root/files")


def test_attempts_to_get_out_are_refused(outside: World) -> None:
    chosen = [(name, attempt) for name, attempt in ATTEMPTS if name.startswith(("files-", "attributes-"))][::3]
    chosen.append((f"race-{RACES[0].name}", RACES[0]))
    assert len(chosen) > 10
    before = outside.snapshot()
    _, outcomes = outside.run(*(attempt.script() for _, attempt in chosen), config=CONFIG)
    for (name, _), outcome in zip(chosen, outcomes, strict=True):
        code, out = answer_of(outcome)
        assert code > 0, f"{name}: {out}"
        assert "ESCAPED" not in out, name
    assert outside.reached() == []
    assert outside.snapshot() == before


def test_the_memory_of_the_server_is_bounded(outside: World) -> None:
    make = (
        "import os\ntry:\n  for i in range(5000): os.symlink('x' * 4000, f'l{i}')\n"
        "except OSError as e: print(i, e.strerror)"
    )
    script = f"@python@ -c \"{make}\"; ln -s $(printf %04000d 1) no || echo full; rm l*; mkdir yes; echo 'let go'"
    _, (outcome,) = outside.run(script, config=CONFIG + f"memory = {4 << 20}\n")
    code, out = answer_of(outcome)
    assert code == 0, out
    first, *rest = out.splitlines()
    assert 200 < int(first.split()[0]) < 1100
    assert first.endswith("No space left on device")
    assert rest[-2:] == ["full", "let go"]


def test_the_memory_of_listings_is_bounded(outside: World) -> None:
    """Each that is open takes some; those that were closed take none."""
    look = (
        "import os\nfor i in range(2000): os.symlink('x', f'l{i}')\nheld = []\ntry:\n"
        "  for i in range(500):\n    held.append(os.scandir('.')); next(held[-1])\n"
        "except OSError as e: print(i, e.strerror)\n"
        "for one in held: one.close()\nprint(len([1 for name in os.listdir('.') if name[0] == 'l']))"
    )
    _, (outcome,) = outside.run(f'@python@ -c "{look}"', config=CONFIG + f"memory = {16 << 20}\n")
    code, out = answer_of(outcome)
    assert code == 0, out
    first, second = out.splitlines()
    assert 10 < int(first.split()[0]) < 30
    assert first.endswith("Cannot allocate memory")
    assert second == "2000"


def test_the_scopes_of_other_runs_are_not_there(outside: World) -> None:
    script = (
        "ls -d ../../* 2>/dev/null | wc -l; ls ../stage 2>&1 | grep -c 'No such file\\|denied'; "
        "ls ../../../data-* 2>&1 | grep -c 'No such file\\|denied'; ls -a .. | sort | tr '\\n' ' '"
    )
    _, (outcome,) = outside.run(script, config=CONFIG)
    code, out = answer_of(outcome)
    assert code == 0, out
    assert out.split("\n")[1:3] == ["1", "1"]
    assert "stage" not in out.split("\n")[3]


def test_nothing_of_it_is_left(outside: World) -> None:
    ended, _ = outside.run("echo left > behind", config=CONFIG)
    assert not (outside.root / ".shepherd" / "scopes" / ended.name).exists()
    assert str(outside.root) not in Path("/proc/self/mountinfo").read_text()
    assert not [
        pid for pid in os.listdir("/proc")
        if pid.isdigit() and str(outside.root).encode() in _command_line(pid)
    ]  # fmt: skip


def _command_line(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
