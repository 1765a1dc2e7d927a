"""The reference interpreter as a process: one request a line, one answer a line."""

from __future__ import annotations

import json
import subprocess
from types import TracebackType
from typing import Any

from tools.lean.__main__ import portable_build
from tools.lean.places import SOURCES

Json = Any


class Shepref:
    """`shepref`, started once; each request is one line (`lean/Shepherd/Reference.lean`)."""

    def __init__(self) -> None:
        built, lean = portable_build(2, show=False)
        assert built.tree is not None, "the Lean sources do not compile"
        self._process = subprocess.Popen(
            lean.command("--run", SOURCES / "Shepref.lean"),
            env=lean.environment(built.tree),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def line(self, text: str) -> str:
        """The line that answers a line."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "shepref ended"
        return answer.rstrip("\n")

    def ask(self, request: str) -> Json:
        """The answer to a request."""
        return json.loads(self.line(request))

    def close(self) -> None:
        self._process.communicate()

    def __enter__(self) -> Shepref:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
