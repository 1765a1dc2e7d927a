"""`http.request` by httpx (the extra `http`).

A header's value or the body may hold `${secret:NAME}`. The variable's value is put in here, at the last moment, so it
never is part of an intent; it goes only to the origins that `[http.secrets]` in the configuration lists for NAME, and
is taken out of the reply. The address itself takes no secrets: addresses end up in other people's logs.

A redirect of a GET or HEAD within the same origin (scheme, host and port) is followed, up to `[http] redirects`
times. Any other is the answer, as it came: following it elsewhere is a new request, which the grant must allow.

Nothing of the process's own is used: no proxy variables, no `.netrc`, no cookies.

Errors: `http.request` (an address, method, header or body that cannot be sent), `http.secret`, `http.connect`,
`http.timeout`, `http.protocol`, `http.redirects`. They mean that the request was not carried out, or that it was one
that changes nothing (GET, HEAD, OPTIONS). Where any other request was sent but its answer was lost, the outcome is
`Unknown`, and the reason is noted as `http`.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import MappingProxyType
from typing import TYPE_CHECKING

import anyio
import attrs

from shepherd_dsl.core.value import UNKNOWN, Con, Record, err, ok, record
from shepherd_dsl.errors import MissingExtraError
from shepherd_dsl.handlers.context import HandlerContext
from shepherd_dsl.handlers.fits import list_of, rec_of
from shepherd_dsl.handlers.output import Output
from shepherd_dsl.handlers.protocol import OperationSpec, Request
from shepherd_dsl.handlers.unpack import ACCEPTED, Unpacker

if TYPE_CHECKING:
    import httpx

HEADER = rec_of(name="Text", value="Text")
HTTP_REQUEST = rec_of(method="Text", url="Text", headers=list_of(HEADER), body="Text")
HTTP_REPLY = rec_of(status="Int", headers=list_of(HEADER), body="Text")

OPERATIONS: Mapping[str, OperationSpec] = MappingProxyType(
    {
        "http.request": OperationSpec(
            effect_class="irreversible",
            params=(("request", HTTP_REQUEST),),
            result=HTTP_REPLY,
            about="send a request to a server and read its reply",
        )
    }
)

_SECRET = re.compile(r"\$\{secret:([^}]*)\}")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# The connection's own business: a program that set these could smuggle a second request into the first.
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade"})


@attrs.frozen(slots=True)
class _Call:
    """A request ready to be sent; holds values of secrets, so it is never shown."""

    method: str
    url: httpx.URL
    headers: tuple[tuple[bytes, bytes], ...] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)


class _Failed(Exception):
    """The request failed: the code and text of the error."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


@attrs.define(slots=True)
class _Progress:
    """Whether any byte of a request may have reached the server."""

    sent: bool = False

    async def trace(self, name: str, info: Mapping[str, object]) -> None:
        """What httpcore calls at each of its steps."""
        if name.endswith("send_request_headers.started"):
            self.sent = True


