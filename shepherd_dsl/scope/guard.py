"""Paths that a merge never writes, whatever the run's files hold: they are instructions to programs, not files.

A file in `.git/` makes Git run commands (`config`, `hooks/`), one in a `.shepherd/` decides what later runs may do
(which secrets go where, who approves) wherever it lies, since the nearest one counts. So a grant of `**` must not reach
them. On file systems that ignore case, or some characters, other spellings lead there too.
"""

from __future__ import annotations

import unicodedata

from shepherd_dsl.errors import RefusedError
from shepherd_dsl.scope.ignore import Ignored

STATE = ".shepherd"
_STATE_NAMES = frozenset({STATE, "shephe~1"})
_GIT_NAMES = frozenset({".git", "git~1"})
_HINT = "The run keeps its files: `shepherd fork RUN@EVENT` goes on from before it wrote there."


def is_state(name: str) -> bool:
    """Whether some file system takes the component `name` for `.shepherd`."""
    return _folded(name) in _STATE_NAMES


def is_repository(name: str) -> bool:
    """Whether some file system takes the component `name` for `.git`."""
    return _folded(name) in _GIT_NAMES


def check_mergeable(path: str, ignored: Ignored) -> None:
    """Refuse a path inside `.shepherd/`, or inside `.git/` unless the workspace takes it in (`!.git/`).

    Raises RefusedError `merge.own` or `merge.git`.
    """
    for name in path.split("/"):
        if is_state(name):
            raise RefusedError(
                "merge.own",
                "a run's files hold .shepherd/, which is never merged",
                where=path,
                hint=_HINT,
            )
        if is_repository(name) and (name != ".git" or ignored(path, False)):
            raise RefusedError(
                "merge.git",
                "a run's files hold .git/, where a file can make Git run commands; it is not merged",
                where=path,
                hint=f"{_HINT} Where runs are to change the repository, write !.git/ into .shepherdignore.",
            )


def _folded(name: str) -> str:
    """`name` as the most forgiving file systems compare it: no case (APFS, NTFS), no format characters (HFS+), no
    stream and no spaces or dots at the end (NTFS)."""
    if name.isascii():
        plain = name.lower()
    else:
        plain = "".join(char for char in name if unicodedata.category(char) != "Cf").casefold()
    return plain.partition(":")[0].rstrip(" .")
