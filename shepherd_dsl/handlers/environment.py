"""The environment that commands get: little, and the same everywhere.

What is fixed, and why:

    PATH                     the absolute folders of the user's PATH, after those of `[environment] path`
    HOME, TMPDIR             new empty folders for each command, removed after it: state kept there would be outside
                             the trace, and a revert could not take it back
    LANG, LC_ALL             C.UTF-8                         so that messages and sorting are the same everywhere
    TZ                       UTC
    TERM, NO_COLOR, PAGER, GIT_PAGER, COLUMNS, LINES         plain text of a fixed width; nothing waits for a key
    GIT_TERMINAL_PROMPT, PIP_NO_INPUT                        nothing asks for a password
    PYTHONDONTWRITEBYTECODE  no __pycache__ among the run's files
    PYTHONUNBUFFERED         output and errors come in the order they were written
    PYTHONHASHSEED           0: the same order of sets on every run
    USER, LOGNAME            shepherd

Everything else is left out unless `[environment]` allows or sets it. A variable that holds a secret is handed on only
where `[shell] secrets` names it, even if `allow` does.
"""

from __future__ import annotations

import os
from pathlib import Path

from shepherd_dsl.handlers.context import HandlerContext
from shepherd_dsl.handlers.secrets import DEFAULT_HARMLESS, DEFAULT_NAMES, VARIABLE, is_secret_name

_FIXED = (
    ("LANG", "C.UTF-8"),
    ("LC_ALL", "C.UTF-8"),
    ("TZ", "UTC"),
    ("TERM", "dumb"),
    ("NO_COLOR", "1"),
    ("PAGER", "cat"),
    ("GIT_PAGER", "cat"),
    ("COLUMNS", "120"),
    ("LINES", "50"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("PIP_NO_INPUT", "1"),
    ("PYTHONDONTWRITEBYTECODE", "1"),
    ("PYTHONUNBUFFERED", "1"),
    ("PYTHONHASHSEED", "0"),
    ("USER", "shepherd"),
    ("LOGNAME", "shepherd"),
)


def command_environment(context: HandlerContext, private: Path) -> dict[str, str]:
    """The environment of one command, sorted by name; `private` holds its folders `home` and `tmp`."""
    config = context.config
    found: dict[str, str] = {
        "PATH": search_path(context),
        "HOME": str(private / "home"),
        "TMPDIR": str(private / "tmp"),
        **dict(_FIXED),
    }
    for name in config.environment.allow:
        if name in context.environ and not _is_secret(context, name):
            found[name] = context.environ[name]
    for name in config.shell.secrets:
        if name in context.environ:
            found[name] = context.environ[name]
    found.update(config.environment.set)
    return {name: found[name] for name in sorted(found)}


def search_path(context: HandlerContext) -> str:
    """PATH for commands. Relative folders of the user's PATH are left out: they would mean the run's own files."""
    first = [str(context.workspace / item) for item in context.config.environment.path]
    user = context.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(dict.fromkeys([*first, *(item for item in user if os.path.isabs(item))]))


def _is_secret(context: HandlerContext, name: str) -> bool:
    config = context.config.secrets
    declared = [*config.names, *context.environ.get(VARIABLE, "").replace(" ", "").split(",")]
    harmless = [*DEFAULT_HARMLESS, *config.exclude]
    return is_secret_name(name, declared) or is_secret_name(name, DEFAULT_NAMES, harmless)
