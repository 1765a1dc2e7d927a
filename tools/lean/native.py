"""Lake, where it is there and can be used."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from .places import ROOT


class Native:
    """The `lean` of Lake's toolchain, with the modules that `lake build` compiled."""

    def command(self, *arguments: str | Path) -> list[str]:
        """The command line of `lean ARGUMENTS`; to be run in the repository."""
        return ["lake", "env", "lean", *map(str, arguments)]

    def environment(self, *lean_path: Path) -> dict[str, str]:
        """The environment of such a process: Lake sets what is needed."""
        return dict(os.environ)


SECONDS: Final = 600
"""For elan to download the toolchain when it is used for the first time."""


def wanted() -> str:
    """The version in `lean-toolchain`, as `4.28.0`."""
    return (ROOT / "lean-toolchain").read_text("utf-8").strip().rpartition(":v")[2]


def native() -> str | None:
    """What the native Lean calls itself, if Lake can be used here. Why not is said, if there is a Lake."""
    if shutil.which("lake") is None:
        return None
    try:
        done = subprocess.run(
            ["lake", "env", "lean", "--version"], cwd=ROOT, capture_output=True, text=True, timeout=SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        _say_why(str(error))
        return None
    said = (done.stdout + done.stderr).strip()
    if done.returncode:
        _say_why(said)
        return None
    if f"version {wanted()}" not in said:
        _say_why(f"it runs {said}, and lean-toolchain asks for {wanted()}")
        return None
    return done.stdout.strip()


def _say_why(why: str) -> None:
    print(f"lake is there but cannot be used here: {why}", file=sys.stderr)
