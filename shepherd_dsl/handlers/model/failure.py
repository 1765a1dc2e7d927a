"""What can go wrong at a provider, as `Trouble`: one table for all of them."""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Mapping
from typing import Any

from shepherd_dsl.handlers.model.chat import Trouble

AUTH = "model.auth"
QUOTA = "model.quota"
REQUEST = "model.request"
RATE = "model.rate_limit"
OVERLOADED = "model.overloaded"
SERVER = "model.server"
TIMEOUT = "model.timeout"
CONNECTION = "model.connection"
MALFORMED = "model.malformed"
REFUSED = "model.refused"

# The words providers use in the body of an error, where there is no HTTP status of its own: in mid-stream.
_WORDS = {
    "api_error": 500,
    "authentication_error": 401,
    "billing_error": 402,
    "insufficient_quota": 402,
    "invalid_prompt": 400,
    "invalid_request_error": 400,
    "not_found_error": 404,
    "overloaded_error": 529,
    "permission_error": 403,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "request_too_large": 413,
    "server_error": 500,
    "timeout_error": 504,
}
_LONGEST = 600


def scrub(text: str, secrets: tuple[str, ...]) -> str:
    """The text on one line, at most 600 characters, with every secret and whatever looks like a key taken out."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "‹key›")
    text = re.sub(r"\b(?:sk|pk|rk)-[A-Za-z0-9_*.\-]{6,}", "‹key›", text)
    text = re.sub(r"(?i)\bbearer\s+[^\s\"']+", "Bearer ‹key›", text)
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def wait_of(headers: Mapping[str, str]) -> float | None:
    """The seconds a server asks to wait: `retry-after-ms`, or `retry-after` in seconds or as a date."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        if re.fullmatch(r"\d+(\.\d+)?", text):
            return float(text) / unit
        if name == "retry-after" and text:
            try:
                return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
            except ValueError:
                return None
    return None


def of_status(status: int, text: str, *, word: str = "", headers: Mapping[str, str] | None = None) -> Trouble:
    """The trouble that an HTTP status means. `word` is the provider's own name for it, where there is one."""
    headers = {} if headers is None else headers
    again = status in (408, 409, 429) or status >= 500
    if word == "insufficient_quota":
        status, again = 402, False
    elif headers.get("x-should-retry") in ("true", "false"):
        again = headers["x-should-retry"] == "true"
    if status in (401, 403):
        code = AUTH
    elif status == 402:
        code = QUOTA
    elif status == 429:
        code = RATE
    elif status in (503, 529):
        code = OVERLOADED
    elif status in (408, 504):
        code = TIMEOUT
    elif status == 409 or status >= 500:
        code = SERVER
    else:
        code = REQUEST
    shown = f"HTTP {status}: {text}" if text else f"HTTP {status}"
    return Trouble(code, shown, again=again, wait=wait_of(headers), why=f"HTTP {status}")


def of_word(word: str, text: str) -> Trouble:
    """The trouble that a provider names in mid-stream; one that it has no name for may pass."""
    status = _WORDS.get(word, 500)
    found = of_status(status, "", word=word)
    what = word or "error"
    return Trouble(found.code, f"{what}: {text}" if text else what, again=found.again, why=what)


def timeout(text: str) -> Trouble:
    """No answer in time."""
    return Trouble(TIMEOUT, text, again=True, why="timeout")


def connection(text: str) -> Trouble:
    """The connection could not be made, or broke."""
    return Trouble(CONNECTION, text, again=True, why="connection")


def malformed(text: str) -> Trouble:
    """An answer that is not what the API says; asking again would only cost the same again."""
    return Trouble(MALFORMED, text)


def refused(text: str) -> Trouble:
    """The model or its provider declined to answer."""
    return Trouble(REFUSED, text)


class Misshapen(ValueError):
    """An answer lacks something the API promises; raised and caught inside a backend."""


def at(data: Any, *path: str | int) -> Any:
    """What lies at a path of keys and indices in JSON data, None where there is nothing."""
    for step in path:
        if isinstance(step, int):
            if not isinstance(data, list) or step >= len(data):
                return None
            data = data[step]
        else:
            if not isinstance(data, dict):
                return None
            data = data.get(step)
    return data


def text_at(data: Any, *path: str | int) -> str:
    """The text at a path, empty where there is none."""
    found = at(data, *path)
    return found if isinstance(found, str) else ""


def int_at(data: Any, *path: str | int) -> int:
    """The number at a path, 0 where there is none."""
    found = at(data, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) else 0


def list_at(data: Any, *path: str | int) -> list[Any]:
    """The list at a path. Raises Misshapen where there is none."""
    found = at(data, *path)
    if not isinstance(found, list):
        raise Misshapen(f"no {'.'.join(str(step) for step in path)} in the answer")
    return found
