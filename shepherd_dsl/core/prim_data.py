"""Primitives on booleans, numbers, lists, records and variants.

They are called for every local step, so each does the least that makes it total, and builds its fault apart.
"""

from __future__ import annotations

from shepherd_dsl.core.fault import KINDS, Fault, too_large, wrong
from shepherd_dsl.core.limits import DEC_SCALE, INT_BITS, LIST_ITEMS
from shepherd_dsl.core.value import Agent, Blob, Con, Dec, Record, Value, dec, equal

_INLINE = frozenset((str, int, bool))  # kinds on which Python's equality is that of values, once the kinds are equal


def eq(left: Value, right: Value) -> Value:
    """Structural equality; values of different kinds are unequal."""
    if type(left) is type(right) and type(left) in _INLINE:
        return left == right
    return equal(left, right)


def not_(value: Value) -> Value:
    """Negation."""
    if type(value) is not bool:
        raise wrong("not", 1, "a bool", value)
    return not value


# Numbers


def _small(name: str, number: int) -> int:
    if number.bit_length() > INT_BITS:
        raise too_large(name, f"an integer has at most {INT_BITS} bits")
    return number


def _small_dec(name: str, number: Dec) -> Dec:
    if number.scale > DEC_SCALE:
        raise too_large(name, f"a decimal has at most {DEC_SCALE} digits after the point")
    _small(name, number.coef)
    return number


def _decs(name: str, left: Value, right: Value) -> tuple[Dec, Dec]:
    """Both as decimals, where both are numbers."""
    return _as_dec(name, 1, left), _as_dec(name, 2, right)


def _as_dec(name: str, position: int, value: Value) -> Dec:
    if type(value) is Dec:
        return value
    if type(value) is int:
        return Dec(value, 0)
    raise wrong(name, position, "a number", value)


def _aligned(left: Dec, right: Dec) -> tuple[int, int, int]:
    """Both coefficients at the larger scale, and that scale."""
    if left.scale == right.scale:
        return left.coef, right.coef, left.scale
    if left.scale < right.scale:
        return left.coef * 10 ** (right.scale - left.scale), right.coef, right.scale
    return left.coef, right.coef * 10 ** (left.scale - right.scale), left.scale


def add(left: Value, right: Value) -> Value:
    """The sum; an int with a dec counts as a dec."""
    if type(left) is int and type(right) is int:
        total = left + right
        return total if total.bit_length() <= INT_BITS else _small("add", total)
    a, b, scale = _aligned(*_decs("add", left, right))
    return _small_dec("add", dec(a + b, scale))


def sub(left: Value, right: Value) -> Value:
    """The difference; an int with a dec counts as a dec."""
    if type(left) is int and type(right) is int:
        total = left - right
        return total if total.bit_length() <= INT_BITS else _small("sub", total)
    a, b, scale = _aligned(*_decs("sub", left, right))
    return _small_dec("sub", dec(a - b, scale))


def mul(left: Value, right: Value) -> Value:
    """The product; an int with a dec counts as a dec."""
    if type(left) is int and type(right) is int:
        return _small("mul", left * right)
    a, b = _decs("mul", left, right)
    return _small_dec("mul", dec(a.coef * b.coef, a.scale + b.scale))


def neg(number: Value) -> Value:
    """The number with the other sign."""
    if type(number) is int:
        return -number
    if type(number) is Dec:
        return Dec(-number.coef, number.scale)
    raise wrong("neg", 1, "a number", number)


def _int(name: str, position: int, value: Value) -> int:
    if type(value) is not int:
        raise wrong(name, position, "an int", value)
    return value


def div(left: Value, right: Value) -> Value:
    """The quotient of two ints, rounded down."""
    a, b = _int("div", 1, left), _int("div", 2, right)
    if b == 0:
        raise Fault("zero", "div: division by zero")
    return a // b


def mod(left: Value, right: Value) -> Value:
    """What `div` leaves; it has the sign of `right`."""
    a, b = _int("mod", 1, left), _int("mod", 2, right)
    if b == 0:
        raise Fault("zero", "mod: division by zero")
    return a % b


