"""What every program can name without declaring it: operations on runs and files' inbox, and primitives.

The operations of handlers are declared in the standard library; these here are the machine's own
(`core.md`, "Who answers"; `spec/contract.md`, "Operations on runs").
"""

from __future__ import annotations

from collections.abc import Mapping

from shepherd_dsl.check.env import Builtin, EffectSig
from shepherd_dsl.check.types import (
    BOOL,
    DEC,
    ERROR,
    INT,
    TEXT,
    UNIT,
    VALUE,
    ListOf,
    Param,
    RunOf,
    Type,
    option,
    outcome,
    rec,
    variant,
)

T = Param("T", "builtin")
_RUN = RunOf(T)

REPORT = rec({"undone": INT, "compensated": ListOf(TEXT), "failed": ListOf(TEXT), "irreversible": ListOf(TEXT)})
"""What `revert` and `discard` say was done."""

MERGED = variant({"Merged": (), "Conflict": (ListOf(TEXT),)})
STOP = variant({"Intent": (TEXT, ListOf(VALUE), ListOf(RunOf(VALUE))), "Done": (T,), "Failed": (ERROR,)})
EVENT = variant(
    {
        "Start": (VALUE, ListOf(VALUE)),
        "Intent": (TEXT, ListOf(VALUE)),
        "Outcome": (outcome(VALUE), TEXT),
        "Denied": (TEXT, ListOf(VALUE)),
        "Injected": (VALUE,),
        "Forked": (INT,),
        "Undo": (INT, TEXT, ListOf(VALUE)),
        "Reverted": (INT,),
        "End": (TEXT,),
    }
)
SPAWN = "run.spawn"
MESSAGE = TEXT
"""What `inject` puts in and `inbox.take` gives."""


def _op(name: str, result: Type, **params: Type) -> EffectSig:
    return EffectSig(name, tuple(params.items()), result, "pure", type_params=(T,))


MACHINE_OPS: Mapping[str, EffectSig] = {
    sig.name: sig
    for sig in (
        _op(SPAWN, RunOf(VALUE), agent=VALUE, args=ListOf(VALUE), request=VALUE),
        _op("run.next", STOP, run=_RUN),
        _op("run.pass", outcome(VALUE), run=_RUN),
        _op("run.answer", UNIT, run=_RUN, value=VALUE),
        _op("run.deny", UNIT, run=_RUN, text=TEXT),
        _op("run.inject", UNIT, run=_RUN, message=MESSAGE),
        _op("run.trace", ListOf(EVENT), run=_RUN, start=INT),
        _op("run.fork", _RUN, run=_RUN, step=INT),
        _op("run.revert", REPORT, run=_RUN, step=INT),
        _op("run.discard", REPORT, run=_RUN),
        _op("run.merge", MERGED, run=_RUN),
        _op("run.pick", _RUN, runs=ListOf(_RUN)),
        _op("inbox.take", option(MESSAGE)),
    )
}
"""They may be granted, observed and supervised; `do` asks for all but `run.spawn`, for `spawn` makes the request."""

RUN_OPS = tuple(name for name in MACHINE_OPS if name.startswith("run."))

BUILTIN_TYPES: Mapping[str, Type] = {"Event": EVENT, "Report": REPORT, "Error": ERROR, "Step": INT}


def _prim(name: str, result: Type, *params: Type, prim: str | None = "") -> Builtin:
    return Builtin(name, (T,), params, result, name if prim == "" else prim)


_LIST = ListOf(T)
_READ = variant({"Ok": (T,), "Err": (TEXT,)})

BUILTINS: Mapping[str, Builtin] = {
    found.name: found
    for found in (
        _prim("text", TEXT, T),
        _prim("text_len", INT, TEXT),
        _prim("text_slice", TEXT, TEXT, INT, INT),
        _prim("text_split", ListOf(TEXT), TEXT, TEXT),
        _prim("text_join", TEXT, ListOf(TEXT), TEXT),
        _prim("text_trim", TEXT, TEXT),
        _prim("text_lower", TEXT, TEXT),
        _prim("text_upper", TEXT, TEXT),
        _prim("text_contains", BOOL, TEXT, TEXT),
        _prim("text_starts", BOOL, TEXT, TEXT),
        _prim("text_ends", BOOL, TEXT, TEXT),
        _prim("text_find", option(INT), TEXT, TEXT),
        _prim("text_replace", TEXT, TEXT, TEXT, TEXT),
        _prim("text_int", option(INT), TEXT),
        _prim("words", option(ListOf(TEXT)), TEXT),
        _prim("len", INT, _LIST),
        _prim("get", T, _LIST, INT),
        _prim("cons", _LIST, T, _LIST),
        _prim("append", _LIST, _LIST, T),
        _prim("concat", _LIST, _LIST, _LIST),
        _prim("slice", _LIST, _LIST, INT, INT),
        _prim("reverse", _LIST, _LIST),
        _prim("contains", BOOL, _LIST, T),
        _prim("range", ListOf(INT), INT, INT),
        _prim("dec_int", INT, DEC),
        _prim("int_dec", DEC, INT),
        _prim("json_print", TEXT, T),
        _prim("json_parse", variant({"Ok": (VALUE,), "Err": (TEXT,)}), TEXT),
        _prim("kind", TEXT, T),
        # The type itself is the argument: `wanted: Option[T]` is only looked at by the compiler.
        _prim("schema_of", option(TEXT), option(T), prim=None),
        _prim("wrapped", BOOL, option(T), prim=None),
        _prim("decode", _READ, VALUE, prim=None),
    )
}
