"""From a file to a checked program: parsing, imports, the standard library, and all diagnostics at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

import attrs

from shepherd_dsl.check import calls, codes
from shepherd_dsl.check.body import Body
from shepherd_dsl.check.builtins import RUN_OPS
from shepherd_dsl.check.constant import constant
from shepherd_dsl.check.declare import argument_pattern, declare
from shepherd_dsl.check.deep import room
from shepherd_dsl.check.env import AgentSig, EffectSig, ModuleEnv, Tables
from shepherd_dsl.check.grants import INBOX, RUN_FAMILY
from shepherd_dsl.check.types import TEXT, UNIT, Rec, Type, resolve, show
from shepherd_dsl.core.grant import Clause
from shepherd_dsl.errors import UserError
from shepherd_dsl.syntax import tree
from shepherd_dsl.syntax.diagnostics import Diagnostic, Note, ordered, program_error

LIBRARY = ("prelude.shep", "lists.shep", "runs.shep", "ask.shep", "perform.shep")
"""The files of the standard library, in the order in which they see each other."""

Read = Callable[[Path], bytes]


@attrs.frozen(slots=True, eq=False)
class Loaded:
    """A program that parsed and checked.

    `modules` are its files, the one that was asked for first, then imports in the order of the source; `library` those
    of the standard library. `tables` holds what checking found out about their trees.
    """

    modules: tuple[ModuleEnv, ...]
    library: tuple[ModuleEnv, ...]
    tables: Tables
    effects: Mapping[str, EffectSig]
    checked: set[str]

    @property
    def entry(self) -> ModuleEnv:
        """The file that was asked for."""
        return self.modules[0]

    def agents(self) -> tuple[AgentSig, ...]:
        """The agents of the file that was asked for and of those it imports, in the order of the source."""
        return tuple(sig for env in self.modules for sig in own_agents(env))

    def tests(self) -> tuple[tree.TestDecl, ...]:
        """The tests of the file that was asked for."""
        return tuple(item for item in self.entry.module.items if isinstance(item, tree.TestDecl))


@attrs.frozen(slots=True, eq=False)
class Analysis:
    """What is known of a program, right or wrong: for editors. `loaded` is None where it has errors."""

    diagnostics: tuple[Diagnostic, ...]
    sources: Mapping[str, str]
    modules: tuple[ModuleEnv, ...]
    tables: Tables
    loaded: Loaded | None


def load(path: Path, *, root: Path | None = None) -> Loaded:
    """The program in a file, checked, with what it imports.

    `root` is the folder that imports may not leave; by default the nearest one above `path` that holds `.shepherd` or
    `.git`, else the folder of `path`. Raises ProgramError with all diagnostics rendered.
    """
    found = analyse(path, root=root)
    if found.loaded is None:
        raise program_error(found.diagnostics, found.sources)
    return found.loaded


def load_source(source: str, *, file: str = "program.shep", root: Path | None = None) -> Loaded:
    """As `load`, of a text; imports are looked for beside `file`."""
    found = analyse(Path(file), source=source, root=root)
    if found.loaded is None:
        raise program_error(found.diagnostics, found.sources)
    return found.loaded


def analyse(path: Path, *, source: str | None = None, root: Path | None = None, read: Read | None = None) -> Analysis:
    """Everything that can be said about a program; never raises ProgramError for what its text says.

    `source` stands for the content of `path` where it is not what the disk holds; `read` reads the other files.
    """
    loader = _Loader(root=_root(path) if root is None else root, read=read or _read)
    library = library_modules()
    loader.taken.update(sig.name for env in library for sig in own_agents(env))
    loader.sources.update({env.module.file: env.module.source for env in library})
    if source is None:
        try:
            source = loader.text(path, str(path))
        except OSError as error:
            raise UserError(
                "file.unreadable", f"the program cannot be read: {error.strerror}", where=str(path)
            ) from None
    if source is not None:
        with room():
            loader.enter(path, str(path), source)
    diagnostics = ordered(loader.diagnostics)
    modules = tuple(loader.modules)
    loaded = None
    if not diagnostics:
        effects = dict(sorted({name: sig for env in (*library, *modules) for name, sig in env.effects.items()}.items()))
        loaded = Loaded(modules, library, loader.tables, effects, set(loader.checked))
    return Analysis(diagnostics, loader.sources, modules, loader.tables, loaded)


def _read(path: Path) -> bytes:
    return path.read_bytes()


def _root(path: Path) -> Path:
    folder = path.resolve().parent
    for above in (folder, *folder.parents):
        if (above / ".shepherd").exists() or (above / ".git").exists():
            return above
    return folder


def own_agents(env: ModuleEnv) -> tuple[AgentSig, ...]:
    """The agents that a file declares, in order."""
    found = [sig for sig in env.agents.values() if sig.env is env]
    return tuple(sorted(found, key=lambda sig: sig.decl.span))


# Imports -------------------------------------------------------------------------------------------------------------


@attrs.define(slots=True, eq=False)
class _Loader:
    root: Path
    read: Read
    taken: set[str] = attrs.field(factory=set)
    tables: Tables = attrs.field(factory=Tables)
    diagnostics: list[Diagnostic] = attrs.field(factory=list)
    sources: dict[str, str] = attrs.field(factory=dict)
    modules: list[ModuleEnv] = attrs.field(factory=list)
    done: dict[Path, ModuleEnv | None] = attrs.field(factory=dict)
    busy: list[Path] = attrs.field(factory=list)
    checked: list[str] = attrs.field(factory=list)

    def text(self, path: Path, shown: str) -> str | None:
        """The text of a file; None where it is not text, which is reported. Raises OSError."""
        from shepherd_dsl.syntax import decode

        source, diagnostics = decode(self.read(path), file=shown)
        self.sources[shown] = source
        self.diagnostics.extend(diagnostics)
        return None if diagnostics else source

    def enter(self, path: Path, shown: str, source: str) -> ModuleEnv | None:
        """Parse and check one file and, before it, what it imports. None where it does not parse."""
        from shepherd_dsl.syntax import parse

        real = path.resolve()
        self.sources[shown] = source
        self.done[real] = None
        module, diagnostics = parse(source, file=shown)
        if diagnostics:
            self.diagnostics.extend(diagnostics)
            return None
        env = ModuleEnv(module, self.diagnostics)
        self.modules.append(env)
        _see_library(env, library_modules())
        self.busy.append(real)
        for item in module.items:
            if isinstance(item, tree.Import):
                self._import(env, path, item)
        self.busy.pop()
        own = {name: sig for name, sig in env.agents.items() if not sig.name.startswith("std.")}
        _clashes(env, own)
        declare(env, prefix="", taken=self.taken)
        self.done[real] = env
        for sig in own_agents(env):
            check_agent(sig, self.tables)
            self.checked.append(sig.name)
        for item in module.items:
            if isinstance(item, tree.TestDecl):
                check_test(env, item, self.tables)
        return env

    def _import(self, env: ModuleEnv, path: Path, item: tree.Import) -> None:
        written = item.path
        target = path.parent / written
        inside = target.resolve().is_relative_to(self.root.resolve())
        if written.startswith("/") or "\\" in written or not written.endswith(".shep") or not inside:
            env.report(codes.IMPORT_PATH, item.span, f"`{written}` cannot be imported",
                       expected="a relative path to a .shep file inside the project")  # fmt: skip
            return
        real = target.resolve()
        if real in self.busy:
            circle = " -> ".join([*(p.name for p in self.busy[self.busy.index(real) :]), real.name])
            env.report(codes.IMPORT_CYCLE, item.span, f"`{written}` imports this file", notes=[Note(circle)],
                       hint="move what both need into a third file")  # fmt: skip
            return
        if real not in self.done:
            shown = _shown(target)
            try:
                source = self.text(target, shown)
            except OSError as error:
                env.report(codes.NO_IMPORT, item.span, f"`{written}` cannot be read: {error.strerror}")
                return
            if source is None:
                return
            self.enter(target, shown, source)
        other = self.done.get(real)
        if other is not None:
            _see(env, other, item)


def _shown(target: Path) -> str:
    import os.path

    return os.path.normpath(str(target)).replace("\\", "/")


def _see_library(env: ModuleEnv, library: tuple[ModuleEnv, ...]) -> None:
    for module in library:
        env.types.update(module.types)
        env.effects.update(module.effects)
        env.agents.update(module.agents)


def _see(env: ModuleEnv, other: ModuleEnv, item: tree.Import) -> None:
    """Make what `other` declares visible in `env`."""
    declared_types = {i.name.text for i in other.module.items if isinstance(i, tree.TypeDecl)}
    for name in sorted(declared_types & other.types.keys()):
        known = env.types.get(name)
        if known is not None and known != other.types[name]:
            _clash(env, item.span, "type", name)
        env.types[name] = other.types[name]
    for effect in other.effects.values():
        if effect.file == other.module.file:
            env.effects.setdefault(effect.name, effect)
    for sig in own_agents(other):
        name = sig.decl.name.text
        before = env.agents.get(name)
        if before is not None and before is not sig and not before.name.startswith("std."):
            _clash(env, item.span, "agent", name, before)
        env.agents[name] = sig


def _clash(env: ModuleEnv, span: tree.Span, what: str, name: str, before: AgentSig | None = None) -> None:
    notes = [Note("it is also here", before.decl.name.span, before.env.module.file)] if before is not None else []
    env.report(codes.IMPORT_CLASH, span, f"the {what} `{name}` comes from two files", notes=notes,
               hint="rename one of them")  # fmt: skip


def _clashes(env: ModuleEnv, imported: Mapping[str, AgentSig]) -> None:
    for item in env.module.items:
        if isinstance(item, tree.AgentDecl) and item.name.text in imported:
            _clash(env, item.name.span, "agent", item.name.text, imported[item.name.text])


# Bodies --------------------------------------------------------------------------------------------------------------


def check_agent(sig: AgentSig, tables: Tables) -> None:
    """Check the body of an agent; its diagnostics go to its file's."""
    decl = sig.decl
    if decl.body is None:
        return
    body = Body(sig.env, tables, (*sig.grants, INBOX), sig.result, {param.name: param for param in sig.type_params})
    for (name, found), written in zip(sig.params, decl.params, strict=True):
        body.bind(name, found, written.name.span, written)
    if resolve(sig.result) == UNIT:
        body.block(decl.body, used=False)
        calls.check_asked(body)
        return
    found = body.block(decl.body, sig.result, whole=True)
    calls.check_asked(body)
    if found == UNIT and not (decl.body.stmts and isinstance(decl.body.stmts[-1], tree.ExprStmt)):
        sig.env.report(
            codes.NO_RETURN,
            tree.Span(decl.body.span.end - 1, decl.body.span.end),
            f"`{decl.name.text}` may end here without a value",
            expected=f"return, with a value of type {show(sig.result)}",
        )


