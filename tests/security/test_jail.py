"""The jail of commands: attempts to get out, each by a real command in a real run, and ordinary work, which goes on."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import anyio
import attrs
import pytest

from shepherd_dsl.core.value import Record
from shepherd_dsl.handlers.registry import Registry
from shepherd_dsl.handlers.shell import ShellHandler
from shepherd_dsl.scope import jail
from shepherd_dsl.scope.jail import Jail, probe_jail, remark
from shepherd_dsl.testing.requests import make_context, make_request
from shepherd_dsl.trace.store import open_store
from tests.security.jail_attempts import ATTEMPTS, RACES, Attempt
from tests.security.jail_world import PROGRAM, World, answer_of, world
from tests.support.processes import processes_with

JAIL = probe_jail()
BUGS = re.compile(r"^(Syntax|Indentation|Name|Type|Attribute|Import|ModuleNotFound|UnboundLocal|Key|Index)Error", re.M)
MEGABYTE = 1 << 20

pytestmark = pytest.mark.skipif(
    JAIL.strength != "full", reason=f"the jail of this machine is `{JAIL.strength}`: {JAIL.why or JAIL.lacks()}"
)


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("jail")) as found:
        yield found


def test_there_are_enough() -> None:
    names = [name for name, _ in ATTEMPTS]
    assert len(names) == len(set(names))
    assert len(names) + len(RACES) > 150


@pytest.mark.parametrize(
    "attempt",
    [pytest.param(item, id=name) for name, item in (*ATTEMPTS, *((f"race-{race.name}", race) for race in RACES))],
)
def test_is_refused_and_changes_nothing(outside: World, attempt: Attempt) -> None:
    before = outside.snapshot()
    _, (outcome,) = outside.run(attempt.script())
    code, out = answer_of(outcome)
    assert code > 0, out
    assert "ESCAPED" not in out, out
    assert not BUGS.search(out), out
    for secret in ("kept\n", "secret\n", "hunter2"):
        assert secret not in out
    assert outside.reached() == []
    assert outside.snapshot() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="some need the superuser to succeed")
@pytest.mark.parametrize("attempt", [pytest.param(item, id=name) for name, item in ATTEMPTS if item.proven])
def test_would_succeed_without_a_jail(tmp_path: Path, attempt: Attempt) -> None:
    with world(tmp_path) as found:
        _, (outcome,) = found.run(attempt.script(), config="[jail]\noff = true\n")
        code, out = answer_of(outcome)
        assert (code, out.endswith("ESCAPED\n")) == (0, True), out


class TestLimits:
    """Each would be no bother to others for long, but the machine is shared."""

    def run(self, outside: World, script: str, config: str) -> tuple[int, str, float]:
        before = outside.snapshot()
        begun = time.monotonic()
        _, (outcome,) = outside.run(script, config=config)
        took = time.monotonic() - begun
        assert outside.snapshot() == before
        return (*answer_of(outcome), took)

    def test_a_fork_bomb_is_bounded_and_ends(self, outside: World) -> None:
        bomb = (
            "import os, time\nleft = 0\nfor _ in range(5000):\n  try:\n"
            "    if not os.fork(): time.sleep(60); os._exit(0)\n"
            "    left += 1\n  except OSError: break\nprint(left)\n"
        )
        script = f"@python@ -c '{bomb}'; exit 3"
        config = "[jail]\nprocesses = 300\n[shell]\ngrace = 0.5\n"
        code, out, took = self.run(outside, script, config)
        assert code == 3
        assert 100 < int(out.split()[-1]) <= 600
        assert took < 60
        assert not processes_with("time.sleep(60)")

    @pytest.mark.parametrize(("release", "is_its_own"), [("6.13.9-generic", False), ("6.14.0", True)])
    def test_the_highest_process_id_is_set_only_where_it_is_the_jails_own(
        self, outside: World, monkeypatch: pytest.MonkeyPatch, release: str, is_its_own: bool
    ) -> None:
        """Before Linux 6.14 it is one setting for the whole machine, and whoever is root there may write it."""
        if is_its_own and tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) < (6, 14):
            pytest.skip("this kernel has one for the whole machine")
        monkeypatch.setattr("platform.release", lambda: release)
        code, out, _ = self.run(outside, "cat /proc/sys/kernel/pid_max", "[jail]\nprocesses = 1234\n")
        assert (code, out == "1534\n") == (0, is_its_own)

    @pytest.mark.skipif(os.geteuid() != 0, reason="others' processes are counted by the kernel")
    def test_roots_processes_are_counted_where_the_kernel_does_not(
        self, outside: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("platform.release", lambda: "6.13.9-generic")
        assert any("only looked at from time to time" in item for item in JAIL.lacks())
        script = "for i in $(seq 30); do sleep 60 & done; @python@ -c '" + (
            "import threading, time\nfor _ in range(40): threading.Thread(target=time.sleep, args=(60,)).start()'"
        )
        code, out, took = self.run(outside, script, "[jail]\nprocesses = 50\n")
        assert code == 128 + 9
        assert "ended: it has more than 50 processes" in out
        assert took < 30
        code, _, _ = self.run(outside, "for i in $(seq 30); do sleep 1 & done; wait", "[jail]\nprocesses = 50\n")
        assert code == 0

    def test_a_fork_bomb_without_end_is_ended_at_the_time_limit(self, outside: World) -> None:
        config = "[jail]\nprocesses = 200\n[shell]\ntime_limit = 2\ngrace = 0.3\n"
        code, out, took = self.run(outside, "f() { f | f & }; : bomb@nap@; f; while :; do :; done", config)
        assert (code, out[:8]) == (-1, "timeout:")
        assert took < 60
        assert not processes_with(outside.fill("bomb@nap@"))

    def test_one_file_fills_no_disk(self, outside: World) -> None:
        config = f"[jail]\nfile_size = {4 * MEGABYTE}\n"
        code, out, _ = self.run(outside, "head -c 100000000 /dev/zero > big; ls -s big; exit 3", config)
        assert code == 3
        assert int(out.split()[-2]) <= 4 * 1024 + 8

    def test_the_temporary_folder_is_bounded(self, outside: World) -> None:
        config = f"[jail]\ntmp_size = {2 * MEGABYTE}\n"
        script = "head -c 10000000 /dev/zero > /tmp/a; head -c 10000000 /dev/zero > /dev/shm/a; exit 3"
        code, out, _ = self.run(outside, script, config)
        assert code == 3
        assert out.count("No space left") == 2

    def test_memory_is_bounded(self, outside: World) -> None:
        config = f"[jail]\naddress_space = {300 * MEGABYTE}\n"
        code, out, _ = self.run(outside, "@python@ -c 'bytearray(1 << 30)'", config)
        assert code == 1
        assert "MemoryError" in out

    def test_open_files_are_bounded(self, outside: World) -> None:
        code, out, _ = self.run(
            outside, "@python@ -c 'x = [open(\"/dev/null\") for _ in range(200)]'", "[jail]\nopen_files = 100\n"
        )
        assert code == 1
        assert "Too many open files" in out

    def test_a_processs_time_is_bounded(self, outside: World) -> None:
        code, _, took = self.run(outside, "while :; do :; done", "[jail]\ncpu_seconds = 1\n")
        assert code in (128 + 24, 128 + 9)
        assert took < 60

    def test_what_moves_to_its_own_session_ends_with_its_command(self, outside: World) -> None:
        script = "setsid sh -c 'trap \"\" TERM HUP; : far@nap@; while :; do sleep 0.1; done' & sleep 0.3; exit 3"
        code, _, _ = self.run(outside, script, "[shell]\ngrace = 0.3\n")
        assert code == 3
        assert not processes_with(outside.fill("far@nap@"))

    def test_killing_all_processes_ends_only_the_command(self, outside: World) -> None:
        code, _, _ = self.run(outside, "sleep 60 & kill -9 -1; exit 0", "")
        assert code in (0, 128 + 9)


@pytest.mark.parametrize("watched", ["files", "home", "temporary"])
@pytest.mark.parametrize("short_of", ["bytes", "inodes"])
def test_a_nearly_full_disk_ends_the_command(outside: World, tmp_path: Path, watched: str, short_of: str) -> None:
    """On a small file system of its own, made in a mount namespace, so that no disk is really filled."""
    small = tmp_path if watched != "files" else outside.root / ".shepherd" / "scopes"
    small.mkdir(exist_ok=True)
    place = {"files": ".", "home": "$HOME", "temporary": "$TMPDIR"}[watched]
    loop = (
        f"i=0; while [ $i -lt 60 ]; do head -c 1000000 /dev/zero > {place}/f$i || exit 9; sleep 0.05; i=$((i+1)); done"
        if short_of == "bytes"
        else f"cd {place}; for i in $(seq 8); do seq -f $i-%g 200 | xargs touch || exit 9; sleep 0.3; done"
    )
    limit, options, said = {
        "bytes": (f"keep_free = {20 * MEGABYTE}", "size=64m", "the disk has less than"),
        "inodes": ("keep_files = 1000", "size=64m,nr_inodes=2000", "the disk has room for fewer than"),
    }[short_of]
    script = (
        f'mount -t tmpfs -o "$2" none "$1" && cd "$0" && {sys.executable} -m shepherd_dsl.cli.main run fill.shep --keep'
    )
    (outside.root / "fill.shep").write_text(
        "agent main() -> Text grants shell.script {\n"
        f"  let e = do shell.script({json.dumps(loop).replace('$', chr(92) + '$')})\n"
        '  return "${e.code} ${e.out}"\n}\n'
    )
    (outside.root / ".shepherd" / "config.toml").write_text(f"[jail]\n{limit}\n")
    environ = {**os.environ, "PYTHONPATH": os.getcwd()}
    if watched != "files":
        environ["TMPDIR"] = str(small)
    try:
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", script, str(outside.root), str(small), options],
            capture_output=True, text=True, check=False, env=environ, timeout=120,
        )  # fmt: skip
        if done.returncode != 0 and "unshare" in done.stderr + done.stdout:
            pytest.skip(done.stderr)
        assert "137" in done.stdout, done.stdout + done.stderr
        assert said in done.stdout
    finally:
        (outside.root / "fill.shep").unlink()


@pytest.mark.parametrize("strength", ["full", "landlock"])
def test_software_in_a_home_is_there_without_what_opens_doors(
    outside: World, monkeypatch: pytest.MonkeyPatch, strength: Literal["full", "landlock"]
) -> None:
    monkeypatch.setattr(jail, "probe_jail", lambda: attrs.evolve(JAIL, strength=strength))
    software = (
        ".local/share/uv/tools/ruff/bin/ruff", ".local/share/uv/python/cpython/bin/python", ".nvm/nvm.sh",
        ".nvm/versions/node/v20/bin/node", ".nvm/versions/node/v20/etc/bash", ".pyenv/versions/3.11/bin/python",
        ".local/share/pipx/venvs/tox/bin/tox", ".rustup/settings.toml", ".volta/bin/volta",
    )  # fmt: skip
    closed = (
        ".local/share/uv/credentials/credentials.toml", ".local/share/uv/tools/ruff/uv-receipt.toml",
        ".nvm/versions/node/v20/etc/npmrc", ".pyenv/versions/3.11/pip.conf", ".pyenv/.git/config",
        ".local/share/pipx/venvs/tox/pipx_metadata.json", ".local/share/pipx/logs/cmd.log", ".volta/hooks.json",
        ".local/share/mise/state/token", ".config/uv/uv.toml", ".cargo/credentials.toml",
    )  # fmt: skip
    # Not below /tmp, which is a command's own in a jail.
    with tempfile.TemporaryDirectory(dir=Path.home(), prefix=".shepherd-test-") as home:
        monkeypatch.setitem(outside.names, "home", home)
        for name in (*software, *closed):
            Path(home, name).parent.mkdir(parents=True, exist_ok=True)
            Path(home, name).write_text("written\n")
        looks = [f"cat @home@/{name} > /dev/null || echo no {name}" for name in (*software, *closed)]
        _, (outcome,) = outside.run("\n".join(["exec 2> /dev/null", *looks, "ls @home@/.nvm/versions/node/v20"]))
        assert answer_of(outcome)[1].split("\n") == [*(f"no {name}" for name in closed), "bin", "etc", ""]


class TestWhatACommandLeavesBehind:
    def test_git_settings_reach_nothing(self, outside: World) -> None:
        """Hooks, filters and a monitor, as a command could plant them; the run is merged into the workspace."""
        before = outside.snapshot()
        script = """
