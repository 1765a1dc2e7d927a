"""`http.request` against a real server on the loopback interface."""

from __future__ import annotations

import base64
import gzip
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anyio
import pytest

from shepherd_dsl.core.value import UNKNOWN, Con, Record, equal, record
from shepherd_dsl.handlers.http import HttpHandler
from shepherd_dsl.testing.requests import Recorder, make_context, make_request

SECRET = "ghp_0123456789abcdefXYZ"


class _Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        assert isinstance(self.server, _Recording)
        self.server.seen.append((self.command, self.path, dict(self.headers.items()), body))
        match self.path:
            case "/drop":
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
            case "/half":
                self.send_response(200)
                self.send_header("content-length", "100")
                self.end_headers()
                self.wfile.write(b"only this")
                self.close_connection = True
            case "/slow":
                time.sleep(1.5)
                self._say(200, b"late")
            case "/big":
                self._say(200, b"<" + b"x" * 5000 + b">")
            case "/latin":
                self._say(200, "Grüße".encode("latin-1"), ("content-type", "text/plain; charset=latin-1"))
            case "/bytes":
                self._say(200, b"a\xffb")
            case "/gzip":
                self._say(200, gzip.compress(b"packed"), ("content-encoding", "gzip"))
            case "/bad-gzip":
                self._say(200, b"not packed", ("content-encoding", "gzip"))
            case "/missing":
                self._say(404, b"no")
            case "/here":
                self._say(302, b"", ("location", "/echo"))
            case "/loop":
                self._say(302, b"", ("location", "/loop"))
            case "/elsewhere":
                self._say(302, b"moved", ("location", "http://localhost:1/other"))
            case "/other-scheme":
                self._say(302, b"moved", ("location", "file:///etc/passwd"))
            case "/cookie":
                self._say(200, b"", ("set-cookie", "a=1"))
            case "/leak":
                word = self.headers.get("authorization", "")
                twice = base64.b64encode(f"user:{word}".encode()).decode()
                self._say(200, f"{word} {twice}".encode(), ("x-echo", word))
            case _:
                self._say(200, f"{self.command} {body.decode()}".encode())

    def _say(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_HEAD = do_DELETE = _answer


class _Recording(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Server)
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[_Recording]:
    found = _Recording()
    thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


def url(server: _Recording, path: str) -> str:
    return f"http://127.0.0.1:{server.server_port}{path}"


def perform(
    tmp_path: Path,
    address: str,
    *,
    method: str = "GET",
    headers: tuple[tuple[str, str], ...] = (),
    body: str = "",
    config: str = "",
    environ: dict[str, str] | None = None,
    recorder: Recorder | None = None,
) -> Con:
    context = make_context(tmp_path, config=config, environ=environ)
    lines = tuple(record(name=name, value=value) for name, value in headers)
    asked = record(method=method, url=address, headers=lines, body=body)
    request = make_request("http.request", asked, recorder=recorder)

    async def main() -> Con:
        handler = HttpHandler(context)
        try:
            return await handler.perform(request)
        finally:
            await handler.aclose()

    return anyio.run(main)


def reply(outcome: Con) -> tuple[int, str]:
    assert outcome.name == "Ok", outcome
    (value,) = outcome.args
    assert isinstance(value, Record)
    status, body = value.get("status"), value.get("body")
    assert isinstance(status, int)
    assert isinstance(body, str)
    return status, body


def code(outcome: Con) -> str:
    assert outcome.name == "Err", outcome
    (value,) = outcome.args
    assert isinstance(value, Record)
    found = value.get("code")
    assert isinstance(found, str)
    return found


def test_a_request_and_its_reply(tmp_path: Path, server: _Recording) -> None:
    outcome = perform(tmp_path, url(server, "/echo?q=1"), method="POST", headers=(("X-One", "ä"),), body="höre")
    assert reply(outcome) == (200, "POST höre")
    ((method, path, headers, body),) = server.seen
    assert (method, path, body) == ("POST", "/echo?q=1", "höre".encode())
    assert headers["X-One"].encode("latin-1").decode() == "ä"
    assert headers["user-agent"] == "shepherd-dsl"


def test_headers_of_the_reply_in_order(tmp_path: Path, server: _Recording) -> None:
    outcome = perform(tmp_path, url(server, "/latin"))
    (value,) = outcome.args
    assert isinstance(value, Record)
    expected = (
        record(name="content-type", value="text/plain; charset=latin-1"),
        record(name="content-length", value="5"),
    )
    assert equal(value.get("headers") or (), expected)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/latin", (200, "Grüße")),
        ("/bytes", (200, "a�b")),
        ("/gzip", (200, "packed")),
        ("/missing", (404, "no")),
        ("/here", (200, "GET ")),
        ("/elsewhere", (302, "moved")),
        ("/other-scheme", (302, "moved")),
    ],
)
def test_bodies_and_redirects(tmp_path: Path, server: _Recording, path: str, expected: tuple[int, str]) -> None:
    assert reply(perform(tmp_path, url(server, path))) == expected


