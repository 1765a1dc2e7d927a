"""Cassettes: recording, playing, and files written by hand."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shepherd_dsl.core.value import Con
from shepherd_dsl.errors import HandlerError
from shepherd_dsl.handlers.model import Chat, ModelOptions, Reply, Said, ToolCall, Usage, User, open_model, value_of
from shepherd_dsl.handlers.model.cassette import difference, plain_reply, read_cassette, reply_of
from shepherd_dsl.testing.requests import Recorder, make_request
from tests.fake_model_client import AFTER_TOOLS, HELLO, error_in, options_for, reply_in
from tests.fake_model_server import Fails, FakeModelServer, Says

PLAIN = ModelOptions(environ={})


def ask(spec: str, *chats: Chat, options: ModelOptions = PLAIN, recorder: Recorder | None = None) -> list[Con]:
    """The outcomes of requests asked of one handler."""

    async def main() -> list[Con]:
        handler = open_model(spec, options)
        try:
            requests = [make_request("model.chat", value_of(chat), recorder=recorder) for chat in chats]
            return [await handler.perform(request) for request in requests]
        finally:
            await handler.aclose()

    return anyio.run(main)


def written(path: Path, *entries: dict[str, object]) -> str:
    """The spec of a cassette with the entries."""
    path.write_text("".join(json.dumps(entry) + "\n" for entry in ({"cassette": 1}, *entries)))
    return f"cassette:{path}"


def texts(outcomes: list[Con]) -> list[str]:
    return [reply_in(outcome)["text"] for outcome in outcomes]


def test_what_was_recorded_plays_the_same(tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"
    script = (
        Says(text="one", input=30, cached=10),
        Says(text="", calls=(("weather-read", '{"town":"Oslo"}'),)),
        Says(text="two"),
        Fails(status=400, word="invalid_request_error", text="no"),
    )
    chats = (HELLO, AFTER_TOOLS, HELLO, attrs.evolve(HELLO, max_tokens=7))
    with FakeModelServer(*script) as server:
        recorded = ask(f"record:{tape}=openai:m", *chats, options=options_for("openai", server))
        assert len(server.seen) == 4
    assert ask(f"cassette:{tape}", *chats) == recorded
    assert texts(recorded[:3]) == ["one", "", "two"]
    assert [json.loads(line).keys() for line in tape.read_text().splitlines()] == [
        {"cassette"},
        {"request", "reply"},
        {"request", "reply"},
        {"request", "reply"},
        {"request", "error"},
    ]


def test_recording_again_asks_only_for_what_is_missing(tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"
    with FakeModelServer(Says(text="old")) as server:
        ask(f"record:{tape}=openai:m", HELLO, options=options_for("openai", server))
    with FakeModelServer(Says(text="new")) as server:
        options = options_for("openai", server)
        assert texts(ask(f"record:{tape}=openai:m", HELLO, AFTER_TOOLS, options=options)) == ["old", "new"]
    assert texts(ask(f"cassette:{tape}", AFTER_TOOLS, HELLO)) == ["new", "old"]


def test_the_same_request_gets_its_answers_in_the_order_they_came(tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"
    with FakeModelServer(Says(text="a"), Says(text="b")) as server:
        ask(f"record:{tape}=anthropic:m", HELLO, HELLO, options=options_for("anthropic", server))
    assert texts(ask(f"cassette:{tape}", HELLO, HELLO)) == ["a", "b"]
    assert error_in(ask(f"cassette:{tape}", HELLO, HELLO, HELLO)[2])[0] == "model.cassette"


def test_a_missing_answer_says_which_and_how_to_record_it(tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"
    with FakeModelServer(Says(text="ok")) as server:
        ask(f"record:{tape}=openai:m", AFTER_TOOLS, options=options_for("openai", server))
    other = attrs.evolve(AFTER_TOOLS, messages=(User("Weather in Rome?"), *AFTER_TOOLS.messages[1:], Said("Rain.")))
    code, text = error_in(ask(f"cassette:{tape}", other)[0])
    assert code == "model.cassette"
    for part in ("request 1", "5 messages", '"Rain."', "request.messages[0].user", f"--model 'record:{tape}=MODEL'"):
        assert part in text


def test_what_may_pass_is_not_recorded(tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"
    with FakeModelServer(Fails(status=503), Fails(status=401), Says(text="ok")) as server:
        options = attrs.evolve(options_for("openai", server), attempts=1)
        outcomes = ask(f"record:{tape}=openai:m", HELLO, HELLO, HELLO, options=options)
    assert [error_in(outcome)[0] for outcome in outcomes[:2]] == ["model.overloaded", "model.auth"]
    assert texts(ask(f"cassette:{tape}", HELLO)) == ["ok"]


def test_answers_written_by_hand_come_in_order(tmp_path: Path) -> None:
    spec = written(
        tmp_path / "hand.jsonl",
        {"any": True, "reply": {"text": "first"}, "note": "for the reader"},
        {"when": "wörld", "reply": {"text": "hello"}, "repeat": True},
        {"any": True, "reply": {"calls": [{"name": "note", "args": {"text": "x"}}]}},
        {"any": True, "error": {"code": "model.refused", "text": "no"}},
    )
    recorder = Recorder()
    bye = Chat("", (User("Bye."),))
    outcomes = ask(spec, bye, HELLO, HELLO, bye, bye, bye, recorder=recorder)
    assert texts(outcomes[:3]) == ["first", "hello", "hello"]
    assert recorder.pieces == ["first", "hello", "hello"]
    reply = reply_in(outcomes[3])
    assert dict(reply["calls"][0].fields) == {"name": "note", "args": '{"text":"x"}'}
    assert (reply["stop"], reply["model"]) == ("calls", "cassette")
    assert error_in(outcomes[4]) == ("model.refused", "no")
    assert error_in(outcomes[5])[0] == "model.cassette"


def test_secrets_do_not_reach_the_file_and_do_not_keep_it_from_playing(tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"

    def redact(text: str) -> str:
        return text.replace("hunter22", "‹secret PASSWORD›")

    chat = Chat("The password is hunter22.", (User("What is hunter22?"),))
    with FakeModelServer(Says(text="You said hunter22.")) as server:
        options = attrs.evolve(options_for("openai", server), redact=redact)
        ask(f"record:{tape}=openai:m", chat, options=options)
        key = options.api_key
    kept = tape.read_text()
    assert "hunter22" not in kept
    assert key is not None
    assert key not in kept
    assert texts(ask(f"cassette:{tape}", chat, options=attrs.evolve(PLAIN, redact=redact))) == [
        "You said ‹secret PASSWORD›."
    ]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("{", "not JSON"),
        ("[]", "not an object"),
        ('{"any":true}', "one of reply and error"),
        ('{"any":true,"reply":{},"error":{"code":"x"}}', "one of reply and error"),
        ('{"any":true,"when":"x","reply":{}}', "one of request, when and any"),
        ('{"reply":{}}', "one of request, when and any"),
        ('{"any":false,"reply":{}}', "any is not true"),
        ('{"any":true,"reply":{"texts":"x"}}', "unknown field texts"),
        ('{"any":true,"reply":{"text":1}}', "text is not a text"),
        ('{"any":true,"reply":{"usage":{"input":true}}}', "input is not a number"),
        ('{"any":true,"reply":{"calls":[{"args":"{}"}]}}', "name is not a text"),
        ('{"any":true,"reply":{"retries":[1]}}', "retries is not a list of texts"),
        ('{"any":true,"reply":{},"extra":1}', "unknown field extra"),
        ('{"request":1,"reply":{}}', "request is not a dict"),
        ('{"any":true,"error":{"text":"x"}}', "code is not a text"),
    ],
)
def test_a_line_that_is_no_entry_is_an_error_with_its_place(tmp_path: Path, line: str, what: str) -> None:
    tape = tmp_path / "broken.jsonl"
    tape.write_text('{"cassette":1}\n\n' + line + "\n")
    with pytest.raises(HandlerError) as caught:
        open_model(f"cassette:{tape}", PLAIN)
    assert caught.value.code == "model.cassette"
    assert caught.value.where == f"{tape}:3"
    assert what in caught.value.what


def test_a_cassette_that_is_not_there_or_of_another_version_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(HandlerError) as caught:
        open_model(f"cassette:{tmp_path}/none.jsonl", PLAIN)
    assert f"record:{tmp_path}/none.jsonl=MODEL" in caught.value.hint
    later = tmp_path / "later.jsonl"
    later.write_text('{"cassette":2}\n')
    with pytest.raises(HandlerError) as caught:
        open_model(f"cassette:{later}", PLAIN)
    assert caught.value.where == f"{later}:1"
    with pytest.raises(HandlerError) as caught:
        read_cassette(tmp_path)
    assert "cannot be read" in caught.value.what


def test_a_cassette_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(HandlerError) as caught:
        open_model(f"record:{tmp_path}/no/such/folder.jsonl=openai:m", attrs.evolve(PLAIN, api_key="k"))
    assert "cannot be written" in caught.value.what


def test_a_text_in_a_file_is_made_of_scalar_values(tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"
    tape.write_text('{"cassette":1}\n{"any":true,"reply":{"text":"\\ud83d\\ude00 \\ud83d"}}\n')
    assert texts(ask(f"cassette:{tape}", HELLO)) == ["😀 \ufffd"]


_WORDS = st.text(st.characters(codec="utf-8"), max_size=10)


@given(
    st.builds(
        Reply,
        text=_WORDS,
        calls=st.lists(st.builds(ToolCall, _WORDS, _WORDS), max_size=2).map(tuple),
        stop=_WORDS,
        usage=st.builds(Usage, st.integers(0), st.integers(0), st.integers(0)),
        model=_WORDS,
        retries=st.lists(_WORDS, max_size=2).map(tuple),
    )
)
def test_an_answer_survives_the_way_through_a_file(reply: Reply) -> None:
    assert reply_of(json.loads(json.dumps(plain_reply(reply)))) == reply


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=3),
    max_leaves=8,
)


@given(_JSON, _JSON)
def test_two_requests_differ_somewhere_exactly_when_they_differ(left: object, right: object) -> None:
    same = json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)
    assert difference(left, left) is None
    assert (difference(left, right) is None) == same
