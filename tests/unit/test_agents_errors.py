"""What goes wrong with Python agents, and how it is told."""

from __future__ import annotations

import asyncio
import enum
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shepherd_dsl import (
    Declarations,
    EffectError,
    Run,
    agent,
    answer,
    approve,
    do,
    next_stop,
    pass_,
    run,
    shell,
    try_do,
    write,
)
from shepherd_dsl.agents.build import build
from shepherd_dsl.errors import ProgramError, UserError


def failed(made: Run[Any], space: Path, **options: Any) -> EffectError:
    """The error of a run that fails."""
    ran = run(made, workspace=space, **options)
    assert ran.kind == "failed", ran
    assert ran.error is not None
    return ran.error


# ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@agent(grants=["file.write"])
def raises(what: str) -> None:
    if what == "plain":
        raise ValueError("no good")
    if what == "path":
        raise FileNotFoundError(2, "No such file", str(Path.home() / "deep" / "name.txt"))
    if what == "object":
        raise RuntimeError(f"bad {object()}")
    if what == "exit":
        raise SystemExit(3)
    if what == "stack":
        raises.function(what)
    if what == "huge":
        raise ValueError("x" * 100_000)
    if what == "surrogate":
        raise ValueError("\udc80")
    if what == "library":
        int("x")
    if what == "secret":
        raise ValueError("the key is hunter2-hunter2-hunter2")


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("plain", "ValueError: no good"),
        ("object", "RuntimeError: bad <object object>"),
        ("exit", "SystemExit: 3"),
    ],
)
def test_exceptions_fail_the_run(tmp_path: Path, what: str, text: str) -> None:
    """Code `python`; class, message, file name and line."""
    error = failed(raises(what), tmp_path)
    assert error.code == "python"
    assert re.fullmatch(re.escape(text) + r" \(test_agents_errors\.py:\d+\)", error.what)


def test_no_folders_of_the_machine(tmp_path: Path) -> None:
    """A text that enters the trace names no folder."""
    error = failed(raises("path"), tmp_path)
    assert error.what.startswith("FileNotFoundError: [Errno 2] No such file: 'name.txt' (test_agents_errors.py:")


@pytest.mark.parametrize("what", ["stack", "huge", "surrogate", "library"])
def test_strange_exceptions(tmp_path: Path, what: str) -> None:
    """Whatever is raised, the run fails, with a text of a sensible length."""
    error = failed(raises(what), tmp_path)
    assert error.code == "python"
    assert 10 < len(error.what) < 3000