def test_a_redirect_of_a_post_is_the_answer(tmp_path: Path, server: _Recording) -> None:
    assert reply(perform(tmp_path, url(server, "/here"), method="POST"))[0] == 302
    assert len(server.seen) == 1


def test_too_many_redirects(tmp_path: Path, server: _Recording) -> None:
    assert code(perform(tmp_path, url(server, "/loop"), config="[http]\nredirects = 2")) == "http.redirects"
    assert len(server.seen) == 3


def test_a_long_body_is_cut_and_kept(tmp_path: Path, server: _Recording) -> None:
    recorder = Recorder()
    outcome = perform(tmp_path, url(server, "/big"), config="[http]\nbody_limit = 100", recorder=recorder)
    ((name, whole),) = recorder.blobs.items()
    assert whole == b"<" + b"x" * 5000 + b">"
    _, body = reply(outcome)
    assert body.startswith("<x")
    assert body.endswith("x>")
    assert name in body


def test_a_body_beyond_the_maximum_is_not_read(tmp_path: Path, server: _Recording) -> None:
    recorder = Recorder()
    config = "[http]\nbody_limit = 100\nbody_max = 1000"
    assert "there was more" in reply(perform(tmp_path, url(server, "/big"), config=config, recorder=recorder))[1]
    assert [len(data) for data in recorder.blobs.values()] == [1000]


@pytest.mark.parametrize("path", ["/drop", "/half", "/bad-gzip"])
def test_a_lost_answer(tmp_path: Path, server: _Recording, path: str) -> None:
    recorder = Recorder()
    assert code(perform(tmp_path, url(server, path))) == "http.protocol"
    assert perform(tmp_path, url(server, path), method="POST", recorder=recorder) == UNKNOWN
    ((name, text),) = recorder.notes
    assert name == "http"
    assert "may have carried" in text


def test_a_late_answer(tmp_path: Path, server: _Recording) -> None:
    config = "[http]\ntime_limit = 0.3"
    assert code(perform(tmp_path, url(server, "/slow"), config=config)) == "http.timeout"
    assert perform(tmp_path, url(server, "/slow"), method="DELETE", config=config) == UNKNOWN


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        assert code(perform(tmp_path, address, method="POST")) == "http.connect"


@pytest.mark.parametrize(
    "change",
    [
        {"address": "ftp://example.org/"},
        {"address": "file:///etc/passwd"},
        {"address": "not an address"},
        {"address": "http:///nothing"},
        {"address": "http://user:word@127.0.0.1/"},
        {"address": "http://127.0.0.1:99999/"},
        {"method": "GET /x"},
        {"method": ""},
        {"headers": (("Bad Name", "x"),)},
        {"headers": (("X", "a\r\nY: b"),)},
        {"headers": (("Host", "other"),)},
        {"headers": (("Transfer-Encoding", "chunked"),)},
    ],
)
def test_what_cannot_be_sent(tmp_path: Path, server: _Recording, change: dict[str, object]) -> None:
    given: dict[str, object] = {"address": url(server, "/echo"), **change}
    assert code(perform(tmp_path, given.pop("address"), **given)) == "http.request"  # type: ignore[arg-type]
    assert server.seen == []