git init -q . && git config user.email a@b.c && git config user.name x
mkdir -p .git/hooks .githooks
for hook in post-checkout pre-commit post-merge post-index-change reference-transaction fsmonitor-watchman; do
  printf '#!/bin/sh\\ntouch @out@/pwned\\n' > .git/hooks/$hook; chmod +x .git/hooks/$hook
done
git config core.fsmonitor 'touch @out@/pwned; true'; git config core.sshCommand 'touch @out@/pwned'
git config core.pager 'touch @out@/pwned'; git config filter.evil.clean 'touch @out@/pwned; cat'
git config filter.evil.smudge 'touch @out@/pwned; cat'; git config diff.external 'touch @out@/pwned'
printf '* filter=evil diff=evil merge=evil\\n' > .gitattributes
printf '[core]\\n\\tfsmonitor = \"touch @out@/pwned; true\"\\n' > .gitconfig
echo text > file.txt; git add file.txt 2>&1; git commit -qm x 2>&1; echo made
"""
        ended, outcomes = outside.run(script, "cat file.txt; git status --short 2>&1; exit 0", keep=False)
        try:
            assert ended.refused is None
            assert all(answer_of(outcome)[0] == 0 for outcome in outcomes), outcomes
            assert not (outside.root / ".git").exists()
            assert (outside.root / ".gitattributes").exists()
            store = open_store(outside.root)
            for command in (["log", "-p", f"refs/shepherd/runs/{ended.name}/root"], ["fsck", "--strict"]):
                subprocess.run(["git", "-C", str(store.git), *command], capture_output=True, check=True)
        finally:
            for name in (".gitattributes", ".gitconfig", "file.txt"):
                (outside.root / name).unlink(missing_ok=True)
            shutil.rmtree(outside.root / ".githooks", ignore_errors=True)
        assert outside.snapshot() == before

    def test_a_tree_of_any_depth_is_no_bother_to_the_next(self, outside: World) -> None:
        deep = (
            "import os\nos.chdir(os.environ['TMPDIR'])\nfor _ in range(3000): os.mkdir('d'); os.chdir('d')\n"
            "open('f', 'w').close()"
        )
        _, outcomes = outside.run(f'@python@ -c "{deep}"; echo $TMPDIR', "echo on")
        (code, temporary), second = map(answer_of, outcomes)
        assert (code, second) == (0, (0, "on\n"))
        assert not Path(temporary.strip()).parent.exists()

    def test_a_huge_sparse_file_is_not_read_into_memory(self, outside: World) -> None:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        _, (outcome,) = outside.run("truncate -s 1500M sparse")
        assert answer_of(outcome) == (0, "")
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400 << 10  # KiB

    def test_nothing_of_one_command_is_loaded_by_the_next(self, outside: World) -> None:
        """Libraries, settings of shells and interpreters, and programs of the names that others look for."""
        plant = """
