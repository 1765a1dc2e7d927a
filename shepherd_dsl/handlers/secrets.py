"""Secrets: which environment variables are secret, and taking their values out of everything that is recorded or shown.

A secret's value is replaced by `‹secret NAME›` wherever it stands, as it is or in a usual disguise: URL-encoded,
base64 (also inside a longer encoded text, as in `Authorization: Basic`), escaped for JSON, HTML, Python or a shell,
hexadecimal, in UTF-16 of either byte order, and each long line of a value of several lines. What is compressed or
encrypted is not seen through, and an integer is never replaced.
"""

from __future__ import annotations

import base64
import contextlib
import fnmatch
import hashlib
import html
import json
import logging
import os
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TypeVar

import attrs

from shepherd_dsl.core.content import Content, Large
from shepherd_dsl.core.value import Con, Record, Value, children, record

VARIABLE = "SHEPHERD_SECRETS"
"""The environment variable that declares further secrets, by name, separated by commas."""

DEFAULT_NAMES = (
    "*_API_KEY",
    "*_TOKEN",
    "*_SECRET",
    "*_PASSWORD",
    "*_PASSWD",
    "*_PASSPHRASE",
    "*_PRIVATE_KEY",
    "*_ACCESS_KEY",
    "*_SECRET_KEY",
    "*_CREDENTIALS",
    "API_KEY",
    "TOKEN",
    "SECRET",
    "PASSWORD",
    "PGPASSWORD",
    "AWS_*",
)
"""Names that are secret unless the configuration excludes them; `*` matches any characters, case does not count."""

DEFAULT_HARMLESS = (
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_DEFAULT_OUTPUT",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_PAGER",
    "AWS_ENDPOINT_URL",
    "AWS_CA_BUNDLE",
)
"""Names that a default pattern covers but whose values are no secrets (and would be redacted all over a log)."""

MINIMUM = 8
"""Fewest bytes of a value that is looked for. A shorter one would match by accident in every other line."""

_LINE_MINIMUM = 16
_BASE64_MINIMUM = 8

V = TypeVar("V", bound=Value)


@attrs.frozen(slots=True, repr=False)
class Secrets:
    """The secrets of this process: values by name, and the names whose values are too short to be looked for.

    Its `repr` shows names only.
    """

    values: Mapping[str, str]
    too_short: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Secrets({', '.join(self.values)})"


def is_secret_name(name: str, patterns: Iterable[str], harmless: Iterable[str] = ()) -> bool:
    """Whether `name` matches one of `patterns` and is not listed in `harmless`; upper and lower case are the same."""
    upper = name.upper()
    if any(fnmatch.fnmatchcase(upper, item.upper()) for item in harmless):
        return False
    return any(fnmatch.fnmatchcase(upper, pattern.upper()) for pattern in patterns)


def find_secrets(
    environ: Mapping[str, str],
    *,
    names: Iterable[str] = (),
    exclude: Iterable[str] = (),
    minimum: int = MINIMUM,
) -> Secrets:
    """The secrets among the variables of `environ`.

    `names` are declared beside the defaults and `SHEPHERD_SECRETS`; `exclude` are names that are not secret although a
    default says so. A name declared explicitly wins over `exclude`. Values of fewer than `minimum` bytes are left out
    and reported in `too_short`.
    """
    declared = [*names, *(item.strip() for item in environ.get(VARIABLE, "").split(",") if item.strip())]
    harmless = [*DEFAULT_HARMLESS, *exclude]
    values: dict[str, str] = {}
    short: list[str] = []
    for name in sorted(environ):
        if name == VARIABLE or not environ[name].strip():
            continue
        if is_secret_name(name, declared) or is_secret_name(name, DEFAULT_NAMES, harmless):
            if len(os.fsencode(environ[name].strip())) < minimum:
                short.append(name)
            else:
                values[name] = environ[name]
    return Secrets(values, tuple(short))


