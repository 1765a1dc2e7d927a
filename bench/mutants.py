"""Mutation testing of the core: `python -m bench.mutants`, written to `spec/mutants.md`.

Each mutant changes one place of a module of `shepherd_dsl/core/` by one operator of the list below; it is killed when a
law test fails, or does not end. A small driver of its own over `ast`: a mutant is made in memory and put under the
tests by an import hook, so the checkout is never changed and several may run beside each other.

    python -m bench.mutants [--module NAME …] [--sample N] [--seed N] [--minutes N] [--jobs N]

With `--sample`, N mutants are drawn with the seed, which is printed and recorded.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from random import Random

import attrs

ROOT = Path(__file__).parents[1]
CORE = ROOT / "shepherd_dsl" / "core"
REPORT = ROOT / "spec" / "mutants.md"
MODULES = ("machine", "run_ops", "unwind", "shown", "permit", "forest", "replay", "step")

# Fast and sharp first: most mutants die in the first files. The slower laws are left out: the score is a lower bound.
TESTS = (
    "tests/laws/test_core_scenarios.py",
    "tests/laws/test_core_scenarios_back.py",
    "tests/laws/test_core_answers.py",
    "tests/laws/test_core_unwind.py",
    "tests/laws/test_world_between_steps.py",
    "tests/laws/test_replay_exact.py",
    "tests/laws/test_run_locally_is_iterated_step.py",
    "tests/laws/test_outcome_answers_intent.py",
    "tests/laws/test_grant_safe.py",
    "tests/laws/test_revert_restores.py",
    "tests/laws/test_compensation_order.py",
    "tests/laws/test_forward_simulation.py",
    "tests/laws/test_fork_isolated.py",
    "tests/laws/test_check_tamper.py",
)
SECONDS = 180
"""After which a mutant counts as one that does not end: many times what the tests take."""

OPERATORS = {
    "compare": "a comparison by its neighbour or its opposite: < <=, == !=, is, in",
    "bool": "`and` by `or` and back",
    "not": "a condition by its opposite",
    "number": "an integer literal n by n + 1",
    "text": "a text literal by another (docstrings, texts of errors and assertions apart)",
    "constant": "True by False, None by 0",
    "arithmetic": "+ by -, * by //, and back",
    "return": "a returned value by None",
    "drop": "a statement (an assignment to a name that has a value, a call, `continue`, `break`) by nothing",
    "order": "`reversed(x)` and `sorted(x)` by `x`; `reverse=True` by False",
}

RUN = """
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder, SourceFileLoader

name, file, text = sys.argv[1], sys.argv[2], open(sys.argv[3], encoding="utf-8").read()

class Loader(SourceFileLoader):
    def get_code(self, fullname):
        return compile(text, file, "exec")

class Finder(MetaPathFinder):
    def find_spec(self, fullname, path=None, target=None):
        if fullname != name:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        spec.loader = Loader(fullname, file)
        return spec