echo 'int puts(const char*); __attribute__((constructor)) static void f(void){ puts("PLANTED"); }' > e.c
gcc -shared -fPIC -w -o evil.so e.c
for name in sh git python python3 ls ld.so.preload; do
  printf '#!/bin/sh\\necho PLANTED\\n' > $name; chmod +x $name
done
for name in marshal os ctypes sys _signal resource encodings sitecustomize usercustomize; do
  echo 'print("PLANTED")' > $name.py
done
for place in "$HOME" "$TMPDIR" /tmp /dev/shm; do
  cp evil.so $place/; cp *.py $place/; echo 'echo PLANTED' > $place/.profile; cp $place/.profile $place/.bashrc
  cp $place/.profile $place/.env
done
mkdir -p "$HOME/.config/git"; echo '[alias] status = "!echo PLANTED"' > "$HOME/.gitconfig"
export LD_PRELOAD=$PWD/evil.so ENV="$HOME/.env" PYTHONPATH=$PWD PYTHONSTARTUP=$PWD/os.py
/bin/true
"""
        look = "ls -A $HOME $TMPDIR /tmp /dev/shm; printenv; python3 -c 'import os; print(os.name)'; git --version"
        _, (first, second) = outside.run(plant, f"cd /; {look}")
        assert "PLANTED" in answer_of(first)[1]
        code, out = answer_of(second)
        assert code == 0, out
        assert "PLANTED" not in out
        assert "evil" not in out
        assert "LD_PRELOAD" not in out

    def test_a_planted_program_is_not_found_by_name(self, outside: World) -> None:
        _, outcomes = outside.run("printf '#!/bin/sh\\necho PLANTED\\n' > git; chmod +x git", "git --version")
        assert "PLANTED" not in answer_of(outcomes[1])[1]


WORK = {
    "reading": "cat /etc/passwd /proc/cpuinfo /proc/meminfo /proc/self/status > /dev/null; ls / /usr /etc > /dev/null",
    "own_files": "echo a > a; echo b >> a; cat a; mv a b; cp b c; rm b; mkdir -p x/y; mv c x/y/; rm -r x",
    "modes": "printf '#!/bin/sh\\necho ran\\n' > s; chmod +x s; ./s; chmod 600 s; touch -d 2001-01-01 s; cp -p s t",
    "links": "echo a > a; ln -s a l; cat l; ln a h; test $(stat -c %h a) = 2; readlink l; mkdir d; mv h d/; rm l a d/h",
    "attributes": "@python@ -c \"import os; open('a', 'w'); os.setxattr('a', 'user.x', b'1'); "
    "print(os.getxattr('a', 'user.x'))\"",
    "pipes": "mkfifo p; (echo through > p) & cat p; seq 1000 | sort -rn | head -3 | tac",
    "devices": "head -c 10 /dev/urandom | wc -c; echo x > /dev/null; echo out > /dev/stdout; echo err > /dev/stderr",
    "temporary": 'f=$(mktemp); echo x > $f; cat $f; echo y > /tmp/z; cat /tmp/z; echo h > ~/h; ls -A ~',
    "big_file": "head -c 50000000 /dev/zero > big; ls -l big; truncate -s 10 big; fallocate -l 100000 big",
    "processes": "for i in $(seq 200); do sleep 1 & done; wait; echo all",
    "signals": "sleep 60 & p=$!; kill $p; wait $p || test $? = 143",
    "sessions": "setsid sh -c 'echo apart'; nohup true; (trap 'echo caught' TERM; kill -TERM $(sh -c 'echo $PPID'))",
    "sockets": "@python@ -c \"import socket; a, b = socket.socketpair(); a.send(b'x'); print(b.recv(1)); "
    "s = socket.socket(socket.AF_UNIX); s.bind('s'); s.listen(); c = socket.socket(socket.AF_UNIX); c.connect('s'); "
    "t = socket.socket(socket.AF_UNIX); t.bind('\\0inside'); t.listen()\"",
    "threads": "@python@ -c \"import concurrent.futures as f; print(sum(f.ThreadPoolExecutor(8).map(int, '123')))\"",
    "pool": "@python@ -c \"import multiprocessing as m; print(m.get_context('fork').Pool(2).map(abs, [-1, -2]))\"",
    "asyncio": "@python@ -c \"import asyncio; asyncio.run(asyncio.create_subprocess_exec('true'))\"",
    "git": "git init -q . && git config user.email a@b.c && git config user.name x && echo a > a && git add a && "
    "git commit -qm first && git log --oneline && git checkout -qb b && git gc -q && "
    "git clone -q . other && ls other/a",
    "compiler": "echo 'int main(void){return 7;}' > c.c; gcc -O1 -o c c.c; ./c || test $? = 7; "
    "printf 'all:\\n\\techo made\\n' > Makefile; make -s",
    "virtual_environment": "@python@ -m venv --without-pip v && v/bin/python -c 'import sys; print(sys.prefix)'",
    "pytest": "printf 'def test_it(tmp_path):\\n    (tmp_path / \"a\").write_text(\"a\")\\n' > test_a.py; "
    "@python@ -m pytest -q -p no:cacheprovider test_a.py",
    "archives": "mkdir d; echo a > d/a; tar czf d.tgz d; rm -r d; tar xzf d.tgz; cat d/a; "
    "@python@ -m zipfile -c z.zip d",
    "sqlite": "@python@ -c \"import sqlite3; c = sqlite3.connect('db'); c.execute('create table t (a)'); c.commit()\"",
    "shared_memory": "@python@ -c \"from multiprocessing import shared_memory as s; m = s.SharedMemory(create=True, "
    "size=10); m.unlink()\"",
    "limits": "ulimit -n 100; ulimit -n; ulimit -a > /dev/null; nproc; nice -n 5 true; timeout 5 true",
    "identity": "id; hostname; date; uname -a; ps aux; df . ; du -s .; env",
}  # fmt: skip


@pytest.mark.parametrize("name", WORK)
def test_ordinary_work_goes_on(outside: World, name: str) -> None:
    _, (outcome,) = outside.run("set -e\n" + WORK[name])
    code, out = answer_of(outcome)
    assert code == 0, out


def test_the_outcome_is_the_commands_own(outside: World) -> None:
    scripts = ("exit 0", "exit 7", "kill -9 $$", "kill -TERM $$", "exit 255", "echo out; echo err >&2; exit 1")
    _, outcomes = outside.run(*scripts)
    assert [answer_of(item)[0] for item in outcomes] == [0, 7, 137, 143, 255, 1]
    assert answer_of(outcomes[-1])[1] == "out\nerr\n"


def test_nobody_else_says_how_it_ended(outside: World) -> None:
    """Not even a process of the command: what it ended with is known to its keeper alone."""
    script = """