class Redactor:
    """Replaces every occurrence of a secret's value by `‹secret NAME›`.

    Occurrences that overlap are replaced together, by the name of the one that begins first (the longest of those;
    then the first name in order), so no part of a secret is left over. What holds no secret comes back as it was.
    """

    def __init__(self, secrets: Mapping[str, str] | None = None) -> None:
        forms: dict[bytes, str] = {}
        for name, value in sorted((secrets or {}).items()):
            for form in _forms(value):
                forms.setdefault(form, name)
        # Longest first, so that at one place the longest form names the secret.
        self._forms = sorted(forms.items(), key=lambda item: (-len(item[0]), item[0]))

    @property
    def has_secrets(self) -> bool:
        """Whether there is anything to look for."""
        return bool(self._forms)

    def fingerprint(self, salt: bytes) -> str:
        """A salted, slow hash of all secrets: tells whether they are the same as before, and nothing else."""
        if not self._forms:
            return "no secrets"  # nothing to protect, so no need to be slow
        return hashlib.scrypt(b"\0".join(form for form, _ in self._forms), salt=salt, n=4096, r=8, p=1).hex()

    def data(self, data: bytes) -> bytes:
        """`data` without secrets."""
        spans = self._spans(data)
        return _replace(data, spans) if spans else data

    def content(self, content: Content) -> Content:
        """`content` without secrets; the same where it has none."""
        if not isinstance(content, Large):
            return self.data(content)
        if not self._forms or not self._in_parts(content.parts()):
            return content
        clean = partial(self._clean_parts, content)
        return Large(sum(map(len, clean())), clean)

    def _in_parts(self, parts: Iterator[bytes]) -> bool:
        """Whether a secret stands in the bytes, within a piece or across several."""
        most, before = max(len(form) for form, _ in self._forms), b""
        for part in parts:
            data = before + part
            if any(form in data for form, _ in self._forms):
                return True
            before = data[max(0, len(data) - most + 1) :]
        return False

    def _clean_parts(self, content: Large) -> Iterator[bytes]:
        stream = RedactingStream(self)
        for part in content.parts():
            yield stream.feed(part)
        yield stream.finish()

    def text(self, text: str) -> str:
        """`text` without secrets."""
        if not self._forms:
            return text
        data = text.encode("utf-8", "surrogatepass")
        clean = self.data(data)
        return text if clean is data else clean.decode("utf-8", "surrogatepass")

    def names(self, text: str) -> tuple[str, ...]:
        """The names of the secrets that stand in `text`, each once, in the order in which they first do."""
        data = text.encode("utf-8", "surrogatepass")
        return tuple(dict.fromkeys(name for _, _, name in self._spans(data)))

    def value(self, value: V) -> V:
        """`value` without secrets in its texts, labels and constructor names. No recursion; any depth is fine."""
        if not self._forms:
            return value
        return self._value(value)  # type: ignore[return-value]

    def stream(self) -> RedactingStream:
        """A redactor for bytes that come in pieces: what it gives, joined, is `data` of all that was fed."""
        return RedactingStream(self)

    def log_filter(self) -> logging.Filter:
        """A filter for `logging` handlers that takes secrets out of messages and tracebacks."""
        return _LogFilter(self)

    def _value(self, value: Value) -> Value:
        done: list[Value] = []
        todo: list[tuple[Value, bool]] = [(value, False)]
        while todo:
            top, ready = todo.pop()
            kind = type(top)
            if kind is str:
                done.append(self.text(top))  # type: ignore[arg-type]
                continue
            if kind is not tuple and kind is not Record and kind is not Con:
                done.append(top)
                continue
            inner = children(top)
            if not ready:
                todo.append((top, True))
                todo.extend((item, False) for item in reversed(inner))
                continue
            new = tuple(done[len(done) - len(inner) :])
            del done[len(done) - len(inner) :]
            done.append(self._rebuilt(top, inner, new))
        return done[0]

    def _rebuilt(self, top: Value, old: tuple[Value, ...], new: tuple[Value, ...]) -> Value:
        same = all(a is b for a, b in zip(old, new, strict=True))
        if isinstance(top, Record):
            labels = [self.text(label) for label, _ in top.fields]
            if same and all(label == before for label, (before, _) in zip(labels, top.fields, strict=True)):
                return top
            # Two labels may hold the same secret: they stay two fields.
            seen: set[str] = set()
            for i, label in enumerate(labels):
                count = 1
                while labels[i] in seen:
                    count += 1
                    labels[i] = f"{label}#{count}"
                seen.add(labels[i])
            return record(zip(labels, new, strict=True))
        if isinstance(top, Con):
            name = self.text(top.name)
            return top if same and name == top.name else Con(name, new)
        return top if same else new

    def _spans(self, data: bytes) -> list[tuple[int, int, str]]:
        """Where secrets stand: disjoint (start, end, name), in order; overlapping occurrences are one span."""
        found: list[tuple[int, int, str]] = []
        for form, name in self._forms:
            at = data.find(form)
            while at >= 0:
                found.append((at, at + len(form), name))
                at = data.find(form, at + 1)
        if len(found) < 2:
            return found
        found.sort(key=lambda span: (span[0], -span[1], span[2]))
        merged = [found[0]]
        for start, end, name in found[1:]:
            last = merged[-1]
            if start < last[1]:
                merged[-1] = (last[0], max(last[1], end), last[2])
            else:
                merged.append((start, end, name))
        return merged

    def _open_from(self, data: bytes) -> int:
        """The first index from which `data` may be the beginning of a form that the next piece completes."""
        first = len(data)
        for form, _ in self._forms:
            at = data.find(form[:1], max(0, len(data) - len(form) + 1), first)
            while at >= 0:
                if form.startswith(data[at:]):
                    first = at
                    break
                at = data.find(form[:1], at + 1, first)
        return first