def everything(env: ModuleEnv) -> tuple[Clause, ...]:
    """A grant of every operation that a file sees: what a test holds."""
    return (*(Clause(name) for name in sorted(env.effects)), Clause(RUN_FAMILY), Clause("inbox.take"))


def check_test(env: ModuleEnv, test: tree.TestDecl, tables: Tables) -> None:
    """Check a test: its script and its body."""
    body = Body(env, tables, everything(env), None, in_test=True)
    for line in test.script:
        if line.op.op is None:
            env.report(codes.SCRIPT, line.op.span, "a script line names an operation", expected="an operation")
            continue
        sig = calls.effect(body, line.op.op)
        if sig is None:
            continue
        if sig.name in RUN_OPS or sig.name == "inbox.take":
            env.report(codes.SCRIPT, line.op.span, f"`{sig.name}` is answered by the machine",
                       expected="an operation of a handler")  # fmt: skip
            continue
        tables.effects[line] = sig
        if line.op.args is not None:
            if len(line.op.args) > len(sig.params):
                body.arity(line.op.span, f"`{sig.name}`", len(line.op.args), len(sig.params))
            for pattern, (label, wanted) in zip(line.op.args, sig.params, strict=False):
                if not isinstance(pattern, (tree.Wildcard, tree.LiteralPattern)):
                    env.report(codes.SCRIPT, pattern.span, "patterns in a script are literals and `_`")
                else:
                    argument_pattern(env, pattern, label, wanted)
        for answer in line.answers:
            _check_answer(body, answer, sig)
    body.block(test.body, used=False)
    calls.check_asked(body)


