"""Runs, as Python holds them: planned outside of any agent, or held by an agent that spawned or was given them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import attrs

from shepherd_dsl.errors import UserError

if TYPE_CHECKING:
    from shepherd_dsl.agents.agent import Agent
    from shepherd_dsl.agents.session import Session
    from shepherd_dsl.check.types import Type

T = TypeVar("T", covariant=True)


@attrs.frozen(slots=True, eq=False)
class Planned:
    """A call outside of any agent: nothing runs yet."""

    agent: Agent[..., Any]
    args: tuple[object, ...]


@attrs.frozen(slots=True, eq=False)
class Held:
    """A run in the table of the run that a session performs; `result` and `hint`: its result's type and annotation."""

    session: Session
    index: int
    result: Type
    hint: object


class Run(Generic[T]):
    """A run of an agent that ends with a `T`. Calling an agent makes one.

    Outside of any agent it is a plan: hand it to another agent, start it with `run(…)`, or ask for its `result()`,
    which starts it. Inside an agent the run has been spawned, and belongs to the agent that called.
    """

    __slots__ = ("_state",)

    def __init__(self, state: Planned | Held) -> None:
        self._state = state

    @overload
    def result(self) -> T: ...

    @overload
    def result(self, **options: Any) -> T: ...

    def result(self, **options: Any) -> T:
        """Drive the run to its end; the value it ends with. Raises EffectError with its code where it fails.

        Outside of any agent this starts a tree; the options are those of `run`, which also tells what was recorded.
        """
        from shepherd_dsl.agents import meta, start
        from shepherd_dsl.agents.session import current

        if isinstance(self._state, Held) or current() is not None:
            if options:
                raise UserError("python.options", "the options of a run are given where the outermost one is started")
            found: T = meta.result(self)
            return found
        value: T = start.run(self, **options).result()
        return value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Run):
            return NotImplemented
        mine, its = self._state, other._state
        if isinstance(mine, Held) and isinstance(its, Held):
            return mine.session is its.session and mine.index == its.index
        return self is other

    def __hash__(self) -> int:
        return hash(self._state.index) if isinstance(self._state, Held) else id(self)

    def __repr__(self) -> str:
        if isinstance(self._state, Held):
            return f"Run({self._state.index})"
        return f"Run({self._state.agent.name}, not started)"

    def __iter__(self) -> Any:
        raise TypeError("a run is no list")


def held(run: object, session: Session, what: str) -> Held:
    """The run as the agent of `session` holds it. Raises UserError `python.run` where it does not."""
    if not isinstance(run, Run):
        raise UserError("python.run", f"`{what}` takes a run, not a {type(run).__name__}")
    state = run._state
    if isinstance(state, Planned):
        raise UserError(
            "python.run",
            f"`{what}` got a run that was planned outside of any agent",
            hint="Call the agent inside the agent that is to own the run, or hand the run over as an argument.",
        )
    if state.session is not session:
        raise UserError(
            "python.run",
            f"`{what}` got a run that another agent holds, or that was kept from an earlier execution of this one",
            hint="Runs are handed over as arguments and results, never by global variables.",
        )
    return state