class TestSecrets:
    environ: dict[str, str] = {"PATH": "/bin", "GITHUB_TOKEN": SECRET}  # noqa: RUF012

    def config(self, server: _Recording) -> str:
        return f'[http.secrets]\nGITHUB_TOKEN = ["http://127.0.0.1:{server.server_port}"]'

    def test_go_out_and_do_not_come_back(self, tmp_path: Path, server: _Recording) -> None:
        recorder = Recorder()
        outcome = perform(
            tmp_path,
            url(server, "/leak"),
            method="POST",
            headers=(("Authorization", "Bearer ${secret:GITHUB_TOKEN}"),),
            body="token=${secret:GITHUB_TOKEN}",
            config=self.config(server),
            environ=self.environ,
            recorder=recorder,
        )
        ((_, _, headers, body),) = server.seen
        assert headers["authorization" if "authorization" in headers else "Authorization"] == f"Bearer {SECRET}"
        assert body.decode() == f"token={SECRET}"
        assert reply(outcome)[0] == 200
        for text in (str(outcome), recorder.shown, str(recorder.notes)):
            assert SECRET not in text
            assert base64.b64encode(f"user:Bearer {SECRET}".encode()).decode()[16:30] not in text
        assert str(outcome).count("‹secret GITHUB_TOKEN›") == 3

    @pytest.mark.parametrize("name", ["OTHER_TOKEN", "PATH"])
    def test_only_declared_ones(self, tmp_path: Path, server: _Recording, name: str) -> None:
        headers = (("Authorization", f"${{secret:{name}}}"),)
        outcome = perform(
            tmp_path, url(server, "/leak"), headers=headers, config=self.config(server), environ=self.environ
        )
        assert code(outcome) == "http.secret"
        assert server.seen == []

    def test_only_to_their_origins(self, tmp_path: Path, server: _Recording) -> None:
        headers = (("Authorization", "${secret:GITHUB_TOKEN}"),)
        config = '[http.secrets]\nGITHUB_TOKEN = ["https://api.github.com"]'
        outcome = perform(tmp_path, url(server, "/leak"), headers=headers, config=config, environ=self.environ)
        assert code(outcome) == "http.secret"
        assert server.seen == []

    @pytest.mark.parametrize("value", [None, "short"])
    def test_missing_or_too_short(self, tmp_path: Path, server: _Recording, value: str | None) -> None:
        environ = {"PATH": "/bin"} if value is None else {"PATH": "/bin", "GITHUB_TOKEN": value}
        headers = (("Authorization", "${secret:GITHUB_TOKEN}"),)
        outcome = perform(tmp_path, url(server, "/leak"), headers=headers, config=self.config(server), environ=environ)
        assert code(outcome) == "http.secret"
        assert server.seen == []

    def test_not_in_addresses(self, tmp_path: Path, server: _Recording) -> None:
        address = url(server, "/x?token=${secret:GITHUB_TOKEN}")
        outcome = perform(tmp_path, address, config=self.config(server), environ=self.environ)
        assert code(outcome) == "http.secret"


def test_no_cookies_are_kept(tmp_path: Path, server: _Recording) -> None:
    async def main() -> None:
        handler = HttpHandler(make_context(tmp_path))
        for path in ("/cookie", "/echo"):
            asked = record(method="GET", url=url(server, path), headers=(), body="")
            await handler.perform(make_request("http.request", asked))
        await handler.aclose()

    anyio.run(main)
    assert "Cookie" not in server.seen[1][2]
    assert "cookie" not in server.seen[1][2]


def test_proxies_of_the_environment_are_not_used(
    tmp_path: Path, server: _Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert reply(perform(tmp_path, url(server, "/echo")))[0] == 200
