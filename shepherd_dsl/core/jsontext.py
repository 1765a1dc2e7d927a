"""JSON text, read strictly and printed canonically, without recursion and without Python's limits.

`json.loads` cannot serve where the answer must be the same everywhere: its errors differ between Python versions, its
depth depends on the caller's stack, it takes lone surrogates and `NaN`, and its integers stop at 4,300 digits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from json.encoder import encode_basestring
from typing import Any, Final

JSON_DEPTH: Final = 100
"""How deep the text of the primitive `json_parse` may nest."""

_CHUNK: Final = 500
"""Digits converted at once: Python never limits conversions of fewer than 640 digits, whatever its settings."""

_BASE: Final = 10**_CHUNK

quote: Callable[[str], str] = encode_basestring
"""A text as a JSON string: short escapes where JSON has them, `\\u00xx` (lower case) for the rest below U+0020."""

_TOKEN: Final = re.compile(
    r"""(?P<mark>[{}\[\],:])"""
    r"""|(?P<text>"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+")"""
    r"""|(?P<number>-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?)"""
    r"""|(?P<word>true|false|null)"""
)
_SPACE: Final = re.compile(r"[ \t\n\r]*+")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_WORDS: Final = {"true": True, "false": False, "null": None}


class JsonError(Exception):
    """A text that is not JSON: `what` is wrong at character `at` (from 0)."""

    def __init__(self, what: str, at: int) -> None:
        super().__init__(f"{what} at character {at}")
        self.what = what
        self.at = at


def is_scalar_text(text: str) -> bool:
    """Whether `text` is a sequence of Unicode scalar values, that is, has no lone surrogate."""
    return text.isascii() or _SURROGATE.search(text) is None


def int_text(number: int) -> str:
    """The decimal digits of `number`, however many."""
    try:
        return str(number)
    except ValueError:  # more digits than Python's setting allows in one go
        sign, number = ("-", -number) if number < 0 else ("", number)
        chunks: list[str] = []
        while number >= _BASE:
            number, low = divmod(number, _BASE)
            chunks.append(str(low).zfill(_CHUNK))
        chunks.append(str(number))
        return sign + "".join(reversed(chunks))


def int_from(digits: str) -> int:
    """The number written by `digits` (ASCII, perhaps with a leading `-`), however many."""
    if len(digits) <= _CHUNK:
        return int(digits)
    negative = digits[0] == "-"
    number = 0
    start = 1 if negative else 0
    first = (len(digits) - start) % _CHUNK
    if first:
        number = int(digits[start : start + first])
    for at in range(start + first, len(digits), _CHUNK):
        number = number * _BASE + int(digits[at : at + _CHUNK])
    return -number if negative else number


def read(text: str, *, depth: int, number: Callable[[str], Any]) -> Any:
    """The JSON value of `text`: dict, list, str, bool, None, and what `number` makes of a number's text.

    Raises JsonError where the text is no JSON, names a key twice in one object, has a lone surrogate, nests deeper
    than `depth`, or where `number` raises ValueError (whose text is then what is wrong).
    """
    root: list[Any] = []
    holders: list[Any] = [root]  # the containers that are open, outermost first
    keys: list[str] = []  # for each open object, the key whose value comes next
    at = _space(text, 0)
    wants_value, may_close = True, False
    while True:
        token = _TOKEN.match(text, at)
        if token is None:
            raise JsonError("unexpected end" if at >= len(text) else "unexpected character", at)
        kind, word, holder = token.lastgroup, token.group(), holders[-1]
        if not wants_value or (may_close and word in ("]", "}")):
            # After a value: `,` or the end of the holder; just after an opening: the end of the holder.
            closing = "}" if type(holder) is dict else "]"
            if word == closing:
                holders.pop()
                if closing == "}":
                    keys.pop()
                wants_value = may_close = False
            elif word == "," and not wants_value:
                wants_value, may_close = True, False
                if type(holder) is dict:
                    at = _key(text, _space(text, token.end()), holder, keys)
                    continue
            else:
                raise JsonError("unexpected character", at)
        elif kind == "mark":
            if word not in ("[", "{"):
                raise JsonError("unexpected character", at)
            if len(holders) > depth:
                raise JsonError(f"nesting deeper than {depth}", at)
            inner: Any = {} if word == "{" else []
            _put(holder, keys, inner)
            holders.append(inner)
            wants_value = may_close = True
            if word == "{":
                keys.append("")
                at = _space(text, token.end())
                if text[at : at + 1] == "}":
                    continue
                at = _key(text, at, inner, keys)
                may_close = False
                continue
        else:
            _put(holder, keys, _leaf(kind, word, at, number))
            wants_value = may_close = False
        at = _space(text, token.end())
        if len(holders) == 1:
            if at < len(text):
                raise JsonError("text after the value", at)
            return root[0]


def _space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _put(holder: Any, keys: list[str], value: Any) -> None:
    if type(holder) is dict:
        holder[keys[-1]] = value
    else:
        holder.append(value)


def _key(text: str, at: int, holder: dict[str, Any], keys: list[str]) -> int:
    """Read `"key":` at `at` into `keys[-1]`; gives the place of the value."""
    token = _TOKEN.match(text, at)
    if token is None or token.lastgroup != "text":
        raise JsonError("unexpected end" if at >= len(text) else "expected a key", at)
    key = _string(token.group(), at)
    if key in holder:
        raise JsonError(f"key given twice: {quote(key)}", at)
    keys[-1] = key
    colon = _space(text, token.end())
    if text[colon : colon + 1] != ":":
        raise JsonError("unexpected end" if colon >= len(text) else "expected `:`", colon)
    return _space(text, colon + 1)


def _leaf(kind: str | None, word: str, at: int, number: Callable[[str], Any]) -> Any:
    if kind == "text":
        return _string(word, at)
    if kind == "word":
        return _WORDS[word]
    try:
        return number(word)
    except ValueError as error:
        raise JsonError(str(error), at) from None


def _string(token: str, at: int) -> str:
    text: str = token[1:-1] if "\\" not in token else json.loads(token)
    if not is_scalar_text(text):
        raise JsonError("lone surrogate in the text", at)
    return text
