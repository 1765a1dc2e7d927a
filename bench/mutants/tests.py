"""Which tests there are, which lines of the core each of them reaches, and what a module is imported by."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from bench.mutants.operators import ROOT, Mutant, modules

PACKAGE = "shepherd_dsl"


def test_files() -> tuple[str, ...]:
    """The laws, and the unit tests of the core: by what they import, or named after a module of the core."""
    named = tuple(f"test_{module}" for module in modules())
    unit = (
        file
        for file in sorted((ROOT / "tests/unit").glob("test_*.py"))
        if file.stem in named or _is_of_core(_imports(file))
    )
    return tuple(
        file.relative_to(ROOT).as_posix() for file in (*sorted((ROOT / "tests/laws").glob("test_*.py")), *unit)
    )


def _is_of_core(imports: frozenset[str]) -> bool:
    mine = {name for name in imports if name.startswith(f"{PACKAGE}.") and name != f"{PACKAGE}.core"}
    return bool(mine) and all(name.startswith(f"{PACKAGE}.core.") for name in mine)


@cache
def _imports(file: Path) -> frozenset[str]:
    """Every module that a file may import, wherever in it; also names that are no modules."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(found)


@cache
def _graph() -> dict[str, frozenset[str]]:
    """What each module of the package imports, and the package it is in."""
    files = {}
    for file in (ROOT / PACKAGE).rglob("*.py"):
        parts = file.relative_to(ROOT).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return {
        name: frozenset({found for found in _imports(file) if found in files} | {name.rpartition(".")[0]} - {""})
        for name, file in files.items()
    }


@cache
def importers(module: str) -> frozenset[str]:
    """The module of the core with all that imports it, at first or second hand, by full names."""
    found = {f"{PACKAGE}.core.{module}"}
    graph = _graph()
    while True:
        more = {name for name, imports in graph.items() if imports & found} - found
        if not more:
            return frozenset(found)
        found |= more


def digest(*parts: object) -> str:
    """A short name of contents."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:24]


@cache
def file_digest(path: str) -> str:
    """The name of the content of a file."""
    return digest((ROOT / path).read_text("utf-8"))


@cache
def ground() -> str:
    """The name of what every verdict rests on: the package, what the tests share, the versions of what is used."""
    files = [*(ROOT / PACKAGE).rglob("*.py"), *(ROOT / "tests/support").glob("*.py"), *_shared()]
    rows = [f"{file.relative_to(ROOT)} {file_digest(file.relative_to(ROOT).as_posix())}" for file in sorted(files)]
    return digest(*rows, file_digest("pyproject.toml"))


def _shared() -> list[Path]:
    return [ROOT / "tests/conftest.py", ROOT / "tests/laws/conftest.py"]


Reached = Mapping[str, Mapping[int, Iterable[str]]]
"""For each module of the core, the tests that reach each line; "" stands for the imports."""


class Chooser:
    """Says which tests a mutant has to meet."""

    def __init__(self, reached: Reached) -> None:
        self.lines = {
            module: {line: frozenset(tests) for line, tests in lines.items()} for module, lines in reached.items()
        }
        self.of_module = {
            module: frozenset().union(*lines.values()) - {""} if lines else frozenset()
            for module, lines in self.lines.items()
        }

    def tests(self, mutant: Mutant) -> frozenset[str]:
        """The tests that reach the statement; where only imports do, those that reach what the statement is used by."""
        lines = self.lines.get(mutant.module, {})
        found = frozenset().union(*(lines.get(line, frozenset()) for line in range(mutant.first, mutant.last + 1)))
        if found - {""}:
            return found - {""}
        return self.at_import(mutant.module) if found else frozenset()

    def at_import(self, module: str) -> frozenset[str]:
        """The tests that reach the module, or one that imports it directly."""
        full = f"{PACKAGE}.core.{module}"
        users = [name for name, imports in _graph().items() if full in imports and ".core." in name]
        found = self.of_module.get(module, frozenset()).union(
            *(self.of_module.get(name.rpartition(".")[2], frozenset()) for name in users)
        )
        return found or frozenset().union(*self.of_module.values())
