"""Secrets never get through the redactor, whatever they look like and however they are cut."""

from __future__ import annotations

import base64
import html
import itertools
import json
import logging
import os
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shepherd_dsl.core.value import UNIT, Blob, Con, Dec, Record, Value, equal, record
from shepherd_dsl.handlers.secrets import MINIMUM, Redactor, find_secrets

VALUE = 'sk/Zürich+"9&x=%7\\q~é'
MARK = "‹secret MY_TOKEN›"
PEM = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEF\nAASCBKcwggSjAgEAAoIBAQC7VJTU\n-----END KEY-----\n"

FORMS = {
    "plain": VALUE,
    "json": json.dumps(VALUE)[1:-1],
    "json, not escaped": json.dumps(VALUE, ensure_ascii=False)[1:-1],
    "json in json": json.dumps(json.dumps(VALUE))[3:-3],
    "json with escaped slashes": json.dumps(VALUE)[1:-1].replace("/", "\\/"),
    "url": urllib.parse.quote(VALUE),
    "url, all": urllib.parse.quote(VALUE, safe=""),
    "form": urllib.parse.quote_plus(VALUE),
    "html": html.escape(VALUE),
    "python": repr(VALUE)[1:-1],
    "python bytes": repr(VALUE.encode())[2:-1],
    "hex": VALUE.encode().hex(),
    "HEX": VALUE.encode().hex().upper(),
    "base64": base64.b64encode(VALUE.encode()).decode(),
    "base64url": base64.urlsafe_b64encode(VALUE.encode()).decode(),
}


def leaks(text: str, value: str = VALUE) -> bool:
    """Whether `text` still holds the value, decoded in any of the ways the module names."""
    encoded = value.encode()
    cores = [base64.b64encode(b"\0" * k + encoded)[4:-4].decode() for k in range(3)]
    cores += [core.replace("+", "-").replace("/", "_") for core in cores]
    known = [value, encoded.hex(), urllib.parse.quote(value, safe=""), json.dumps(value)[1:-1], *cores]
    return any(form.lower() in text.lower() for form in known)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_replaced(form: str) -> None:
    text = Redactor({"MY_TOKEN": VALUE}).text(f"before {FORMS[form]} after")
    assert not leaks(text)
    assert text.startswith("before ‹secret MY_TOKEN›")
    assert text.endswith(" after")


@pytest.mark.parametrize("code", ["utf-16-le", "utf-16-be", "utf-16"])
@pytest.mark.parametrize("value", [VALUE, PEM])
def test_texts_in_utf_16(code: str, value: str) -> None:
    redactor = Redactor({"MY_TOKEN": value})
    for text in (value.strip(), value.strip().replace("\n", "\r\n")):
        data = redactor.data(f"before {text} after".encode(code))
        assert MARK.encode() in data
        for part in text.splitlines():
            if "-----" not in part or value is VALUE:
                assert part.encode(code)[-2 * len(part) :] not in data


@pytest.mark.parametrize("code", ["utf-16-le", "utf-16-be"])
def test_a_whole_text_in_utf_16(code: str) -> None:
    # Alone, neither byte order is found within the other by accident.
    for value in (VALUE, "пароль-密码-0123"):
        assert Redactor({"MY_TOKEN": value}).data(value.encode(code)) == MARK.encode()


def test_a_line_of_a_key_in_utf_16() -> None:
    line = PEM.splitlines()[2]
    assert line.encode("utf-16-le") not in Redactor({"MY_TOKEN": PEM}).data(f"x{line}y".encode("utf-16-le"))


def test_a_value_that_is_no_text_has_no_form_in_utf_16() -> None:
    value = os.fsdecode(b"\xff\xfe0123456789")
    assert Redactor({"MY_TOKEN": value}).data(b"a " + os.fsencode(value)) == b"a " + MARK.encode()


def test_lower_case_percent_escapes() -> None:
    value = "SECRET/VALUE:WITH ü"
    quoted = urllib.parse.quote(value, safe="")
    lower = quoted.replace("%2F", "%2f").replace("%3A", "%3a").replace("%C3%BC", "%c3%bc")
    assert Redactor({"MY_TOKEN": value}).text(lower) == MARK


