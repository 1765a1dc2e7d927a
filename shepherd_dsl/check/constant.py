"""Values that can be read off the tree."""

from __future__ import annotations

from shepherd_dsl.core.value import UNIT, Con, Dec, Value, dec, record
from shepherd_dsl.syntax import tree


def decimal(text: str) -> Dec:
    """The decimal that a literal writes (`-1.50`)."""
    whole, _, fraction = text.partition(".")
    return dec(int(whole + fraction), len(fraction))


def constant(expr: tree.Expr) -> Value | None:
    """The value of a literal, or of records, lists and variants made of literals; None of anything else."""
    match expr:
        case tree.IntLit(value, _) | tree.BoolLit(value, _):
            return value
        case tree.DecLit(text, _):
            return decimal(text)
        case tree.UnitLit():
            return UNIT
        case tree.TextLit():
            return expr.plain
        case tree.Unary("-", operand, _):
            inner = constant(operand)
            if isinstance(inner, Dec):
                return Dec(-inner.coef, inner.scale)
            return -inner if type(inner) is int else None
        case tree.ListExpr(items, _):
            found = [constant(item) for item in items]
            return None if any(item is None for item in found) else tuple(item for item in found if item is not None)
        case tree.Construct(name, args, _):
            values = [constant(arg) for arg in args]
            if any(value is None for value in values):
                return None
            return Con(name.text, tuple(value for value in values if value is not None))
        case tree.RecordExpr(fields, _):
            pairs = [(field.name.text, constant(field.value)) for field in fields]
            if any(value is None for _, value in pairs) or len(dict(pairs)) != len(pairs):
                return None
            return record((label, value) for label, value in pairs if value is not None)
    return None
