"""The processes of the machine, as `/proc` shows them."""

from __future__ import annotations

import os
from pathlib import Path


def processes_with(text: str) -> list[int]:
    """The running processes, this one aside, that have `text` in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes()
            state = (entry / "stat").read_bytes().rpartition(b")")[2].split()[0]
        except (OSError, IndexError):
            continue
        if entry.name.isdigit() and int(entry.name) != os.getpid() and text.encode() in line and state not in b"ZX":
            found.append(int(entry.name))
    return found
