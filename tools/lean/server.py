"""A portable Lean that compiles one file after another (`lean/portable/serve.js`).

What costs most is not to start it: Node compiles the WebAssembly as it is used, well only after a while. A process that
has compiled something is three times as fast as a new one.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from .install import Toolchain

MEMORY_MB: Final = 1400
"""Above this a new process is started before the next file. A process has 2 GB and gives none back; a small file takes
100 MB of them."""


@dataclass(frozen=True)
class Message:
    """What Lean says about a file. Lines count from 1, columns from 0, as Lean has them."""

    severity: str
    line: int
    column: int
    text: str
    kind: str = ""

    def shown(self, file: str | Path) -> str:
        """As compilers print it."""
        return f"{file}:{self.line}:{self.column}: {self.severity}: {self.text.rstrip()}"

    @property
    def fails(self) -> bool:
        """Errors do, and proofs that are left open."""
        return self.severity == "error" or self.kind == "hasSorry" or self.text.startswith("declaration uses `sorry`")


def message_from(data: Mapping[str, Any]) -> Message:
    """From a line of `lean --json`."""
    position = data.get("pos") or {}
    return Message(
        data["severity"], position.get("line", 1), position.get("column", 0), data["data"], data.get("kind") or ""
    )


def _parsed(line: str) -> dict[str, Any]:
    """A line of the server; what is no JSON was printed by the file."""
    try:
        said = json.loads(line)
    except ValueError:
        said = None
    return said if isinstance(said, dict) and ("ok" in said or "data" in said) else {"severity": "info", "data": line}


@dataclass(frozen=True)
class Answer:
    """The result of one file."""

    ok: bool
    messages: list[Message]
    seconds: float
    died: bool = False
    """The process ended instead of answering."""


@dataclass
class Server:
    """Starts its process when there is work, and again when it has ended or grown large."""

    lean: Toolchain
    lean_path: Path
    process: subprocess.Popen[str] | None = field(default=None, init=False)
    compiled: int = field(default=0, init=False)
    """Files that this process has answered."""
    stopped: bool = field(default=False, init=False)
    lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def compile(self, file: Path, root: Path, olean: Path) -> Answer:
        """Compiles a file of the source folder `root`; a process that dies of what went before gets another try."""
        if self._memory_mb() > MEMORY_MB:
            self.close()
        used = self.compiled > 0
        answer = self._compile(file, root, olean)
        return self._compile(file, root, olean) if answer.died and used and not self.stopped else answer

    def _compile(self, file: Path, root: Path, olean: Path) -> Answer:
        started = time.monotonic()
        process = self._started()
        if process is None:
            return Answer(False, [], 0.0, died=True)
        assert process.stdin is not None
        assert process.stdout is not None
        request = json.dumps({"file": str(file), "root": str(root), "olean": str(olean)})
        messages: list[Message] = []
        try:
            process.stdin.write(request + "\n")
            process.stdin.flush()
            for line in process.stdout:
                said = _parsed(line)
                if "ok" in said:
                    self.compiled += 1
                    return Answer(bool(said["ok"]), messages, time.monotonic() - started)
                messages.append(message_from(said))
        except BrokenPipeError:
            pass
        self._kill()
        text = (
            f"Lean ended with status {process.returncode} while it compiled this file. It has 2 GB of memory and "
            f"a stack of 256 MB: split the file, or shorten its largest proof. What it printed stands above."
        )
        messages.append(Message("error", 1, 0, text))
        return Answer(False, messages, time.monotonic() - started, died=True)

    def _started(self) -> subprocess.Popen[str] | None:
        with self.lock:
            if self.process is None and not self.stopped:
                self.compiled = 0
                self.process = subprocess.Popen(
                    self.lean.command("--serve"),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    encoding="utf-8",
                    env=self.lean.environment(self.lean_path),
                )
            return self.process

    def _memory_mb(self) -> int:
        if self.process is None:
            return 0
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
            return int(status.split("VmRSS:")[1].split()[0]) // 1024
        except (OSError, IndexError):
            return 0

    def close(self) -> None:
        """Ends the process in good order."""
        if self.process is not None and self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=10)
        self._kill()

    def stop(self) -> None:
        """Ends the process at once, for good; for another thread than the one that compiles."""
        with self.lock:
            self.stopped = True
            if self.process is not None:
                self.process.kill()

    def _kill(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()
