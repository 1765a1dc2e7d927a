"""What can go wrong in the middle of a streamed answer."""

from __future__ import annotations

import pytest

from tests.fake_model_client import APIS, HELLO, ask, reply_in
from tests.fake_model_server import Breaks, FakeModelServer, Says

each_api = pytest.mark.parametrize("api", APIS)


@each_api
@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("overloaded_error", "model.overloaded"),
        ("server_error", "model.server"),
        ("rate_limit_error", "model.rate_limit"),
    ],
)
def test_an_error_in_mid_stream_is_tried_again(api: str, word: str, code: str) -> None:
    with FakeModelServer(Breaks(says=Says(text="Hello there"), word=word), Says(text="whole")) as server:
        [outcome] = ask(api, server, HELLO)
    reply = reply_in(outcome)
    assert (reply["text"], reply["retries"]) == ("whole", (f"{code} ({word})",))


@each_api
def test_a_stream_that_ends_early_is_not_an_answer(api: str) -> None:
    with FakeModelServer(Breaks(says=Says(text="Hello there"), clean=True), Says(text="whole")) as server:
        [outcome] = ask(api, server, HELLO)
    assert reply_in(outcome)["text"] == "whole"