def test_secrets_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The value of a secret stays out of errors, and out of what the function asks."""
    monkeypatch.setenv("SOME_API_KEY", "hunter2-hunter2-hunter2")
    error = failed(raises("secret"), tmp_path)
    assert "hunter2" not in error.what
    ran = run(leaky("hunter2-hunter2-"), workspace=tmp_path)
    assert ran.kind == "done"
    for path in (tmp_path / ".shepherd").rglob("*"):
        assert not path.is_file() or b"hunter2-hunter2-hunter2" not in path.read_bytes()


@agent(grants=["file.write", "run"])
def leaky(start: str) -> None:
    write("a.txt", f"{start}hunter2")
    write("b.txt", "")


@agent(grants=["shell.run", "file.write"])
def asks(what: str) -> Any:
    calls: dict[str, Callable[[], Any]] = {
        "operation": lambda: do("shell.rum", "ls"),
        "unknown": lambda: do("no.such"),
        "run": lambda: do("run.spawn", 1),
        "step": lambda: do("python.step", "asks"),
        "arguments": lambda: do("shell.run"),
        "float": lambda: do("file.write", "a.txt", 1.5),
        "bytes": lambda: do("file.write", "a.txt", b"x"),
        "surrogate": lambda: write("a.txt", "\ud800"),
        "denied": lambda: do("human.approve", "?"),
        "answer": lambda: answer(Run(None), 1),  # type: ignore[arg-type]
        "no run": lambda: next_stop(3),  # type: ignore[arg-type]
        "thread": lambda: in_thread(lambda: shell("ls")),
        "context": lambda: asyncio.run(in_context(lambda: shell("ls"))),
        "nested": lambda: run(OUTSIDE),
        "options": lambda: asks("x").result(keep=True),
        "result": lambda: object(),
        "deep": deep,
        "self": cyclic,
        "function": lambda: stranger(),
        "try": lambda: try_do("shell.rum"),
    }
    return calls[what]()


def deep() -> Any:
    found: Any = 1
    for _ in range(95):
        found = [found]
    return found


def cyclic() -> Any:
    found: list[Any] = []
    found.append(found)
    return found


def in_thread(call: Callable[[], Any]) -> Any:
    caught: list[BaseException] = []

    def body() -> None:
        try:
            call()
        except BaseException as why:
            caught.append(why)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    raise caught[0]


async def in_context(call: Callable[[], Any]) -> Any:
    return await asyncio.to_thread(call)


stranger: Any = None


@pytest.mark.parametrize(
    ("what", "code", "text"),
    [
        ("operation", "python.operation", "no operation is called `shell.rum`"),
        ("try", "python.operation", "no operation is called `shell.rum`"),
        ("unknown", "python.operation", "no operation is called `no.such`"),
        ("run", "python.operation", "`run.spawn` is not asked for with `do`"),
        ("step", "python.operation", "no operation is called `python.step`"),
        ("arguments", "python.arguments", "`shell.run(command)` takes 1 arguments, not 0"),
        ("float", "python.value", "1.5 is not a value of type Content"),
        ("bytes", "python.value", "a bytes is not a value of type Content"),
        ("surrogate", "python.value", "half a surrogate pair"),
        ("denied", "denied", "`human.approve` with these arguments is not granted"),
        ("no run", "python.run", "`next_stop` takes a run, not a int"),
        ("thread", "python.outside", "in a thread that an agent started"),
        ("context", "python.thread", "in another thread than the agent's own"),
        ("nested", "python.nested", "`run` starts a tree"),
        ("options", "denied", "`run.spawn` with these arguments is not granted"),
        ("result", "python.value", "a object is not a value"),
        ("deep", "python.value", "nests"),
        ("self", "python.value", "contains itself"),
        ("function", "python", "'NoneType' object is not callable"),
    ],
)
def test_mistakes_inside_a_function(tmp_path: Path, what: str, code: str, text: str) -> None:
    """A mistake is an exception where it is made; uncaught, the run fails with its code and the place."""
    error = failed(asks(what), tmp_path)
    assert error.code == code
    assert text in error.what


@agent(grants=["run"])
def uses_stranger() -> int:
    return stranger().result()


@agent
def hidden() -> int:
    return 1


def test_an_agent_that_the_program_does_not_know(tmp_path: Path) -> None:
    """Agents that are found only at run time have to be named in the grants."""
    global stranger
    stranger = {"get": lambda: hidden}["get"]
    tables = [hidden] * 200

    @agent(grants=["run"])
    def finds() -> int:
        return tables[0]().result()

    try:
        error = failed(finds(), tmp_path)
        assert error.code == "python.agent_unknown"
        assert "`hidden`" in error.what

        @agent(grants=["run", hidden], name="finds")
        def named() -> int:
            return tables[0]().result()

        assert run(named(), workspace=tmp_path).result() == 1
    finally:
        stranger = None


_kept: list[Run[int]] = []


@agent(grants=["run", hidden])
def keeps_globally(first: bool) -> int:
    if first:
        _kept.append(hidden())
        return 0
    pass_(_kept[0])
    return 1


def test_runs_are_not_carried_around(tmp_path: Path) -> None:
    """A run belongs to the agent that holds it, not to a global variable."""
    _kept.clear()
    run(keeps_globally(True), workspace=tmp_path).result()
    error = failed(keeps_globally(False), tmp_path)
    assert error.code == "python.run"
    assert "another agent holds" in error.what


@agent(grants=["run"])
def closes_over() -> int:
    return OUTSIDE.result()


OUTSIDE = hidden()


def test_planned_runs_are_handed_over_as_arguments(tmp_path: Path) -> None:
    """A plan made outside is of no use inside."""
    error = failed(closes_over(), tmp_path)
    assert error.code == "python.run"
    assert "planned outside of any agent" in error.what


@agent(grants=["human.approve"])
def swallows() -> str:
    for _ in range(3):
        try:
            approve("?")
        except Exception as why:
            return type(why).__name__
        except BaseException:
            raise
    return "approved"


def test_assume_answers_the_person(tmp_path: Path) -> None:
    """`assume` stands for the person in charge."""
    assert run(swallows(), workspace=tmp_path, assume=True).result() == "approved"


# ── outside ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_effects_outside_of_an_agent() -> None:
    """Nothing is done."""
    with pytest.raises(UserError, match="called outside of an agent") as caught:
        shell("ls")
    assert caught.value.code == "python.outside"


def _async() -> Any:
    @agent
    async def f() -> None: ...


def _generator() -> Any:
    @agent
    def f() -> Any:
        yield 1


def _variadic() -> Any:
    @agent
    def f(*args: int) -> None:
        write("a", "")


def _empty() -> Any:
    @agent
    def f() -> None: ...


def _grants_text() -> Any:
    @agent(grants="shell.run")  # type: ignore[arg-type]
    def f() -> None:
        write("a", "")


def _grants_number() -> Any:
    @agent(grants=[1])  # type: ignore[list-item]
    def f() -> None:
        write("a", "")


def _grants_lines() -> Any:
    @agent(grants=["shell.run\n{ }"])
    def f() -> None:
        write("a", "")


def _class() -> Any:
    return agent(Path)


def _method() -> Any:
    class C:
        @agent
        def f(self) -> None:
            write("a", "")

    return C().f


def _positional() -> Any:
    return agent(["shell.run"])  # type: ignore[call-overload]


def _bad_name() -> Any:
    @agent(name="Bad name")
    def f() -> None:
        write("a", "")

    return build([f])


def _twice() -> Any:
    @agent(name="same")
    def f() -> None:
        write("a", "")

    @agent(name="same", grants=[f])
    def g() -> None:
        write("a", "")

    return build([g])


def _unannotated() -> Any:
    @agent
    def f(x) -> None:  # type: ignore[no-untyped-def]
        write("a", "")

    return build([f])


def _no_result() -> Any:
    @agent
    def f(x: int):  # type: ignore[no-untyped-def]
        write("a", "")

    return build([f])


def _float() -> Any:
    @agent
    def f(x: float) -> None:
        write("a", "")

    return build([f])


class small(enum.Enum):
    one = 1


def _enum() -> Any:
    @agent
    def f(x: small) -> None:
        write("a", "")

    return build([f])


def _bad_call() -> Any:
    return hidden(1)  # type: ignore[call-arg]


def _bad_value(tmp_path: Path | None = None) -> Any:
    return run(raises(3), workspace="/nonexistent")  # type: ignore[arg-type]


def _not_a_plan() -> Any:
    return run(hidden, workspace="/nonexistent")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (_async, "`f` is async"),
        (_generator, "`f` is a generator"),
        (_variadic, r"takes `\*args"),
        (_empty, "neither a body nor a docstring"),
        (_grants_text, "are a list"),
        (_grants_number, "is a int, not a text or an agent"),
        (_grants_lines, "one line of text"),
        (_class, "no Python function"),
        (_method, "is a method"),
        (_positional, "no positional options"),
        (_bad_name, "begins with a small letter"),
        (_twice, "two agents are called `same`"),
        (_unannotated, "the parameter `x` of `f` has no annotation"),
        (_no_result, "the result of `f` has no annotation"),
        (_float, "There are no floats"),
        (_enum, "begin with a capital"),
        (_bad_call, "too many positional arguments"),
        (_bad_value, "no such folder"),
        (_not_a_plan, "takes what calling an agent"),
    ],
)
def test_mistakes_outside(make: Callable[[], Any], text: str) -> None:
    """They are told when the agent is made, or before anything is recorded."""
    with pytest.raises(UserError, match=text):
        make()


def test_event_loops(tmp_path: Path) -> None:
    """Inside an event loop a tree is started in a thread of its own."""

    async def main() -> str:
        with pytest.raises(UserError, match="inside a running event loop"):
            run(hidden(), workspace=tmp_path)
        return (await asyncio.to_thread(run, hidden(), workspace=tmp_path)).kind

    assert asyncio.run(main()) == "done"


def test_grants_are_checked_by_the_checker() -> None:
    """A grant of what there is not is a diagnostic with its code."""

    @agent(grants=["shell.rum"])
    def f() -> None:
        write("a", "")

    with pytest.raises(ProgramError) as caught:
        build([f])
    assert "E121" in caught.value.rendered
    assert "shell.rum" in caught.value.rendered


def test_declarations_are_checked_by_the_checker() -> None:
    """Declarations are program text."""

    @agent(using=[Declarations("effect a.b() -> Nothing pure")])
    def f() -> None:
        write("a", "")

    with pytest.raises(ProgramError) as caught:
        build([f])
    assert "Nothing" in caught.value.rendered
