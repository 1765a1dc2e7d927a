"""Cassettes: recorded answers in a file of JSON lines, and the backends that play and record them.

    {"cassette": 1}                                                    first line: the version of the format
    {"request": {…}, "reply": {…}}                                     the answer to exactly this request
    {"request": {…}, "error": {"code": …, "text": …}}                  it failed
    {"when": "some words", "reply": {"text": "…"}}                     written by hand: the last message has the words
    {"any": true, "reply": {"text": "…"}}                              written by hand: whatever is asked

An entry answers once, or any number of times with `"repeat": true`; `"note"` is for people. The first unused entry
that has the whole request answers, then the first unused `when` or `any`, always in the order of the file; so the
second time the same is asked gets the second answer. Fields of a reply may be left out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from shepherd_dsl.errors import HandlerError
from shepherd_dsl.handlers.model.backend import Backend, Show
from shepherd_dsl.handlers.model.chat import (
    CALLS,
    END,
    Chat,
    Reply,
    Result,
    Said,
    ToolCall,
    Trouble,
    Usage,
    User,
    compact,
    digest,
    plain,
    sound,
    sound_reply,
)
from shepherd_dsl.handlers.model.failure import MALFORMED, REFUSED, REQUEST

VERSION = 1
CODE = "model.cassette"
PLAYED = "cassette"
"""`Reply.model` of an entry that names none."""
_LASTING = (MALFORMED, REFUSED, REQUEST)


@attrs.frozen(slots=True)
class Entry:
    """One line: exactly one of `request` (plain JSON), `when` and `any` says what it answers."""

    answer: Reply | Trouble
    request: dict[str, Any] | None = None
    when: str | None = None
    repeat: bool = False


def _broken(path: Path, line: int, what: str) -> HandlerError:
    return HandlerError(CODE, what, where=f"{path}:{line}", hint="docs/models.md shows the format of cassettes")


class _Unfit(Exception):
    """A line that is no entry; its text says why."""


def _only(data: Any, what: str, fields: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise _Unfit(f"{what} is not an object")
    unknown = sorted(set(data) - set(fields))
    if unknown:
        raise _Unfit(f"{what} has an unknown field {unknown[0]}; known: {', '.join(fields)}")
    return data


def _of(kind: type, data: dict[str, Any], field: str, default: Any) -> Any:
    value = data.get(field, default)
    if type(value) is not kind:
        raise _Unfit(f"{field} is not a {'text' if kind is str else 'number' if kind is int else kind.__name__}")
    return value


def _call_of(data: Any) -> ToolCall:
    fields = _only(data, "a call", ("name", "args"))
    args = fields.get("args", {})
    return ToolCall(_of(str, fields, "name", None), args if isinstance(args, str) else compact(args))


def reply_of(data: Any) -> Reply:
    """The answer that plain JSON stands for; what is left out is empty, and `stop` is what the rest implies."""
    fields = _only(data, "reply", ("text", "calls", "stop", "usage", "model", "retries"))
    calls = tuple(_call_of(call) for call in _of(list, fields, "calls", []))
    usage = _only(fields.get("usage", {}), "usage", ("input", "cached", "output"))
    retries = _of(list, fields, "retries", [])
    if not all(isinstance(text, str) for text in retries):
        raise _Unfit("retries is not a list of texts")
    reply = Reply(
        text=_of(str, fields, "text", ""),
        calls=calls,
        stop=_of(str, fields, "stop", CALLS if calls else END),
        usage=Usage(*(_of(int, usage, field, 0) for field in ("input", "cached", "output"))),
        model=_of(str, fields, "model", PLAYED),
        retries=tuple(retries),
    )
    return sound_reply(reply)


def plain_reply(reply: Reply) -> dict[str, Any]:
    """An answer as plain JSON: the inverse of `reply_of`."""
    usage = reply.usage
    return {
        "text": reply.text,
        "calls": [{"name": call.name, "args": call.args} for call in reply.calls],
        "stop": reply.stop,
        "usage": {"input": usage.input, "cached": usage.cached, "output": usage.output},
        "model": reply.model,
        "retries": list(reply.retries),
    }


def _entry_of(data: Any) -> Entry:
    fields = _only(data, "an entry", ("request", "when", "any", "reply", "error", "repeat", "note"))
    matchers = [name for name in ("request", "when", "any") if name in fields]
    if len(matchers) != 1 or ("reply" in fields) == ("error" in fields):
        raise _Unfit("an entry has one of request, when and any, and one of reply and error")
    if "any" in fields and fields["any"] is not True:
        raise _Unfit("any is not true")
    answer: Reply | Trouble
    if "reply" in fields:
        answer = reply_of(fields["reply"])
    else:
        error = _only(fields["error"], "error", ("code", "text"))
        answer = Trouble(sound(_of(str, error, "code", None)), sound(_of(str, error, "text", "")))
    return Entry(
        answer,
        request=_of(dict, fields, "request", None) if "request" in fields else None,
        when=_of(str, fields, "when", None) if "when" in fields else None,
        repeat=_of(bool, fields, "repeat", False),
    )


def read_cassette(path: Path) -> tuple[Entry, ...]:
    """The entries of a file, in order.

    Raises HandlerError `model.cassette`: no such file, not readable, another version, or a line that is no entry.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        hint = f"record one with --model 'record:{path}=MODEL', MODEL as in openai:NAME"
        raise HandlerError(CODE, "there is no such cassette", where=str(path), hint=hint) from None
    except (OSError, UnicodeDecodeError) as problem:
        raise HandlerError(CODE, f"the cassette cannot be read: {problem}", where=str(path)) from None
    entries: list[Entry] = []
    begun = False
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            data = json.loads(line)
        except ValueError as problem:
            raise _broken(path, number, f"not JSON: {problem}") from None
        if not begun:
            if not isinstance(data, dict) or data.get("cassette") != VERSION:
                raise _broken(path, number, f'a cassette of this version begins with {{"cassette":{VERSION}}}')
            begun = True
            continue
        try:
            entries.append(_entry_of(data))
        except _Unfit as problem:
            raise _broken(path, number, str(problem)) from None
    return tuple(entries)


