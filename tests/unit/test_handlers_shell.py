"""`shell.run` and `shell.script` against real processes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from shepherd_dsl.core.value import Con, Record
from shepherd_dsl.handlers.leftover import note_process
from shepherd_dsl.handlers.private import PrivateFolder
from shepherd_dsl.handlers.process import group_alive
from shepherd_dsl.handlers.shell import ShellHandler
from shepherd_dsl.testing.requests import Recorder, make_context, make_request
from tests.support.plain_user import as_root, do_as_plain_user, python_for_all

SECRET = "sk-live-0123456789abcdef"
MEGABYTE = 1 << 20
AWAY = f"300.{os.getpid()}"
"""So many seconds sleep the commands of these tests, by which they are known: in a jail they have other process ids."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "files"
    place.mkdir()
    return place


def perform(
    tmp_path: Path,
    op: str,
    text: str,
    *,
    config: str = "",
    environ: dict[str, str] | None = None,
    recorder: Recorder | None = None,
) -> Con:
    context = make_context(tmp_path, config=config, environ=environ)
    handler = ShellHandler(context)
    request = make_request(op, text, folder=tmp_path / "files", recorder=recorder)
    return anyio.run(handler.perform, request)


def exit_of(outcome: Con) -> tuple[int, str]:
    assert outcome.name == "Ok", outcome
    (value,) = outcome.args
    assert isinstance(value, Record)
    code, out = value.get("code"), value.get("out")
    assert isinstance(code, int)
    assert isinstance(out, str)
    return code, out


def error_of(outcome: Con) -> tuple[str, str]:
    assert outcome.name == "Err", outcome
    (value,) = outcome.args
    assert isinstance(value, Record)
    code, text = value.get("code"), value.get("text")
    assert isinstance(code, str)
    assert isinstance(text, str)
    return code, text