class HttpHandler:
    """Performs `http.request`; calls may overlap. Each uses a connection of its own: on one that is kept, a request
    that fails could not be told from one that never arrived."""

    operations = OPERATIONS

    def __init__(self, context: HandlerContext) -> None:
        try:
            import httpx
        except ImportError:
            raise MissingExtraError("http", needed_for="http.request") from None
        self._httpx = httpx
        self._context = context
        self._client: httpx.AsyncClient | None = None

    async def perform(self, request: Request) -> Con:
        """`Ok({status, headers, body})` for any status; an error or `Unknown` as above."""
        (asked,) = request.args
        assert isinstance(asked, Record)
        progress = _Progress()
        safe = True
        limit = self._context.config.http.time_limit
        try:
            call = self._prepare(asked)
            safe = call.method in _SAFE_METHODS
            request.show(self._redact(f"{call.method} {call.url}\n"))
            with anyio.fail_after(limit):
                return await self._perform(call, request, progress)
        except _Failed as failed:
            code, text = failed.code, failed.text
        except TimeoutError:
            code, text = "http.timeout", f"no whole answer within {limit:g} s"
        except self._httpx.ConnectError as problem:
            code, text = "http.connect", f"cannot connect: {problem}"
        except (self._httpx.TransportError, self._httpx.DecodingError) as problem:
            code, text = "http.protocol", f"{type(problem).__name__}: {problem}"
        text = self._redact(text)
        if safe or not progress.sent:
            return err(code, text)
        request.note("http", f"{code}: {text}; the server may have carried the request out")
        return UNKNOWN

    async def probe(self, request: Request) -> Con | None:
        """None: whether a request arrived cannot be known, except that one that changes nothing did not matter."""
        (asked,) = request.args
        if isinstance(asked, Record) and asked.get("method") in _SAFE_METHODS:
            return err("http.lost", "the answer was lost in a crash; the request changes nothing and can be made again")
        return None

    async def aclose(self) -> None:
        """Close the client."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _perform(self, call: _Call, request: Request, progress: _Progress) -> Con:
        if self._client is None:
            self._client = self._httpx.AsyncClient(
                trust_env=False,
                timeout=None,
                proxy=self._context.config.http.proxy,
                limits=self._httpx.Limits(max_keepalive_connections=0),
                headers={"user-agent": "shepherd-dsl", "accept-encoding": ACCEPTED},
                # No cookie is kept: a request must not depend on earlier ones.
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            )
        for _ in range(self._context.config.http.redirects + 1):
            async with self._client.stream(
                call.method,
                call.url,
                headers=list(call.headers),
                content=call.body or None,
                follow_redirects=False,
                extensions={"trace": progress.trace},
            ) as reply:
                target = self._redirect(call, reply)
                if target is None:
                    return await self._reply(reply, request)
            call = attrs.evolve(call, url=target)
        raise _Failed("http.redirects", f"more than {self._context.config.http.redirects} redirects")

    async def _reply(self, reply: httpx.Response, request: Request) -> Con:
        config = self._context.config.http
        output = Output(limit=config.body_limit, most=config.body_max, redactor=self._context.redactor)
        decode = _decoder(reply.charset_encoding)
        try:
            unpacker = Unpacker(reply.headers.get("content-encoding", ""))
            async for packed in reply.aiter_raw():
                for piece in unpacker.feed(packed):
                    if not output.receive(decode(piece, False)):
                        break
                if output.full:
                    break
            else:
                unpacker.finish()
                output.receive(decode(b"", True))
            headers = tuple(
                record(name=name.decode("latin-1").lower(), value=value.decode("utf-8", "replace"))
                for name, value in reply.headers.raw
            )
            clean = self._context.redactor.value(headers)
            return ok(record(status=reply.status_code, headers=clean, body=output.text(request.write_blob)))
        except ValueError as problem:
            raise _Failed("http.protocol", f"the body of the reply cannot be read: {problem}") from None
        finally:
            output.close()

    def _redirect(self, call: _Call, reply: httpx.Response) -> httpx.URL | None:
        """Where to go on, or None where the reply is the answer."""
        location = reply.headers.get("location")
        if call.method not in ("GET", "HEAD") or reply.status_code not in _REDIRECTS or location is None:
            return None
        try:
            target = call.url.join(location)
        except (self._httpx.InvalidURL, ValueError):
            return None
        return target if _origin(target) == _origin(call.url) and not target.userinfo else None

    def _prepare(self, asked: Record) -> _Call:
        method, text, headers, body = (asked.get(label) for label in ("method", "url", "headers", "body"))
        assert isinstance(method, str)
        assert isinstance(text, str)
        assert isinstance(headers, tuple)
        assert isinstance(body, str)
        if not _TOKEN.fullmatch(method):
            raise _Failed("http.request", f"not a method: {method!r}")
        if _SECRET.search(text):
            raise _Failed("http.secret", "an address takes no secrets; send them in a header or the body")
        try:
            url = self._httpx.URL(text)
        except (self._httpx.InvalidURL, ValueError) as problem:
            raise _Failed("http.request", f"not an address: {problem}") from None
        if url.scheme not in ("http", "https") or not url.host or not 0 < (url.port or 80) < 1 << 16:
            raise _Failed("http.request", f"not an http or https address: {text}")
        if url.userinfo:
            raise _Failed("http.request", "an address takes no user name; send a header `Authorization`")
        origin = _origin(url)
        lines: list[tuple[bytes, bytes]] = []
        for header in headers:
            assert isinstance(header, Record)
            name, value = header.get("name"), header.get("value")
            assert isinstance(name, str)
            assert isinstance(value, str)
            if not _TOKEN.fullmatch(name) or name.lower() in _OURS:
                raise _Failed("http.request", f"not a header that can be set: {name!r}")
            line = self._filled(value, origin).strip(" \t")
            if any((ord(char) < 32 and char != "\t") or char == "\x7f" for char in line):
                raise _Failed("http.request", f"the value of the header {name} holds a control character")
            lines.append((name.encode(), line.encode()))
        return _Call(method.upper(), url, tuple(lines), self._filled(body, origin).encode())

    def _filled(self, text: str, origin: str) -> str:
        """`text` with its placeholders replaced by the secrets' values."""
        return _SECRET.sub(lambda found: self._secret(found[1], origin), text)

    def _secret(self, name: str, origin: str) -> str:
        allowed = dict(self._context.config.http.secrets).get(name)
        if allowed is None or origin not in allowed:
            raise _Failed(
                "http.secret",
                f"the secret {name} may not be sent to {origin}; "
                f'.shepherd/config.toml would allow it: [http.secrets] {name} = ["{origin}"]',
            )
        if name in self._context.secrets.too_short:
            raise _Failed("http.secret", f"the secret {name} is too short to be taken out of replies")
        if name not in self._context.secrets.values:
            raise _Failed("http.secret", f"the environment variable {name} is not set")
        return self._context.secrets.values[name].strip()

    def _redact(self, text: str) -> str:
        return self._context.redactor.text(text)


def open_handler(context: HandlerContext) -> HttpHandler:
    """The factory of the entry point `http`. Raises MissingExtraError."""
    return HttpHandler(context)


def _origin(url: httpx.URL) -> str:
    # From the parser that connects: two parsers may disagree about where an address leads.
    host = url.raw_host.decode("ascii").lower()
    host = f"[{host}]" if ":" in host else host
    return f"{url.scheme}://{host}:{url.port or (443 if url.scheme == 'https' else 80)}"


def _decoder(charset: str | None) -> Callable[[bytes, bool], bytes]:
    """Pieces of a body into pieces of UTF-8. A missing, unknown or impossible charset is taken for UTF-8."""
    try:
        b" ".decode(charset or "utf-8", "replace")
        decoder = codecs.getincrementaldecoder(charset or "utf-8")("replace")
    except (LookupError, ValueError):
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
    return lambda piece, final: decoder.decode(piece, final).encode("utf-8", "replace")
