"""A local HTTP server that speaks the real wire formats of three model APIs, errors and streaming included.

Each request is checked as strictly as the provider would (`fake_model_formats`): one that does not fit gets the
provider's own 400 or 401, which a test that expects an answer cannot miss. The answers come from a script: one step
a request, in order; a request without a step gets HTTP 418, which nothing retries.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, TypeAlias

import attrs

from tests import fake_model_formats as formats
from tests.fake_model_formats import KEY, MODEL, Refused, Says

__all__ = ["KEY", "MODEL", "Breaks", "Drops", "Fails", "FakeModelServer", "Garbage", "Hangs", "Says"]


@attrs.frozen(kw_only=True)
class Fails:
    """An error with an HTTP status; `word` is the provider's name for it."""

    status: int
    word: str = "server_error"
    text: str = "it went wrong"
    headers: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Garbage:
    """A body as it stands, with status 200."""

    body: bytes
    kind: str = "application/json"


@attrs.frozen(kw_only=True)
class Drops:
    """The connection is reset, after so many events of the answer; in answers without streaming, in mid-body."""

    says: Says
    events: int = 4


@attrs.frozen(kw_only=True)
class Breaks:
    """The stream begins well, then the provider reports an error in it. `clean`: it just ends instead."""

    says: Says
    events: int = 4
    word: str = "overloaded_error"
    clean: bool = False


@attrs.frozen
class Hangs:
    """Nothing is answered until the server is closed."""


Step: TypeAlias = Says | Fails | Garbage | Drops | Breaks | Hangs


@attrs.frozen
class Seen:
    """A request as it came."""

    path: str
    headers: Mapping[str, str]
    raw: bytes
    body: Any


@attrs.frozen
class Format:
    """One API: its check, its answer whole and as events, and its errors."""

    check: Callable[[Mapping[str, str], Any], None]
    whole: Callable[[Says], dict[str, Any]]
    events: Callable[[Says], list[tuple[str, dict[str, Any]]]]
    error: Callable[[str, str], dict[str, Any]]


FORMATS = {
    "/v1/messages": Format(
        formats.check_anthropic, formats.anthropic_json, formats.anthropic_events, formats.anthropic_error
    ),
    "/v1/chat/completions": Format(formats.check_chat, formats.chat_json, formats.chat_events, formats.openai_error),
    "/v1/responses": Format(
        formats.check_responses, formats.responses_json, formats.responses_events, formats.openai_error
    ),
}


def sse(events: list[tuple[str, dict[str, Any]]]) -> list[bytes]:
    """Events as a provider writes them, one by one."""
    return [
        (f"event: {name}\n" if name else "").encode()
        + b"data: "
        + json.dumps(data, ensure_ascii=False).encode()
        + b"\n\n"
        for name, data in events
    ]


class FakeModelServer:
    """The server; a context manager that fails when a step was never asked for. `seen` has all requests.

    `rule` gives the step for a request that comes after the script.
    """

    def __init__(self, *script: Step, rule: Callable[[Any], Step | None] = lambda body: None) -> None:
        self.script = [*script]
        self.rule = rule
        self.seen: list[Seen] = []
        self.bugs: list[str] = []
        self.closing = threading.Event()
        self._lock = threading.Lock()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                try:
                    fake.answer(self)
                except ConnectionError:
                    pass  # the client went away, as some tests want
                except Exception as bug:
                    fake.bugs.append(repr(bug))

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> FakeModelServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        assert not self.bugs, self.bugs
        if problem is None:
            assert not self.script, f"steps never asked for: {self.script}"

    def answer(self, http: BaseHTTPRequestHandler) -> None:
        """Answers one request by the next step of the script."""
        raw = http.rfile.read(int(http.headers["content-length"]))
        headers = {name.lower(): value for name, value in http.headers.items()}
        format = FORMATS.get(http.path)
        if format is None:
            send(http, 404, formats.openai_error("not_found_error", f"no such path {http.path}"))
            return
        body = json.loads(raw)
        with self._lock:
            self.seen.append(Seen(http.path, headers, raw, body))
            step = self.script.pop(0) if self.script else self.rule(body)
        try:
            format.check(headers, body)
        except Refused as problem:
            send(http, problem.status, format.error(problem.word, problem.text))
            return
        stream = body.get("stream", False)
        match step:
            case None:
                send(http, 418, format.error("teapot", "the script has no step for this request"))
            case Says() if stream:
                begin_stream(http)
                events = sse(format.events(step))
                if http.path == "/v1/chat/completions":
                    events.append(b"data: [DONE]\n\n")
                whole = b"".join(events)
                # Cut anywhere, inside characters and lines too, as networks do.
                for start in range(0, len(whole), 97):
                    chunk(http, whole[start : start + 97])
                chunk(http, b"")
            case Says():
                send(http, 200, format.whole(step))
            case Fails(status=status, word=word, text=text, headers=extra):
                send(http, status, format.error(word, text), extra)
            case Garbage(body=data, kind=kind):
                send_bytes(http, 200, data, kind)
            case Drops(says=says, events=count):
                if stream:
                    begin_stream(http)
                    for event in sse(format.events(says))[:count]:
                        chunk(http, event)
                else:
                    data = json.dumps(format.whole(says)).encode()
                    start_reply(http, 200, "application/json", len(data), {})
                    http.wfile.write(data[: len(data) // 2])
                reset(http)
            case Breaks(says=says, events=count, word=word, clean=clean):
                begin_stream(http)
                for event in sse(format.events(says))[:count]:
                    chunk(http, event)
                if not clean:
                    chunk(http, self._broken(http.path, format, word))
                chunk(http, b"")
            case Hangs():
                self.closing.wait(30)
                reset(http)

    def _broken(self, path: str, format: Format, word: str) -> bytes:
        if path == "/v1/messages":
            return sse([("error", format.error(word, "it broke"))])[0]
        if path == "/v1/responses":
            error = {"type": "error", "code": word, "message": "it broke", "param": None, "sequence_number": 9}
            return sse([("error", error)])[0]
        return sse([("", format.error(word, "it broke"))])[0]


def start_reply(
    http: BaseHTTPRequestHandler, status: int, kind: str, length: int | None, headers: Mapping[str, str]
) -> None:
    http.send_response(status)
    http.send_header("content-type", kind)
    http.send_header("request-id", "req_01")
    for name, value in headers.items():
        http.send_header(name, value)
    if length is None:
        http.send_header("transfer-encoding", "chunked")
    else:
        http.send_header("content-length", str(length))
    http.end_headers()


def send_bytes(
    http: BaseHTTPRequestHandler, status: int, data: bytes, kind: str, headers: Mapping[str, str] | None = None
) -> None:
    start_reply(http, status, kind, len(data), headers or {})
    http.wfile.write(data)


def send(
    http: BaseHTTPRequestHandler, status: int, data: dict[str, Any], headers: Mapping[str, str] | None = None
) -> None:
    send_bytes(http, status, json.dumps(data).encode(), "application/json", headers)


def begin_stream(http: BaseHTTPRequestHandler) -> None:
    start_reply(http, 200, "text/event-stream; charset=utf-8", None, {})


def chunk(http: BaseHTTPRequestHandler, data: bytes) -> None:
    http.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
    http.wfile.flush()


def reset(http: BaseHTTPRequestHandler) -> None:
    """Ends the connection with a reset, as a crashed server or a cut line does."""
    http.wfile.flush()
    http.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    http.close_connection = True
    http.connection.close()
