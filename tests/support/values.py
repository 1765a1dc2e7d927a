"""Hypothesis strategies for values, events, programs and globs."""

from __future__ import annotations

from hypothesis import strategies as st

from shepherd_dsl.core.event import (
    Denied,
    End,
    Entry,
    Event,
    Forked,
    Injected,
    Intent,
    Outcome,
    Reverted,
    Start,
    Undo,
)
from shepherd_dsl.core.expr import Call, Comp, Do, Expr, If, Let, Lit, Prim, Return, Var
from shepherd_dsl.core.program import Def, Operation, Program
from shepherd_dsl.core.value import UNIT, UNKNOWN, Agent, Blob, Con, Handle, Value, dec, err, ok, record

names = st.sampled_from(["a", "b", "op.do", "Some", "None", "Ok", "rec", "é", "'x", "\x7f", ""])
texts = st.one_of(names, st.text(max_size=12))
hashes = st.text("0123456789abcdef", min_size=40, max_size=40)
numbers = st.one_of(st.integers(-3, 3), st.integers(), st.sampled_from([10**640, -(10**4200), 2**64]))
decs = st.builds(dec, st.one_of(st.integers(-200, 200), st.integers()), st.integers(0, 30))
leaves: st.SearchStrategy[Value] = st.one_of(
    st.just(UNIT),
    st.booleans(),
    numbers,
    decs,
    texts,
    st.builds(Blob, hashes, st.integers(0, 2**40)),
    st.builds(Agent, names),
    st.builds(Handle, st.integers(0, 5)),
)


def _inner(values: st.SearchStrategy[Value]) -> st.SearchStrategy[Value]:
    lists = st.lists(values, max_size=4).map(tuple)
    records = st.dictionaries(texts, values, max_size=4).map(lambda found: record(found.items()))
    return st.one_of(lists, records, st.builds(Con, names, lists))


values: st.SearchStrategy[Value] = st.recursive(leaves, _inner, max_leaves=12)
args = st.lists(values, max_size=3).map(tuple)
components = st.text("ab. *é", min_size=1, max_size=3).filter(lambda part: part not in (".", ".."))
paths = st.lists(components, min_size=1, max_size=4).map("/".join)
entries = st.one_of(
    st.builds(Entry, st.sampled_from([0o100644, 0o100755, 0o120000, 0o104711]), hashes),
    st.just(Entry(0o040000, "")),
    st.none(),
)
changes = st.dictionaries(paths, entries, max_size=3).map(lambda found: tuple(sorted(found.items())))
answers = st.one_of(st.builds(ok, values), st.builds(err, names, texts), st.just(UNKNOWN))
places = st.integers(0, 10**6)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(Start, st.just(1), hashes, names, args, values, hashes),
    st.builds(Intent, names, args),
    st.builds(Outcome, answers, changes, st.sampled_from(["world", "owner", "machine"])),
    st.builds(Denied, names, args),
    st.builds(Injected, values),
    st.builds(Forked, names, places),
    st.builds(Undo, places, names, args),
    st.builds(Reverted, places),
    st.builds(End, st.sampled_from(["done", "failed", "discarded"]), values),
)
exprs: st.SearchStrategy[Expr] = st.recursive(
    st.one_of(st.builds(Var, names), st.builds(Lit, values)),
    lambda inner: st.builds(Prim, names, st.lists(inner, max_size=3).map(tuple)),
    max_leaves=4,
)
expr_lists = st.lists(exprs, max_size=2).map(tuple)
comps: st.SearchStrategy[Comp] = st.recursive(
    st.one_of(st.builds(Return, exprs), st.builds(Call, exprs, expr_lists), st.builds(Do, names, expr_lists)),
    lambda inner: st.one_of(st.builds(Let, names, inner, inner), st.builds(If, exprs, inner, inner)),
    max_leaves=6,
)
operations = st.one_of(
    st.builds(Operation, st.sampled_from(["pure", "reversible", "irreversible"])),
    st.builds(Operation, st.just("compensable"), names),
)
defs = st.builds(Def, st.lists(names, max_size=3, unique=True).map(tuple), comps)
programs: st.SearchStrategy[Program] = st.builds(
    Program,
    st.dictionaries(names, defs, max_size=3),
    st.dictionaries(names, operations, max_size=3),
    st.integers(0, 10**9),
)
