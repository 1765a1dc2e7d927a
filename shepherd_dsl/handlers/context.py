"""What a handler is made from: the workspace, its configuration, the environment and its secrets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import attrs

from shepherd_dsl.config import CONFIG_FILE, Config, read_config
from shepherd_dsl.handlers.secrets import Redactor, Secrets, find_secrets

STATE_FOLDER = ".shepherd"


@attrs.frozen(slots=True, kw_only=True)
class HandlerContext:
    """Given to the factory that an entry point names; one a driver.

    `workspace` is the user's folder and `state` its `.shepherd`. `environ` is the environment the driver was started
    with, secrets included: a handler gives a process only what the configuration allows. `model` is the model asked
    for on the command line, if any. `assume` answers `human.approve` without asking: True, False, or None to ask.
    """

    workspace: Path
    state: Path
    config: Config
    environ: Mapping[str, str] = attrs.field(repr=False)
    secrets: Secrets
    redactor: Redactor
    model: str | None = None
    assume: bool | None = None


def open_context(
    workspace: Path,
    *,
    environ: Mapping[str, str] | None = None,
    config: Config | None = None,
    model: str | None = None,
    assume: bool | None = None,
) -> HandlerContext:
    """The context for `workspace`: reads its configuration unless given, and finds the secrets of `environ`.

    `environ` is that of this process unless given. Raises UserError where the configuration is wrong.
    """
    workspace = workspace.absolute()
    state = workspace / STATE_FOLDER
    found = dict(os.environ if environ is None else environ)
    settings = read_config(state / CONFIG_FILE) if config is None else config
    secrets = find_secrets(
        found,
        names=[*settings.secrets.names, *settings.shell.secrets, *(name for name, _ in settings.http.secrets)],
        exclude=settings.secrets.exclude,
        minimum=settings.secrets.minimum,
    )
    return HandlerContext(
        workspace=workspace,
        state=state,
        config=settings,
        environ=found,
        secrets=secrets,
        redactor=Redactor(secrets.values),
        model=model,
        assume=assume,
    )
