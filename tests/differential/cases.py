"""What the reference interpreter is asked, and what the Python core says to the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from shepherd_dsl.core.event import Change, Event, Intent, Outcome
from shepherd_dsl.core.files import Files
from shepherd_dsl.core.forest import Machine, log_since
from shepherd_dsl.core.grant import Request, request_value
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.replay import outer_forks
from shepherd_dsl.core.run import (
    WORLD,
    Commit,
    Discarded,
    Done,
    Driving,
    Failed,
    Passing,
    Run,
    Running,
    Undoing,
    Waiting,
    question_of,
)
from shepherd_dsl.core.value import Con, Value, equal, err, ok
from shepherd_dsl.core.wire import program_text, value_text
from shepherd_dsl.core.wire_log import log_text, script_text
from shepherd_dsl.reference.requests import files_text, request

Log = list[tuple[str, Event]]

OUTSIDE = err("index", "the index picked is not in the list")
"""What is recorded where the oracle picks a place that the list has not."""

CODES = {
    Running: "running",
    Waiting: "waiting",
    Passing: "passing",
    Driving: "driving",
    Undoing: "undoing",
    Done: "done",
    Failed: "failed",
    Discarded: "discarded",
}


def log_of(m: Machine) -> Log:
    """The log of a tree."""
    return [(commit.run, commit.event) for commit in log_since(m, 0)]


def run_json(run: Run) -> Any:
    """A run, as far as both sides are compared."""
    return {
        "base": json.loads(files_text(run.base)),
        "code": CODES[type(run.code)],
        "files": json.loads(files_text(run.files)),
        "givers": list(run.givers),
        "handles": list(run.handles),
        "id": run.id,
        "inbox": [json.loads(value_text(message)) for message in run.inbox],
        "made": run.made,
        "owner": run.owner,
    }


def runs_json(m: Machine) -> list[Any]:
    """All runs, the oldest first."""
    return [run_json(run) for run in sorted(m.runs.values(), key=lambda run: run.born)]


def script_of(m: Machine) -> str:
    """The oracle behind a tree: what the world said to a run that had so many events."""
    script: dict[tuple[str, int], tuple[Con, Change]] = {}
    for commit in log_since(m, 0):
        event = commit.event
        if isinstance(event, Outcome) and event.by == "world":
            script[commit.run, commit.index] = (_given(commit, event), event.files)
    return script_text(script)


def _given(commit: Commit, event: Outcome) -> Con:
    """The oracle's answer behind a recorded outcome: for `run.pick`, the index of the run, or one outside the list."""
    question = question_of(commit.parent)
    assert question is not None
    asked = question.event
    if not isinstance(asked, Intent) or asked.op != "run.pick":
        return event.answer
    runs = asked.args[0]
    assert isinstance(runs, tuple)
    if equal(event.answer, OUTSIDE):
        return ok(len(runs))
    if event.answer.name != "Ok":
        return event.answer
    return next(ok(index) for index, run in enumerate(runs) if equal(run, event.answer.args[0]))


def acts_of(log: Log) -> list[Any]:
    """What the outside did of its own: operations of the world, and forks of the whole tree."""
    acts: list[Any] = [{"after": at, "fork": True} for at in outer_forks(log)]
    for at, (run, event) in enumerate(log):
        if run == WORLD and isinstance(event, Intent):
            args = [json.loads(value_text(arg)) for arg in event.args]
            acts.append({"after": at, "args": args, "op": event.op})
    return sorted(acts, key=lambda act: int(act["after"]))


def keep_request(name: str, program: Program) -> str:
    """The request to keep a program."""
    return f'{{"do":"keep","name":{json.dumps(name)},"program":{program_text(program)}}}'


def run_request(
    program: Program | str,
    agent: str,
    args: tuple[Value, ...],
    grant: Request,
    files: Files,
    contents: Mapping[str, bytes],
    m: Machine,
    **parts: str,
) -> str:
    """The request to run what led to the tree `m`."""
    return request(
        "run",
        program,
        files,
        contents,
        agent=json.dumps(agent),
        args=value_text(args),
        grant=value_text(request_value(grant)),
        script=script_of(m),
        acts=json.dumps(acts_of(log_of(m))),
        **parts,
    )


def first_difference(ours: str, theirs: str, entries: Callable[[str], list[Any]] = json.loads) -> str:
    """Where two logs part, for a message."""
    for at, (one, other) in enumerate(zip(entries(ours), entries(theirs), strict=False)):
        if one != other:
            return f"entry {at}: Python {json.dumps(one)[:600]}, Lean {json.dumps(other)[:600]}"
    return f"lengths {len(entries(ours))} in Python and {len(entries(theirs))} in Lean"


def log_json(log: Log) -> str:
    """The canonical text of a log."""
    return log_text(log)