def until(condition: Callable[[], bool], seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def has_ended(process: subprocess.Popen[bytes]) -> bool:
    return process.poll() is not None


def ends_with(path: Path, end: str) -> bool:
    return path.exists() and path.read_text().endswith(end)


def is_noted(state: Path) -> bool:
    return any(ends_with(path, "}") for path in (state / "processes").glob("*.json"))


def asleep() -> list[int]:
    """The processes that have `AWAY` in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and AWAY.encode() in (entry / "cmdline").read_bytes() and not gone(int(entry.name)):
                found.append(int(entry.name))
    return found


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state in "ZX"


@pytest.mark.usefixtures("folder")
class TestAnswers:
    def test_code_and_output_in_the_order_written(self, tmp_path: Path) -> None:
        script = "echo one; echo two >&2; echo three; exit 3"
        assert exit_of(perform(tmp_path, "shell.script", script)) == (3, "one\ntwo\nthree\n")

    def test_run_uses_no_shell(self, tmp_path: Path) -> None:
        outcome = perform(tmp_path, "shell.run", """printf '%s|' 'a b' "c d" $HOME * ';' '>' x""")
        assert exit_of(outcome) == (0, "a b|c d|$HOME|*|;|>|x|")
        assert list((tmp_path / "files").iterdir()) == []

    def test_works_in_the_runs_folder(self, tmp_path: Path) -> None:
        assert exit_of(perform(tmp_path, "shell.script", "pwd; echo x > made"))[1] == f"{tmp_path / 'files'}\n"
        assert (tmp_path / "files" / "made").read_text() == "x\n"

    def test_input_is_empty(self, tmp_path: Path) -> None:
        assert exit_of(perform(tmp_path, "shell.run", "cat")) == (0, "")

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
    def test_a_signal_is_128_and_its_number(self, tmp_path: Path, number: signal.Signals) -> None:
        assert exit_of(perform(tmp_path, "shell.script", f"kill -{int(number)} $$"))[0] == 128 + number

    def test_bytes_that_are_not_utf8_are_replaced(self, tmp_path: Path) -> None:
        outcome = perform(tmp_path, "shell.script", r"printf 'a\377b\303\251\342\202|\r\n'")
        assert exit_of(outcome)[1] == "a�bé�|\r\n"

    def test_output_is_shown_as_it_comes(self, tmp_path: Path) -> None:
        recorder = Recorder()
        seen: list[float] = []
        recorder.pieces = _Timed(seen)
        perform(tmp_path, "shell.script", "echo one; sleep 0.4; echo two", recorder=recorder)
        assert recorder.shown == "one\ntwo\n"
        assert seen[-1] - seen[0] > 0.2


class _Timed(list[str]):
    def __init__(self, times: list[float]) -> None:
        super().__init__()
        self._times = times

    def append(self, item: str) -> None:
        self._times.append(time.monotonic())
        super().append(item)


@pytest.mark.usefixtures("folder")
class TestErrors:
    @pytest.mark.parametrize("text", ["", "   ", "echo 'open", "''", "a\0b"])
    def test_what_is_no_command(self, tmp_path: Path, text: str) -> None:
        assert error_of(perform(tmp_path, "shell.run", text))[0] == "command"

    @pytest.mark.parametrize("text", ["no-such-program-here", "./missing", "/no/such/program x"])
    def test_not_found(self, tmp_path: Path, text: str) -> None:
        code, said = error_of(perform(tmp_path, "shell.run", text))
        assert code == "not_found"
        assert text.split()[0] in said

    def test_missing_interpreter_is_not_found(self, tmp_path: Path) -> None:
        program = tmp_path / "files" / "tool"
        program.write_text("#!/no/such/interpreter\n")
        program.chmod(0o755)
        assert error_of(perform(tmp_path, "shell.run", "./tool"))[0] == "not_found"

    def test_not_executable(self, tmp_path: Path) -> None:
        (tmp_path / "files" / "tool").write_bytes(b"\0\1\2")
        (tmp_path / "files" / "tool").chmod(0o755)
        assert error_of(perform(tmp_path, "shell.run", "./tool"))[0] == "not_executable"
        if os.geteuid() != 0:
            (tmp_path / "files" / "tool").chmod(0o644)
            assert error_of(perform(tmp_path, "shell.run", "./tool"))[0] == "not_executable"

    def test_a_command_too_long_for_the_system(self, tmp_path: Path) -> None:
        assert error_of(perform(tmp_path, "shell.run", "echo " + "x" * (4 * MEGABYTE)))[0] == "command"

    def test_a_shells_own_command_is_explained(self, tmp_path: Path) -> None:
        code, said = error_of(perform(tmp_path, "shell.run", "cd /tmp"))
        assert code == "not_found"
        assert "shell.script" in said

    def test_a_relative_folder_of_the_path_is_not_searched(self, tmp_path: Path) -> None:
        program = tmp_path / "files" / "tool"
        program.write_text("#!/bin/sh\necho planted\n")
        program.chmod(0o755)
        outcome = perform(tmp_path, "shell.run", "tool", environ={"PATH": ".:/usr/bin:/bin:"})
        assert error_of(outcome)[0] == "not_found"


@pytest.mark.usefixtures("folder")
class TestLimits:
    def test_time_limit_ends_the_group_and_keeps_the_output(self, tmp_path: Path) -> None:
        config = "[shell]\ntime_limit = 0.5\ngrace = 0.2"
        script = f"echo begun; sleep {AWAY} & sleep {AWAY}"
        code, said = error_of(perform(tmp_path, "shell.script", script, config=config))
        assert code == "timeout"
        assert "0.5 s" in said
        assert said.endswith("begun\n")
        assert asleep() == []

    def test_one_that_ignores_sigterm_is_killed_after_the_grace(self, tmp_path: Path) -> None:
        config = "[shell]\ntime_limit = 0.3\ngrace = 0.3"
        begun = time.monotonic()
        outcome = perform(tmp_path, "shell.script", f"trap '' TERM; : {AWAY}; while :; do sleep 1; done", config=config)
        assert error_of(outcome)[0] == "timeout"
        assert time.monotonic() - begun < 8
        assert asleep() == []

    def test_one_that_heeds_sigterm_may_say_goodbye(self, tmp_path: Path) -> None:
        config = "[shell]\ntime_limit = 0.5\ngrace = 10"
        script = "trap 'echo bye; exit' TERM; while :; do sleep 0.05; done"
        assert error_of(perform(tmp_path, "shell.script", script, config=config))[1].endswith("bye\n")

    def test_what_outlives_its_command_is_ended(self, tmp_path: Path) -> None:
        begun = time.monotonic()
        script = f"(sleep {AWAY} & nohup sleep {AWAY} >/dev/null 2>&1 &); echo done"
        assert exit_of(perform(tmp_path, "shell.script", script)) == (0, "done\n")
        assert time.monotonic() - begun < 20
        assert asleep() == []

    def test_a_stopped_process_is_ended(self, tmp_path: Path) -> None:
        config = "[shell]\ntime_limit = 0.5\ngrace = 0.5"
        outcome = perform(tmp_path, "shell.script", f": {AWAY}; kill -STOP $$; echo on", config=config)
        assert error_of(outcome)[0] == "timeout"
        assert asleep() == []

    def test_long_output_is_cut_and_kept_whole(self, tmp_path: Path) -> None:
        recorder = Recorder()
        script = "echo first; i=0; while [ $i -lt 400 ]; do echo éééééééééé; i=$((i+1)); done; echo last"
        outcome = perform(tmp_path, "shell.script", script, config="[shell]\noutput_limit = 1001", recorder=recorder)
        code, out = exit_of(outcome)
        ((name, whole),) = recorder.blobs.items()
        assert code == 0
        assert whole.decode() == "first\n" + "éééééééééé\n" * 400 + "last\n"
        assert name in out
        assert out.startswith("first\né")
        assert out.endswith("é\nlast\n")
        assert "�" not in out
        assert 900 < len(out.encode()) < 1200
        assert recorder.shown == whole.decode()

    def test_ten_megabytes_do_not_blow_up(self, tmp_path: Path) -> None:
        recorder = Recorder()
        recorder.pieces = _Forgetting()
        tracemalloc.start()
        try:
            outcome = perform(
                tmp_path,
                "shell.script",
                f"yes 0123456789abcdef0123456789abcde | head -c {10 * MEGABYTE}",
                environ={"PATH": "/usr/bin:/bin", "MY_TOKEN": SECRET},
                recorder=recorder,
            )
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        _, out = exit_of(outcome)
        assert len(out) < 70_000
        assert [len(data) for data in recorder.blobs.values()] == [10 * MEGABYTE]
        assert peak < 32 * MEGABYTE

    def test_output_without_end_is_stopped(self, tmp_path: Path) -> None:
        recorder = Recorder()
        config = "[shell]\noutput_max = 200000\noutput_limit = 1000"
        code, said = error_of(perform(tmp_path, "shell.run", "yes", config=config, recorder=recorder))
        assert code == "output"
        assert [len(data) for data in recorder.blobs.values()] == [200_000]
        assert "there was more" in said


class _Forgetting(list[str]):
    def append(self, item: str) -> None:
        pass


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_cancelling_leaves_no_process(tmp_path: Path, backend: str) -> None:
    handler = ShellHandler(make_context(tmp_path, config="[shell]\ngrace = 0.3"))
    script = f"trap '' TERM; sleep {AWAY} & (trap '' TERM; sleep {AWAY}; sleep {AWAY}) & echo $! > second; wait"
    request = make_request("shell.script", script, folder=tmp_path / "files")

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(handler.perform, request)
            while not (tmp_path / "files" / "second").exists() or not (tmp_path / "files" / "second").read_text():  # noqa: ASYNC110
                await anyio.sleep(0.02)
            tasks.cancel_scope.cancel()

    anyio.run(main, backend=backend)
    assert asleep() == []
    assert list((tmp_path / ".shepherd" / "processes").iterdir()) == []


@pytest.mark.usefixtures("folder")
def test_without_process_descriptors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(pid: int) -> int:
        raise OSError("no such system call")

    monkeypatch.setattr(os, "pidfd_open", missing)
    assert exit_of(perform(tmp_path, "shell.script", "sleep 0.1; echo done; exit 4")) == (4, "done\n")


@pytest.mark.usefixtures("folder")
def test_calls_overlap(tmp_path: Path) -> None:
    handler = ShellHandler(make_context(tmp_path))
    answers: dict[int, Con] = {}

    async def one(number: int) -> None:
        script = f"touch here{number}; while [ ! -e here{1 - number} ]; do sleep 0.02; done; echo {number}"
        request = make_request("shell.script", script, folder=tmp_path / "files", position=number)
        answers[number] = await handler.perform(request)

    async def main() -> None:
        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(one, 0)
                tasks.start_soon(one, 1)

    anyio.run(main)
    assert exit_of(answers[0]) == (0, "0\n")
    assert exit_of(answers[1]) == (0, "1\n")


@pytest.mark.usefixtures("folder")
class TestEnvironment:
    def read(self, tmp_path: Path, *, config: str = "", environ: dict[str, str] | None = None) -> dict[str, str]:
        script = f"{sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
        out = exit_of(perform(tmp_path, "shell.run", script, config=config, environ=environ))[1]
        found = json.loads(out)
        assert isinstance(found, dict)
        return found

    def test_is_scrubbed(self, tmp_path: Path) -> None:
        environ = {"PATH": "/usr/bin:/bin", "HOME": "/root", "MY_TOKEN": SECRET, "LANG": "de_DE", "EDITOR": "ed"}
        found = self.read(tmp_path, environ=environ)
        names = """COLUMNS GIT_PAGER GIT_TERMINAL_PROMPT HOME LANG LC_ALL LINES LOGNAME NO_COLOR PAGER PATH PIP_NO_INPUT
            PYTHONDONTWRITEBYTECODE PYTHONHASHSEED PYTHONUNBUFFERED TERM TMPDIR TZ USER"""
        assert sorted(found) == names.split()
        assert found["LANG"] == "C.UTF-8"
        assert found["TZ"] == "UTC"
        assert found["HOME"] != "/root"

    def test_home_is_empty_writable_and_removed(self, tmp_path: Path) -> None:
        out = exit_of(perform(tmp_path, "shell.script", 'ls -A "$HOME" "$TMPDIR"; touch ~/x "$TMPDIR/y"; echo $HOME'))[
            1
        ]
        assert not Path(out.split()[-1]).exists()
        again = exit_of(perform(tmp_path, "shell.script", 'ls -A "$HOME"'))[1]
        assert again == ""

    def test_allow_set_and_path(self, tmp_path: Path) -> None:
        config = '[environment]\nallow = ["EDITOR", "MY_TOKEN"]\nset = { TZ = "CET", X = "1" }\npath = ["tools"]'
        found = self.read(tmp_path, config=config, environ={"PATH": "/usr/bin", "EDITOR": "ed", "MY_TOKEN": SECRET})
        assert found["EDITOR"] == "ed"
        assert found["TZ"] == "CET"
        assert found["X"] == "1"
        assert found["PATH"] == f"{tmp_path}/tools:/usr/bin"
        assert "MY_TOKEN" not in found

    def test_a_declared_secret_is_given_and_redacted(self, tmp_path: Path) -> None:
        recorder = Recorder()
        script = (
            'printf %s "$MY_TOKEN" | wc -c; echo "$MY_TOKEN"; '
            'printf %.10s "$MY_TOKEN"; printf %s "$MY_TOKEN" | tail -c +11'
        )
        outcome = perform(
            tmp_path,
            "shell.script",
            script,
            config='[shell]\nsecrets = ["MY_TOKEN"]\noutput_limit = 20',
            environ={"PATH": "/usr/bin:/bin", "MY_TOKEN": SECRET},
            recorder=recorder,
        )
        (whole,) = recorder.blobs.values()
        assert whole.decode() == f"{len(SECRET)}\n‹secret MY_TOKEN›\n‹secret MY_TOKEN›"
        for text in (str(outcome), recorder.shown, whole.decode()):
            assert SECRET not in text


@pytest.mark.usefixtures("folder")
def test_a_process_left_by_a_crash_is_ended_by_probe(tmp_path: Path) -> None:
    context = make_context(tmp_path)
    request = make_request("shell.script", "sleep 300", folder=tmp_path / "files")
    child = subprocess.Popen(["/bin/sh", "-c", "sleep 300 & wait"], start_new_session=True)
    try:
        note_process(context.state, request, child.pid, tmp_path / "none")
        assert anyio.run(ShellHandler(context).probe, request) is None
        child.wait(10)
        until(lambda: not group_alive(child.pid))
    finally:
        child.kill()
    assert list((context.state / "processes").iterdir()) == []


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("leader_too", [False, True])
def test_what_a_killed_driver_left_is_ended_by_the_next(tmp_path: Path, leader_too: bool) -> None:
    kill_a_driver_and_go_on(tmp_path, leader_too=leader_too)


@as_root
def test_a_plain_users_command_is_ended_though_its_keeper_shows_no_environment() -> None:
    def kill_and_go_on(place: Path) -> None:
        (place / "files").mkdir()
        kill_a_driver_and_go_on(place, leader_too=True)

    imports = f"import sys; sys.path[:0] = {sys.path!r}; import shepherd_dsl.handlers.shell"
    do_as_plain_user(kill_and_go_on, python=python_for_all(imports))


def kill_a_driver_and_go_on(tmp_path: Path, *, leader_too: bool) -> None:
    """With `leader_too` the launcher of its command is killed too."""
    script = (
        "import anyio, pathlib, sys\n"
        "from shepherd_dsl.handlers.shell import ShellHandler\n"
        "from shepherd_dsl.testing.requests import make_context, make_request\n"
        "place = pathlib.Path(sys.argv[1])\n"
        "script = 'echo $HOME > home; sleep 300 & echo > made; wait; sleep 300'\n"
        "request = make_request('shell.script', script, folder=place / 'files')\n"
        "anyio.run(ShellHandler(make_context(place, config='[jail]\\noff = true')).perform, request)\n"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    driver = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], env=environ)
    made = tmp_path / "files" / "made"
    state = make_context(tmp_path).state
    try:
        # The process is there a moment before the driver has noted it.
        until(lambda: has_ended(driver) or (ends_with(made, "\n") and is_noted(state)))
        assert not has_ended(driver)
    finally:
        driver.kill()
        driver.wait()
    (noted,) = (state / "processes").glob("*.json")
    known = json.loads(noted.read_text())
    group = known["group"]
    home = Path((tmp_path / "files" / "home").read_text().strip())
    if leader_too:
        os.kill(group, signal.SIGKILL)
        until(lambda: gone(group))
        noted.write_text(json.dumps({**known, "started": known["started"] - 1}))  # a zombie would still be known by it
    assert group_alive(group)
    assert home.exists()
    request = make_request("shell.script", "", folder=None)
    assert anyio.run(ShellHandler(make_context(tmp_path)).probe, request) is None
    until(lambda: not group_alive(group))
    assert not home.parent.exists()


@pytest.mark.usefixtures("folder")
def test_folders_of_drivers_that_are_gone_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    script = (
        "import os, signal\n"
        "from shepherd_dsl.handlers.private import PrivateFolder\n"
        "print(PrivateFolder().path, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environ = {**os.environ, "TMPDIR": str(temporary)}
    left = [
        Path(subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environ).stdout[:-1])
        for _ in range(2)
    ]
    assert all((path / "home").is_dir() for path in left)
    user = subprocess.Popen(["sleep", "300"], env={"HOME": str(left[1] / "home")})
    held = PrivateFolder()
    other = temporary / "another"
    other.mkdir()
    try:
        assert exit_of(perform(tmp_path, "shell.script", "exit 0")) == (0, "")
        assert sorted(temporary.iterdir()) == sorted([other, held.path, left[1]])
    finally:
        user.kill()
        user.wait()
        held.remove()
    assert exit_of(perform(tmp_path, "shell.script", "exit 0")) == (0, "")
    assert list(temporary.iterdir()) == [other]


@pytest.mark.usefixtures("folder")
def test_a_reused_process_id_is_left_alone(tmp_path: Path) -> None:
    context = make_context(tmp_path)
    request = make_request("shell.script", "sleep 300", folder=tmp_path / "files")
    child = subprocess.Popen(["sleep", "300"], start_new_session=True)
    try:
        note_process(context.state, request, child.pid, tmp_path / "none")
        (place,) = (context.state / "processes").iterdir()
        noted = json.loads(place.read_text())
        place.write_text(json.dumps({**noted, "started": noted["started"] - 1}))
        anyio.run(ShellHandler(context).probe, request)
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()