def _check_answer(body: Body, answer: tree.ScriptAnswer, sig: EffectSig) -> None:
    written: list[tuple[tree.Expr, Type]] = []
    match answer:
        case tree.ScriptValue(value, _):
            written = [(value, TEXT if _bare(value, sig.result) else sig.result)]
        case tree.ScriptError(code, text, _):
            written = [(code, TEXT), (text, TEXT)]
    for expr, wanted in written:
        if constant(expr) is None:
            body.env.report(codes.SCRIPT, expr.span, "an answer is written out",
                            expected="literals, records, lists and variants of them")  # fmt: skip
        body.check(expr, wanted)


def _bare(value: tree.Expr, result: Type) -> bool:
    """Whether a bare text stands for a record with that `text` and every other field empty."""
    return isinstance(value, tree.TextLit) and isinstance(result, Rec) and result.get("text") == TEXT


# Library -------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def library_modules() -> tuple[ModuleEnv, ...]:
    """The standard library: declarations only; bodies are checked when something reaches them."""
    from shepherd_dsl.syntax import parse

    # Not importlib.resources, whose import takes longer than reading all of them.
    folder = Path(__file__).parent.parent / "std"
    found: list[ModuleEnv] = []
    taken: set[str] = set()
    for name in LIBRARY:
        shown = f"std/{name}"
        source = (folder / name).read_text("utf-8")
        module, diagnostics = parse(source, file=shown)
        if diagnostics:
            raise program_error(diagnostics, {shown: source})
        env = ModuleEnv(module, [])
        _see_library(env, tuple(found))
        declare(env, prefix="std.", taken=taken)
        if env.diagnostics:
            raise program_error(env.diagnostics, {shown: source})
        found.append(env)
    return tuple(found)
