"""Backoff and the table of failures, apart from any API."""

from __future__ import annotations

import email.utils
import time

import anyio
import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shepherd_dsl.handlers.model import Chat, ModelOptions, Reply, ToolCall, User
from shepherd_dsl.handlers.model.backend import Show
from shepherd_dsl.handlers.model.chat import Trouble
from shepherd_dsl.handlers.model.failure import of_status, of_word, scrub, wait_of
from shepherd_dsl.handlers.model.patience import PatientBackend, pause_before

CHAT = Chat("", (User("x"),))


@attrs.define
class Scripted:
    """A backend that answers by a list (`Backend`)."""

    answers: list[Reply | Trouble]
    times: list[float] = attrs.field(factory=list)

    async def ask(self, chat: Chat, show: Show) -> Reply | Trouble:
        self.times.append(anyio.current_time())
        return self.answers.pop(0)

    async def aclose(self) -> None:
        pass


def patient(answers: list[Reply | Trouble], pause: float = 0.02) -> tuple[Reply | Trouble, list[float]]:
    """What a patient backend makes of the answers, and the pauses between its tries."""
    options = ModelOptions(pause=pause, environ={})
    scripted = Scripted(answers)

    async def main() -> Reply | Trouble:
        return await PatientBackend(scripted, options).ask(CHAT, lambda piece: None)

    answer = anyio.run(main)
    return answer, [b - a for a, b in zip(scripted.times, scripted.times[1:], strict=False)]


def test_pauses_double() -> None:
    answer, pauses = patient([of_status(500, "")] * 3 + [Reply("ok")])
    assert isinstance(answer, Reply)
    assert answer.retries == ("model.server (HTTP 500)",) * 3
    assert [pause >= least for pause, least in zip(pauses, (0.015, 0.03, 0.06), strict=True)] == [True] * 3


def test_the_servers_word_counts_more_than_ours() -> None:
    _, pauses = patient([attrs.evolve(of_status(429, ""), wait=0.2), Reply("ok")])
    assert pauses[0] >= 0.2
    _, pauses = patient([attrs.evolve(of_status(429, ""), wait=0.0), Reply("ok")], pause=5.0)
    assert pauses[0] < 5.0


def test_an_error_after_retries_says_how_many_tries_there_were() -> None:
    answer, _ = patient([of_status(500, "x"), of_status(400, "no")])
    assert isinstance(answer, Trouble)
    assert (answer.code, answer.text) == ("model.request", "HTTP 400: no (try 2)")


def test_halves_of_characters_are_joined_or_replaced() -> None:
    answer, _ = patient([Reply("\ud83d" + "\ude00 \ud83d", (ToolCall("n", '"\ude00"'),))])
    assert answer == Reply("😀 \ufffd", (ToolCall("n", '"\ufffd"'),))


@given(attempt=st.integers(0, 40), salt=st.text(max_size=5))
def test_a_pause_is_a_function_of_request_and_try_and_stays_within_bounds(attempt: int, salt: str) -> None:
    options = ModelOptions(pause=1.0, longest_wait=60.0, environ={})
    pause = pause_before(attempt, salt=salt, options=options)
    full = min(2.0**attempt, 60.0)
    assert 0.75 * full <= pause <= full
    assert pause == pause_before(attempt, salt=salt, options=options)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "Mon, 01 Jan 2001 00:00:00 GMT"}, 0.0),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert wait_of(headers) == seconds


def test_retry_after_may_be_a_date() -> None:
    wait = wait_of({"retry-after": email.utils.formatdate(time.time() + 30, usegmt=True)})
    assert wait is not None
    assert 25 < wait <= 31


@pytest.mark.parametrize(
    ("status", "code", "again"),
    [
        (400, "model.request", False),
        (401, "model.auth", False),
        (402, "model.quota", False),
        (403, "model.auth", False),
        (404, "model.request", False),
        (408, "model.timeout", True),
        (409, "model.server", True),
        (413, "model.request", False),
        (422, "model.request", False),
        (429, "model.rate_limit", True),
        (500, "model.server", True),
        (502, "model.server", True),
        (503, "model.overloaded", True),
        (504, "model.timeout", True),
        (529, "model.overloaded", True),
    ],
)
def test_the_table_of_statuses(status: int, code: str, again: bool) -> None:
    found = of_status(status, "text")
    assert (found.code, found.again, found.why) == (code, again, f"HTTP {status}")
    assert of_status(status, "", headers={"x-should-retry": "true"}).again
    assert not of_status(status, "", headers={"x-should-retry": "false"}).again


def test_words_in_mid_stream() -> None:
    assert of_word("insufficient_quota", "") == Trouble("model.quota", "insufficient_quota", why="insufficient_quota")
    assert of_word("invalid_prompt", "no").again is False
    assert of_word("something new", "?").again is True


@pytest.mark.parametrize("secret", ["sk-abcdef123456", "plain", "a.b*c"])
def test_no_secret_passes(secret: str) -> None:
    text = scrub(f"key {secret} and\n Bearer {secret}x, header 'Authorization: Bearer zzz'", (secret,))
    assert secret not in text
    assert "zzz" not in text
    assert "\n" not in text
    assert len(scrub("long " * 1000, ())) <= 600
