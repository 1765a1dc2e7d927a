"""From a checked program to a core program: what is reachable, and what the driver and the test runner need."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import attrs

from shepherd_dsl.check.constant import constant
from shepherd_dsl.check.declare import argument_pattern
from shepherd_dsl.check.deep import room
from shepherd_dsl.check.env import AgentSig, EffectSig, Params
from shepherd_dsl.check.grants import INBOX, united
from shepherd_dsl.check.load import Loaded, check_agent, everything, own_agents
from shepherd_dsl.check.types import BOOL, DEC, INT, TEXT, ListOf, Param, Rec, Type, Variant, resolve
from shepherd_dsl.check.types import UNIT as UNIT_TYPE
from shepherd_dsl.core.expr import Comp, Var
from shepherd_dsl.core.grant import Pattern, Request
from shepherd_dsl.core.program import Def, Operation, Program
from shepherd_dsl.core.value import UNIT, UNKNOWN, Con, Value, dec, err, ok, record
from shepherd_dsl.lower import perform, runtime
from shepherd_dsl.lower.core import Namer, lift
from shepherd_dsl.lower.frame import RETURN_UNIT, Frame, Unit
from shepherd_dsl.lower.walk import everything as nodes
from shepherd_dsl.syntax import tree
from shepherd_dsl.syntax.diagnostics import program_error
from shepherd_dsl.syntax.span import Lines, Span


@attrs.frozen(slots=True, eq=False)
class AgentInfo:
    """What a caller of an agent needs to know.

    `request` is the grant it asks for: as a root run it gets just that. `performed` says that a model does it.
    """

    name: str
    params: Params
    result: Type
    request: Request
    doc: str
    performed: bool


@attrs.frozen(slots=True, eq=False)
class ScriptRule:
    """A line of a test's script: answers to calls that fit, in turn; the last one goes on for ever."""

    op: str
    patterns: tuple[Pattern, ...]
    answers: tuple[Con, ...]


@attrs.frozen(slots=True, eq=False)
class TestInfo:
    """A test, ready to run: `agent` of `program` granted `request`; `expects` are the places of its expectations."""

    __test__ = False

    name: str
    file: str
    line: int
    program: Program
    agent: str
    request: Request
    script: tuple[ScriptRule, ...]
    expects: tuple[Span, ...]
    source: str


@attrs.frozen(slots=True, eq=False)
class Lowered:
    """A core program, its agents that can be started (those of the file that was asked for), and its tests."""

    program: Program
    agents: Mapping[str, AgentInfo]
    tests: tuple[TestInfo, ...]


def lower(loaded: Loaded) -> Lowered:
    """The core program of a checked program. Raises ProgramError for what only lowering can see (E300 on)."""
    with room():
        return _lower(loaded)


def _lower(loaded: Loaded) -> Lowered:
    builder = _Builder(loaded)
    infos: dict[str, AgentInfo] = {}
    for sig in own_agents(loaded.entry):
        if sig.type_params:
            continue
        name = builder.agent(sig, {})
        infos[sig.decl.name.text] = AgentInfo(
            name, sig.params, sig.result, united(sig.grants, [INBOX]), sig.doc, sig.decl.body is None
        )
    builder.drain()
    tests = tuple(_test(builder.copy(), test, number) for number, test in enumerate(loaded.tests(), 1))
    return Lowered(builder.program(), infos, tests)


