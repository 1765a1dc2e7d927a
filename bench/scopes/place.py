"""Where work is done: a folder, and the namespaces in which it is found."""

from __future__ import annotations

import ctypes
import os
import subprocess
import time
from pathlib import Path

import attrs

_libc = ctypes.CDLL(None, use_errno=True)


@attrs.frozen(slots=True)
class Place:
    """A folder, and the namespaces in which it is found, as descriptors."""

    folder: Path
    namespaces: tuple[int, ...] = ()

    def run(self, command: str) -> float:
        """Seconds that a shell command takes there."""
        began = time.perf_counter()
        self.output(command)
        return time.perf_counter() - began

    def output(self, command: str) -> str:
        """What a shell command prints there."""

        def enter() -> None:
            for fd in self.namespaces:
                if _libc.setns(fd, 0):
                    raise OSError(ctypes.get_errno(), "setns")
            os.chdir(self.folder)

        kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        environment = {**kept, "PYTHONPATH": ".", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            ["sh", "-c", command], check=True, capture_output=True, text=True, preexec_fn=enter, env=environment
        )
        return done.stdout
