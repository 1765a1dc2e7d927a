"""The reference interpreter as a process: one request a line, one answer a line."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from types import TracebackType
from typing import Any

from shepherd_dsl.core.wire import WireError, parse
from shepherd_dsl.errors import CheckerError
from shepherd_dsl.reference.find import NOT_BUILT, Command, find, not_there

_SHOWN = 600
"""Characters of what the process said that an error quotes."""


class Reference:
    """`shepref`, started once; each request is one line (`lean/Shepherd/Reference.lean`).

    Raises CheckerError where it cannot be started, or ends before it has answered.
    """

    def __init__(self, command: Command | None = None) -> None:
        self.command = find() if command is None else command
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        environment = self.command.environment
        try:
            self._process = subprocess.Popen(
                self.command.argv,
                cwd=self.command.folder,
                env=None if environment is None else dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
            )
        except OSError as why:
            self._said.close()
            raise CheckerError("checker.start", f"the checker cannot be started: {why}", where=self._shown()) from why

    def line(self, text: str) -> str:
        """The line that answers a line."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(text.encode("utf-8") + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None
        answer = self._process.stdout.readline()
        if not answer.endswith(b"\n"):
            raise self._ended()
        try:
            return answer.decode("utf-8").rstrip("\n")
        except UnicodeDecodeError as why:
            raise self._nonsense(repr(answer[:100])) from why

    def ask(self, request: str) -> dict[str, Any]:
        """The answer to a request, an object."""
        line = self.line(request)
        try:
            answer = parse(line)
        except (WireError, RecursionError):
            raise self._nonsense(line) from None
        if not isinstance(answer, dict):
            raise self._nonsense(line)
        return answer

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._said.close()

    def _shown(self) -> str:
        return " ".join(self.command.argv)

    def _ended(self) -> CheckerError:
        status = self._process.wait()
        if status == NOT_BUILT and self.command.folder is not None:
            return not_there()
        self._said.seek(0, os.SEEK_END)
        self._said.seek(max(0, self._said.tell() - _SHOWN))
        said = self._said.read().decode("utf-8", "replace").strip()
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        return CheckerError(
            "checker.ended",
            f"the checker {how} and gave no verdict" + (f"; it said: {said}" if said else ""),
            where=self._shown(),
            hint="`make lean` in a checkout of the project builds it anew, and says what does not work.",
        )

    def _nonsense(self, line: str) -> CheckerError:
        return CheckerError(
            "checker.answer",
            f"the checker did not answer in JSON, but: {line[:200]}",
            where=self._shown(),
            hint="It must be the `shepref` of the project.",
        )

    def __enter__(self) -> Reference:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._process.kill()
        self.close()
