"""The configuration of a workspace: `.shepherd/config.toml`.

It never enters a trace and no run can write it. Everything has a default; an unknown name or a value of the wrong kind
is an error that lists all that is wrong at once (`docs/handlers.md` shows the whole file).
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, cast

import attrs

from shepherd_dsl.core.program import DEFAULT_STEPS, MOST_STEPS
from shepherd_dsl.errors import UserError
from shepherd_dsl.scope.limits import MEMORY, Limits

CONFIG_FILE = "config.toml"


@attrs.frozen(slots=True, kw_only=True)
class RunConfig:
    """`[run]`. `steps` is how many local steps a program may make between two events, where `--steps` does not say."""

    steps: int = DEFAULT_STEPS


@attrs.frozen(slots=True, kw_only=True)
class ShellConfig:
    """`[shell]`. Times are in seconds, sizes in bytes.

    A command runs at most `time_limit`, and gets `grace` between SIGTERM and SIGKILL. An answer holds at most
    `output_limit` of its output; the whole output is kept as a blob up to `output_max`, where the command is stopped.
    `secrets` are the names of secret variables that commands get (none by default).
    """

    time_limit: float = 600.0
    grace: float = 2.0
    output_limit: int = 64 * 1024
    output_max: int = 64 * 1024 * 1024
    secrets: tuple[str, ...] = ()


@attrs.frozen(slots=True, kw_only=True)
class ScopeConfig:
    """`[scope]`. `backend` is how a run's copy of the files is made (`shepherd doctor` lists the backends); without it
    the best one that the machine can use. A server of files (FUSE) takes at most `memory` bytes for what commands make.
    """

    backend: str | None = None
    memory: int = MEMORY


@attrs.frozen(slots=True, kw_only=True)
class JailConfig:
    """`[jail]`. With `off` commands are not confined. `read` are more files and folders that they may read (relative
    ones count from the workspace, `~` is the user's home); the limits are those of `scope.limits.Limits`."""

    off: bool = False
    read: tuple[str, ...] = ()
    limits: Limits = attrs.field(factory=Limits)


@attrs.frozen(slots=True, kw_only=True)
class EnvironmentConfig:
    """`[environment]`: what commands see beside the fixed variables.

    `allow` names variables handed on as they are; `set` gives variables a value; `path` is put before PATH (relative
    folders count from the workspace).
    """

    allow: tuple[str, ...] = ()
    set: tuple[tuple[str, str], ...] = ()
    path: tuple[str, ...] = ()


@attrs.frozen(slots=True, kw_only=True)
class SecretsConfig:
    """`[secrets]`: names (with `*`) declared secret, names that are not although a default says so, and the fewest
    bytes of a value that is looked for."""

    names: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    minimum: int = 8


@attrs.frozen(slots=True, kw_only=True)
class HttpConfig:
    """`[http]`. `time_limit` (seconds) is for one request, redirects included; sizes are in bytes, as in `[shell]`.

    `secrets` says which origins (`https://api.example.org`) may be sent which secret variable.
    """

    time_limit: float = 60.0
    body_limit: int = 1024 * 1024
    body_max: int = 64 * 1024 * 1024
    redirects: int = 5
    proxy: str | None = None
    secrets: tuple[tuple[str, tuple[str, ...]], ...] = ()


@attrs.frozen(slots=True, kw_only=True)
class ModelConfig:
    """`[model]`: the model where none is given on the command line, and its settings (`docs/models.md`)."""

    default: str | None = None
    base_url: str | None = None
    max_tokens: int | None = None
    time_limit: float | None = None
    retries: int | None = None


@attrs.frozen(slots=True, kw_only=True)
class HumanConfig:
    """`[human]`: who answers `human.approve`: the terminal (`ask`), always `yes` or `no`, or a file of answers."""

    approve: Literal["ask", "yes", "no"] = "ask"
    answers: str | None = None


@attrs.frozen(slots=True, kw_only=True)
class TrackerConfig:
    """`[tracker]`: the file of the local tracker; a relative path counts from the workspace."""

    path: str = ".shepherd/tracker.jsonl"


@attrs.frozen(slots=True, kw_only=True)
class Config:
    """The whole configuration. `handlers` picks, by family, one of several installed ones (`package.module:name`)."""

    run: RunConfig = RunConfig()
    shell: ShellConfig = ShellConfig()
    scope: ScopeConfig = ScopeConfig()
    jail: JailConfig = JailConfig()
    environment: EnvironmentConfig = EnvironmentConfig()
    secrets: SecretsConfig = SecretsConfig()
    http: HttpConfig = HttpConfig()
    model: ModelConfig = ModelConfig()
    human: HumanConfig = HumanConfig()
    tracker: TrackerConfig = TrackerConfig()
    handlers: tuple[tuple[str, str], ...] = ()


def read_config(path: Path) -> Config:
    """The configuration in the file `path`; the defaults where there is no such file.

    Raises UserError `config.read`, `config.syntax` or `config.invalid`.
    """
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        return Config()
    except (OSError, UnicodeDecodeError) as problem:
        raise UserError(
            "config.read", f"the configuration cannot be read: {_reason(problem)}", where=str(path)
        ) from None
    return parse_config(text, where=str(path))


def parse_config(text: str, *, where: str = CONFIG_FILE) -> Config:
    """The configuration that `text` (TOML) gives; `where` names it in errors (UserError, as for `read_config`)."""
    import tomllib  # most workspaces have no configuration

    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as problem:
        raise UserError("config.syntax", f"not TOML: {problem}", where=where) from None
    problems: list[str] = []
    found: dict[str, object] = {}
    for name, value in tables.items():
        if name == "handlers":
            found[name] = _read(value, "[handlers]", _texts_by_name, problems)
        elif name not in _TABLES:
            problems.append(f"[{name}] is not known{_closest(name, [*_TABLES, 'handlers'])}")
        elif not isinstance(value, dict):
            problems.append(f"[{name}] must be a table")
        else:
            found[name] = _table(name, value, problems)
    if problems:
        raise UserError(
            "config.invalid",
            problems[0] if len(problems) == 1 else "\n  ".join(["the configuration has mistakes:", *problems]),
            where=where,
            hint="docs/handlers.md shows every setting with its default",
        )
    return Config(**cast(dict[str, Any], found))


class _Wrong(Exception):
    """A value that a setting cannot have; says what it must be."""


_Reader = Callable[[object], object]


def _table(name: str, table: dict[str, object], problems: list[str]) -> object:
    cls, readers = _TABLES[name]
    given: dict[str, object] = {}
    for key, value in table.items():
        if key not in readers:
            problems.append(f"[{name}] {key} is not known{_closest(key, readers)}")
            continue
        before = len(problems)
        read = _read(value, f"[{name}] {key}", readers[key], problems)
        if len(problems) == before:
            given[key] = read
    return cls(**given)


def _read(value: object, where: str, reader: _Reader, problems: list[str]) -> object:
    try:
        return reader(value)
    except _Wrong as problem:
        problems.append(f"{where} must be {problem}")
        return ()


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 7 * 24 * 3600:
        raise _Wrong("a number of seconds above 0 and at most a week")
    return float(value)


def _whole(least: int, most: int) -> _Reader:
    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise _Wrong(f"a whole number from {least} to {most}")
        return value

    return read


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise _Wrong("true or false")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise _Wrong("a text that is not empty")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _Wrong("a list of texts")
    return tuple(_text(item) for item in value)


def _name(value: object) -> str:
    text = _text(value)
    if "=" in text or text != text.strip():
        raise _Wrong("names of environment variables")
    return text


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _Wrong("a list of names of environment variables")
    return tuple(_name(item) for item in value)


def _texts_by_name(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        raise _Wrong("a table of texts")
    pairs: list[tuple[str, str]] = []
    for name in sorted(value):
        item = value[name]
        if not isinstance(item, str) or "\0" in item:
            raise _Wrong("a table of texts")
        pairs.append((_name(name), item))
    return tuple(pairs)


def _origins(value: object) -> tuple[tuple[str, tuple[str, ...]], ...]:
    wrong = 'a table of lists of origins, as `TOKEN = ["https://api.example.org"]`'
    if not isinstance(value, dict):
        raise _Wrong(wrong)
    pairs: list[tuple[str, tuple[str, ...]]] = []
    for name in sorted(value):
        if not isinstance(value[name], list):
            raise _Wrong(wrong)
        origins = tuple(origin_of(_text(item)) for item in value[name])
        if None in origins:
            raise _Wrong(wrong)
        pairs.append((_name(name), cast(tuple[str, ...], origins)))
    return tuple(pairs)


def _choice(*choices: str) -> _Reader:
    def read(value: object) -> str:
        if value not in choices:
            raise _Wrong("one of " + ", ".join(f'"{choice}"' for choice in choices))
        return value

    return read


def origin_of(url: str) -> str | None:
    """`scheme://host:port` of an http or https address, in lower case, the port written out; None for others."""
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{port or (443 if parts.scheme == 'https' else 80)}"


def _jail(*, off: bool = False, read: tuple[str, ...] = (), **limits: int) -> JailConfig:
    return JailConfig(off=off, read=read, limits=Limits(**limits))


_SIZE = _whole(1, 2**30)
_MUCH = _whole(0, 2**62)
_TABLES: Mapping[str, tuple[Callable[..., object], Mapping[str, _Reader]]] = {
    "run": (RunConfig, {"steps": _whole(1, MOST_STEPS)}),
    "shell": (
        ShellConfig,
        {"time_limit": _seconds, "grace": _seconds, "output_limit": _SIZE, "output_max": _SIZE, "secrets": _names},
    ),
    "scope": (ScopeConfig, {"backend": _text, "memory": _whole(1 << 20, 2**62)}),
    "jail": (
        _jail,
        {
            "off": _truth,
            "read": _texts,
            "processes": _whole(0, 2**22),
            "open_files": _MUCH,
            "file_size": _MUCH,
            "address_space": _MUCH,
            "cpu_seconds": _MUCH,
            "tmp_size": _MUCH,
            "keep_free": _MUCH,
            "keep_files": _MUCH,
        },
    ),
    "environment": (EnvironmentConfig, {"allow": _names, "set": _texts_by_name, "path": _texts}),
    "secrets": (SecretsConfig, {"names": _names, "exclude": _names, "minimum": _whole(4, 1024)}),
    "http": (
        HttpConfig,
        {
            "time_limit": _seconds,
            "body_limit": _SIZE,
            "body_max": _SIZE,
            "redirects": _whole(0, 20),
            "proxy": _text,
            "secrets": _origins,
        },
    ),
    "model": (
        ModelConfig,
        {
            "default": _text,
            "base_url": _text,
            "max_tokens": _whole(1, 2**24),
            "time_limit": _seconds,
            "retries": _whole(0, 20),
        },
    ),
    "human": (HumanConfig, {"approve": _choice("ask", "yes", "no"), "answers": _text}),
    "tracker": (TrackerConfig, {"path": _text}),
}


def _closest(name: str, known: Mapping[str, object] | list[str]) -> str:
    import difflib

    match = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {match[0]}?" if match else ""


def _reason(problem: Exception) -> str:
    return (problem.strerror or str(problem)) if isinstance(problem, OSError) else "it is not UTF-8"
