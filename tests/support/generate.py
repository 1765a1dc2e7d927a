"""Well-typed programs of many runs, with an oracle and an outer owner, from one integer: the cases of the laws.

The generator has an aim: supervision in several layers, forks of forks, merges, denied and limited operations, faults,
unwinding whose compensations fail, reverts that are reverted, messages, picks, runs given away and got back.
`rules.py` counts what was reached.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from functools import lru_cache
from random import Random

import attrs

from shepherd_dsl.core.event import Change, Entry, Event
from shepherd_dsl.core.expr import Comp, Expr, If, Let, Lit, Prim, Var
from shepherd_dsl.core.files import EMPTY_FOLDER, LINK, Files, git_blob_hash
from shepherd_dsl.core.forest import Machine, log_since
from shepherd_dsl.core.grant import Clause, Pattern, Request, request_value
from shepherd_dsl.core.machine import Asked, advance, answer, outer_stop, start, world_asks
from shepherd_dsl.core.oracle import Query, query_of
from shepherd_dsl.core.program import Def, Program
from shepherd_dsl.core.root_fork import fork_root_at
from shepherd_dsl.core.run import ROOT
from shepherd_dsl.core.run_ops import RULES
from shepherd_dsl.core.value import UNIT, UNKNOWN, Agent, Con, Handle, Value, err, ok, record
from tests.support.build import ALL, DRIVE, OPS, call, do, iff, p, ret, seq

TEXTS = ("", "one\n", "two\n", "three\n")
BINARY = b"\xff\xfe\x00"
BLOBS = {git_blob_hash(data): data for data in (*[text.encode() for text in TEXTS], BINARY, b"/etc/passwd")}
HASHES = tuple(git_blob_hash(text.encode()) for text in TEXTS)
PATHS = ("a.txt", "src/x.py", "src/y.py", "new/z.txt", "../out", "src", "link", "bin", "a.txt/below", "hollow")
BASE = Files.of(
    [
        ("a.txt", Entry(0o100644, HASHES[1])),
        ("src/x.py", Entry(0o100755, HASHES[2])),
        ("bin", Entry(0o100600, git_blob_hash(BINARY))),
        ("link", Entry(LINK, git_blob_hash(b"/etc/passwd"))),
        ("hollow", EMPTY_FOLDER),
    ]
)
STEPS = 400
MAX_ANSWERS = 80


def cases(default: int) -> range:
    """The seeds of a law: `default` many, multiplied by the environment variable `SHEPHERD_CASES`."""
    return range(int(default * float(os.environ.get("SHEPHERD_CASES", "1"))))


def chance(*parts: object) -> int:
    """A number that is a function of the parts alone, the same on every machine."""
    return zlib.crc32("|".join(map(str, parts)).encode())


@attrs.frozen(slots=True, eq=False)
class Case:
    """A program with all that is needed to run it; `seed` makes the whole of it."""

    seed: int
    program: Program
    agent: str
    args: tuple[Value, ...]
    request: Request
    files: Files

    def start(self) -> Machine:
        return start(self.program, self.agent, self.args, self.request, self.files, read_blob=BLOBS.__getitem__)

    def oracle(self, query: Query) -> tuple[Con, Change]:
        """The world's answer: a function of the run that asks and its trace, as `core.md` has it."""
        return scripted(self.seed, query.run, query.trace.index, query.op, query.args)


