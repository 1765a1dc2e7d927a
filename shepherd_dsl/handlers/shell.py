"""`shell.run`, `shell.script` and the same with network: commands in the run's own copy of the files, confined to it.

`shell.run(command)` splits its text into words and starts the program without a shell; `shell.script(script)` gives its
text to `/bin/sh -c`. `shell.online` and `shell.script_online` may use the network, so what they do is not in the files
alone: they are irreversible. All answer `{code, out}`: the exit status (128 + n for a process killed by signal n) and
what was written to standard output and standard error, in order. A command that could not run, or was ended at a limit,
gives an error: `command` (no words, an open quote, a NUL), `not_found`, `not_executable`, `timeout`, `output`, `jail`
(it cannot be confined); and the driver gives `limit` where it has no room to record what the command wrote. What the
jail refuses the command sees as an error of the system: its answer is ordinary.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import anyio.to_thread

from shepherd_dsl.core.match import words as split
from shepherd_dsl.core.program import EffectClass
from shepherd_dsl.core.value import Con, err, ok, record
from shepherd_dsl.handlers.context import HandlerContext
from shepherd_dsl.handlers.environment import command_environment
from shepherd_dsl.handlers.fits import rec_of
from shepherd_dsl.handlers.leftover import forget_process, note_process, stop_leftover
from shepherd_dsl.handlers.output import Output
from shepherd_dsl.handlers.private import PrivateFolder, remove_abandoned
from shepherd_dsl.handlers.process import run_process
from shepherd_dsl.handlers.protocol import OperationSpec, Request
from shepherd_dsl.scope.jail import Launch, MissingProgramError, Rules
from shepherd_dsl.scope.software import credentials, software_folders

EXIT = rec_of(code="Int", out="Text")


def _operation(effect_class: EffectClass, param: str, about: str) -> OperationSpec:
    return OperationSpec(effect_class, ((param, "Text"),), EXIT, touches_files=True, about=about)


OPERATIONS: Mapping[str, OperationSpec] = MappingProxyType(
    {
        "shell.run": _operation("reversible", "command", "run a program with arguments, without a shell"),
        "shell.script": _operation("reversible", "script", "run a script with /bin/sh"),
        "shell.online": _operation(
            "irreversible", "command", "run a program with arguments, without a shell, with network"
        ),
        "shell.script_online": _operation("irreversible", "script", "run a script with /bin/sh, with network"),
    }
)

_BUILT_IN = frozenset(
    {".", "alias", "cd", "eval", "exec", "export", "set", "source", "trap", "ulimit", "umask", "unset"}
)


class ShellHandler:
    """Performs `shell.*`; calls may overlap, each in its run's folder."""

    operations = OPERATIONS

    def __init__(self, context: HandlerContext) -> None:
        self._context = context
        self._has_tidied = False
        self._readable: dict[str, tuple[str, ...]] = {}
        self._unread: tuple[str, ...] = ()

    async def perform(self, request: Request) -> Con:
        """`Ok({code, out})`, or an error as above. Cancelled, it ends the whole process group first."""
        (text,) = request.args
        assert isinstance(text, str)
        if "\0" in text:
            return err("command", "the command holds a NUL character")
        if request.op in ("shell.script", "shell.script_online"):
            return await self._run(request, ("/bin/sh", "-c", text))
        words = split(text)
        if words is None:
            return err("command", f"a quote or a backslash is left open in: {text}")
        if not words or not words[0]:
            return err("command", "the command is empty")
        return await self._run(request, words)

    async def probe(self, request: Request) -> Con | None:
        """None: nobody can say how far a command came.

        A process that a crashed driver left running is ended, so that it stops writing into the run's files.
        """
        await stop_leftover(self._context.state, request, grace=self._context.config.shell.grace)
        return None

    async def aclose(self) -> None:
        """Nothing is left to close: each call ends what it started."""

    async def _run(self, request: Request, argv: tuple[str, ...]) -> Con:
        if request.folder is None:
            raise ValueError("shell operations need the run's folder")
        config = self._context.config.shell
        if not self._has_tidied:
            self._has_tidied = True
            await anyio.to_thread.run_sync(remove_abandoned)
        private = PrivateFolder()
        output = Output(
            limit=config.output_limit, most=config.output_max, redactor=self._context.redactor, show=request.show
        )
        try:
            environ = command_environment(self._context, private.path)
            # In a jail the launcher looks: what the run's folder leads to is not what it leads to here.
            is_free = self._context.config.jail.off
            place = request.folder if is_free or request.place is None else request.place
            executable = find_program(argv[0], place, environ["PATH"], look=is_free)
            if executable is None:
                return _not_found(argv[0])
            try:
                with contextlib.ExitStack() as stack:
                    jail = None
                    if not is_free:
                        rules = self._rules(request, private, environ["PATH"])
                        jail = stack.enter_context(Launch(rules, argv, executable=executable, environ=environ))
                    ended = await run_process(
                        argv,
                        executable=executable,
                        folder=request.folder,
                        environ=environ,
                        time_limit=config.time_limit,
                        grace=config.grace,
                        receive=output.receive,
                        started=lambda pid: note_process(self._context.state, request, pid, private.path),
                        jail=jail,
                    )
            except MissingProgramError:
                return _not_found(argv[0])
            except OSError as problem:
                return _cannot_start(argv[0], problem)
            out = output.text(request.write_blob)
            if ended.why == "time":
                return err("timeout", f"ended after {config.time_limit:g} s, the time limit; its output so far:\n{out}")
            if ended.why == "output":
                return err("output", f"ended at {config.output_max} bytes of output, the limit:\n{out}")
            assert ended.code is not None
            return ok(record(code=ended.code, out=out))
        finally:
            output.close()
            forget_process(self._context.state, request)
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(private.remove)

    def _rules(self, request: Request, private: PrivateFolder, path: str) -> Rules:
        """What the command of `request` may do."""
        assert request.folder is not None
        config = self._context.config.jail
        network = request.op.endswith("online")
        if path not in self._readable:
            self._readable[path] = readable_folders(self._context, path)
            self._unread = credentials(home=self._context.environ.get("HOME"))
        readable = self._readable[path]
        names = "/etc/resolv.conf"
        if network and os.path.exists(names):
            readable = (*readable, names)  # often a link to where nothing else may be read
        return Rules(
            folder=str(request.place or request.folder),
            private=str(private.path),
            readable=readable,
            unread=self._unread,
            hidden=str(self._context.workspace),
            network=network,
            limits=config.limits,
            namespaces=request.namespaces,
        )


