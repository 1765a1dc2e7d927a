"""What the two official SDKs have in common: lazy import, their exceptions as `Trouble`, the key and the client."""

from __future__ import annotations

import importlib
import importlib.util
import urllib.parse
from typing import Any

from shepherd_dsl.errors import HandlerError, MissingExtraError
from shepherd_dsl.handlers.model.chat import Trouble
from shepherd_dsl.handlers.model.failure import (
    at,
    connection,
    malformed,
    of_status,
    of_word,
    scrub,
    text_at,
    timeout,
)
from shepherd_dsl.handlers.model.options import ModelOptions


def require(package: str, *, needed_for: str) -> None:
    """Raises MissingExtraError where an SDK is not installed. Imports nothing: an import costs a second."""
    if importlib.util.find_spec(package) is None:
        raise MissingExtraError(package, needed_for=needed_for)


def key_of(options: ModelOptions, variable: str, *, needed_for: str) -> str:
    """The API key from the options or the environment, without white space around it.

    Raises HandlerError `model.key` naming the variable where there is none, or one that cannot stand in a header (the
    HTTP library would quote it in its own error).
    """
    key = (options.api_key or options.environ.get(variable, "")).strip()
    if not (key.isascii() and key.isprintable()):
        raise HandlerError(
            "model.key",
            f"the API key for {needed_for} has characters that no key has",
            hint=f"set {variable} again, to the key alone",
        )
    if not key:
        raise HandlerError(
            "model.key",
            f"{needed_for} needs an API key, and {variable} is not set",
            hint=f"export {variable}=…, or choose another model (`local` needs no key)",
        )
    return key


def load(package: str) -> Any:
    """The SDK itself."""
    return importlib.import_module(package)


def http_client(options: ModelOptions, base_url: str) -> Any:
    """The HTTP client of an SDK.

    A server on this machine without TLS is reached past proxies. Redirects are not followed: HTTP libraries take only
    `Authorization` away on the way to another server, not a key in `x-api-key`, and no provider redirects its API.
    """
    httpx2 = importlib.import_module("httpx2")
    limit = httpx2.Timeout(options.idle, connect=min(options.idle, 30.0))
    url = urllib.parse.urlsplit(base_url)
    if url.scheme == "http" and url.hostname in ("127.0.0.1", "::1", "localhost"):
        # Without TLS there is no need to load certificates, which takes longer than all the rest.
        return httpx2.AsyncClient(timeout=limit, trust_env=False, verify=False, follow_redirects=False)
    return httpx2.AsyncClient(timeout=limit, follow_redirects=False)


def caught(package: str) -> tuple[type[BaseException], ...]:
    """The exceptions by which an SDK says that a try failed; ValueError is for bodies that are not JSON."""
    sdk = load(package)
    base = sdk.AnthropicError if package == "anthropic" else sdk.OpenAIError
    return (base, importlib.import_module("httpx2").HTTPError, ValueError)


def _inner(body: Any) -> Any:
    """The error object in a body: Anthropic nests it, OpenAI's SDK has unpacked it."""
    nested = at(body, "error")
    return nested if isinstance(nested, dict) else body


def trouble_of(package: str, problem: BaseException, secrets: tuple[str, ...]) -> Trouble:
    """What an SDK's exception means."""
    sdk = load(package)
    httpx2 = importlib.import_module("httpx2")
    if isinstance(problem, (sdk.APITimeoutError, httpx2.TimeoutException)):
        return timeout("the server did not answer in time")
    if isinstance(problem, (sdk.APIConnectionError, httpx2.HTTPError)):
        cause = problem.__cause__ if isinstance(problem, sdk.APIConnectionError) else problem
        return connection(f"no connection, or it broke: {scrub(str(cause or problem), secrets)}")
    if isinstance(problem, sdk.APIStatusError):
        error = _inner(problem.body)
        word = text_at(error, "code") if text_at(error, "code") == "insufficient_quota" else text_at(error, "type")
        text = scrub(text_at(error, "message") or (problem.body if isinstance(problem.body, str) else ""), secrets)
        status = int(problem.status_code)
        if status < 400:
            return of_word(word, text)
        headers = {str(name).lower(): str(value) for name, value in problem.response.headers.items()}
        return of_status(status, text, word=word, headers=headers)
    if isinstance(problem, sdk.APIResponseValidationError):
        return malformed("the answer is not what the API promises")
    if isinstance(problem, sdk.APIError):
        error = _inner(problem.body)
        return of_word(text_at(error, "code") or text_at(error, "type"), scrub(str(problem), secrets))
    if isinstance(problem, ValueError):
        return malformed(f"the answer is not what the API promises: {scrub(str(problem), secrets)}")
    return malformed(scrub(str(problem), secrets))


def plain_data(answer: Any) -> dict[str, Any]:
    """An SDK's model as JSON data; ValueError where the body was not even JSON."""
    if not hasattr(answer, "to_dict"):
        raise ValueError("the body is not a JSON object")
    data = answer.to_dict(mode="json", warnings=False)
    if not isinstance(data, dict):
        raise ValueError("the body is not a JSON object")
    return data
