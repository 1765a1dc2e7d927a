"""Laws `handlers_are_owners`, `handlers_are_owners_enough`: `handle`, lowered to an owner, is the textbook handler.

Deep and one-shot; for bodies and clauses without `file.*` and `run.*`, and no compensable operation; operations as
labels. The textbook side reduces terms by substitution; the clause's value is the answer, once, and the rest of the
body stays handled.
"""

from __future__ import annotations

from collections import Counter
from random import Random

from attrs import evolve

from shepherd_dsl.core.event import Change
from shepherd_dsl.core.expr import Comp
from shepherd_dsl.core.machine import start
from shepherd_dsl.core.oracle import Query, run_to_end
from shepherd_dsl.core.program import Def, Program
from shepherd_dsl.core.run import Done, Failed
from shepherd_dsl.core.value import Con, Record, Value, equal, ok
from tests.support import textbook
from tests.support.build import ALL, OPS, call, do, iff, p, ret, seq, spawn
from tests.support.generate import BASE, BLOBS, DEEP, LOOP, cases, scripted

CLAUSES = {"ask": "on_ask'", "write": "on_write'"}
Labels = list[tuple[str, tuple[Value, ...]]]


def body(random: Random, params: tuple[str, ...], ops: tuple[str, ...]) -> Def:
    """A small computation that asks some of `ops`, and may fault."""
    parts: list[Comp | tuple[str, Comp]] = []
    names = list(params)
    for index in range(random.randint(1, 4)):
        arg = f"${random.choice(names)}" if names and random.random() < 0.5 else random.randint(0, 3)
        name = f"x{index}"
        if random.random() < 0.75:
            parts.append((name, do(random.choice(ops), arg)))
        elif random.random() < 0.5:
            parts.append((name, call("deep'", random.randint(0, 3))))
        else:
            parts.append((name, iff(p("eq", arg, 1), ret("one"), do(random.choice(ops), "other"))))
        names.append(name)
    if random.random() < 0.2:
        return Def(params, seq(*parts, ret(p("fail", "broken", "on purpose"))))
    return Def(params, seq(*parts, ret(p("list", *[f"${name}" for name in names]))))


def handled(seed: int) -> Program:
    """`c` with a clause for `ask` and one for `write`; `fire` goes through. The handler is the lowering of `handle`."""
    random = Random(seed)
    defs = {"c": body(random, (), ("ask", "write", "fire")), "deep'": DEEP, "loop'": LOOP}
    for name in CLAUSES.values():
        defs[name] = body(random, ("a",), ("fire", "ask") if random.random() < 0.5 else ("fire",))
    stop = p("con_arg", "$s", 0)
    op, arg = p("con_arg", stop, 0), p("get", p("con_arg", stop, 1), 0)
    again = call("handle'", "$r")
    other: Comp = seq(do("run.pass", "$r"), again)
    for name, clause in CLAUSES.items():
        other = iff(p("eq", op, name), seq(("v", call(clause, arg)), do("run.answer", "$r", "$v"), again), other)
    ended = iff(p("is_con", stop, "Done", 1), ret(p("con_arg", stop, 0)), ret(p("raise", p("con_arg", stop, 0))))
    defs["handle'"] = Def(("r",), seq(("s", do("run.next", "$r")), iff(p("is_con", stop, "Intent", 3), other, ended)))
    defs["main"] = Def((), seq(("w", spawn("c")), call("handle'", p("con_arg", "$w", 0))))
    return Program(defs, OPS, 10_000)


def answer_of(seed: int, labels: Labels, op: str, args: tuple[Value, ...]) -> Con:
    """The world's answer to the next label: by its place, for both sides ask the same in the same order."""
    value, _ = scripted(seed, "label", len(labels), op, args)
    labels.append((op, args))
    return value


def by_machine(program: Program, seed: int) -> tuple[Labels, str, Value]:
    labels: Labels = []

    def oracle(query: Query) -> tuple[Con, Change]:
        return answer_of(seed, labels, query.op, query.args), ()

    m = run_to_end(start(program, "main", (), ALL, BASE, read_blob=BLOBS.__getitem__), oracle)
    code = m.runs["root"].code
    assert isinstance(code, Done | Failed)
    return labels, type(code).__name__, code.value if isinstance(code, Done) else code.error


def by_textbook(program: Program, seed: int, seen: Counter[str]) -> tuple[Labels, str, Value]:
    labels: Labels = []

    def outside(term: Comp) -> tuple[str, Value]:
        """A clause to its end: what it asks is not handled by the handler it belongs to."""
        while True:
            stop = textbook.run(program, term, 10_000)
            if isinstance(stop, textbook.Ended):
                return stop.kind, stop.value
            assert stop is not None
            term = textbook.resume(stop.term, answer_of(seed, labels, stop.op, stop.args))

    term = textbook.called("c", ())
    while True:
        stop = textbook.run(program, term, 10_000)
        if isinstance(stop, textbook.Ended):
            return labels, "Done" if stop.kind == "done" else "Failed", stop.value
        assert stop is not None
        if stop.op in CLAUSES:
            seen["handled"] += 1
            kind, value = outside(textbook.called(CLAUSES[stop.op], stop.args))
            if kind == "failed":
                seen["clause failed"] += 1
                return labels, "Failed", value
            answer = ok(value)
        else:
            seen["passed"] += 1
            answer = answer_of(seed, labels, stop.op, stop.args)
        term = textbook.resume(stop.term, answer)


def test_a_lowered_handler_is_the_textbook_handler() -> None:
    seen: Counter[str] = Counter()
    for seed in cases(250):
        program = handled(seed)
        labels, kind, value = by_machine(program, seed)
        wanted, wanted_kind, wanted_value = by_textbook(program, seed, seen)
        assert [op for op, _ in labels] == [op for op, _ in wanted], seed
        assert all(equal(one[1], two[1]) for one, two in zip(labels, wanted, strict=True)), seed
        assert (kind, equal(value, wanted_value)) == (wanted_kind, True), seed
        seen[kind] += 1
    for rule in ("handled", "passed", "clause failed", "Done", "Failed"):
        assert seen[rule], rule


def gave_up(program: Program, seed: int, steps: int, whole: tuple[Labels, str, Value]) -> bool:
    """Whether the tree gives up with so many local steps; it does the same up to there, or does all that is `whole`."""
    labels, kind, value = by_machine(evolve(program, steps=steps), seed)
    assert all(a[0] == b[0] and equal(a[1], b[1]) for a, b in zip(labels, whole[0], strict=False)), (seed, steps)
    if len(labels) == len(whole[0]) and kind == whole[1] and equal(value, whole[2]):
        return False
    assert kind == "Failed", (seed, steps)
    assert isinstance(value, Record)
    assert dict(value.fields)["code"] == "steps", (seed, steps)
    return True


def test_with_enough_local_steps_nothing_gives_up() -> None:
    """There is a least number of local steps that is enough; with any more all is the same."""
    for seed in cases(25):
        program = handled(seed)
        whole = by_machine(program, seed)
        enough = next(steps for steps in range(200) if not gave_up(program, seed, steps, whole))
        assert enough > 2
        for steps in (*range(enough + 1, enough + 5), 2 * enough, 1_000_000):
            assert not gave_up(program, seed, steps, whole), (seed, steps)