for fd in $(seq 3 20); do printf '\\000' > /proc/1/fd/$fd; done 2> /dev/null
trap "" TERM; sleep 0.5; exit 7"""
    _, (outcome,) = outside.run(script)
    assert answer_of(outcome) == (7, "")


ONLINE = PROGRAM.replace("try do shell.script(text)", "try do shell.script_online(text)")


class TestOnline:
    def run(self, outside: World, attempt: str) -> tuple[int, str]:
        script = next(item for name, item in ATTEMPTS if name == attempt).script()
        _, (outcome,) = outside.run(script, program=ONLINE)
        return answer_of(outcome)

    @pytest.mark.parametrize("attempt", ["network-tcp", "network-udp", "network-serve", "network-tcp_by_name"])
    def test_the_network_is_there_where_it_is_granted(self, outside: World, attempt: str) -> None:
        before = outside.snapshot()
        code, out = self.run(outside, attempt)
        assert (code, out) == (0, "ESCAPED\n")
        if attempt != "network-serve":
            deadline = time.monotonic() + 5
            while not outside.reached() and time.monotonic() < deadline:
                time.sleep(0.01)
        assert outside.snapshot() == before

    @pytest.mark.parametrize(
        "attempt",
        ["network-unix", "network-unix_abstract", "network-unix_datagram", "network-virtual_machine", "network-packet",
         "network-raw", "files-read", "files-create", "processes-kill_victim", "kernel-user_namespace"],
    )  # fmt: skip
    def test_and_nothing_else(self, outside: World, attempt: str) -> None:
        before = outside.snapshot()
        code, out = self.run(outside, attempt)
        assert code > 0, out
        assert outside.reached() == []
        assert outside.snapshot() == before


def test_namespaces_that_are_given_are_entered(tmp_path: Path) -> None:
    """As of a scope whose folder is mounted in a namespace of its own."""
    place = tmp_path / "mounted"
    place.mkdir()
    script = (
        'mount -t tmpfs none "$0" && mkdir "$0/files" && echo there > "$0/files/seen" && echo ready && exec sleep 600'
    )
    holder = subprocess.Popen(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, str(place)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    names = [-1, -1]
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        names = [os.open(f"/proc/{holder.pid}/ns/{kind}", os.O_RDONLY) for kind in ("user", "mnt")]
        handler = ShellHandler(make_context(tmp_path))
        request = make_request(
            "shell.script", "cat seen; echo more >> seen; pwd; touch ../x; touch /etc/x", folder=place / "files"
        )
        code, out = answer_of(anyio.run(handler.perform, attrs.evolve(request, namespaces=tuple(names))))
        assert code != 0
        assert out.startswith(f"there\n{place}/files\n")
        assert not (place / "files").exists()
        assert Path(f"/proc/{holder.pid}/root{place}/files/seen").read_text() == "there\nmore\n"
        again = make_request("shell.run", "./seen", folder=place / "files")
        (error,) = anyio.run(handler.perform, attrs.evolve(again, namespaces=tuple(names))).args
        assert isinstance(error, Record)
        assert error.get("code") == "not_executable"
    finally:
        for fd in names:
            if fd >= 0:
                os.close(fd)
        holder.kill()
        holder.wait()


class TestWithoutAJail:
    def test_a_jail_that_cannot_be_is_an_error(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(jail, "probe_jail", lambda: Jail("none", 0, False, "no kernel for it"))
        (tmp_path / "files").mkdir()
        handler = ShellHandler(make_context(tmp_path))
        request = make_request("shell.script", "touch made", folder=tmp_path / "files")
        code, out = answer_of(anyio.run(Registry(handler._context, handlers={"shell": handler}).perform, request))
        assert code == -1
        assert out.startswith("jail: commands cannot be confined here: no kernel for it")
        assert "off = true" in out
        assert not (tmp_path / "files" / "made").exists()

    def test_one_that_fails_on_the_way_is_an_error(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(jail, "_BOOT", "raise SystemExit(0)")
        (tmp_path / "files").mkdir()
        handler = ShellHandler(make_context(tmp_path))
        request = make_request("shell.script", "touch made", folder=tmp_path / "files")
        code, out = answer_of(anyio.run(Registry(handler._context, handlers={"shell": handler}).perform, request))
        assert (code, out[:6]) == (-1, "jail: ")
        assert not (tmp_path / "files" / "made").exists()

    def test_it_is_said_what_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert remark(off=False) is None
        assert "not confined" in str(remark(off=True))
        monkeypatch.setattr(jail, "probe_jail", lambda: Jail("landlock", 4, True, "unshare: Operation not permitted"))
        assert "outlives its command" in str(remark(off=False))
        monkeypatch.setattr(jail, "probe_jail", lambda: Jail("none", 0, False, "no kernel for it"))
        assert "refused (no kernel for it)" in str(remark(off=False))


WEAKER = """
proc-driver_descriptors files-stat files-search files-own_stage files-own_cache
files-mail_and_jobs files-in_run attributes-chmod attributes-chmod_recursive
attributes-chmod_by_link attributes-chmod_system attributes-chmod_by_descriptor attributes-chmod_by_proc
attributes-chmod_new_call attributes-times attributes-times_of_system attributes-times_by_descriptor
attributes-devices_mode processes-names_of_processes processes-priority_of_victim processes-limits_of_driver
processes-processors_of_victim processes-scheduling_of_victim processes-signal_driver processes-kill_drivers_group
kernel-devices
"""
"""Attempts that only a full jail refuses, or that a full jail refuses in another way."""


class TestLandlockAlone:
    """What is left where no namespaces can be had. The rest is listed by `Jail.lacks`."""

    @pytest.mark.parametrize(
        "attempt",
        [pytest.param(item, id=name) for name, item in ATTEMPTS if name not in WEAKER.split() and item.proven],
    )
    def test_is_refused_and_changes_nothing(
        self, outside: World, attempt: Attempt, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if JAIL.abi < 6:
            pytest.skip(f"Landlock {JAIL.abi} governs less")
        monkeypatch.setattr(jail, "probe_jail", lambda: attrs.evolve(JAIL, strength="landlock"))
        before = outside.snapshot()
        _, (outcome,) = outside.run(attempt.script())
        code, out = answer_of(outcome)
        assert code > 0, out
        assert "ESCAPED" not in out, out
        assert outside.reached() == []
        assert outside.snapshot() == before
