"""Law `transparent_supervision`: an owner that only passes changes nothing.

Replacing `await w` by `await (spawn sup(w))`, sup only passing, w already spawned, leaves trace, files and result of w
and of all below unchanged; to any depth.
"""

from __future__ import annotations

from collections import Counter

from shepherd_dsl.core.expr import Comp, Do, Let, Lit
from shepherd_dsl.core.forest import Machine
from shepherd_dsl.core.program import Def, Program
from shepherd_dsl.core.run import commits
from shepherd_dsl.core.value import Agent, Con, Value
from shepherd_dsl.core.wire import event_text
from tests.support.build import ALL, OPS, call, do, drive, iff, p, ret, seq, spawn
from tests.support.generate import BASE, Case, case, cases, run_case
from tests.support.programs import lowered


def supervised(seed: int, depth: int) -> Machine:
    """A generated agent driven to its end by its maker, with `depth` supervisors between that only pass."""
    chosen = case(seed)
    agent = ("a20", "a21", "a12", "a01")[seed % 4]
    args = [0] * len(chosen.program.defs[agent].params)
    defs = dict(chosen.program.defs)
    w = p("con_arg", "$w", 0)
    for level in range(depth):
        inner: Comp = (
            drive("$r") if level == 0 else seq(("s", spawn(f"sup{level - 1}", "$r")), drive(p("con_arg", "$s", 0)))
        )
        defs[f"sup{level}"] = Def(("r",), inner)
    last = drive(w) if depth == 0 else seq(("s", spawn(f"sup{depth - 1}", w)), drive(p("con_arg", "$s", 0)))
    defs["main"] = Def((), seq(("w", spawn(agent, *args)), ("d", last), ret("$d")))
    return run_case(Case(seed, Program(defs, OPS, 400), "main", (), ALL, BASE), world=False).last


def result(value: Value) -> Value:
    """The result of w within the results of its supervisors: `Done(v)` of each, `Failed(e)` of the innermost."""
    while isinstance(value, Con) and value.name == "Done" and isinstance(value.args[0], Con):
        if value.args[0].name not in ("Done", "Failed"):
            break
        value = value.args[0]
    return value


def test_supervisors_that_only_pass_change_nothing() -> None:
    seen: Counter[str] = Counter()
    for seed in cases(120):
        plain = supervised(seed, 0)
        for depth in (1, 2, 3):
            watched = supervised(seed, depth)
            below = [id for id in sorted(plain.runs) if id == "root.0" or id.startswith("root.0.")]
            assert below == [id for id in sorted(watched.runs) if id == "root.0" or id.startswith("root.0.")], seed
            for id in below:
                left, right = plain.runs[id], watched.runs[id]
                events = [event_text(commit.event) for commit in commits(left.trace)]
                others = [event_text(commit.event) for commit in commits(right.trace)]
                assert events[1:] == others[1:], (seed, depth, id)  # the digest in `start` is that of another program
                assert left.files == right.files, (seed, depth, id)
                assert type(left.code) is type(right.code), (seed, depth, id)
                seen[type(left.code).__name__] += 1
                seen["below"] += id != "root.0"
            if type(plain.runs["root"].code).__name__ == "Done":
                mine = result(plain.runs["root"].code.value)  # type: ignore[union-attr]
                theirs = result(watched.runs["root"].code.value)  # type: ignore[union-attr]
                assert isinstance(mine, Con)
                assert isinstance(theirs, Con)
                assert mine.name == theirs.name, (seed, depth)
                seen[f"result {mine.name}"] += 1
    for kind in ("Done", "Failed", "below", "result Done", "result Failed"):
        assert seen[kind], kind


SOURCE = """
effect tool.ask(question: Text) -> Text pure
agent worker() -> Text
  grants tool.ask
{
  return do tool.ask("x")
}
agent sup(r: Run[Text]) -> Text
  grants run, tool.ask
{
  return await r
}
agent main() -> Text
  grants run, tool.ask
{
  let w = spawn worker()
  return await (spawn sup(w))
}
"""


def gone(op: str, code: str, name: str) -> Comp:
    """`gone` of `Await.lean`."""
    unwrap = call("do'", "$outcome", op)
    is_code = p("eq", p("field", p("con_arg", "$outcome", 0), "code"), code)
    return iff(p("is_con", "$outcome", "Err", 1), iff(is_code, ret(Con(name)), unwrap), unwrap)


def test_the_theorem_speaks_of_the_await_that_is_lowered() -> None:
    """The definitions of `lean/Shepherd/Laws/TransparentSupervision/Await.lean`, to the letter."""
    program = lowered(SOURCE).program.defs
    defs = {name: repr(definition) for name, definition in program.items()}  # computations are compared by identity
    ok, value = p("is_con", "$outcome", "Ok", 1), p("con_arg", "$outcome", 0)
    stop = p("con_arg", "$stop", 0)
    unknown = p("text", "nobody knows whether `", "$op", "` happened")
    assert defs["do'"] == repr(
        Def(
            ("outcome", "op"),
            iff(
                ok,
                ret(value),
                iff(p("is_con", "$outcome", "Err", 1), ret(p("raise", value)), ret(p("fail", "unknown", unknown))),
            ),
        )
    )
    for name, op, rest in (
        ("next'", "run.next", gone("run.next", "ended", "Ended")),
        ("pass'", "run.pass", gone("run.pass", "stop", "Left")),
    ):
        assert defs[name] == repr(Def(("run",), seq(("outcome", do(op, "$run")), iff(ok, ret(value), rest)))), name
    on = seq(("outcome", call("pass'", "$run")), call("drive'", "$run"))
    assert defs["drive'"] == repr(
        Def(("run",), seq(("stop", call("next'", "$run")), iff(p("is_con", "$stop", "Intent", 3), on, ret("$stop"))))
    )
    ended = ret(p("fail", "ended", "the run was discarded"))
    failed = iff(p("is_con", "$stop", "Failed", 1), ret(p("raise", stop)), ended)
    assert defs["await'"] == repr(
        Def(("run",), seq(("stop", call("drive'", "$run")), iff(p("is_con", "$stop", "Done", 1), ret(stop), failed)))
    )
    assert defs["sup"] == repr(Def(("r",), call("await'", "$r")))
    main = program["main"].body
    assert isinstance(main, Let)
    assert isinstance(main.body, Let)
    asked = main.body.body
    assert isinstance(asked, Let)
    assert isinstance(asked.bound, Do)
    request = asked.bound.args[2]
    assert isinstance(request, Lit)
    again = seq(
        (asked.name, do("run.spawn", Agent("sup"), p("list", "$w"), request)),
        ("t", call("do'", f"${asked.name}", "run.spawn")),
        call("await'", "$t"),
    )
    assert repr(asked) == repr(again)