sys.meta_path.insert(0, Finder())
sys.dont_write_bytecode = True
import pytest
sys.exit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", "--no-header", "--tb=no", *sys.argv[4:]]))
"""


@attrs.frozen(slots=True)
class Mutant:
    """One change: the operator, the line, and the number of the place among those of the module."""

    module: str
    operator: str
    line: int
    place: int


@attrs.frozen(slots=True)
class Verdict:
    """What became of a mutant, and how long that took."""

    mutant: Mutant
    killed: bool
    seconds: float


COMPARE = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
ARITHMETIC = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv}


def places(tree: ast.Module) -> Iterator[tuple[str, ast.AST, str, int | None]]:
    """(operator, parent, field, index) of each place that a mutant may change, in the order of the text."""
    todo: list[tuple[ast.AST, bool]] = [(tree, False)]
    while todo:
        node, quiet = todo.pop()
        inside: list[tuple[ast.AST, bool]] = []
        for field, value in ast.iter_fields(node):
            items = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
            for index, item in items:
                if not isinstance(item, ast.AST) or _skipped(node, field, item):
                    continue
                hushed = quiet or _is_message(node, item)
                for operator in _operators(item, hushed):
                    yield operator, node, field, index
                inside.append((item, hushed))
        todo.extend(reversed(inside))


def _skipped(parent: ast.AST, field: str, item: ast.AST) -> bool:
    """What says nothing at run time: annotations, docstrings, assertions, imports, what only type checkers run."""
    if field in ("annotation", "returns", "decorator_list") or isinstance(
        item, ast.Assert | ast.Import | ast.ImportFrom
    ):
        return True
    if isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant):
        return True
    if isinstance(item, ast.AnnAssign) and "TypeAlias" in ast.dump(item.annotation):
        return True
    return isinstance(item, ast.If) and "TYPE_CHECKING" in ast.dump(item.test)


def _is_message(parent: ast.AST, item: ast.AST) -> bool:
    """Whether `item` is the text of an error, which no law speaks of."""
    if isinstance(parent, ast.Call) and isinstance(parent.func, ast.Name):
        if parent.func.id in ("err", "Fault") and len(parent.args) == 2:
            return item is parent.args[1]
        if parent.func.id in ("ValueError", "AnswerError", "IndexError"):
            return item in parent.args
    return isinstance(item, ast.JoinedStr)


def _operators(node: ast.AST, quiet: bool) -> Iterator[str]:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARE:
        yield "compare"
    elif isinstance(node, ast.BoolOp):
        yield "bool"
    elif isinstance(node, ast.If | ast.IfExp | ast.While):
        if not isinstance(node.test, ast.Constant | ast.Compare):
            yield "not"
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, bool) or node.value is None:
            yield "constant"
        elif isinstance(node.value, int):
            yield "number"
        elif isinstance(node.value, str) and not quiet:
            yield "text"
    elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        yield "arithmetic"
    elif isinstance(node, ast.Return) and node.value is not None and not isinstance(node.value, ast.Constant):
        yield "return"
    elif isinstance(node, ast.Continue | ast.Break) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    ):
        yield "drop"
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("reversed", "sorted"):
        yield "order"
    elif isinstance(node, ast.Assign) and _assigns_again(node):
        yield "drop"


def _assigns_again(node: ast.Assign) -> bool:
    """Whether the statement gives a name a value made from its old one: dropping it leaves a program that runs."""
    target = node.targets[0]
    return isinstance(target, ast.Name) and any(
        isinstance(inner, ast.Name) and inner.id == target.id for inner in ast.walk(node.value)
    )


def mutants_of(module: str) -> list[Mutant]:
    """All mutants of a module."""
    tree = ast.parse((CORE / f"{module}.py").read_text("utf-8"))
    found = []
    for place, (operator, parent, field, index) in enumerate(places(tree)):
        node = getattr(parent, field) if index is None else getattr(parent, field)[index]
        found.append(Mutant(module, operator, getattr(node, "lineno", 0), place))
    return found


def text_of(mutant: Mutant) -> str:
    """The text of the module with the mutant's change, unchanged where there is no such place."""
    tree = ast.parse((CORE / f"{mutant.module}.py").read_text("utf-8"))
    for place, (operator, parent, field, index) in enumerate(places(tree)):
        if place == mutant.place:
            node = getattr(parent, field) if index is None else getattr(parent, field)[index]
            changed = _changed(node, operator)
            if index is None:
                setattr(parent, field, changed)
            else:
                getattr(parent, field)[index] = changed
            return ast.unparse(ast.fix_missing_locations(tree))
    return ast.unparse(tree)


def _changed(node: ast.AST, operator: str) -> ast.AST:
    node = copy.copy(node)
    match node:
        case ast.Compare():
            node.ops = [COMPARE[type(node.ops[0])](), *node.ops[1:]]
        case ast.BoolOp():
            node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        case ast.If() | ast.IfExp() | ast.While():
            node.test = ast.UnaryOp(ast.Not(), node.test)
        case ast.Constant(value=bool()):
            node.value = not node.value
        case ast.Constant(value=None):
            node.value = 0
        case ast.Constant(value=int()):
            node.value += 1
        case ast.Constant():
            node.value = f"{node.value}x"
        case ast.BinOp():
            node.op = ARITHMETIC[type(node.op)]()
        case ast.Return():
            node.value = ast.Constant(None)
        case ast.Call():
            return ast.Call(ast.Name("list", ast.Load()), node.args[:1], [])
        case _:
            return ast.Pass()
    return node


