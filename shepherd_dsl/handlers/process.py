"""Running one process and whatever it starts, leaving nothing behind.

The process leads a session, and so a process group, of its own. When it ends, is cancelled or is stopped, all that is
left of the group is ended with it (SIGTERM, a grace, SIGKILL). A descendant that moves to a session of its own escapes
this, but not in a jail with a PID namespace: there the group is the launcher and the keeper (`scope.launch`), which
hands SIGTERM on to all and takes all with it when it is killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import anyio
import anyio.lowlevel
import attrs

from shepherd_dsl.scope.jail import Launch

_PIECE = 1 << 16
_POLL_S = 0.02
_PIPE_MAX = 1 << 20
STUCK_S = 5.0
"""How long a process that does not die of SIGKILL (it hangs in the kernel) is waited for."""


@attrs.frozen(slots=True)
class Ended:
    """How a process ended: by itself with `code` (128 + n for the signal n), at the time limit, or because the receiver
    of its output wanted no more (`code` is then None)."""

    why: Literal["exit", "time", "output"]
    code: int | None


async def run_process(
    argv: Sequence[str],
    *,
    executable: str,
    folder: Path,
    environ: Mapping[str, str],
    time_limit: float,
    grace: float,
    receive: Callable[[bytes], bool],
    started: Callable[[int], None] = lambda pid: None,
    jail: Launch | None = None,
) -> Ended:
    """Run `executable` as `argv` in `folder`; its output and errors go to `receive` in the order they were written.

    Standard input is empty. `time_limit` and `grace` are in seconds. `receive` returns whether it wants more; where it
    does not, the process is ended. `started` gets the process id, which is also that of the group. With `jail`, made of
    the same command, the process is its launcher. Raises OSError where the process cannot be started, HandlerError
    where its jail cannot be. Cancellation ends the group before it is let through.
    """
    reader, writer = os.pipe()
    try:
        os.set_blocking(reader, False)
        try:
            # A list and no shell; the fork itself takes about a millisecond, less than handing it to a thread.
            child = subprocess.Popen(  # noqa: ASYNC220
                list(argv if jail is None else jail.argv),
                executable=executable if jail is None else None,
                cwd=folder if jail is None else "/",
                env=dict(environ if jail is None else jail.environ),
                stdin=subprocess.DEVNULL,
                stdout=writer,
                stderr=writer,
                start_new_session=True,
                close_fds=True,
                pass_fds=() if jail is None else jail.descriptors,
            )
        finally:
            os.close(writer)
            if jail is not None:
                jail.started()
        ended = Ended("time", None)
        try:
            started(child.pid)
            with anyio.move_on_after(time_limit):
                ended = await _watch(child, reader, receive)
        finally:
            with anyio.CancelScope(shield=True):
                await _end_group(child, grace)
        if ended.why != "output":
            _drain(reader, receive)
        if ended.why != "exit":
            return ended
        if jail is not None:
            jail.check()
        code = child.returncode
        return Ended("exit", 128 - code if code < 0 else code)
    finally:
        os.close(reader)


async def _watch(child: subprocess.Popen[bytes], reader: int, receive: Callable[[bytes], bool]) -> Ended:
    """Hand on output until the process itself has ended (its descendants may go on) or `receive` has enough."""
    ended = Ended("exit", None)
    async with anyio.create_task_group() as tasks:

        async def read() -> None:
            nonlocal ended
            while True:
                await anyio.wait_readable(reader)
                try:
                    piece = os.read(reader, _PIECE)
                except BlockingIOError:
                    continue
                if not piece:
                    return
                if not receive(piece):
                    ended = Ended("output", None)
                    tasks.cancel_scope.cancel()
                    return
                # A process that writes without end must not keep others, or the time limit, from their turn.
                await anyio.lowlevel.checkpoint()

        async def wait() -> None:
            await _wait(child.pid)
            tasks.cancel_scope.cancel()

        tasks.start_soon(read)
        tasks.start_soon(wait)
    return ended


async def _wait(pid: int) -> None:
    """Until the child `pid` has ended, without reaping it: while it is a zombie its group's id cannot be reused."""
    if sys.platform == "linux":
        try:
            watch = os.pidfd_open(pid)
        except OSError:
            watch = -1
        if watch >= 0:
            try:
                await anyio.wait_readable(watch)
            finally:
                os.close(watch)
            return
    while not _is_over(pid):  # noqa: ASYNC110  (nothing signals the end where there is no pidfd)
        await anyio.sleep(_POLL_S)


def _is_over(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


async def _end_group(child: subprocess.Popen[bytes], grace: float) -> None:
    """End all that is left of the group of `child`, then reap it."""
    pid = child.pid
    if group_alive(pid):
        signal_group(pid, signal.SIGTERM)
        # A stopped process sees SIGTERM only when it goes on.
        signal_group(pid, signal.SIGCONT)
        if not await until_gone(pid, grace):
            signal_group(pid, signal.SIGKILL)
            await until_gone(pid, STUCK_S)
    child.poll()


async def until_gone(group: int, seconds: float) -> bool:
    """Wait until a process group is gone, at most `seconds`; whether it is."""
    deadline = time.monotonic() + seconds
    pause = 0.001
    while group_alive(group):
        if time.monotonic() >= deadline:
            return False
        await anyio.sleep(pause)
        pause = min(pause * 2, _POLL_S)
    return True


def signal_group(group: int, number: int) -> None:
    """Send a signal to a process group; one that is gone is fine."""
    # PermissionError: macOS says so for a group of zombies, and where a set-user-id program runs as another user.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def group_alive(group: int) -> bool:
    """Whether a process of the group still runs (zombies do not count where the system tells them apart)."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    if sys.platform != "linux":
        return not _is_over(group)
    return any(True for _ in group_members(group))


def group_members(group: int) -> Iterator[int]:
    """The processes of the group that run, from `/proc`; none where that is not there."""
    for entry in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] not in (b"Z", b"X"):
            yield int(entry)


def _drain(reader: int, receive: Callable[[bytes], bool]) -> None:
    """Hand on what was written before the group ended and is still in the pipe.

    At most what a pipe can hold: a descendant that left the group may go on writing.
    """
    left = _PIPE_MAX
    with contextlib.suppress(BlockingIOError):
        while left > 0 and (piece := os.read(reader, _PIECE)):
            left -= len(piece)
            if not receive(piece):
                return
