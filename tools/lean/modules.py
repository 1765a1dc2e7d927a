"""The modules of a source folder, what they import, and the order in which they are built."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .places import LeanError


@dataclass(frozen=True)
class Module:
    """A file `A/B.lean` of a source folder is the module `A.B`."""

    name: str
    root: Path
    """The source folder."""
    file: Path
    content: bytes
    imports: tuple[str, ...]
    """The modules of the same folder that it imports, in the order of its header; those of the library are left out."""


SPACE = re.compile(r"\s+|--[^\n]*")
IMPORT = re.compile(r"import\s+((?:«[^»]*»|[\w'!?.])+)")
WORD = re.compile(r"(prelude|module|public|meta)\b")
OPEN_OR_CLOSE = re.compile(r"/-|-/")


def header(text: str) -> list[tuple[int, str]]:
    """Line and name of each import in the header of a file, as Lean reads it: comments and `prelude` are skipped."""
    found: list[tuple[int, str]] = []
    at = 0
    while at < len(text):
        if space := SPACE.match(text, at):
            at = space.end()
        elif text.startswith("/-", at) and not text.startswith(("/--", "/-!"), at):
            at = _after_comment(text, at)
        elif word := WORD.match(text, at):
            if word.group() != "prelude":
                raise LeanError(
                    f"{text.count(chr(10), 0, at) + 1}:0: error: `{word.group()}` in the header: the portable Lean "
                    f"knows no module system; import plainly"
                )
            at = word.end()
        elif word := IMPORT.match(text, at):
            found.append((text.count("\n", 0, at) + 1, word.group(1)))
            at = word.end()
        else:
            break
    return found


def _after_comment(text: str, at: int) -> int:
    depth = 0
    for mark in OPEN_OR_CLOSE.finditer(text, at):
        depth += 1 if mark.group() == "/-" else -1
        if depth == 0:
            return mark.end()
    return len(text)


def load(folder: Path, roots: Iterable[str]) -> dict[str, Module]:
    """All modules below the root modules `roots` of a source folder: `R.lean` and all of `R/`, by name and sorted."""
    roots = tuple(roots)
    files: list[Path] = []
    for root in roots:
        files += [folder / f"{root}.lean"] if (folder / f"{root}.lean").is_file() else []
        files += sorted((folder / root).rglob("*.lean"))
    names = {".".join(file.relative_to(folder).with_suffix("").parts): file for file in files}
    modules: dict[str, Module] = {}
    for name, file in sorted(names.items()):
        content = file.read_bytes()
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise LeanError(
                f"{file}: byte {error.start} is not UTF-8. Lean reads UTF-8 only; save the file so."
            ) from None
        own: dict[str, None] = {}
        try:
            imports = header(text)
        except LeanError as error:
            raise LeanError(f"{file}:{error}") from None
        for line, imported in imports:
            if imported.split(".")[0] not in roots:
                continue
            if imported not in names:
                expected = folder.joinpath(*imported.split(".")).with_suffix(".lean")
                raise LeanError(f"{file}:{line}:0: error: no module {imported}: there is no file {expected}")
            own[imported] = None
        modules[name] = Module(name, folder, file, content, tuple(own))
    return modules


def in_order(modules: Mapping[str, Module]) -> list[Module]:
    """Each module after those that it imports. An import that leads back to itself is an error that shows the way."""
    done: dict[str, Module] = {}
    way: list[str] = []

    def visit(name: str) -> None:
        if name in done:
            return
        if name in way:
            circle = " → ".join([*way[way.index(name) :], name])
            raise LeanError(f"{modules[name].file}:1:0: error: the imports go round in a circle: {circle}")
        way.append(name)
        for imported in modules[name].imports:
            visit(imported)
        way.pop()
        done[name] = modules[name]

    for name in modules:
        visit(name)
    return list(done.values())


def reached(modules: Mapping[str, Module], roots: Iterable[str]) -> set[str]:
    """What the roots import, directly or not, with the roots themselves."""
    todo = [root for root in roots if root in modules]
    seen = set(todo)
    while todo:
        for imported in modules[todo.pop()].imports:
            if imported not in seen:
                seen.add(imported)
                todo.append(imported)
    return seen


def left_out(modules: Mapping[str, Module]) -> list[str]:
    """The lint: complaints about modules of the library that its root does not import, so that nothing is left unread.

    A law may be imported by `Shepherd.Laws` instead, which the root then imports.
    """
    covered = reached(modules, ["Shepherd"])
    return [
        f"{module.file}:1:0: error: Shepherd (lean/Shepherd.lean) does not import {name}, directly or through others: "
        f"add `import {name}` there"
        for name, module in modules.items()
        if name.startswith("Shepherd.") and name not in covered
    ]