def scripted(seed: int, run: object, index: object, op: str, args: tuple[Value, ...]) -> tuple[Con, Change]:
    """A well-formed answer to `op(args)`, and a change to files where the operation may make one."""
    dice = chance(seed, run, index, op)
    if op == "run.pick":
        assert isinstance(args[0], tuple)
        if dice % 7 == 0:
            return (err("picker", "no opinion"), UNKNOWN, ok(99))[dice // 7 % 3], ()
        return ok(dice // 17 % len(args[0])), ()
    if dice % 13 == 0:
        return err("world", f"no {op}"), ()
    if dice % 13 == 1 or (op == "retract" and dice % 5 == 0):
        return UNKNOWN if dice % 2 else err("world", "gone"), ()
    if op == "ask":
        return ok(dice % 5), ()
    change: Change = ()
    if op in ("write", "post", "fire") and dice % 3:
        path = ("a.txt", "src/x.py", "src/y.py", "new/z.txt")[dice // 3 % 4]
        change = ((path, None if dice // 12 % 4 == 0 else Entry(0o100644, HASHES[dice // 48 % 4])),)
    return ok(f"{op}{dice % 7}"), change


# ── programs ─────────────────────────────────────────────────────────────────────────────────────────────────────────

LOOP = Def(("n",), iff(p("le", "$n", 0), ret(UNIT), call("loop'", p("sub", "$n", 1))))
DEEP = Def(("n",), iff(p("le", "$n", 0), ret(0), seq(("a", call("deep'", p("sub", "$n", 1))), ret(p("add", "$a", 1)))))
SOME = Def(
    ("r", "n"),
    seq(
        ("s", do("run.next", "$r")),
        iff(
            p("le", "$n", 0),
            ret("$s"),
            iff(
                p("is_con", p("con_arg", "$s", 0), "Intent", 3),
                seq(
                    ("o", do("run.pass", "$r")),
                    iff(p("is_con", "$o", "Ok", 1), call("some'", "$r", p("sub", "$n", 1)), ret("$o")),
                ),
                ret("$s"),
            ),
        ),
    ),
)


def inner(name: str) -> Expr:
    """What the outcome in variable `name` carries: the value or the error."""
    return Prim("con_arg", (Var(name), Lit(0)))


class Maker:
    """Makes one program. Draws come from its own generator, so a seed always makes the same program."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.count = 0
        self.agents: dict[str, Def] = {}
        self.levels: list[list[str]] = []

    def draw(self, *options: object) -> object:
        return options[int(self.random.random() * len(options))]

    def number(self, low: int, high: int) -> int:
        return low + int(self.random.random() * (high - low + 1))

    def maybe(self, chance: float) -> bool:
        return self.random.random() < chance

    def fresh(self) -> str:
        self.count += 1
        return f"v{self.count}"

    # Operations of the world and of files

    def effect(self, runs: list[Expr]) -> tuple[str, Comp]:
        name = self.fresh()
        pick = self.random.random()
        if pick < 0.2:
            return name, do("ask", self.run(runs) if runs and self.maybe(0.05) else f"q{self.number(0, 2)}")
        if pick < 0.4:
            return name, do("post", f"m{self.number(0, 2)}")
        if pick < 0.52:
            return name, do("write", self.number(0, 3))
        if pick < 0.6:
            return name, do("fire", Lit(record(aim=self.number(0, 3))))
        if pick < 0.66:
            return name, do("inbox.take")
        if pick < 0.7:
            return name, do(str(self.draw("unknown.op", "run.unknown", "retract")), "x")
        path = PATHS[self.number(0, len(PATHS) - 1)]
        if pick < 0.8:
            return name, do("file.read", path)
        if pick < 0.9:
            content = self.draw(*TEXTS, 7) if self.maybe(0.9) else Con("No")
            return name, do("file.write", path, content)
        if pick < 0.96:
            return name, do("file.remove", path)
        return name, do("file.list", self.draw("**", "src/*", "*.txt", 3))

    def local(self) -> tuple[str, Comp]:
        name = self.fresh()
        pick = self.number(0, 5)
        if pick == 0:
            return name, call("loop'", self.number(0, 9))
        if pick == 1:
            return name, call("deep'", self.number(0, 9))
        if pick == 2:
            return name, iff(p("lt", self.number(0, 3), self.number(0, 3)), ret("yes"), ret("no"))
        if pick == 3:
            return name, Let("t", ret(p("text", "a", self.number(0, 9))), ret(p("append", p("list", "$t"), True)))
        if pick == 4:
            return name, ret(Lit(record(label=self.number(0, 9))))
        return name, ret(p("concat", p("list", 1, 2), p("list", "x")))

    def ending(self, runs: list[Expr], numbers: list[str]) -> Comp:
        pick = self.random.random()
        if pick < 0.08:
            return ret(p("fail", "given_up", "it had to be"))
        if pick < 0.1:
            return ret(p("div", 1, 0))
        if pick < 0.12:
            return ret("$nowhere")
        if pick < 0.14:
            return call("loop'", 10_000)
        if pick < 0.16:
            return If(Lit(3), ret(1), ret(2))
        if pick < 0.18:
            return call("nobody'")
        if pick < 0.3 and runs:
            return ret(p("list", *[self.run(runs) for _ in range(self.number(1, 2))]))
        return ret(Var(numbers[-1])) if numbers else ret(UNIT)

    def request(self) -> Request:
        pick = self.random.random()
        if pick < 0.65:
            return ALL
        clauses = [Clause("run.*"), Clause("inbox.take", limit=self.draw(None, 1))]  # type: ignore[arg-type]
        for op in OPS:
            draw = self.random.random()
            if draw < 0.2:
                continue
            if draw < 0.4:
                clauses.append(Clause(op, limit=self.number(0, 2)))
            elif draw < 0.6 and op.startswith("file."):
                clauses.append(Clause(op, (Pattern("path", str(self.draw("src/**", "*.txt"))),)))
            elif draw < 0.5 and op == "ask":
                clauses.append(Clause(op, (Pattern("is", value="q1"),)))
            else:
                clauses.append(Clause(op))
        if pick > 0.97:
            return tuple(clauses[1:])
        if pick > 0.94:  # a supervisor that may pass once
            others = [Clause(op) for op in (*RULES, "run.pick") if op.startswith("run.") and op != "run.pass"]
            return (*others, Clause("run.pass", limit=1), *clauses[1:])
        return tuple(clauses)

    # Operations on runs

    def run(self, runs: list[Expr]) -> Expr:
        """One of the runs in scope, the newest more often."""
        return runs[-1] if self.maybe(0.5) else runs[self.number(0, len(runs) - 1)]

    def spawn(self, level: int, runs: list[Expr]) -> tuple[str, Comp]:
        below = [name for names in self.levels[:level] for name in names]
        agent = below[-1] if self.maybe(0.4) else below[self.number(0, len(below) - 1)]
        args: list[object] = []
        for param in self.agents[agent].params:
            if param.startswith("r"):
                args.append(self.run(runs) if runs else 0)
            else:
                args.append(self.number(0, 4))
        if self.maybe(0.03):
            args.append(1)
        request = request_value(self.request()) if self.maybe(0.97) else "no grant"
        return self.fresh(), do("run.spawn", Agent(agent), p("list", *args), request)

    def place(self, run: Expr) -> tuple[list[tuple[str, Comp]], Expr]:
        """An index into the trace of `run`: small, or counted from its end, or nonsense."""
        pick = self.random.random()
        if pick < 0.4:
            return [], Lit(self.number(0, 6))
        if pick < 0.45:
            return [], Lit(self.draw(-1, 999, "x"))  # type: ignore[arg-type]
        name = self.fresh()
        seen = p("con_arg", Var(name), 0)
        length = self.fresh()
        return [
            (name, do("run.trace", run, 0)),
            (length, iff(p("is_con", Var(name), "Ok", 1), ret(p("len", seen)), ret(0))),
        ], p("sub", Var(length), self.number(1, 4))

    def react(self, run: Expr) -> list[tuple[str, Comp]]:
        """Bring a run to its next stop and do something about it."""
        stop, name = self.fresh(), self.fresh()
        pick = self.random.random()
        if pick < 0.3:
            act = do("run.pass", run)
        elif pick < 0.5:
            act = do("run.answer", run, self.number(0, 9))
        elif pick < 0.6:
            act = do("run.deny", run, "not now")
        elif pick < 0.7:
            act = seq(do("run.inject", run, "hint"), do("run.pass", run))
        elif pick < 0.75:
            act = do("run.answer", run, p("list", run))
        else:
            # A run further down, held by its place in the path but not owned.
            path = p("con_arg", inner(stop), 2)
            op = self.draw("run.fork", "run.trace", "run.next", "run.discard")
            args = (0,) if op in ("run.fork", "run.trace") else ()
            act = iff(p("lt", 0, p("len", path)), do(str(op), p("get", path, 0), *args), do("run.pass", run))
        return [
            (stop, do("run.next", run)),
            (name, iff(p("is_con", inner(stop), "Intent", 3), act, ret(ok(UNIT)))),
        ]

    def on_run(self, runs: list[Expr]) -> list[tuple[str, Comp]]:
        """Statements about a run; a new run is added to `runs`."""
        run = self.run(runs)
        name = self.fresh()
        pick = self.random.random()
        if pick < 0.2:
            return [(name, call("drive'", run))]
        if pick < 0.36:
            return [(name, call("some'", run, self.number(0, 3)))]
        if pick < 0.5:
            return self.react(run)
        if pick < 0.56:
            return [(name, do("run.inject", run, self.draw("hint", 3, p("list", run))))]
        if pick < 0.6:
            return [(name, do("run.trace", run, self.draw(0, 2, -1, "x")))]
        if pick < 0.72:
            before, at = self.place(run)
            runs.append(inner(name))
            return [*before, (name, do("run.fork", run, at))]
        if pick < 0.8:
            before, at = self.place(run)
            return [*before, (name, do("run.revert", run, at))]
        if pick < 0.83:
            return [(name, do("run.discard", run))]
        if pick < 0.88:
            return [(name, do("run.merge", run))]
        if pick < 0.92:
            op = str(self.draw("run.next", "run.pass", "run.answer", "run.deny", "run.merge", "run.trace", "run.fork"))
            count = {"run.answer": 2, "run.deny": 2}.get(op, 1) if self.maybe(0.7) else self.draw(0, 3)
            args = [run, *(["no"] * 3)][:count]  # type: ignore[misc]
            return [(name, do(op, *args))]
        both = (run, self.run(runs))
        picked = self.fresh()
        return [
            *[(self.fresh(), do("run.next", one)) for one in both],
            (picked, do("run.pick", p("list", *(both if self.maybe(0.9) else ())))),
            (name, do("run.pass", inner(picked))),
        ]

    def scene(self, runs: list[Expr]) -> list[tuple[str, Comp]]:
        """A few statements in a row that belong together."""
        run = self.run(runs)
        names = [self.fresh() for _ in range(7)]
        first = (names[0], call("some'", run, self.number(1, 3)))
        pick = self.number(0, 5)
        if pick == 0:  # gone back, to begin again
            return [first, (names[1], do("run.revert", run, self.number(0, 2))), (names[2], call("some'", run, 2))]
        if pick == 1:  # two branches, both merged
            before, at = self.place(run)
            runs.append(inner(names[1]))
            copy = runs[-1]
            return [
                first,
                *before,
                (names[1], do("run.fork", run, at)),
                (names[6], do("file.write", "a.txt", "two\n") if self.maybe(0.3) else ret(0)),
                (names[2], call("drive'", copy)),
                (names[3], call("drive'", run)),
                (names[4], do("run.merge", copy)),
                (names[5], do("run.merge", run)),
            ]
        if pick == 2:  # the revert is itself reverted
            before, at = self.place(run)
            back = (names[1], do("run.revert", run, self.number(0, 1)))
            return [first, *before, back, (names[2], do("run.revert", run, at)), (names[3], call("some'", run, 1))]
        if pick == 3:  # a copy of a copy, and a copy taken back into what it inherited
            runs += [inner(names[1]), inner(names[2])]
            return [
                first,
                (names[1], do("run.fork", run, self.number(2, 6))),
                (names[2], do("run.fork", inner(names[1]), self.number(0, 7))),
                (names[3], call("some'", inner(names[2]), 2)),
                (names[4], do("run.revert", inner(names[self.number(1, 2)]), self.number(0, 3))),
                (names[5], call("some'", inner(names[1]), 2)),
            ]
        if pick == 4:  # thrown away, and wanted back
            return [
                first,
                (names[1], do("run.discard", run)),
                (names[2], do(str(self.draw("run.discard", "run.inject", "run.merge", "run.next")), run, *["x"][:0])),
                (names[3], do("run.revert", run, self.number(0, 4))),
                (names[4], call("some'", run, 1)),
            ]
        # the owner plays the world, whatever is asked
        stop = p("is_con", inner(names[1]), "Intent", 3)
        act = do("run.answer", run, 1) if self.maybe(0.6) else do("run.deny", run, "no")
        return [first, (names[1], do("run.next", run)), (names[2], iff(stop, act, ret(1))), *self.react(run)]

    # Agents

    def agent(self, level: int, params: tuple[str, ...]) -> Def:
        runs: list[Expr] = [Var(param) for param in params if param.startswith("r")]
        numbers = [param for param in params if not param.startswith("r")]
        parts: list[tuple[str, Comp]] = []
        for _ in range(self.number(2, 5) if level == 0 else self.number(2, 2 + level)):
            pick = self.random.random()
            if level > 0 and (not runs or pick < 0.2):
                part = self.spawn(level, runs)
                parts.append(part)
                runs.append(inner(part[0]))
            elif level > 0 and pick < 0.5:
                parts.extend(self.scene(runs))
            elif level > 0 and pick < 0.85:
                parts.extend(self.on_run(runs))
            elif pick < 0.8 or level > 0:
                parts.append(self.effect(runs))
                numbers.append(parts[-1][0])
            else:
                parts.append(self.local())
                numbers.append(parts[-1][0])
        if level == 3 and runs:
            parts.extend((self.fresh(), call("drive'", run)) for run in runs if self.maybe(0.9))
        return Def(params, seq(*parts, self.ending(runs, numbers)))


def case(seed: int) -> Case:
    """The case of a seed."""
    maker = Maker(seed)
    maker.agents.update({"drive'": DRIVE, "loop'": LOOP, "deep'": DEEP, "some'": SOME})
    shapes: list[tuple[tuple[str, ...], ...]] = [
        (("n",), ("n",), ("r0", "n")),
        (("r0",), ("r0", "r1"), ()),
        (("r0", "n"), ()),
        ((),),
    ]
    for level, params in enumerate(shapes):
        names = []
        for index, wanted in enumerate(params):
            name = f"a{level}{index}"
            maker.agents[name] = maker.agent(level, wanted)
            names.append(name)
        maker.levels.append(names)
    request = ALL if maker.maybe(0.9) else maker.request()
    return Case(seed, Program(maker.agents, OPS, STEPS), "a30", (), request, BASE)


# ── running ──────────────────────────────────────────────────────────────────────────────────────────────────────────

Log = tuple[tuple[str, Event], ...]


@attrs.frozen(slots=True, eq=False)
class Ran:
    """A case that was run: the machine at every outer stop with what came from outside there, and the last machine."""

    case: Case
    stops: tuple[Machine, ...]
    last: Machine

    @property
    def log(self) -> Log:
        return log_of(self.last)


def log_of(m: Machine) -> Log:
    """The log of a tree as pairs (run id, event)."""
    return tuple((commit.run, commit.event) for commit in log_since(m, 0))


def world_act(seed: int, m: Machine, count: int) -> Callable[[Machine], Machine] | None:
    """What the outer owner does of its own at an outer stop, seldom; None where it only answers."""
    dice = chance(seed, "world", m.size, count)
    if dice % 29 or (m.stack[0] != ROOT and m.stack[1] is None):
        return None
    trace = m.runs[ROOT].trace
    assert trace is not None
    at, what = dice // 29 % (trace.index + 1), dice // 841 % 8
    if what < 3:
        return lambda n: world_asks(n, "run.inject", (Handle(0), "from the world"))
    if what < 5:
        return lambda n: world_asks(n, "run.revert", (Handle(0), at))
    if what == 5:
        return lambda n: world_asks(n, "run.discard", (Handle(0),))
    if what == 6:
        return lambda n: fork_root_at(n, at)
    return lambda n: world_asks(n, "run.revert", (Handle(0), 99))


def run_case(chosen: Case, *, world: bool = True, max_answers: int = MAX_ANSWERS) -> Ran:
    """Run a case to its end, or to `max_answers` answers; with `world`, the outer owner acts of its own too."""
    m = advance(chosen.start())
    stops = [m]
    for count in range(max_answers):
        act = world_act(chosen.seed, m, count) if world else None
        stop = outer_stop(m)
        if act is not None:
            m = act(m)
        elif isinstance(stop, Asked):
            m = answer(m, *chosen.oracle(query_of(m, stop)))
        else:
            break
        m = advance(m)
        stops.append(m)
    return Ran(chosen, tuple(stops), m)


@lru_cache(maxsize=1024)
def ran(seed: int) -> Ran:
    """The case of a seed, run; kept, for several laws look at the same ones."""
    return run_case(case(seed))


@lru_cache(maxsize=1024)
def ran_alone(seed: int) -> Ran:
    """The same without operations of the outer owner."""
    return run_case(case(seed), world=False)
