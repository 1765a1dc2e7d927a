"""The handler of `python.step`: what the function of a Python agent wants next.

It keeps functions that are in the middle of their work, one a run, each in a thread of its own. One that fits the trace
of the run that asks is handed the last outcome and goes on. Where there is none (after a crash, a fork, a revert, or
when too many are kept) the function is executed again with the outcomes that the live trace records. So the answer is
always a function of the trace, and keeping functions only saves time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import anyio
import anyio.to_thread

from shepherd_dsl.agents import spec
from shepherd_dsl.agents.agent import Agent as PythonAgent
from shepherd_dsl.agents.build import Built
from shepherd_dsl.agents.loop import AWAIT, DRIVE_ALL, STEP, STOP
from shepherd_dsl.agents.recorded import open_step, started_with, turns
from shepherd_dsl.agents.reference import recorded_agents
from shepherd_dsl.agents.session import Answered, Diverged, Session
from shepherd_dsl.check.schema import plain, type_value
from shepherd_dsl.core.display import display
from shepherd_dsl.core.run import Commit
from shepherd_dsl.core.value import Agent, Con, Record, Value, ok
from shepherd_dsl.errors import AgentError, DivergenceError
from shepherd_dsl.handlers.context import HandlerContext
from shepherd_dsl.handlers.fits import misfit
from shepherd_dsl.handlers.protocol import OperationSpec, Request

OPERATIONS: Mapping[str, OperationSpec] = MappingProxyType(
    {
        STEP: OperationSpec(
            effect_class="pure",
            params=(("name", "Text"),),
            result="Any",
            about="what the function of a Python agent wants next",
        )
    }
)

KEPT = 64
"""So many functions are kept in the middle of their work; the one not asked for longest is let go."""

PATIENCE = 1.0
"""Seconds that a function is given to unwind when the handler is closed."""

Key = tuple[str, str]


class PythonHandler:
    """Performs `python.step`. `built` has the agents; without it they are found by what the tree recorded of them.

    Never answers `Err`: what the function raises is a `Fail` of its run. Raises DivergenceError where the function
    does something else than its trace says, and AgentError where it cannot be found: both leave the run as it is.
    """

    operations = OPERATIONS

    def __init__(self, context: HandlerContext, built: Built | None = None, *, kept: int = KEPT) -> None:
        self._context = context
        self._built = built
        self._kept = kept
        self._sessions: OrderedDict[Key, Session] = OrderedDict()
        self._limiter: anyio.CapacityLimiter | None = None
        self._trees: dict[str, Built] = {}

    async def perform(self, request: Request) -> Con:
        """`Ok` of the step."""
        trace = request.trace
        assert trace is not None, "the driver gives the trace of the run that asks"
        key = (request.tree, request.run)
        last = next(turns(trace), None)
        session = self._sessions.pop(key, None)
        outcome = None if last is None else last.outcome
        if session is not None and (session.over or last is None or session.position != last.position):
            session.close()
            session = None
        if session is None:
            session, outcome = self._begin(request, trace), None
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(10_000)
        try:
            want = await anyio.to_thread.run_sync(
                session.step, outcome, abandon_on_cancel=True, limiter=self._limiter
            )  # fmt: skip
        except BaseException:
            session.close()
            raise
        if isinstance(want, Diverged):
            session.close()
            raise _divergence(request, want)
        if want.name == "Ask":
            session.position = open_step(trace)
            self._keep(key, session)
        return ok(want)

    def _begin(self, request: Request, trace: Commit) -> Session:
        name, args = started_with(trace)
        built = self._agents(request.tree)
        agent = built.agents.get(name)
        if agent is None or agent.performed:
            why = "is not among the agents given" if agent is None else "has no body any more"
            raise AgentError(
                "python.gone",
                f"the Python agent `{name}` {why}",
                where=f"run {request.tree}, {request.run}",
                hint="Put its function back, or hand it over: resume(tree, agents=[…]).",
            )
        _check_arguments(agent, args, f"run {request.tree}, {request.run}")
        recorded: list[Answered] = list(turns(trace))
        recorded.reverse()
        clean = self._context.redactor.value
        return Session(agent, args, built=built, recorded=recorded, clean=clean)

    def _agents(self, tree: str) -> Built:
        if self._built is not None:
            return self._built
        if tree not in self._trees:
            self._trees[tree] = recorded_agents(self._context.workspace, tree)
        return self._trees[tree]

    def _keep(self, key: Key, session: Session) -> None:
        self._sessions[key] = session
        while len(self._sessions) > self._kept:
            self._sessions.popitem(last=False)[1].close()

    @property
    def kept(self) -> int:
        """How many functions are kept in the middle of their work."""
        return len(self._sessions)

    async def probe(self, request: Request) -> Con | None:
        """None: a step changes nothing, so it is simply asked for again."""
        return None

    async def aclose(self) -> None:
        """Let go of all functions."""
        sessions = list(self._sessions.values())
        self._sessions.clear()
        for session in sessions:
            session.close()
        for session in sessions:
            session.close(patience=PATIENCE)


def open_handler(context: HandlerContext) -> PythonHandler:
    """The factory of the entry point `python`."""
    return PythonHandler(context)


def _check_arguments(agent: PythonAgent[..., Any], args: tuple[Value, ...], where: str) -> None:
    """Raises AgentError where the function does not take any more what its run was started with."""
    params = agent.signature().params
    problem = None if len(args) == len(params) else f"takes {len(params)} arguments, not {len(args)}"
    for value, (label, found, _) in zip(args, params, strict=False):
        if problem is None and plain(found):
            wrong = misfit(type_value(found), value)
            problem = None if wrong is None else f"takes another `{label}`: {wrong}"
    if problem is not None:
        raise AgentError(
            "python.signature",
            f"the function of `{agent.name}` does not take any more what the run was started with; it {problem}",
            where=where,
            hint="Start a new run, or put its parameters back.",
        )


# ── divergence ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _divergence(request: Request, found: Diverged) -> DivergenceError:
    name = request.args[0]
    where = f"run {request.tree}" if request.run == "root" else f"run {request.tree}, {request.run}"
    return DivergenceError(
        "python.diverged",
        f"the function of `{name}` does something else than its trace says: event {found.position + 1} records that it "
        f"{shown(found.recorded)}, now it {shown(found.now)}",
        where=where,
        hint="Between effects a function must be deterministic: time, chance, files and the network are effects. If it "
        f"was edited, fork the run before that event: `shepherd fork {request.tree}@{found.position}`."
        if request.run == "root"
        else "Between effects a function must be deterministic: time, chance, files and the network are effects.",
    )


def shown(want: Con) -> str:
    """A step in words: `asks shell.run("pytest -q")`."""
    match want:
        case Con("Ask", (str() as op, tuple() as args)):
            told = [spec.plain(arg) for arg in args if isinstance(arg, Con)] if op.startswith("run.") else list(args)
            return _asks(op, told)
        case Con("Return", (Con() as what,)):
            return f"returns {_brief(spec.plain(what))}"
        case Con("Fail", (Record() as failed,)):
            return f"fails: {failed.get('text')}"
    return f"was answered with {_brief(want)}"


def _asks(op: str, args: list[Value]) -> str:
    if op == "run.spawn" and isinstance(args[0], Agent) and isinstance(args[1], tuple):
        return f"calls {args[0].name}({', '.join(map(_brief, args[1]))})"
    words = {AWAIT: "awaits", STOP: "drives", DRIVE_ALL: "awaits"}
    shown_args = ", ".join(map(_brief, args))
    return f"{words[op]} {shown_args}" if op in words else f"asks {op}({shown_args})"


def _brief(value: Value) -> str:
    if isinstance(value, Con) and value.name == "Run" and value.args:
        return "a run"
    text = display(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


__all__: list[Any] = ["KEPT", "OPERATIONS", "PythonHandler", "open_handler"]