@attrs.define(slots=True, eq=False)
class _Builder:
    loaded: Loaded
    defs: dict[str, Def] = attrs.field(factory=dict)
    names: dict[tuple[object, ...], str] = attrs.field(factory=dict)
    namer: Namer = attrs.field(factory=Namer)
    todo: deque[tuple[AgentSig, dict[Param, Type], str]] = attrs.field(factory=deque)

    def copy(self) -> _Builder:
        """A builder that goes on from here by itself."""
        return _Builder(self.loaded, dict(self.defs), dict(self.names), Namer(dict(self.namer.used)))

    def agent(self, sig: AgentSig, types: dict[Param, Type]) -> str:
        """The core name of an agent with its type parameters decided; it is lowered in its turn."""
        decided = {param: types[param] for param in sig.type_params if param in types} if self.reads_types(sig) else {}
        key = (sig, *decided.values())
        if key not in self.names:
            self.ensure(sig)
            self.names[key] = self.namer.fresh(sig.name)
            self.todo.append((sig, decided, self.names[key]))
        return self.names[key]

    def ensure(self, sig: AgentSig) -> None:
        """Check the body of a library agent when it is first reached."""
        if sig.name not in self.loaded.checked:
            self.loaded.checked.add(sig.name)
            check_agent(sig, self.loaded.tables)
            if sig.env.diagnostics:
                raise program_error(sig.env.diagnostics, {sig.env.module.file: sig.env.module.source})

    def reads_types(self, sig: AgentSig) -> bool:
        """Whether what an agent does depends on its type parameters: it, or one it calls, asks for a schema."""
        seen: set[AgentSig] = set()
        todo = [sig] if sig.type_params else []
        while todo:
            top = todo.pop()
            if top in seen or not top.type_params:
                continue
            seen.add(top)
            if top.decl.body is None:
                return True
            for node in nodes(top.decl.body):
                if isinstance(node, (tree.Call, tree.Spawn)):
                    name = node.agent if isinstance(node, tree.Spawn) else node.callee
                    text = name.text if isinstance(name, tree.Name) else getattr(name, "name", "")
                    if text in ("schema_of", "wrapped", "decode") and text not in top.env.agents:
                        return True
                    if text in top.env.agents:
                        todo.append(top.env.agents[text])
        return False

    def drain(self) -> None:
        """Lower what was asked for and whatever that asks for."""
        while self.todo:
            sig, types, name = self.todo.popleft()
            unit = Unit(name, self.loaded.tables, self.agent, self.ensure)
            frame = Frame(unit, {}, types, sig.env.module)
            params = []
            for written in sig.decl.params:
                param = frame.fresh(written.name.text)
                params.append(param)
                if sig.decl.body is not None:
                    frame.bind(written, Var(param))
            body = self._performed(frame, sig, params) if sig.decl.body is None else frame.body(sig)
            self.add(unit, tuple(params), body)

    def add(self, unit: Unit, params: tuple[str, ...], body: Comp) -> None:
        """A finished unit: its local functions lifted."""
        main, local = lift(Def(params, body), unit.local)
        self.defs[unit.name] = main
        self.defs.update(local)

    def _performed(self, frame: Frame, sig: AgentSig, params: list[str]) -> Comp:
        return frame.apart(lambda: perform.lower(frame, sig, params, sig.env.effects, self._library()))

    def _library(self) -> Mapping[str, AgentSig]:
        """The library's agents by name, whatever the program calls its own."""
        return {sig.decl.name.text: sig for env in self.loaded.library for sig in own_agents(env)}

    def program(self) -> Program:
        """The program: what was lowered, with those shared definitions that it calls."""
        from shepherd_dsl.lower.core import called

        defs = dict(self.defs)
        shared = runtime.definitions()
        todo = list(defs.values())
        while todo:
            for name in called(todo.pop().body):
                if name in shared and name not in defs:
                    defs[name] = shared[name]
                    todo.append(shared[name])
        ops = {
            name: Operation(effect.effect_class, effect.undo) for name, effect in sorted(self.loaded.effects.items())
        }
        return Program(dict(sorted(defs.items())), ops)


# Tests ---------------------------------------------------------------------------------------------------------------


def _test(builder: _Builder, test: tree.TestDecl, number: int) -> TestInfo:
    loaded = builder.loaded
    env = loaded.entry
    unit = Unit(f"test'{number}", loaded.tables, builder.agent, builder.ensure)
    frame = Frame(unit, {}, {}, env.module)
    builder.add(unit, (), frame.block(test.body, RETURN_UNIT, used=False))
    builder.drain()
    script = tuple(_rule(loaded.tables.effects[line], line) for line in test.script)
    line, _ = Lines(env.module.source).position(test.span.start)
    return TestInfo(
        test.name, env.module.file, line, builder.program(), unit.name, everything(env), script, tuple(unit.expects),
        env.module.source,
    )  # fmt: skip


def _rule(sig: EffectSig, line: tree.ScriptLine) -> ScriptRule:
    patterns = []
    for written, (label, wanted) in zip(line.op.args or (), sig.params, strict=False):
        found = argument_pattern(None, written, label, wanted)
        assert found is not None
        patterns.append(found)
    return ScriptRule(sig.name, tuple(patterns), tuple(_answer(answer, sig.result) for answer in line.answers))


def _answer(answer: tree.ScriptAnswer, wanted: Type) -> Con:
    match answer:
        case tree.ScriptValue(expr, _):
            found = constant(expr)
            assert found is not None
            if isinstance(found, str) and isinstance(wanted, Rec) and wanted.get("text") == TEXT:
                found = record((label, found if label == "text" else empty(inner)) for label, inner in wanted.fields)
            return ok(found)
        case tree.ScriptError(code, text, _):
            return err(_text(code), _text(text))
    return UNKNOWN


def _text(expr: tree.Expr) -> str:
    found = constant(expr)
    assert isinstance(found, str)
    return found


def empty(found: Type) -> Value:
    """The empty value of a type: `0`, `""`, `false`, `[]`, `None`, records of such, a variant's first such case."""
    top = resolve(found)
    match top:
        case Rec(fields):
            return record((label, empty(inner)) for label, inner in fields)
        case ListOf():
            return ()
        case Variant(cases):
            bare = [name for name, args in cases if not args]
            if bare:
                return Con(bare[0])
            name, args = cases[0]
            return Con(name, tuple(empty(arg) for arg in args))
    basics: dict[Type, Value] = {BOOL: False, INT: 0, DEC: dec(0), UNIT_TYPE: UNIT}
    return basics.get(top, "")


__all__ = ["AgentInfo", "Lowered", "ScriptRule", "TestInfo", "empty", "lower"]
