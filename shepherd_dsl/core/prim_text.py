"""Primitives on texts and globs. Lengths and indices count Unicode scalar values."""

from __future__ import annotations

import re

from shepherd_dsl.core import match
from shepherd_dsl.core.display import display
from shepherd_dsl.core.fault import Fault, too_large, wrong
from shepherd_dsl.core.jsontext import int_from, int_text
from shepherd_dsl.core.limits import INT_BITS, INT_DIGITS, LIST_ITEMS, TEXT_CHARS, VALUE_NODES
from shepherd_dsl.core.value import Con, Value, children, handles_in

_INT = re.compile(r"-?[0-9]+")
_WHITE = " \t\n\r\v\f"
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_UPPER = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}
_NONE = Con("None")


def _text(name: str, position: int, value: Value) -> str:
    if type(value) is not str:
        raise wrong(name, position, "a text", value)
    return value


def _short(name: str, size: int) -> None:
    if size > TEXT_CHARS:
        raise too_large(name, f"a text has at most {TEXT_CHARS} characters")


def shown(name: str, value: Value) -> str:
    """How `text` shows a value: a text as it is, the rest as `core/display.py` says. A run faults `handle`."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[return-value]
    if kind is int:
        return int_text(value)  # type: ignore[arg-type]
    if kind is not bool:
        bounded(name, value)
        if next(handles_in(value), None) is not None:
            raise Fault("handle", f"{name}: a run has no text")
    return display(value)


def bounded(name: str, value: Value) -> None:
    """Fault `size` where `value` holds more than `VALUE_NODES` values.

    Values share their parts, so a few steps can build one whose text would not fit into any memory.
    """
    nodes, chars = 0, 0
    todo = [value]
    while todo:
        top = todo.pop()
        nodes += 1
        if type(top) is str:
            chars += len(top)
        inner = children(top)
        if inner:
            todo.extend(inner)
        if nodes + len(todo) > VALUE_NODES or chars > TEXT_CHARS:
            raise too_large(name, f"a value that is printed holds at most {VALUE_NODES} values")


def text(*parts: Value) -> Value:
    """The display of each argument, one after the other."""
    joined = "".join([part if type(part) is str else shown("text", part) for part in parts])
    _short("text", len(joined))
    return joined


def text_len(value: Value) -> Value:
    """The number of characters."""
    return len(_text("text_len", 1, value))


def text_slice(value: Value, start: Value, end: Value) -> Value:
    """The characters from index `start` up to before `end`; what is outside the text is cut off."""
    found = _text("text_slice", 1, value)
    if type(start) is not int:
        raise wrong("text_slice", 2, "an int", start)
    if type(end) is not int:
        raise wrong("text_slice", 3, "an int", end)
    return found[max(0, start) : max(0, end)]


def text_split(value: Value, separator: Value) -> Value:
    """The parts between the separators; an empty separator splits into characters."""
    found, sep = _text("text_split", 1, value), _text("text_split", 2, separator)
    size = found.count(sep) + 1 if sep else len(found)
    if size > LIST_ITEMS:
        raise too_large("text_split", f"a list has at most {LIST_ITEMS} elements")
    return tuple(found.split(sep)) if sep else tuple(found)


def text_join(parts: Value, separator: Value) -> Value:
    """The texts of a list with the separator between."""
    if type(parts) is not tuple:
        raise wrong("text_join", 1, "a list", parts)
    sep = _text("text_join", 2, separator)
    size = len(sep) * max(0, len(parts) - 1)
    for part in parts:
        if type(part) is not str:
            raise wrong("text_join", 1, "a list of texts", part)
        size += len(part)
    _short("text_join", size)
    return sep.join(parts)  # type: ignore[arg-type]


def text_trim(value: Value) -> Value:
    """Without the ASCII white space at both ends."""
    return _text("text_trim", 1, value).strip(_WHITE)


def text_lower(value: Value) -> Value:
    """With `a` to `z` for `A` to `Z`."""
    return _text("text_lower", 1, value).translate(_LOWER)


def text_upper(value: Value) -> Value:
    """With `A` to `Z` for `a` to `z`."""
    return _text("text_upper", 1, value).translate(_UPPER)


def text_contains(value: Value, part: Value) -> Value:
    """Whether `part` occurs."""
    return _text("text_contains", 2, part) in _text("text_contains", 1, value)


def text_starts(value: Value, part: Value) -> Value:
    """Whether the text begins with `part`."""
    return _text("text_starts", 1, value).startswith(_text("text_starts", 2, part))


def text_ends(value: Value, part: Value) -> Value:
    """Whether the text ends with `part`."""
    return _text("text_ends", 1, value).endswith(_text("text_ends", 2, part))


def text_find(value: Value, part: Value) -> Value:
    """`Some` of the index where `part` occurs first, or `None`."""
    at = _text("text_find", 1, value).find(_text("text_find", 2, part))
    return _NONE if at < 0 else Con("Some", (at,))


def text_replace(value: Value, old: Value, new: Value) -> Value:
    """Every non-overlapping occurrence of `old`, left to right, replaced; an empty `old` occurs nowhere."""
    found, before, after = _text("text_replace", 1, value), _text("text_replace", 2, old), _text("text_replace", 3, new)
    if not before:
        return found
    _short("text_replace", len(found) + found.count(before) * (len(after) - len(before)))
    return found.replace(before, after)


def text_int(value: Value) -> Value:
    """`Some` of the int that ASCII digits, perhaps after a `-`, say; else `None`."""
    found = _text("text_int", 1, value)
    if _INT.fullmatch(found) is None:
        return _NONE
    sign, digits = ("-", found[1:]) if found[0] == "-" else ("", found)
    digits = digits.lstrip("0") or "0"
    number = int_from(sign + digits) if len(digits) <= INT_DIGITS else 0
    if len(digits) > INT_DIGITS or number.bit_length() > INT_BITS:
        raise too_large("text_int", f"an integer has at most {INT_BITS} bits")
    return Con("Some", (number,))


def words(value: Value) -> Value:
    """`Some` of the words of a command, quotes resolved; `None` where a quote is open."""
    found = match.words(_text("words", 1, value))
    if found is None:
        return _NONE
    if len(found) > LIST_ITEMS:
        raise too_large("words", f"a list has at most {LIST_ITEMS} elements")
    return Con("Some", (found,))


def match_text(value: Value, glob: Value) -> Value:
    """Whether the text matches the text glob."""
    return match.match_text(_text("match_text", 1, value), _text("match_text", 2, glob))


def match_path(value: Value, glob: Value) -> Value:
    """Whether the text is a normal path that matches the path glob."""
    return match.match_path(_text("match_path", 1, value), _text("match_path", 2, glob))


def match_words(value: Value, glob: Value) -> Value:
    """Whether the command, as a text or a list of its words, matches the words glob."""
    pattern = _text("match_words", 2, glob)
    if type(value) is tuple:
        for word in value:
            if type(word) is not str:
                raise wrong("match_words", 1, "a text or a list of texts", word)
        return match.match_words(value, pattern)  # type: ignore[arg-type]
    if type(value) is not str:
        raise wrong("match_words", 1, "a text or a list of texts", value)
    return match.match_words(value, pattern)
