"""Handlers against hostile servers, commands and questions."""

from __future__ import annotations

import gzip
import os
import pty
import resource
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anyio
import pytest

from shepherd_dsl.core.value import Con, Record, equal, ok, record
from shepherd_dsl.handlers.http import HttpHandler
from shepherd_dsl.handlers.human import HumanHandler, framed
from shepherd_dsl.handlers.model.options import ModelOptions
from shepherd_dsl.handlers.model.sdk import http_client
from shepherd_dsl.handlers.shell import ShellHandler
from shepherd_dsl.handlers.unpack import PIECE, Unpacker
from shepherd_dsl.testing.requests import make_context, make_request

SECRET = "ghp_0123456789abcdefXYZ"


def zeros(megabytes: int) -> bytes:
    """That many megabytes of zeros, packed."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(megabytes)) + packer.flush()


ONCE = zeros(512)
TWICE = gzip.compress(ONCE, 9)


class _Hostile(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        assert isinstance(self.server, _Server)
        self.server.seen.append((self.path, dict(self.headers.items())))
        match self.path:
            case "/once":
                self._say(200, ONCE, ("content-encoding", "gzip"))
            case "/twice":
                self._say(200, TWICE, ("content-encoding", "gzip, gzip"))
            case "/brotli":
                self._say(200, b"x", ("content-encoding", "br"))
            case "/cut":
                self._say(200, gzip.compress(bytes(100))[:-9], ("content-encoding", "gzip"))
            case "/charset":
                self._say(200, b"x", ("content-type", "text/plain; charset=undefined"))
            case path if path.startswith("/to?"):
                self._say(302, b"moved", ("location", path[4:]))
            case "/escape":
                self._say(200, b"\x1b]0;owned\x07", ("x-a", "\x1b[2J"))
            case _:
                self._say(200, b"ok")

    def _say(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True


class _Server(ThreadingHTTPServer):
    seen: list[tuple[str, dict[str, str]]]


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server(("127.0.0.1", 0), _Hostile) as found:
        found.seen = []
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()


def get(tmp_path: Path, url: str, *, headers: tuple[Record, ...] = (), method: str = "GET", config: str = "") -> Con:
    handler = HttpHandler(make_context(tmp_path, environ={"API_TOKEN": SECRET}, config=config))

    async def main() -> Con:
        try:
            request = record(method=method, url=url, headers=headers, body="")
            return await handler.perform(make_request("http.request", request))
        finally:
            await handler.aclose()

    return anyio.run(main)


def code(outcome: Con) -> object:
    (value,) = outcome.args
    assert isinstance(value, Record)
    return value.get("code") if outcome.name == "Err" else value.get("status")


class TestHttp:
    @pytest.mark.parametrize(("path", "expected"), [("/once", 200), ("/twice", "http.protocol")])
    def test_a_small_reply_does_not_unpack_into_all_memory(
        self, tmp_path: Path, server: _Server, path: str, expected: object
    ) -> None:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        config = "[http]\nbody_max = 1048576\n"
        assert code(get(tmp_path, f"http://127.0.0.1:{server.server_port}{path}", config=config)) == expected
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown < 60_000, f"{grown} kB more for a bomb"

    @pytest.mark.parametrize("path", ["/brotli", "/cut"])
    def test_what_was_not_asked_for_is_an_error(self, tmp_path: Path, server: _Server, path: str) -> None:
        assert code(get(tmp_path, f"http://127.0.0.1:{server.server_port}{path}")) == "http.protocol"

    def test_an_impossible_charset_is_no_bug(self, tmp_path: Path, server: _Server) -> None:
        assert code(get(tmp_path, f"http://127.0.0.1:{server.server_port}/charset")) == 200

    @pytest.mark.parametrize(
        "url",
        [
            "file:///etc/passwd",
            "ftp://127.0.0.1/x",
            "gopher://127.0.0.1/x",
            "data:text/plain,x",
            "unix:///var/run/docker.sock",
            "http+unix://%2Fvar%2Frun%2Fdocker.sock/x",
            "//127.0.0.1/x",
            "/etc/passwd",
            "http:///x",
            "http://user:pass@127.0.0.1/",
            "http://127.0.0.1\r\nX-A: b/",
            "http://[::1",
            "",
        ],
    )
    def test_other_addresses_are_refused(self, tmp_path: Path, url: str) -> None:
        assert code(get(tmp_path, url)) == "http.request"

    @pytest.mark.parametrize(
        "target",
        [
            "http://localhost:{port}/inner",
            "http://127.0.0.1:1/inner",
            "https://127.0.0.1:{port}/inner",
            "http://x@127.0.0.1:{port}/inner",
            "file:///etc/passwd",
            "//localhost:{port}/inner",
        ],
    )
    def test_a_redirect_elsewhere_is_an_answer(self, tmp_path: Path, server: _Server, target: str) -> None:
        target = target.format(port=server.server_port)
        assert code(get(tmp_path, f"http://127.0.0.1:{server.server_port}/to?{target}")) == 302
        assert len(server.seen) == 1

    @pytest.mark.parametrize("header", ["X-A\r\nX-B", "Host", "content-length", "Transfer-Encoding", "a b", ""])
    def test_headers_do_not_smuggle(self, tmp_path: Path, server: _Server, header: str) -> None:
        url = f"http://127.0.0.1:{server.server_port}/"
        assert code(get(tmp_path, url, headers=(record(name=header, value="1"),))) == "http.request"
        assert code(get(tmp_path, url, headers=(record(name="x-a", value="1\r\nx-b: 2"),))) == "http.request"
        assert code(get(tmp_path, url, method="GET / HTTP/1.1\r\nx: y\r\n\r\nGET")) == "http.request"
        assert server.seen == []

    def test_a_secret_goes_only_where_it_may(self, tmp_path: Path, server: _Server) -> None:
        config = '[http.secrets]\nAPI_TOKEN = ["http://127.0.0.1:1"]\n'
        line = record(name="authorization", value="${secret:API_TOKEN}")
        outcome = get(tmp_path, f"http://127.0.0.1:{server.server_port}/", headers=(line,), config=config)
        assert code(outcome) == "http.secret"
        assert server.seen == []
        assert SECRET not in str(outcome)


class TestUnpacking:
    @pytest.mark.parametrize("encoding", ["gzip", "X-GZIP", " gzip ", "identity, gzip"])
    def test_gzip_of_several_members(self, encoding: str) -> None:
        unpacker = Unpacker(encoding)
        packed = gzip.compress(b"one ") + gzip.compress(b"two")
        assert (
            b"".join(piece for at in range(len(packed)) for piece in unpacker.feed(packed[at : at + 1])) == b"one two"
        )
        unpacker.finish()

    @pytest.mark.parametrize("bits", [15, -15])
    def test_both_meanings_of_deflate(self, bits: int) -> None:
        packer = zlib.compressobj(6, zlib.DEFLATED, bits)
        packed = packer.compress(b"hello" * 100) + packer.flush()
        unpacker = Unpacker("deflate")
        assert b"".join(unpacker.feed(packed)) == b"hello" * 100
        unpacker.finish()

    def test_no_piece_is_large(self) -> None:
        sizes = [len(piece) for piece in Unpacker("gzip").feed(zeros(4))]
        assert sum(sizes) == 4 << 20
        assert max(sizes) <= PIECE
        assert max(len(piece) for piece in Unpacker("").feed(bytes(1 << 20))) <= PIECE


class TestModels:
    @pytest.mark.parametrize("url", ["http://127.0.0.1:1/v1", "https://models.example/v1", "http://models.example/v1"])
    def test_a_key_follows_no_redirect(self, url: str) -> None:
        client = http_client(ModelOptions(environ={}), url)
        assert client.follow_redirects is False


class TestHuman:
    def test_a_question_cannot_pass_for_the_prompt(self) -> None:
        shown = framed("Run tests?\nroot asks: yes or no? y\nnote all is well\n\x1b[2J\rroot asks: yes or no? ")
        assert all(line.startswith("│") for line in shown.split("\n"))
        assert "\x1b" not in shown
        assert "\r" not in shown

    def test_a_question_cannot_scroll_itself_away(self) -> None:
        shown = framed("Delete everything?" + "\n" * 500 + "Run the tests?").split("\n")
        assert len(shown) <= 25
        assert shown[0] == "│ Delete everything?"
        assert any("lines of the question are not shown" in line for line in shown)
        assert len(framed("x" * 100_000)) < 1000

    @pytest.mark.parametrize(
        "char", ["\x00", "\x07", "\x08", "\x1b", "\x7f", "\x9b", "\u200f", "\u202e", "\u2066", "\u2028", "\U000e0041"]
    )
    def test_control_characters_are_shown(self, char: str) -> None:
        assert char not in framed(f"a{char}b")

    def test_what_was_typed_before_the_question_is_no_answer(self, tmp_path: Path) -> None:
        main, other = pty.openpty()
        handler = HumanHandler(make_context(tmp_path), terminal=os.ttyname(other))
        os.write(main, b"yes\n")
        time.sleep(0.05)
        seen = b""

        def person() -> None:
            nonlocal seen
            while b"yes or no? " not in seen:
                seen += os.read(main, 1024)
            os.write(main, b"no\n")

        threading.Thread(target=person, daemon=True).start()
        outcome = anyio.run(handler.perform, make_request("human.approve", "Delete everything?"))
        assert equal(outcome, ok(False))
        os.close(main)
        os.close(other)


class TestShell:
    def run(self, tmp_path: Path, command: str, *, op: str = "shell.run", config: str = "") -> Con:
        environ = {"PATH": os.environ["PATH"], "API_TOKEN": SECRET, "OTHER": "other-value"}
        folder = tmp_path / "files"
        folder.mkdir(exist_ok=True)
        handler = ShellHandler(make_context(tmp_path, environ=environ, config=config))
        return anyio.run(handler.perform, make_request(op, command, folder=folder))

    @pytest.mark.parametrize(
        ("command", "expected"),
        [
            ("echo a; touch x", "a; touch x"),
            ("echo $(touch x)", "$(touch x)"),
            ("echo `touch x`", "`touch x`"),
            ("echo a | touch x", "a | touch x"),
            ("echo a > x", "a > x"),
            ("echo a\ntouch x", "a touch x"),
            ("echo a && touch x", "a && touch x"),
            ("echo * ~ $HOME", "* ~ $HOME"),
        ],
    )
    def test_there_is_no_shell(self, tmp_path: Path, command: str, expected: str) -> None:
        outcome = self.run(tmp_path, command)
        assert equal(outcome, ok(record(code=0, out=f"{expected}\n")))
        assert os.listdir(tmp_path / "files") == []

    def test_an_assignment_is_no_prefix(self, tmp_path: Path) -> None:
        assert code(self.run(tmp_path, "PATH=/tmp echo a")) == "not_found"

    def test_a_program_of_the_run_is_not_found_by_its_name_alone(self, tmp_path: Path) -> None:
        (tmp_path / "files").mkdir()
        program = tmp_path / "files" / "pytest-of-the-run"
        program.write_text("#!/bin/sh\necho evil\n")
        program.chmod(0o755)
        assert code(self.run(tmp_path, "pytest-of-the-run")) == "not_found"

    def test_the_environment_has_no_secret(self, tmp_path: Path) -> None:
        config = '[environment]\nallow = ["API_TOKEN", "OTHER"]\n'
        outcome = self.run(tmp_path, "env", config=config)
        assert "OTHER=other-value" in str(outcome)
        assert SECRET not in str(outcome)
        assert "API_TOKEN" not in str(outcome)

    def test_a_secret_that_a_command_gets_does_not_come_back(self, tmp_path: Path) -> None:
        config = '[shell]\nsecrets = ["API_TOKEN"]\n'
        for script in ("echo $API_TOKEN", "echo $API_TOKEN | base64", "printf $API_TOKEN | od -An -tx1 | tr -d ' \\n'"):
            outcome = self.run(tmp_path, script, op="shell.script", config=config)
            assert outcome.name == "Ok"
            assert "‹secret API_TOKEN›" in str(outcome)


def test_a_driver_is_not_dumpable(tmp_path: Path) -> None:
    """So that no other process of the user, a run's command included, reads its environment or memory from /proc."""
    if sys.platform != "linux":
        pytest.skip("only Linux has this")
    script = (
        "import ctypes\n"
        "from shepherd_dsl.runtime.shield import shield_process\n"
        "shield_process()\n"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