def _last_words(chat: Chat) -> str:
    """The text of the last message."""
    match chat.messages[-1:]:
        case (User(text) | Said(text) | Result(_, text),):
            return text
        case _:
            return ""


def difference(left: Any, right: Any, where: str = "request") -> str | None:
    """The first place where two pieces of JSON data differ, None where they are the same."""
    if isinstance(left, dict) and isinstance(right, dict):
        for key in sorted({*left, *right}):
            if key not in left or key not in right:
                return f"{where}.{key}"
            found = difference(left[key], right[key], f"{where}.{key}")
            if found is not None:
                return found
        return None
    if isinstance(left, list) and isinstance(right, list):
        for index in range(max(len(left), len(right))):
            if index >= len(left) or index >= len(right):
                return f"{where}[{index}]"
            found = difference(left[index], right[index], f"{where}[{index}]")
            if found is not None:
                return found
        return None
    return None if type(left) is type(right) and left == right else where


class Tape:
    """The entries of one cassette and which of them were used."""

    def __init__(self, entries: tuple[Entry, ...]) -> None:
        self._entries = entries
        self._used = [False] * len(entries)
        self._keys = [None if entry.request is None else digest(entry.request) for entry in entries]

    def take(self, request: dict[str, Any], last_words: str) -> Reply | Trouble | None:
        """The next answer to a request, None where there is none."""
        key = digest(request)
        exact = [index for index, known in enumerate(self._keys) if known == key]
        loose = [
            index
            for index, entry in enumerate(self._entries)
            if entry.request is None and (entry.when is None or entry.when in last_words)
        ]
        for index in (*exact, *loose):
            entry = self._entries[index]
            if entry.repeat or not self._used[index]:
                self._used[index] = True
                return entry.answer
        return None

    def closest(self, request: dict[str, Any]) -> str | None:
        """Where the next recorded request differs from this one, None where no recorded one is left."""
        for index, entry in enumerate(self._entries):
            if entry.request is not None and not self._used[index]:
                return difference(entry.request, request) or "nothing"
        return None


def _redacted(data: Any, redact: Callable[[str], str]) -> Any:
    if isinstance(data, str):
        return redact(data)
    if isinstance(data, list):
        return [_redacted(item, redact) for item in data]
    if isinstance(data, dict):
        return {key: _redacted(value, redact) for key, value in data.items()}
    return data


class CassetteBackend:
    """Plays a cassette and asks nobody (`Backend`)."""

    def __init__(self, path: Path, *, name: str, redact: Callable[[str], str]) -> None:
        """`name` is the file as the user wrote it. Raises HandlerError `model.cassette` as `read_cassette` does."""
        self._name = name
        self._redact = redact
        self._tape = Tape(read_cassette(path))
        self._asked = 0

    async def ask(self, chat: Chat, show: Show) -> Reply | Trouble:
        self._asked += 1
        request: dict[str, Any] = _redacted(plain(chat), self._redact)
        last_words = self._redact(_last_words(chat))
        answer = self._tape.take(request, last_words)
        if answer is None:
            shown = last_words if len(last_words) <= 60 else last_words[:60] + "…"
            place = self._tape.closest(request)
            hint = "" if place is None else f"; the next recorded request differs from it at {place}"
            return Trouble(
                CODE,
                f"{self._name} has no answer for request {self._asked} ({len(chat.messages)} messages, "
                f"the last one {json.dumps(shown, ensure_ascii=False)}){hint}. "
                f"Record it with --model 'record:{self._name}=MODEL'",
            )
        if isinstance(answer, Reply) and answer.text:
            show(answer.text)
        return answer

    async def aclose(self) -> None:
        pass


class RecordingBackend:
    """Plays what a cassette has, asks another backend for the rest and appends its answers (`Backend`)."""

    def __init__(self, path: Path, inner: Backend, *, redact: Callable[[str], str]) -> None:
        """Makes the file where there is none. Raises HandlerError `model.cassette`."""
        self._inner = inner
        self._redact = redact
        self._path = path
        if not path.exists():
            self._append({"cassette": VERSION})
        self._tape = Tape(read_cassette(path))

    def _append(self, data: dict[str, Any]) -> None:
        line = compact(data).encode() + b"\n"
        try:
            # One write of one line: two processes that record to one file do not mix their lines.
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            try:
                os.write(file, line)
            finally:
                os.close(file)
        except OSError as problem:
            raise HandlerError(CODE, f"the cassette cannot be written: {problem}", where=str(self._path)) from None

    async def ask(self, chat: Chat, show: Show) -> Reply | Trouble:
        request: dict[str, Any] = _redacted(plain(chat), self._redact)
        known = self._tape.take(request, self._redact(_last_words(chat)))
        if known is not None:
            if isinstance(known, Reply) and known.text:
                show(known.text)
            return known
        answer = await self._inner.ask(chat, show)
        if isinstance(answer, Reply):
            self._append({"request": request, "reply": _redacted(plain_reply(answer), self._redact)})
        elif answer.code in _LASTING:
            # Other errors speak of the provider's day, not of the request: they are asked again next time.
            self._append({"request": request, "error": {"code": answer.code, "text": self._redact(answer.text)}})
        return answer

    async def aclose(self) -> None:
        await self._inner.aclose()
