"""The audit of the compiled modules: `lean/checks/Audit.lean`, and what is remembered of it.

The kernel's second look at a module is remembered under the module's key, the whole result under all keys: an audit of
what was audited before takes no time, one after a change looks only at what rests on the change.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from .build import object_file, write_whole
from .modules import Module
from .places import AUDIT, ROOT, LeanError, cache

THEOREMS: Final = ROOT / "spec" / "theorems.toml"
"""The claims, in order; `spec/verified.md` is made from it."""


class Lean(Protocol):
    """A Lean that can run a program with the compiled modules at hand."""

    def command(self, *arguments: str | Path) -> list[str]:
        """The command line of `lean ARGUMENTS`."""

    def environment(self, *lean_path: Path) -> dict[str, str]:
        """The environment of such a process."""


@dataclass(frozen=True)
class Problem:
    """What the audit does not accept."""

    kind: str
    name: str
    module: str
    line: int
    text: str

    def shown(self, file: str | Path) -> str:
        """As compilers print it."""
        return f"{file}:{self.line}:0: error: {self.name} {self.text}"


@dataclass(frozen=True)
class Theorem:
    """A headline theorem that was found; `theorem` is the last part of its name."""

    theorem: str
    name: str
    module: str
    line: int
    doc: str
    axioms: list[str]


@dataclass(frozen=True)
class Report:
    """The result of an audit."""

    declarations: int
    replayed: int
    theorems: list[Theorem]
    problems: list[Problem]

    @property
    def ok(self) -> bool:
        """Nothing was found."""
        return not self.problems


def headline_theorems() -> list[str]:
    """The names of `spec/theorems.toml`, in order."""
    claims = tomllib.loads(THEOREMS.read_text("utf-8"))["claim"]
    return [name for claim in claims for name in claim["theorems"]]


def audit(
    lean: Lean, modules: Mapping[str, Module], theorems: Sequence[str], tree: Path | None, keys: Mapping[str, str]
) -> Report:
    """Audits compiled modules, found in `tree` or by the Lean itself. Without keys nothing is remembered."""
    recipe = hashlib.sha256(AUDIT.read_bytes()).hexdigest()
    whole = hashlib.sha256(json.dumps([recipe, sorted(keys.items()), list(theorems)]).encode()).hexdigest()
    remembered = cache() / "audits" / f"{whole}.json"
    if keys and (report := _remembered(remembered)):
        return report
    checked = [name for name in keys if _mark(keys[name], recipe).is_file()]
    arguments: list[str | Path] = ["--run", AUDIT]
    for option, names in (("--checked", checked), ("--theorem", theorems)):
        for name in names:
            arguments += [option, name]
    command = lean.command(*arguments, *modules)
    environment = lean.environment(*([tree] if tree else []))
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, encoding="utf-8")
    try:
        found = json.loads(done.stdout.splitlines()[-1])
        report = _report(found)
    except (IndexError, ValueError, KeyError, TypeError):
        said = (done.stdout + done.stderr).strip()
        raise LeanError(
            f"{AUDIT}: the audit ended with status {done.returncode} and without a result:\n{said}\n"
            f"Nothing was audited, so this counts as a failure."
        ) from None
    missed = set(modules) - set(found["modules"])
    if missed:
        raise LeanError(f"{AUDIT}: the audit left out {', '.join(sorted(missed))}: they count as the library's")
    if keys and not any(problem.kind == "kernel" for problem in report.problems):
        for key in keys.values():
            write_whole(_mark(key, recipe), "")
    if keys:
        write_whole(remembered, json.dumps(found))
    return report


def _mark(key: str, recipe: str) -> Path:
    """The file that says that the kernel accepted a module, and all it rests on, a second time."""
    return object_file(key, f"{recipe[:16]}.checked")


def _remembered(file: Path) -> Report | None:
    try:
        return _report(json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _report(found: Mapping[str, Any]) -> Report:
    theorems = [Theorem(**theorem) for theorem in found["theorems"]]
    problems = [Problem(**problem) for problem in found["problems"]]
    return Report(found["declarations"], found["replayed"], theorems, problems)