def open_handler(context: HandlerContext) -> ShellHandler:
    """The factory of the entry point `shell`."""
    return ShellHandler(context)


def find_program(name: str, folder: Path, path: str, *, look: bool = True) -> str | None:
    """The file that the command `name` starts: looked up in `path`, or, where it has a `/`, from `folder`, where only
    `look` looks whether it is there."""
    if "/" in name:
        place = os.path.join(folder, name)
        return place if not look or os.path.isfile(place) else None
    return shutil.which(name, path=path)


def readable_folders(context: HandlerContext, path: str) -> tuple[str, ...]:
    """What commands with the PATH `path` may read beside their own files."""
    home = context.environ.get("HOME")
    more = [item.replace("~", home, 1) if home and item.startswith("~/") else item for item in context.config.jail.read]
    return software_folders(
        path.split(os.pathsep),
        home=home,
        workspace=str(context.workspace),
        more=[os.path.normpath(context.workspace / item) for item in more],
    )


def _not_found(name: str) -> Con:
    own = "; the shell has a command of this name: use shell.script" if name in _BUILT_IN else ""
    return err("not_found", f"there is no program `{name}`{own}")


def _cannot_start(name: str, problem: OSError) -> Con:
    if problem.errno == errno.ENOENT:
        return err("not_found", f"`{name}` names an interpreter that does not exist")
    if problem.errno in (errno.EACCES, errno.EPERM, errno.ENOEXEC):
        return err("not_executable", f"`{name}` cannot be executed: {os.strerror(problem.errno)}")
    if problem.errno == errno.E2BIG:
        return err("command", "the command is too long for the system")
    raise problem