@given(before=st.binary(max_size=9), after=st.binary(max_size=9))
def test_inside_a_longer_base64_text(before: bytes, after: bytes) -> None:
    redactor = Redactor({"MY_TOKEN": "AKIAIOSFODNN7EXAMPLE"})
    whole = before + b"AKIAIOSFODNN7EXAMPLE" + after
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        text = redactor.text(encode(whole).decode())
        assert MARK in text
        assert not leaks(text, "AKIAIOSFODNN7EXAMPLE")


@pytest.mark.parametrize("width", [64, 76])
def test_base64_in_lines(width: int) -> None:
    value = "".join(f"{number:04d}-" for number in range(60))
    encoded = base64.b64encode(value.encode()).decode()
    lines = [encoded[at : at + width] for at in range(0, len(encoded), width)]
    clean = Redactor({"MY_TOKEN": value}).text("\n".join(lines))
    assert not any(line in clean for line in lines if len(line) >= 16)


def test_the_lines_of_a_key() -> None:
    redactor = Redactor({"MY_PRIVATE_KEY": PEM})
    for text in (PEM, PEM.replace("\n", "\r\n"), "  | " + PEM.replace("\n", "\n  | "), json.dumps(PEM)):
        clean = redactor.text(text)
        assert "MIIEvQIBADANBgkqhkiG9w0BAQEF" not in clean
        assert "AASCBKcwggSjAgEAAoIBAQC7VJTU" not in clean
    assert redactor.text("-----BEGIN KEY-----") == "-----BEGIN KEY-----"


def test_secrets_that_overlap_leave_nothing_over() -> None:
    redactor = Redactor({"A_TOKEN": "abcdefghijkl", "B_TOKEN": "ijklmnopqrst", "C_TOKEN": "abcdefgh"})
    assert redactor.text("<abcdefghijklmnopqrst>") == "<‹secret A_TOKEN›>"
    assert redactor.text("<abcdefgh>") == "<‹secret C_TOKEN›>"
    assert redactor.text("<abcdefghijkl><ijklmnopqrst>") == "<‹secret A_TOKEN›><‹secret B_TOKEN›>"


def test_bytes_of_any_kind() -> None:
    redactor = Redactor({"MY_TOKEN": VALUE})
    assert redactor.data(b"\xff\0" + VALUE.encode() + b"\xfe") == b"\xff\0" + MARK.encode() + b"\xfe"
    clean = b"\xff nothing here"
    assert redactor.data(clean) is clean


def test_values_are_rebuilt_only_where_they_must() -> None:
    redactor = Redactor({"MY_TOKEN": VALUE})
    value = Con("Ok", (record(out=f"x{VALUE}", code=0, files=(Blob("0" * 40, 1), Dec(1, 1), True, UNIT)),))
    clean = redactor.value(value)
    expected = Con("Ok", (record(out=f"x{MARK}", code=0, files=(Blob("0" * 40, 1), Dec(1, 1), True, UNIT)),))
    assert equal(clean, expected)
    assert redactor.value(clean) is clean


def test_labels_and_names_too() -> None:
    redactor = Redactor({"MY_TOKEN": VALUE, "TWO_TOKEN": VALUE})
    clean = redactor.value(record([(VALUE, VALUE), (MARK, 1)]))
    assert isinstance(clean, Record)
    assert [label for label, _ in clean.fields] == [MARK, f"{MARK}#2"]
    assert redactor.value(Con(VALUE)).name == MARK


def test_a_deep_value_needs_no_recursion() -> None:
    value: Value = VALUE
    for _ in range(20_000):
        value = (value,)
    clean = Redactor({"MY_TOKEN": VALUE}).value(value)
    while isinstance(clean, tuple):
        (clean,) = clean
    assert clean == MARK


ALPHABET = st.sampled_from("ab")
SECRETS = st.lists(st.text(ALPHABET, min_size=2, max_size=6), min_size=1, max_size=4)


