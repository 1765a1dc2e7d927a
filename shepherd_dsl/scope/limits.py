"""How much commands may take."""

from __future__ import annotations

from typing import Final

import attrs

MEMORY: Final = 1 << 30
"""Bytes that a server of files (`scope.fuse`) may take for what commands make: names, links, attributes."""


@attrs.frozen(slots=True, kw_only=True)
class Limits:
    """Bounds on one command; sizes are in bytes, 0 is no bound.

    `processes` is for all of the command together, threads included. `open_files`, `file_size`, `address_space` and
    `cpu_seconds` are for each process, or each file. `tmp_size` bounds what is in /tmp and in /dev/shm, in memory.
    A command is ended when the disk of its folder, or that of its home and temporary files, has less than `keep_free`
    left or room for fewer than `keep_files` more files, or half of what it had.
    """

    processes: int = 4096
    open_files: int = 16384
    file_size: int = 16 << 30
    address_space: int = 0
    cpu_seconds: int = 86400
    tmp_size: int = 1 << 30
    keep_free: int = 512 << 20
    keep_files: int = 10_000
