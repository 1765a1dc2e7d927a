"""Files of the workspace that decide what runs may do, and reading them.

Whoever can write such a file decides with the next run: `.shepherdignore` says what runs see and whether `.git/` is
merged, the file of answers approves. So no merge changes them (`scope.guard`), and they are read as what a run could
have made of them: not through a link, not without bound.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

import attrs

MOST_BYTES: Final = 1024 * 1024
"""The largest policy file that is read."""


@attrs.frozen(slots=True, kw_only=True)
class Policies:
    """What else than `.shepherdignore` decides, as paths of the workspace.

    `files`: nothing there, below or in their way may change. `places`: folders that are read through where they lead
    (by the jail): they may change, but neither they nor what is above them may become a link.
    """

    files: frozenset[str] = frozenset()
    places: frozenset[str] = frozenset()


class UnfitError(ValueError):
    """A policy file that is not to be read, and why."""


def read_policy(path: Path) -> str:
    """The text of a policy file: a regular file, not a link, of UTF-8 and at most `MOST_BYTES`.

    Raises FileNotFoundError or NotADirectoryError where there is none, UnfitError where it is no such file.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise UnfitError("it is not a regular file")
            with open(fd, "rb", closefd=False) as file:
                data = file.read(MOST_BYTES + 1)
        finally:
            os.close(fd)
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        link = error.errno == errno.ELOOP
        raise UnfitError("it is a symbolic link" if link else error.strerror or str(error)) from error
    if len(data) > MOST_BYTES:
        raise UnfitError(f"it has more than {MOST_BYTES} bytes")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnfitError("it is not UTF-8") from error