@given(SECRETS, st.text(st.sampled_from("abc"), max_size=60), st.lists(st.integers(0, 60), max_size=8))
def test_pieces_give_what_the_whole_gives(values: list[str], text: str, cuts: list[int]) -> None:
    redactor = Redactor({f"S{i}": value for i, value in enumerate(values)})
    data = text.encode()
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    stream = redactor.stream()
    pieces = [stream.feed(data[start:end]) for start, end in itertools.pairwise(places)]
    assert b"".join([*pieces, stream.finish()]) == redactor.data(data)


@given(SECRETS, st.text(st.sampled_from("abc"), max_size=60))
def test_no_secret_is_left(values: list[str], text: str) -> None:
    clean = Redactor({f"S{i}": value for i, value in enumerate(values)}).text(text)
    rest = [part.split("›")[-1] for part in clean.split("‹")]
    assert not any(value in part for value in values for part in rest)
    assert "".join(rest).count("c") == text.count("c")


def test_what_cannot_become_a_secret_is_shown_at_once() -> None:
    stream = Redactor({"MY_TOKEN": "x" * 500 + "y"}).stream()
    assert stream.feed(b"no secret begins here: ") == b"no secret begins here: "
    assert stream.feed(b"but here: xxx") == b"but here: "
    assert stream.feed(b" not") == b"xxx not"


def test_log_records_and_tracebacks() -> None:
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    handler = Keep()
    handler.addFilter(Redactor({"MY_TOKEN": VALUE}).log_filter())
    logger = logging.Logger("test")
    logger.addHandler(handler)
    try:
        raise RuntimeError(f"with {VALUE}")
    except RuntimeError:
        logger.exception("failed: %s", VALUE)
    assert VALUE not in lines[0]
    assert lines[0].count(MARK) == 2
    assert "Traceback" in lines[0]


class TestFinding:
    def test_defaults(self) -> None:
        environ = {
            "OPENAI_API_KEY": "0123456789",
            "my_token": "0123456789",
            "AWS_ACCESS_KEY_ID": "0123456789",
            "AWS_REGION": "eu-central-1",
            "DB_PASSWORD": "0123456789",
            "HOME": "/home/somebody",
            "TOKENIZERS_PARALLELISM": "true-or-false",
        }
        found = find_secrets(environ)
        assert sorted(found.values) == ["AWS_ACCESS_KEY_ID", "DB_PASSWORD", "OPENAI_API_KEY", "my_token"]

    def test_declared_ones(self) -> None:
        environ = {"SHEPHERD_SECRETS": "ONE, TWO*", "ONE": "0123456789", "TWO_B": "0123456789", "THREE": "0123456789"}
        assert sorted(find_secrets(environ).values) == ["ONE", "TWO_B"]
        assert sorted(find_secrets(environ, names=["THREE"]).values) == ["ONE", "THREE", "TWO_B"]

    def test_excluded_ones(self) -> None:
        environ = {"X_TOKEN": "0123456789"}
        assert find_secrets(environ, exclude=["X_TOKEN"]).values == {}
        assert list(find_secrets(environ, exclude=["X_TOKEN"], names=["X_TOKEN"]).values) == ["X_TOKEN"]

    def test_short_ones_are_reported_and_not_used(self) -> None:
        found = find_secrets({"A_TOKEN": "x" * (MINIMUM - 1), "B_TOKEN": "x" * MINIMUM, "C_TOKEN": ""})
        assert found.too_short == ("A_TOKEN",)
        assert list(found.values) == ["B_TOKEN"]

    def test_repr_shows_no_value(self) -> None:
        assert "0123456789" not in repr(find_secrets({"A_TOKEN": "0123456789"}))

    def test_bytes_that_are_not_utf8(self) -> None:
        value = b"caf\xe9-0123456789".decode("utf-8", "surrogateescape")
        redactor = Redactor(find_secrets({"A_TOKEN": value}).values)
        assert redactor.data(b"<caf\xe9-0123456789>") == "<‹secret A_TOKEN›>".encode()