def lt(left: Value, right: Value) -> Value:
    """Whether `left` is less: two numbers, or two texts by code point."""
    if (type(left) is int and type(right) is int) or (type(left) is str and type(right) is str):
        return bool(left < right)  # type: ignore[operator]
    a, b, _ = _aligned(*_comparable("lt", left, right))
    return a < b


def le(left: Value, right: Value) -> Value:
    """Whether `left` is less or equal: two numbers, or two texts by code point."""
    if (type(left) is int and type(right) is int) or (type(left) is str and type(right) is str):
        return bool(left <= right)  # type: ignore[operator]
    a, b, _ = _aligned(*_comparable("le", left, right))
    return a <= b


def _comparable(name: str, left: Value, right: Value) -> tuple[Dec, Dec]:
    if type(left) is str:
        raise wrong(name, 2, "a text", right)
    if type(left) is not int and type(left) is not Dec:
        raise wrong(name, 1, "a number or a text", left)
    return _decs(name, left, right)


def dec_int(number: Value) -> Value:
    """The largest int that is not above the dec."""
    if type(number) is not Dec:
        raise wrong("dec_int", 1, "a dec", number)
    return int(number.coef // 10**number.scale)


def int_dec(number: Value) -> Value:
    """The dec of an int."""
    return Dec(_int("int_dec", 1, number), 0)


# Lists


def _list(name: str, position: int, value: Value) -> tuple[Value, ...]:
    if type(value) is not tuple:
        raise wrong(name, position, "a list", value)
    return value


def _short(name: str, size: int) -> None:
    if size > LIST_ITEMS:
        raise too_large(name, f"a list has at most {LIST_ITEMS} elements")


def list_(*items: Value) -> Value:
    """The list of the arguments."""
    return items


def len_(items: Value) -> Value:
    """The number of elements."""
    if type(items) is not tuple:
        raise wrong("len", 1, "a list", items)
    return len(items)


def get(items: Value, index: Value) -> Value:
    """The element at `index`, from 0."""
    if type(items) is not tuple:
        raise wrong("get", 1, "a list", items)
    if type(index) is not int:
        raise wrong("get", 2, "an int", index)
    if 0 <= index < len(items):
        return items[index]
    raise Fault("index", f"get: no element at the index given; the list has {len(items)}")


def cons(item: Value, items: Value) -> Value:
    """The list with `item` before it."""
    if type(items) is not tuple:
        raise wrong("cons", 2, "a list", items)
    if len(items) >= LIST_ITEMS:
        _short("cons", len(items) + 1)
    return (item, *items)


def append(items: Value, item: Value) -> Value:
    """The list with `item` behind it."""
    if type(items) is not tuple:
        raise wrong("append", 1, "a list", items)
    if len(items) >= LIST_ITEMS:
        _short("append", len(items) + 1)
    return (*items, item)


def concat(left: Value, right: Value) -> Value:
    """The elements of `left`, then those of `right`."""
    a, b = _list("concat", 1, left), _list("concat", 2, right)
    _short("concat", len(a) + len(b))
    return a + b


def slice_(items: Value, start: Value, end: Value) -> Value:
    """The elements from index `start` up to before `end`; what is outside the list is cut off."""
    found = _list("slice", 1, items)
    return found[max(0, _int("slice", 2, start)) : max(0, _int("slice", 3, end))]


def reverse(items: Value) -> Value:
    """The elements, last first."""
    return _list("reverse", 1, items)[::-1]


def contains(items: Value, item: Value) -> Value:
    """Whether an element equals `item`."""
    return any(equal(inner, item) for inner in _list("contains", 1, items))


def range_(start: Value, end: Value) -> Value:
    """The ints from `start` up to before `end`."""
    low, high = _int("range", 1, start), _int("range", 2, end)
    _short("range", high - low)
    return tuple(range(low, high))


# Records


def record_(*parts: Value) -> Value:
    """The record of the labels and values given in turn."""
    if len(parts) % 2:
        raise Fault("name", f"record: labels and values in turn, got {len(parts)} arguments")
    fields: dict[str, Value] = {}
    for at in range(0, len(parts), 2):
        label = parts[at]
        if type(label) is not str:
            raise wrong("record", at + 1, "a text", label)
        if label in fields:
            raise Fault("type", f"record: label given twice: {label}")
        fields[label] = parts[at + 1]
    return Record(tuple(sorted(fields.items(), key=_label)))


def _label(field: tuple[str, Value]) -> str:
    return field[0]


def field(holder: Value, label: Value) -> Value:
    """The value under `label`."""
    if type(holder) is not Record:
        raise wrong("field", 1, "a record", holder)
    for name, value in holder.fields:
        if name == label:
            return value
    if type(label) is not str:
        raise wrong("field", 2, "a text", label)
    raise Fault("type", f"field: no label {label}")


def with_(holder: Value, label: Value, value: Value) -> Value:
    """The record with another value under `label`, which it must have."""
    if type(holder) is not Record:
        raise wrong("with", 1, "a record", holder)
    if type(label) is not str:
        raise wrong("with", 2, "a text", label)
    for at, (name, _) in enumerate(holder.fields):
        if name == label:
            return Record((*holder.fields[:at], (label, value), *holder.fields[at + 1 :]))
    raise Fault("type", f"with: no label {label}")


def labels(holder: Value) -> Value:
    """The labels, in the order of their code points."""
    if type(holder) is not Record:
        raise wrong("labels", 1, "a record", holder)
    return tuple([name for name, _ in holder.fields])


# Variants, agents, blobs, kinds


def con(name: Value, *args: Value) -> Value:
    """The variant `name` of the arguments."""
    if type(name) is not str:
        raise wrong("con", 1, "a text", name)
    return Con(name, args)


def con_name(value: Value) -> Value:
    """The name of a variant."""
    if type(value) is not Con:
        raise wrong("con_name", 1, "a variant", value)
    return value.name


def con_arg(value: Value, index: Value) -> Value:
    """The argument of a variant at `index`, from 0."""
    if type(value) is not Con:
        raise wrong("con_arg", 1, "a variant", value)
    if type(index) is not int:
        raise wrong("con_arg", 2, "an int", index)
    if 0 <= index < len(value.args):
        return value.args[index]
    raise Fault("index", f"con_arg: no argument at the index given; {value.name} has {len(value.args)}")


def is_con(value: Value, name: Value, arity: Value) -> Value:
    """Whether `value` is the variant `name` with `arity` arguments; any value may be asked."""
    if type(name) is not str:
        raise wrong("is_con", 2, "a text", name)
    if type(arity) is not int:
        raise wrong("is_con", 3, "an int", arity)
    return type(value) is Con and value.name == name and len(value.args) == arity


def kind(value: Value) -> Value:
    """What sort of value it is, as a text."""
    return KINDS[type(value)]


def agent_name(agent: Value) -> Value:
    """The name of an agent value."""
    if type(agent) is not Agent:
        raise wrong("agent_name", 1, "an agent", agent)
    return agent.name


def blob_size(blob: Value) -> Value:
    """The bytes of a blob, counted."""
    if type(blob) is not Blob:
        raise wrong("blob_size", 1, "a blob", blob)
    return blob.size


def blob_hash(blob: Value) -> Value:
    """The Git blob hash of a blob, as 40 hexadecimal digits."""
    if type(blob) is not Blob:
        raise wrong("blob_hash", 1, "a blob", blob)
    return blob.hash


# Ending the run


def fail(code: Value, text: Value) -> Value:
    """Always the fault `{code, text}`."""
    if type(code) is not str:
        raise wrong("fail", 1, "a text", code)
    if type(text) is not str:
        raise wrong("fail", 2, "a text", text)
    raise Fault(code, text)


def raise_(error: Value) -> Value:
    """Always the fault that the error value `{code, text}` says."""
    if type(error) is Record and len(error.fields) == 2:
        (first, code), (second, text) = error.fields
        if first == "code" and second == "text" and type(code) is str and type(text) is str:
            raise Fault(code, text)
    raise wrong("raise", 1, "an error {code: Text, text: Text}", error)
