"""Lake, where it is there and can be used."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import Final

from .places import ROOT

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
