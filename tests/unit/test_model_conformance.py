"""The public conformance suite for handlers, on each kind of model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest

from shepherd_dsl.conformance.handler import (
    CHECKS,
    SECRET,
    Check,
    HandlerCase,
    Sample,
    answers_fit,
    closing_is_enough_and_repeatable,
    declares_sound_operations,
)
from shepherd_dsl.core.value import Value, record
from shepherd_dsl.handlers.context import HandlerContext
from shepherd_dsl.handlers.model import Chat, ModelHandler, ModelOptions, Said, User, open_model, value_of
from shepherd_dsl.handlers.model.handler import model_handler
from tests.fake_model_client import AFTER_TOOLS, APIS, HELLO, for_real, options_for
from tests.fake_model_server import FakeModelServer, Hangs, Says, Step


def saying(text: str) -> Value:
    """The value of a request with this text."""
    return value_of(Chat("", (User(text),)))


def rule(body: Any) -> Step:
    """How the server answers in this file: by the words of the request."""
    text = json.dumps(body)
    if "hang" in text:
        return Hangs()
    return Says(text="hello", calls=(("note", '{"text":"x"}'),) if "tools" in body else ())


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("api", APIS)
def test_a_provider_conforms(api: str, check: Check, tmp_path: Path) -> None:
    with FakeModelServer(rule=rule) as server:

        def opened(context: HandlerContext) -> ModelHandler:
            return open_model(f"{api}:m", attrs.evolve(options_for(api, server), redact=context.redactor.text))

        def hanging(folder: Path) -> bool:
            return any(b"hang" in seen.raw for seen in server.seen)

        samples = (
            Sample(op="model.chat", args=(value_of(HELLO),)),
            Sample(op="model.chat", args=(value_of(AFTER_TOOLS),)),
            Sample(op="model.chat", args=(value_of(Chat("", (Said("x"),))),), outcome="any"),
            Sample(op="model.chat", args=(value_of(Chat("", ())),), outcome="Err", code="model.request"),
            Sample(op="model.chat", args=(saying("hang"),), long=True, begun=hanging),
        )
        check(HandlerCase("model", opened, samples=samples), tmp_path)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("api", APIS)
def test_a_provider_that_shows_our_key_conforms(api: str, check: Check, tmp_path: Path) -> None:
    """The server does not know the key and says so, quoting it."""
    with FakeModelServer(rule=rule) as server:

        def opened(context: HandlerContext) -> ModelHandler:
            return open_model(f"{api}:m", attrs.evolve(options_for(api, server), api_key=SECRET))

        samples = (Sample(op="model.chat", args=(value_of(HELLO),), outcome="Err", code="model.auth"),)
        check(HandlerCase("model", opened, samples=samples), tmp_path)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_cassette_conforms(check: Check, tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"
    lines = (
        {"cassette": 1},
        {"when": "Say hello", "reply": {"text": "hello"}, "repeat": True},
        {"when": "be wrong", "error": {"code": "model.refused", "text": "no"}, "repeat": True},
    )
    tape.write_text("".join(json.dumps(line) + "\n" for line in lines))
    samples = (
        Sample(op="model.chat", args=(value_of(HELLO),)),
        Sample(op="model.chat", args=(saying("be wrong"),), outcome="Err", code="model.refused"),
        Sample(op="model.chat", args=(saying("something else"),), outcome="Err", code="model.cassette"),
    )
    config = f"[model]\ndefault = {json.dumps(f'cassette:{tape}')}"
    check(HandlerCase("model", model_handler, samples=samples, config=config), tmp_path)


@for_real
@pytest.mark.parametrize(
    "check",
    [declares_sound_operations, answers_fit, closing_is_enough_and_repeatable],
    ids=lambda check: check.__name__,
)
def test_the_embedded_model_conforms(check: Check, tmp_path: Path) -> None:
    """Its server outlives a cancelled request, for the next one; closing ends it."""

    def opened(context: HandlerContext) -> ModelHandler:
        return open_model("local", ModelOptions(max_tokens=4))

    samples = (
        Sample(op="model.chat", args=(value_of(HELLO),)),
        Sample(op="model.chat", args=(record(system="x"),), outcome="Err", code="model.request"),
    )
    check(HandlerCase("model", opened, samples=samples), tmp_path)
