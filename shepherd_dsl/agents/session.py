"""A Python function under way: a thread of its own that is handed outcomes and hands over what it wants next.

The state of a Python agent is the prefix of its trace. A session begins with what the live trace records, gives the
function those outcomes without asking anyone, and compares each thing it asks with what is recorded. Only then does it
ask anew. A thread, because Python has no other way to suspend a plain function in the middle of its calls; it runs only
while the driver waits for it, so nothing runs at once.
"""

from __future__ import annotations

import re
import sysconfig
import threading
import traceback
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import attrs

from shepherd_dsl.agents.convert import from_value, to_value
from shepherd_dsl.agents.run import Held, Run, held
from shepherd_dsl.agents.spec import places, what_of
from shepherd_dsl.check.types import Type
from shepherd_dsl.core.fault import Fault
from shepherd_dsl.core.grant import request_value
from shepherd_dsl.core.step import check_size
from shepherd_dsl.core.value import UNKNOWN, Con, Handle, Record, Value, equal, error
from shepherd_dsl.core.value import Agent as AgentValue
from shepherd_dsl.errors import EffectError, ShepherdError, UserError

if TYPE_CHECKING:
    from shepherd_dsl.agents.agent import Agent
    from shepherd_dsl.agents.build import Built

STEP_DEPTH = 90
"""How deep a step may nest: it enters the trace inside an outcome, where values nest at most 100 deep."""

_session: ContextVar[Session | None] = ContextVar("shepherd_session", default=None)


@attrs.frozen(slots=True, eq=False)
class Answered:
    """One turn of a recorded run: at event `position` the function was asked for its next step, it wanted `want`, and
    that came to `outcome`."""

    position: int
    want: Con
    outcome: Con


@attrs.frozen(slots=True, eq=False)
class Diverged:
    """The function does something else than is recorded after event `position`: `now` instead of `recorded`."""

    position: int
    recorded: Con
    now: Con


class Closed(BaseException):
    """Unwinds a function whose session was closed. Not an Exception, so that functions do not catch it by accident."""