def judge(mutant: Mutant, folder: Path) -> Verdict:
    """Run the tests on a mutant until one fails."""
    began = time.monotonic()
    file = folder / f"{mutant.module}-{mutant.place}.py"
    file.write_text(text_of(mutant), "utf-8")
    killed = False
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "SHEPHERD_MUTANT": "1"}
    name = f"shepherd_dsl.core.{mutant.module}"
    command = [sys.executable, "-c", RUN, name, str(CORE / f"{mutant.module}.py"), str(file)]
    try:
        done = subprocess.run([*command, *TESTS], cwd=ROOT, env=env, capture_output=True, timeout=SECONDS)
        killed = done.returncode != 0
    except subprocess.TimeoutExpired:
        killed = True
    file.unlink()
    return Verdict(mutant, killed, time.monotonic() - began)


def main() -> None:
    """Make, run, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--module", action="append", choices=MODULES, help="only this module (may be given again)")
    parser.add_argument("--sample", type=int, default=0, help="so many mutants, drawn; 0 for all")
    parser.add_argument("--seed", type=int, default=2026, help="seed of the draw")
    parser.add_argument("--minutes", type=float, default=0, help="stop after so long; 0 for no limit")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2) // 2), help="so many at once")
    args = parser.parse_args()
    everything = [mutant for module in args.module or MODULES for mutant in mutants_of(module)]
    Random(args.seed).shuffle(everything)
    chosen = everything[: args.sample] if args.sample else everything
    print(f"{len(everything)} mutants, {len(chosen)} of them drawn with seed {args.seed}", flush=True)
    folder = ROOT / "build" / "mutants"
    folder.mkdir(parents=True, exist_ok=True)
    if judge(Mutant(MODULES[0], "none", 0, -1), folder).killed:
        print("the tests fail without any change: nothing can be said")
        raise SystemExit(1)
    verdicts: list[Verdict] = []
    until = time.monotonic() + 60 * args.minutes if args.minutes else float("inf")
    waiting = list(reversed(chosen))
    with ThreadPoolExecutor(args.jobs) as pool:
        running = set()
        while running or (waiting and time.monotonic() < until):
            while waiting and len(running) < args.jobs and time.monotonic() < until:
                running.add(pool.submit(judge, waiting.pop(), folder))
            done = next(as_completed(running))
            running.discard(done)
            verdicts.append(done.result())
            last = verdicts[-1]
            print(f"{'killed' if last.killed else 'SURVIVED'} {last.seconds:.0f} s: {last.mutant}", flush=True)
    write(verdicts, len(everything), args.seed)


def write(verdicts: list[Verdict], total: int, seed: int) -> None:
    """The score and the survivors, as a page."""
    killed = sum(verdict.killed for verdict in verdicts)
    score = 100 * killed / len(verdicts) if verdicts else 0.0
    lines = [
        "# Mutants of the core",
        "",
        "`make mutants` makes this page (`bench/mutants.py`). Each mutant changes one place of a module of the core by",
        "one of the operators below; it is killed when a test of `tests/laws` fails or does not end. Target: 90 %.",
        "",
        f"**{score:.1f} %**: {killed} of {len(verdicts)} mutants killed, drawn from {total} with seed {seed}.",
        "",
        "| module | mutants | killed | % |",
        "|---|---|---|---|",
    ]
    for module in MODULES:
        mine = [verdict for verdict in verdicts if verdict.mutant.module == module]
        dead = sum(verdict.killed for verdict in mine)
        if mine:
            lines.append(f"| `{module}` | {len(mine)} | {dead} | {100 * dead / len(mine):.0f} |")
    lines += ["", "## Operators", "", *[f"- *{name}*: {about}" for name, about in OPERATORS.items()]]
    lines += ["", "## Survivors", ""]
    alive = sorted(
        (verdict.mutant for verdict in verdicts if not verdict.killed),
        key=lambda one: (one.module, one.line, one.place),
    )
    for one in alive:
        text = (CORE / f"{one.module}.py").read_text("utf-8").splitlines()[one.line - 1].strip()
        lines.append(f"- `{one.module}.py:{one.line}` {one.operator}: `{text}`")
    if not alive:
        lines.append("None.")
    REPORT.write_text("\n".join(lines) + "\n", "utf-8")
    print(f"{score:.1f} % of {len(verdicts)} killed; written to {REPORT.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
