"""The handler of `model.chat`, and how a model is opened."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from shepherd_dsl.core.value import Con, err, ok
from shepherd_dsl.errors import ShepherdError
from shepherd_dsl.handlers.model.backend import Backend
from shepherd_dsl.handlers.model.chat import MODEL_CHAT, Trouble, chat_of, reply_value
from shepherd_dsl.handlers.model.options import ModelOptions, ModelSpec, parse_spec
from shepherd_dsl.handlers.model.patience import PatientBackend
from shepherd_dsl.handlers.protocol import OperationSpec, Request

if TYPE_CHECKING:
    from shepherd_dsl.handlers.context import HandlerContext

VARIABLE = "SHEPHERD_MODEL"
DEFAULT = "local"


class ModelHandler:
    """Performs `model.chat` with one model (`Handler`). Open one with `open_model`."""

    operations: Mapping[str, OperationSpec] = {"model.chat": MODEL_CHAT}

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def perform(self, request: Request) -> Con:
        """`Ok(Reply)`, or `Err` with one of the codes of `docs/models.md`."""
        if request.op not in self.operations or len(request.args) != 1:
            return err("model.request", f"{request.op} with {len(request.args)} arguments is not model.chat(request)")
        chat = chat_of(request.args[0])
        if isinstance(chat, Trouble):
            return err(chat.code, chat.text)
        try:
            answer = await self._backend.ask(chat, request.show)
        except ShepherdError as problem:
            return err(problem.code, str(problem))
        return err(answer.code, answer.text) if isinstance(answer, Trouble) else ok(reply_value(answer))

    async def probe(self, request: Request) -> Con | None:
        """None: no provider can say whether it answered a request that was cut off. Asking again changes nothing."""
        return None

    async def aclose(self) -> None:
        """Closes connections and stops the embedded model."""
        await self._backend.aclose()


def _backend(spec: ModelSpec, options: ModelOptions) -> Backend:
    # Each import here is of one module, so that a model costs no start-up time to those who choose another.
    if spec.api == "cassette":
        from shepherd_dsl.handlers.model.cassette import CassetteBackend

        return CassetteBackend(options.folder / spec.name, name=spec.name, redact=options.redact)
    if spec.api == "record":
        from shepherd_dsl.handlers.model.cassette import RecordingBackend

        assert spec.inner is not None
        inner = _backend(spec.inner, options)
        return RecordingBackend(options.folder / spec.name, inner, redact=options.redact)
    backend: Backend
    if spec.api == "anthropic":
        from shepherd_dsl.handlers.model.anthropic_api import AnthropicBackend

        backend = AnthropicBackend(spec.name, options)
    elif spec.api == "openai":
        from shepherd_dsl.handlers.model.openai_chat import OpenAIChatBackend

        backend = OpenAIChatBackend(spec.name, options)
    elif spec.api == "openai-responses":
        from shepherd_dsl.handlers.model.openai_responses import OpenAIResponsesBackend

        backend = OpenAIResponsesBackend(spec.name, options)
    else:
        from shepherd_dsl.handlers.model.local import LocalBackend

        backend = LocalBackend(options)
    return PatientBackend(backend, options)


def open_model(spec: str, options: ModelOptions | None = None) -> ModelHandler:
    """The handler for a model by its spec text. Connects to nothing and starts nothing before the first request.

    Raises UserError `model.spec`, MissingExtraError, and HandlerError `model.key` or `model.cassette`.
    """
    options = ModelOptions() if options is None else options
    return ModelHandler(_backend(parse_spec(spec), options))


def _provider(spec: ModelSpec) -> str:
    """Whose server a model's requests go to."""
    return _provider(spec.inner) if spec.inner is not None else spec.api.removesuffix("-responses")


def chosen_model(context: HandlerContext) -> tuple[str, str]:
    """The spec of the model that answers `model.chat`, and in a few words who chose it."""
    if context.model:
        return context.model, "asked for with --model"
    if context.environ.get(VARIABLE):
        return context.environ[VARIABLE], f"from {VARIABLE}"
    if context.config.model.default:
        return context.config.model.default, "from the workspace's configuration"
    return DEFAULT, "the embedded one, real but weak; --model chooses another"


def model_handler(context: HandlerContext) -> ModelHandler:
    """The factory for the entry point `model`.

    The model is the one asked for on the command line, else `SHEPHERD_MODEL`, else the workspace's configuration,
    else the embedded one. A cassette's file counts from the current folder, one of the configuration from the
    workspace. The configuration's base URL goes with its default model: it is not used for a model of another
    provider, whose key it must not get. Raises as `open_model` does.
    """
    settings = context.config.model
    asked = context.model or context.environ.get(VARIABLE)
    chosen, _ = chosen_model(context)
    base_url = settings.base_url
    if settings.default is not None and _provider(parse_spec(chosen)) != _provider(parse_spec(settings.default)):
        base_url = None
    defaults = ModelOptions()
    options = ModelOptions(
        base_url=base_url,
        max_tokens=settings.max_tokens or 0,
        deadline=defaults.deadline if settings.time_limit is None else settings.time_limit,
        attempts=defaults.attempts if settings.retries is None else settings.retries + 1,
        folder=Path(os.getcwd()) if asked else context.workspace,
        redact=context.redactor.text,
        environ=context.environ,
    )
    return open_model(chosen, options)