class Session:
    """One execution of the function of `agent`, with `args` as its run was started with.

    `recorded` is what the live trace says of it, oldest first. `clean` takes secrets out of what is handed over.
    """

    def __init__(
        self,
        agent: Agent[..., Any],
        args: tuple[Value, ...],
        *,
        built: Built,
        recorded: Sequence[Answered] = (),
        clean: Callable[[Con], Con] = lambda want: want,
    ) -> None:
        self.agent = agent
        self.built = built
        self.stops: dict[int, str] = {}
        """The operation that each run was last seen to stop at, for the types of what is answered."""
        self.position = -1
        """The event at which this session was last asked for a step."""
        self._args = args
        self._recorded = list(reversed(recorded))
        self._clean = clean
        self._given = 0
        self._places: dict[int, Con] = {}
        self._into: SimpleQueue[Con | None] = SimpleQueue()
        self._out: SimpleQueue[Con | Diverged | None] = SimpleQueue()
        self._closed = False
        self._ended = False
        self._thread = threading.Thread(target=self._main, name=f"shepherd agent {agent.name}", daemon=True)

    # ── the driver's side ────────────────────────────────────────────────────────────────────────────────────────────

    def step(self, outcome: Con | None) -> Con | Diverged:
        """What the function wants next, after `outcome` of what it wanted before; None the first time. Blocks."""
        if outcome is None:
            self._thread.start()
        else:
            self._into.put(outcome)
        want = self._out.get()
        if want is None:
            raise RuntimeError("the session broke down, or was closed while its function was at work")
        return want

    @property
    def over(self) -> bool:
        """Whether the function has returned, or can go on no more."""
        return self._ended or self._closed

    def close(self, *, patience: float = 0.0) -> None:
        """Let go of the function: where it waits for an outcome, it is unwound. Waits `patience` seconds for that.

        A function that is computing ends at its next effect.
        """
        self._closed = True
        self._into.put(None)
        self._out.put(None)
        if patience and self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(patience)

    # ── the function's side ──────────────────────────────────────────────────────────────────────────────────────────

    def _main(self) -> None:
        _session.set(self)
        try:
            want = self._perform()
            found = self._compared(want)
        except Closed:
            return
        except BaseException:
            self._out.put(None)  # a bug of this module: nobody waits for ever
            raise
        finally:
            self._ended = True
        self._out.put(found)

    def _perform(self) -> Con:
        """Run the function to its end: `Return(what)` or `Fail({code, text})`."""
        try:
            signature = self.agent.signature()
            self._hold_given(self._args)
            given = zip(self._args, signature.params, strict=True)
            args = [from_value(value, found, hint, self.held) for value, (_, found, hint) in given]
            positional, named = _as_called(self.agent.function, args)
            result = self.agent.function(*positional, **named)
            value = to_value(result, signature.result, f"the result of `{self.agent.name}`", self.hold)
            want = Con("Return", (what_of(value, self.place),))
            _check(want, f"the result of `{self.agent.name}`")
            return want
        except Closed:
            raise
        except EffectError as why:
            return Con("Fail", (error(why.code, why.what),))
        except ShepherdError as why:
            place = place_of(why)
            return Con("Fail", (error(why.code, f"{why.where}: {why.what}{place}" if why.where else why.what + place),))
        except BaseException as bug:
            return Con("Fail", (error("python", described(bug)),))

    def ask(self, op: str, args: tuple[Value, ...]) -> Con:
        """The outcome of `op(args)`: from the trace where it is recorded, else from the driver."""
        if _session.get() is not self or threading.current_thread() is not self._thread:
            raise UserError(
                "python.thread",
                f"`{op}` was asked for in another thread than the agent's own",
                hint="An agent's effects are in one order: ask for them in the thread that runs its function.",
            )
        if self._closed:
            raise Closed
        want = self._clean(Con("Ask", (op, args)))
        _check(want, f"`{op}`")
        if self._recorded:
            expected = self._recorded.pop()
            if not equal(expected.want, want):
                self._out.put(Diverged(expected.position, expected.want, want))
                raise self._gone()
            outcome = expected.outcome
        else:
            self._out.put(want)
            found = self._into.get()
            if found is None:
                raise self._gone()
            outcome = found
        if op.startswith("run."):
            self._hold_given(outcome)
        return outcome

    def _gone(self) -> Closed:
        self._closed = True
        return Closed()

    def _compared(self, want: Con) -> Con | Diverged:
        """What ends the function, unless the trace says that it went on."""
        want = self._clean(want)
        if not self._recorded:
            return want
        expected = self._recorded.pop()
        return Diverged(expected.position, expected.want, want)

    # ── runs ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _hold_given(self, value: Value) -> None:
        """Note where the runs are in a value that the loop was given."""
        for index, place in places(value, self._given):
            self._places.setdefault(index, place)
        self._given += 1

    def place(self, handle: Handle) -> Con:
        """Where a run is to be found."""
        return self._places[handle.index]

    def hold(self, run: Run[Any]) -> Handle:
        """The handle of a run that this agent holds. Raises UserError where it does not."""
        return Handle(held(run, self, self.agent.name).index)

    def held(self, handle: Handle, result: Type, hint: object) -> Run[Any]:
        """The run of a handle."""
        return Run(Held(self, handle.index, result, hint))

    def spawn(self, agent: Agent[..., Any], given: tuple[object, ...]) -> Run[Any]:
        """A new run of `agent`, with these arguments."""
        if self.built.agents.get(agent.name) is not agent:
            raise UserError(
                "python.agent_unknown",
                f"the program of this run does not know the agent `{agent.name}`",
                where=agent.reference,
                hint=f"Name it where it is called from, or in the grants of `{self.agent.name}`.",
            )
        info, signature = self.built.infos[agent.name], agent.signature()
        pairs = zip(given, signature.params, strict=True)
        args = tuple([to_value(x, found, f"`{agent.name}({label})`", self.hold) for x, (label, found, _) in pairs])
        plain = (AgentValue(info.name), what_of(args, self.place), request_value(info.request))
        outcome = self.ask("run.spawn", (Con("Plain", (plain[0],)), plain[1], Con("Plain", (plain[2],))))
        handle = unwrap("run.spawn", outcome)
        assert isinstance(handle, Handle)
        return self.held(handle, signature.result, signature.hint)


