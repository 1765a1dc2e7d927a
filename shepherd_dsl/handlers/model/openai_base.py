"""What the backends of OpenAI's two APIs share: the client, and which fields a server is sure to know."""

from __future__ import annotations

import urllib.parse
from collections.abc import Awaitable, Callable
from typing import Any

from shepherd_dsl.handlers.model import sdk
from shepherd_dsl.handlers.model.chat import Chat, Reply, Trouble
from shepherd_dsl.handlers.model.layout import LaidTool, Layout, lay_out
from shepherd_dsl.handlers.model.options import ModelOptions

PACKAGE = "openai"
KEY = "OPENAI_API_KEY"
_HOME = "https://api.openai.com/v1"
_OWN = ("api.openai.com", ".openai.com", ".openai.azure.com")


class OpenAIClient:
    """The SDK's client for one model, made at the first request."""

    def __init__(self, spec: str, options: ModelOptions) -> None:
        """Raises MissingExtraError without the SDK and HandlerError `model.key` without a key."""
        sdk.require(PACKAGE, needed_for=f"the model {spec}")
        self.key = sdk.key_of(options, KEY, needed_for=f"the model {spec}")
        self.base_url = options.base_url or options.environ.get("OPENAI_BASE_URL") or _HOME
        self._options = options
        self._client: Any = None

    @property
    def is_openai(self) -> bool:
        """Whether the server knows OpenAI's own fields; compatible servers may refuse what they do not know."""
        if self._options.openai_fields is not None:
            return self._options.openai_fields
        host = urllib.parse.urlsplit(self.base_url).hostname or ""
        return any(host == own or (own.startswith(".") and host.endswith(own)) for own in _OWN)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not stand in any text."""
        return (self.key,)

    def get(self) -> Any:
        """The client itself."""
        if self._client is None:
            self._client = sdk.load(PACKAGE).AsyncOpenAI(
                api_key=self.key,
                base_url=self.base_url,
                max_retries=0,
                timeout=self._options.idle,
                http_client=sdk.http_client(self._options, self.base_url),
            )
        return self._client

    async def aclose(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()


async def asked(chat: Chat, ask: Callable[[Layout], Awaitable[Reply | Trouble]]) -> Reply | Trouble:
    """What `ask` answers to the laid out chat, with the tools named as the program names them."""
    layout = lay_out(chat)
    if isinstance(layout, Trouble):
        return layout
    answer = await ask(layout)
    return layout.named(answer) if isinstance(answer, Reply) else answer


def function_of(tool: LaidTool, *, strict: bool | None) -> dict[str, Any]:
    """A tool as both APIs describe it; they differ only in where they put it."""
    function: dict[str, Any] = {"name": tool.wire, "description": tool.about, "parameters": tool.schema}
    if strict is not None:
        function["strict"] = strict
    return function