class RedactingStream:
    """Takes secrets out of bytes that come in pieces, across the boundaries of the pieces.

    It holds back only what may yet turn out to be a secret: at most the longest form of one, unless secrets overlap.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """What can be given out after `data` came in."""
        data = self._held + data if self._held else data
        spans = self._redactor._spans(data)
        cut = self._redactor._open_from(data)
        while spans and spans[-1][1] > cut:
            cut = min(cut, spans.pop()[0])
        self._held = data[cut:]
        return _replace(data[:cut], spans)

    def finish(self) -> bytes:
        """What was still held back."""
        rest, self._held = self._held, b""
        return self._redactor.data(rest)


class _LogFilter(logging.Filter):
    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = self._redactor.text(record.getMessage())
        record.args = ()
        if record.exc_info:
            text = logging.Formatter().formatException(record.exc_info)
            record.exc_text, record.exc_info = self._redactor.text(text), None
        return True


def _replace(data: bytes, spans: list[tuple[int, int, str]]) -> bytes:
    if not spans:
        return data
    parts: list[bytes] = []
    at = 0
    for start, end, name in spans:
        parts += (data[at:start], f"‹secret {name}›".encode())
        at = end
    parts.append(data[at:])
    return b"".join(parts)


def _forms(value: str) -> list[bytes]:
    """The byte strings that give `value` away, each once, in a fixed order."""
    stripped = value.strip()
    raw = os.fsencode(stripped)
    forms = [raw]
    if stripped != value:
        forms.append(os.fsencode(value))
    text = raw.decode("utf-8", "replace")
    for escaped in (json.dumps(text), json.dumps(text, ensure_ascii=False)):
        inner = escaped[1:-1].encode()
        # Inside a JSON text inside a JSON text the backslashes are escaped once more.
        forms += [inner, inner.replace(b"/", b"\\/"), json.dumps(escaped, ensure_ascii=False)[3:-3].encode()]
    for quoted in (urllib.parse.quote_from_bytes(raw, safe=safe) for safe in ("", "/", "/:@")):
        forms += [quoted.encode(), _lower_escapes(quoted).encode(), quoted.replace("%20", "+").encode()]
    forms += [raw.hex().encode(), raw.hex().upper().encode()]
    forms += [html.escape(text, quote=quote).encode() for quote in (True, False)]
    forms += [repr(text)[1:-1].encode(), repr(raw)[2:-1].encode()]
    forms.append(raw.replace(b"'", b"'\"'\"'"))
    if len(raw) >= _BASE64_MINIMUM:
        forms += _base64_forms(raw)
        # As `base64` and `openssl` break their lines.
        encoded = base64.b64encode(raw)
        for width in (76, 64):
            pieces = [encoded[at : at + width] for at in range(0, len(encoded), width)]
            forms += [piece for piece in pieces if len(piece) >= _LINE_MINIMUM]
    plain = [raw]
    lines = raw.splitlines()
    if len(lines) > 1:
        plain += [line.strip() for line in lines if len(line.strip()) >= _LINE_MINIMUM and b"-----" not in line]
        plain += [b"\r\n".join(lines), b"\n".join(lines)]
    forms += plain[1:]
    # As Windows writes texts: of a value that is no UTF-8 there is no such form.
    with contextlib.suppress(UnicodeDecodeError):
        forms += [item.decode("utf-8").encode(code) for item in plain for code in ("utf-16-le", "utf-16-be")]
    return list(dict.fromkeys(form for form in forms if form))


def _base64_forms(raw: bytes) -> list[bytes]:
    """Both base64 alphabets, with `raw` at each of the three places it can have in a longer text.

    Only the characters that depend on `raw` alone are kept.
    """
    forms: list[bytes] = []
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw).rstrip(b"=")
        first = (0, 2, 3)[shift]
        # The last character also encodes bits of what follows, unless the length comes out even.
        last = len(encoded) if (shift + len(raw)) % 3 == 0 else len(encoded) - 1
        core = encoded[first:last]
        forms += [core, core.translate(bytes.maketrans(b"+/", b"-_"))]
    return forms


def _lower_escapes(quoted: str) -> str:
    parts = quoted.split("%")
    return "%".join([parts[0], *(part[:2].lower() + part[2:] for part in parts[1:])])