def current() -> Session | None:
    """The session whose function is running here; None outside of any agent."""
    return _session.get()


def session(what: str) -> Session:
    """As `current`. Raises UserError `python.outside` where there is none."""
    found = _session.get()
    if found is None:
        raise UserError(
            "python.outside",
            f"`{what}` was called outside of an agent, or in a thread that an agent started",
            hint="Effects are asked for by the function of an agent, in its own thread. Make this function an @agent.",
        )
    return found


def unwrap(op: str, outcome: Con) -> Value:
    """The value in `Ok`. Raises EffectError otherwise."""
    if outcome.name == "Ok":
        return outcome.args[0]
    if outcome.name == UNKNOWN.name:
        raise EffectError("unknown", f"nobody knows whether `{op}` happened")
    raise failure(outcome.args[0])


def failure(found: Value) -> EffectError:
    """The exception for an error value."""
    assert isinstance(found, Record)
    return EffectError(str(found.get("code")), str(found.get("text")))


def _as_called(function: Callable[..., Any], args: list[Any]) -> tuple[list[Any], dict[str, Any]]:
    """Arguments in the order of the parameters, split as the function takes them."""
    import inspect

    positional: list[Any] = []
    named: dict[str, Any] = {}
    for param, value in zip(inspect.signature(function).parameters.values(), args, strict=True):
        if param.kind is param.KEYWORD_ONLY:
            named[param.name] = value
        else:
            positional.append(value)
    return positional, named


def _check(want: Con, where: str) -> None:
    """Raises UserError where a step may not enter the trace."""
    try:
        check_size(want, depth=STEP_DEPTH)
    except Fault as why:
        raise UserError("python.value", why.text, where=where) from None


# ── what a failure is told as ────────────────────────────────────────────────────────────────────────────────────────

_PATH = re.compile(r"(?<![\w./\\:])(?:[A-Za-z]:)?(?:[\\/][^\s\\/'\":,;()<>]+)*[\\/]([^\s\\/'\":,;()<>]+)")
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_LONGEST = 2000
_INSTALLED = ("<frozen", *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")))


def described(bug: BaseException) -> str:
    """An exception in one text: class, message and place, without folders and addresses, which differ by machine."""
    name = type(bug).__name__
    try:
        message = str(bug)
    except Exception:
        message = ""
    message = _ADDRESS.sub("", _PATH.sub(r"\1", message))
    message = message.encode("utf-8", "replace").decode("utf-8")
    if len(message) > _LONGEST:
        message = message[:_LONGEST] + "…"
    return f"{name}: {message}{place_of(bug)}" if message else f"{name}{place_of(bug)}"


def place_of(bug: BaseException) -> str:
    """Where it was raised, as ` (fix.py:12)`: the innermost line of the user's own code, if there is one."""
    found = ""
    for frame, line in traceback.walk_tb(bug.__traceback__):
        file = frame.f_code.co_filename
        own = frame.f_globals.get("__name__", "").startswith("shepherd_dsl.")
        if not own and not file.startswith(_INSTALLED):
            found = f" ({file.replace(chr(92), '/').rsplit('/', 1)[-1]}:{line})"
    return found


__all__ = ["Answered", "Closed", "Diverged", "Session", "current", "failure", "session", "unwrap"]
