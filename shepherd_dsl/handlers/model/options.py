"""How a model is chosen and reached: the spec text and its options."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import attrs

from shepherd_dsl.errors import UserError

Api = Literal["anthropic", "openai", "openai-responses", "local", "cassette", "record"]
APIS: tuple[Api, ...] = ("anthropic", "openai", "openai-responses", "local", "cassette", "record")
FORMS = "anthropic:NAME, openai:NAME, openai-responses:NAME, local, cassette:FILE or record:FILE=MODEL"


def _same(text: str) -> str:
    return text


@attrs.frozen(slots=True, kw_only=True)
class ModelOptions:
    """What is the same for every request of one model.

    `base_url` and `api_key` take the place of the provider's environment variables, which are read from `environ`.
    `max_tokens` bounds an answer whose request leaves the limit open (0: the provider's own limit; where a provider
    has none, `default_limit` of its module). `temperature` is left out of requests when None.
    `attempts` is how often a request is tried at most; `idle` seconds without a byte, or `deadline` seconds for one
    try as a whole, end that try; `longest_wait` is the longest pause between two tries: a server that wants a longer
    one is not asked again. `pause` is the first pause, in seconds, doubled each time.
    `openai_fields` says whether fields that only OpenAI's own service is sure to know are sent; None: by the host of
    the base URL. A cassette's file counts from `folder`; `redact` removes secrets from what it stores.
    """

    base_url: str | None = None
    api_key: str | None = attrs.field(default=None, repr=False)
    max_tokens: int = 0
    temperature: float | None = None
    stream: bool = True
    attempts: int = 5
    pause: float = 1.0
    longest_wait: float = 60.0
    idle: float = 120.0
    deadline: float = 900.0
    openai_fields: bool | None = None
    folder: Path = Path()
    redact: Callable[[str], str] = attrs.field(default=_same, repr=False)
    environ: Mapping[str, str] = attrs.field(factory=lambda: os.environ, repr=False)


@attrs.frozen(slots=True)
class ModelSpec:
    """A parsed spec text. `inner` is the model whose answers are recorded, for `record` alone."""

    api: Api
    name: str
    inner: ModelSpec | None = None


def _bad(text: str, what: str) -> UserError:
    return UserError("model.spec", f"{what}: {text}", hint=f"a model is written {FORMS}")


def parse_spec(text: str) -> ModelSpec:
    """Reads a spec text: `anthropic:NAME`, `openai:NAME`, `openai-responses:NAME`, `local`, `cassette:FILE` or
    `record:FILE=MODEL`.

    Raises UserError `model.spec`.
    """
    head, colon, rest = text.partition(":")
    api = next((known for known in APIS if known == head), None)
    if api is None:
        raise _bad(text, "no such model")
    if api == "local":
        if colon:
            raise _bad(text, "the embedded model takes no name")
        return ModelSpec(api, "")
    if api == "record":
        file, _, model = rest.partition("=")
        if not file or not model:
            raise _bad(text, "recording needs a file and a model")
        inner = parse_spec(model)
        if inner.api in ("record", "cassette"):
            raise _bad(text, "only a model's own answers can be recorded")
        return ModelSpec(api, file, inner)
    if not rest:
        raise _bad(text, "the file is missing" if api == "cassette" else "the model's name is missing")
    return ModelSpec(api, rest)
