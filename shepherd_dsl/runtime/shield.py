"""Keeping the driver's environment and memory from the processes that it starts.

A command runs as the user, so `/proc/<driver>/environ` would show it every secret that its own environment was spared.
On Linux a process can be made not dumpable: then only a privileged one looks inside. What is not kept away: the
environment of other processes of the user (the shell that `shepherd` was started from), files that hold secrets, and,
where shepherd runs as root or with CAP_SYS_PTRACE, its own after all. That takes a jail.
"""

from __future__ import annotations

import os
import sys

PR_SET_DUMPABLE = 4
KEEP_DUMPABLE = "SHEPHERD_DUMPABLE"
"""Set to anything, this environment variable leaves the process as it is, for debuggers and core dumps."""


def shield_process() -> None:
    """Let no other process of the user look inside this one, where the system can do that. Programs started later are
    not affected."""
    if sys.platform != "linux" or os.environ.get(KEEP_DUMPABLE):
        return
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
