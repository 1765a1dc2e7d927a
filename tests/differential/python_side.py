"""What the Python core says to a request of the reference interpreter (`run`, `check`, `diverge`): without Lean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shepherd_dsl.core.files import Files
from shepherd_dsl.core.forest import Machine
from shepherd_dsl.core.grant import request_from
from shepherd_dsl.core.machine import (
    AnswerError,
    Finished,
    advance,
    answer,
    outer_stop,
    start,
    world_asks,
)
from shepherd_dsl.core.replay import Replayed, follow
from shepherd_dsl.core.root_fork import fork_root
from shepherd_dsl.core.value import Value
from shepherd_dsl.core.wire import canonical, change_from, parse, program_from, value_from
from shepherd_dsl.core.wire_log import Script, log_from, log_text, script_from, verdict_text
from tests.differential.cases import log_of, runs_json


def python_answer(request: str) -> str:
    """The line that answers a line, as `lean/Shepherd/Reference.lean` has it; where a request is wrong, this raises."""
    asked: Any = parse(request)
    if asked["do"] == "run":
        m, stop = _run(asked)
        return f'{{"log":{log_text(log_of(m))},"runs":{canonical(runs_json(m))},"stop":"{stop}"}}'
    found = _followed(asked)
    return without_problem(verdict_text(found.followed, found.problem, found.expected))


def tree_of(request: str) -> Machine | None:
    """The tree that a request comes to; None for a log that nothing starts with."""
    asked: Any = parse(request)
    return _run(asked)[0] if asked["do"] == "run" else _followed(asked).machine


def _run(asked: Any) -> tuple[Machine, str]:
    args = value_from(asked["args"])
    assert isinstance(args, tuple)
    grant = request_from(value_from(asked["grant"]))
    contents = _contents(asked.get("contents", {}))
    m = start(
        program_from(asked["program"]), asked["agent"], args, grant, _files(asked), read_blob=contents.__getitem__
    )
    return _go(m, script_from(asked["script"]), list(asked.get("acts", [])))


def _followed(asked: Any) -> Replayed:
    contents = _contents(asked.get("contents", {}))
    return follow(
        program_from(asked["program"]),
        log_from(asked["log"]),
        _files(asked),
        read_blob=contents.__getitem__,
        other_program={"check": False, "diverge": True}[asked["do"]],
    )


def _files(asked: Any) -> Files:
    return Files.of([(path, entry) for path, entry in change_from(asked["files"]) if entry is not None])


def without_problem(verdict: str) -> str:
    """A verdict as both sides have it: the reason in words is the Python core's own."""
    said: Any = parse(verdict)
    said.pop("problem", None)
    return canonical(said)


def _contents(known: Mapping[str, str | int]) -> dict[str, bytes]:
    return {name: data.encode() if isinstance(data, str) else b"\xff" * data for name, data in known.items()}


def _go(m: Machine, script: Script, acts: list[Any]) -> tuple[Machine, str]:
    """A tree until its script has no answer or its root run has ended; what the outside does comes right after the log
    has the length that is said."""
    while True:
        until = acts[0]["after"] if acts and acts[0]["after"] >= m.size else None
        m = advance(m, until=until)
        if until is not None and m.size == until:
            m = _act(m, acts.pop(0))
            continue
        stop = outer_stop(m)
        if isinstance(stop, Finished):
            return m, "ended"
        trace = m.runs[stop.run].trace
        said = script.get((stop.run, 0 if trace is None else trace.index + 1))
        if said is None:
            return m, "waits"
        try:
            m = answer(m, *said)
        except AnswerError:
            return m, "waits"


def _act(m: Machine, act: Mapping[str, Any]) -> Machine:
    if "fork" in act:
        forked = fork_root(m)
        assert forked is not None
        return forked
    args: Value = value_from(act["args"])
    assert isinstance(args, tuple)
    return world_asks(m, act["op"], args)
