"""Starting runs from outside of any agent."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

from shepherd_dsl.agents.run import Planned, Run
from shepherd_dsl.errors import EffectError, RefusedError, UserError

if TYPE_CHECKING:
    from shepherd_dsl.agents.agent import Agent
    from shepherd_dsl.agents.build import Built
    from shepherd_dsl.handlers.context import HandlerContext
    from shepherd_dsl.handlers.protocol import Handler
    from shepherd_dsl.runtime.actions import Ended
    from shepherd_dsl.runtime.display import Display
    from shepherd_dsl.runtime.trees import Task
    from shepherd_dsl.runtime.workspace import Workspace

T = TypeVar("T", covariant=True)


@attrs.frozen(slots=True, eq=False)
class Ran(Generic[T]):
    """How a tree ended.

    `tree` is its name, as `shepherd log` takes it; `kind` is `done`, `failed` or `discarded`; `value` what it returned,
    `error` why it failed. `merged` are the paths then written to the workspace, `refused` why that was refused.
    """

    tree: str
    kind: str
    value: T | None
    error: EffectError | None
    merged: tuple[str, ...]
    refused: RefusedError | None

    def result(self) -> T:
        """The value. Raises EffectError where the run failed, and RefusedError where its files were refused."""
        if self.error is not None:
            raise self.error
        if self.refused is not None:
            raise self.refused
        return self.value  # type: ignore[return-value]


def run(
    planned: Run[T],
    *,
    workspace: Workspace | str | os.PathLike[str] | None = None,
    model: str | None = None,
    keep: bool = False,
    assume: bool | None = None,
    display: Display | None = None,
    handlers: Mapping[str, Handler] | None = None,
    named: Callable[[str], None] | None = None,
) -> Ran[T]:
    """Start a planned run as a new tree and drive it to its end.

    It works on a copy of `workspace` (a folder, made a workspace if it is none; by default the one around the current
    folder); when it is done its files are written there, unless `keep`. `model` is named as on the command line,
    `assume` answers `human.approve`. `handlers` (by operation or family) come before the installed ones. `named` is
    told the tree's name before anything runs. A KeyboardInterrupt leaves a tree that `resume` goes on with.

    Raises UserError for a run that cannot be started, and DivergenceError where a function is not deterministic.
    """
    from shepherd_dsl.agents.convert import from_value
    from shepherd_dsl.agents.plan import plan
    from shepherd_dsl.agents.session import current
    from shepherd_dsl.runtime.actions import run_task

    if current() is not None:
        raise UserError(
            "python.nested",
            "`run` starts a tree, which an agent cannot do",
            hint="Inside an agent, call the other agent and ask for its result().",
        )
    if not isinstance(planned, Run) or not isinstance(planned._state, Planned):
        raise UserError("python.run", "`run` takes what calling an agent outside of any agent gives")
    _no_loop("run")
    place = _workspace(workspace)
    made = plan(planned, place.root)
    context = _context(place, model, assume)
    ended = _with_agents(
        made.built,
        context,
        handlers,
        lambda all_: run_task(
            place, made.task, context=context, display=_display(display), keep=keep, named=named, handlers=all_
        ),
    )
    return _ran(ended, lambda value: from_value(value, made.result, made.hint, _no_runs))


def resume(
    tree: str,
    *,
    agents: Iterable[Agent[..., Any]] = (),
    workspace: Workspace | str | os.PathLike[str] | None = None,
    model: str | None = None,
    keep: bool = False,
    again: bool = False,
    assume: bool | None = None,
    display: Display | None = None,
    handlers: Mapping[str, Handler] | None = None,
) -> Ran[Any]:
    """Go on with a recorded tree. Its Python agents are imported unless `agents` gives them.

    See `run` for the options; `again` performs an interrupted operation once more instead of calling it unknown. Raises
    AgentError where an agent cannot be found, and DivergenceError where its function asks something else than recorded.
    """
    from shepherd_dsl.agents.build import build
    from shepherd_dsl.agents.convert import from_value
    from shepherd_dsl.agents.reference import recorded_agents
    from shepherd_dsl.check.types import VALUE
    from shepherd_dsl.runtime.actions import resume_run

    _no_loop("resume")
    place = _workspace(workspace)
    given = tuple(agents)
    built = build(given) if given else recorded_agents(place.root, tree)
    context = _context(place, model, assume)
    ended = _with_agents(
        built,
        context,
        handlers,
        lambda all_: resume_run(
            place, tree, context=context, display=_display(display), keep=keep, again=again, handlers=all_
        ),
    )
    agent = place.store().read(tree).info.get("agent", "")
    found = built.agents.get(agent)
    kind, hint = (VALUE, None) if found is None else (found.signature().result, found.signature().hint)
    return _ran(ended, lambda value: from_value(value, kind, hint, _no_runs))


def task_of(planned: Run[Any], workspace: Path) -> Task:
    """The task that a planned run means, for those who start and drive trees themselves."""
    from shepherd_dsl.agents.plan import plan

    return plan(planned, workspace).task


def _no_loop(what: str) -> None:
    """Raises UserError where an event loop is running: the driver has its own, and would stop that one."""
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise UserError(
        "python.loop",
        f"`{what}` was called inside a running event loop",
        hint=f"Give it a thread of its own: await asyncio.to_thread({what}, …).",
    )


def _workspace(given: Workspace | str | os.PathLike[str] | None) -> Workspace:
    from shepherd_dsl.runtime.workspace import Workspace as Place

    if isinstance(given, Place):
        return given
    return Place.find(Path.cwd()) if given is None else Place.init(Path(given))


def _context(workspace: Workspace, model: str | None, assume: bool | None) -> HandlerContext:
    from shepherd_dsl.handlers.context import open_context

    return open_context(workspace.root, model=model, assume=assume)


def _display(given: Display | None) -> Display:
    from shepherd_dsl.runtime.display import Silent

    return Silent() if given is None else given


def _with_agents(
    built: Built,
    context: HandlerContext,
    handlers: Mapping[str, Handler] | None,
    drive: Callable[[Mapping[str, Handler]], Ended],
) -> Ended:
    """Drive with the functions of these agents, and let go of them."""
    import anyio

    from shepherd_dsl.agents.handler import PythonHandler

    own = PythonHandler(context, built)
    try:
        return drive({"python": own, **(handlers or {})})
    finally:
        anyio.run(own.aclose)


def _ran(ended: Ended, read: Callable[[Any], Any]) -> Ran[Any]:
    from shepherd_dsl.agents.session import failure

    value = read(ended.value) if ended.kind == "done" else None
    error = failure(ended.value) if ended.kind == "failed" and ended.value is not None else None
    if ended.kind == "discarded":
        error = EffectError("discarded", "the run was discarded")
    merged = () if ended.merged is None else tuple(step.path for step in ended.merged.steps)
    return Ran(ended.name, ended.kind, value, error, merged, ended.refused)


def _no_runs(*_: object) -> Any:
    raise UserError("python.run", "the root run ended with a run, which nobody outside can hold")
