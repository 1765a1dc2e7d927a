"""Which rules a run reached: counted from its log and its machine, so that a rule that is never reached is seen."""

from __future__ import annotations

from collections import Counter

from shepherd_dsl.core.event import Denied, End, Forked, Injected, Intent, Outcome, Reverted, Start, Undo
from shepherd_dsl.core.forest import Machine, log_since
from shepherd_dsl.core.run import WORLD, Commit, Waiting, live_commits, question_of, split_copy
from shepherd_dsl.core.value import Con, Record, Value


def reached(m: Machine) -> Counter[str]:
    """How often each rule was reached in the history of a tree."""
    found: Counter[str] = Counter()
    for commit in log_since(m, 0):
        for rule in _rules_of(m, commit):
            found[rule] += 1
    for run in m.runs.values():
        if run.givers:
            found["given run"] += 1
        if run.id.count("(") > 1:
            found["fork of a fork"] += 1
        if m.runs[WORLD].id != run.id and run.id.count(".") > 2:
            found["three levels"] += 1
    return found


def _rules_of(m: Machine, commit: Commit) -> list[str]:
    event = commit.event
    name = type(event).__name__.lower()
    found = [name]
    copy = split_copy(commit.run) is not None
    if isinstance(event, Start):
        found.append("start with runs" if commit.handles else "start without runs")
    elif isinstance(event, Denied):
        found.append(f"denied {event.op}")
        if _limited(m, commit.run, event.op):
            found.append("denied limited")
    elif isinstance(event, Intent):
        found.append(f"intent {event.op}")
    elif isinstance(event, Injected):
        before = commit.parent
        found.append("injected by world" if commit.run == "root" else "injected by owner")
        if before is not None and question_of(before) is not None:
            found.append("injected while asking")
    elif isinstance(event, Outcome):
        found += _answer_rules(m, commit, event)
    elif isinstance(event, Forked):
        found.append("forked from outside" if not copy else "forked copy" if "(" in event.of else "forked original")
        asked = question_of(commit)
        if asked is not None:
            found.append("forked while asking")
    elif isinstance(event, Reverted):
        found += _revert_rules(commit, event)
    elif isinstance(event, End):
        found.append(f"end {event.kind}")
        if event.kind == "failed" and isinstance(event.value, Record):
            found.append(f"fault {event.value.get('code')}")
    elif isinstance(event, Undo):
        found.append("undo in a copy" if copy else "undo")
    return found


def _revert_rules(commit: Commit, event: Reverted) -> list[str]:
    found = []
    target, before = commit.restored, commit.parent
    assert target is not None
    assert before is not None
    if target.run != commit.run:
        found.append("revert into inherited events")
    at = before
    while at is not None and at.index > event.to:
        if isinstance(at.event, Reverted) and at.event.to < event.to:
            found.append("revert of a revert")
            break
        at = at.parent  # type: ignore[assignment]
    if any(isinstance(live.event, End) for live in live_commits(before)):
        found.append("revert of an ended run")
    if question_of(commit) is not None:
        found.append("revert to an open intent")
    return found


def _answer_rules(m: Machine, commit: Commit, event: Outcome) -> list[str]:
    question = question_of(commit.parent)
    assert question is not None
    asked = question.event
    assert isinstance(asked, Intent | Undo)
    kind = _kind(event.answer)
    if isinstance(asked, Undo):
        return [f"undo answered {kind.split()[0]} by {event.by}", *(["undo abandoned"] if "abandoned" in kind else [])]
    if asked.op.startswith("run.") and asked.op != "run.pass":
        found = [f"{asked.op} {kind}"]
        value = event.answer.args[0] if event.answer.args else None
        if kind == "Ok":
            found += _details(asked.op, value)
        return found
    if asked.op == "run.pass" and kind == "Ok":
        kind = f"Ok {_kind(event.answer.args[0])}"
    found = [f"{asked.op} {kind}"]
    found.append(f"{event.answer.name} by {event.by}")
    if event.files:
        found.append(f"files changed by {event.by}")
    if asked.op == "run.pass" and isinstance(commit.heads[commit.run].code, Waiting):
        found.append("run.pass answered at once")
    return found


def _kind(answer: Value) -> str:
    """`Ok`, `Unknown`, or `Err` with its code."""
    assert isinstance(answer, Con)
    if answer.name == "Err" and isinstance(answer.args[0], Record):
        return f"Err {answer.args[0].get('code')}"
    return answer.name


def _details(op: str, value: Value | None) -> list[str]:
    if isinstance(value, Con):
        if op == "run.next" and value.name == "Intent":
            path = value.args[2]
            assert isinstance(path, tuple)
            return [f"{op} {value.name} path {min(len(path), 2)}"]
        return [f"{op} {value.name}"]
    if isinstance(value, Record):
        found = []
        for label, inner in value.fields:
            if isinstance(inner, tuple) and inner:
                found.append(f"{op} {label}")
        return found
    return []


def _limited(m: Machine, run: str, op: str) -> bool:
    return any(clause.limit is not None and clause.op == op for layer in m.runs[run].grant for clause in layer.clauses)


REQUIRED = (
    # every kind of event
    *("start", "intent", "outcome", "denied", "injected", "forked", "undo", "reverted", "end"),
    *("start with runs", "start without runs", "injected by world", "injected by owner", "injected while asking"),
    *("forked original", "forked copy", "forked while asking", "forked from outside", "fork of a fork"),
    *("revert into inherited events", "revert of a revert", "revert of an ended run", "revert to an open intent"),
    *("given run", "three levels", "undo in a copy", "undo abandoned"),
    # every way a run ends
    *("end done", "end failed", "end discarded"),
    *("fault given_up", "fault zero", "fault name", "fault steps", "fault type", "fault handle"),
    # who answers what
    *("Ok by world", "Err by world", "Unknown by world", "Ok by owner", "Err by owner", "Ok by machine"),
    *("undo answered Ok by world", "undo answered Err by world", "undo answered Unknown by world"),
    *("undo answered Ok by owner", "undo answered Err by owner", "files changed by world", "files changed by machine"),
    *("ask Ok", "ask Err world", "ask Unknown", "ask Err abandoned", "post Ok", "post Unknown", "write Ok", "fire Ok"),
    *("denied ask", "denied post", "denied limited", "denied run.spawn", "inbox.take Ok"),
    # files
    *("file.read Ok", "file.read Err path", "file.read Err not_found", "file.read Err not_text", "file.read Err link"),
    *("file.read Err is_folder", "file.write Ok", "file.write Err path", "file.write Err type", "file.write Err link"),
    *("file.write Err not_folder", "file.write Err is_folder", "file.remove Ok", "file.remove Err not_found"),
    *("file.read Err not_folder", "file.remove Err not_folder", "file.remove Err is_folder", "file.remove Err path"),
    *("file.list Ok", "file.list Err type"),
    # every operation on runs, every kind of answer
    *("run.spawn Ok", "run.spawn Err name", "run.spawn Err grant"),
    *("run.next Intent path 0", "run.next Intent path 1", "run.next Intent path 2", "run.next Done"),
    *("run.next Failed", "run.next Err own", "run.next Err type"),
    *("run.pass Ok Ok", "run.pass Ok Err world", "run.pass Ok Unknown", "run.pass Err stop", "run.pass Err abandoned"),
    *("run.pass Ok Err denied", "denied run.pass"),
    *("run.answer Ok", "run.answer Err stop", "run.answer Err handle", "run.answer Err type"),
    *("run.deny Ok", "run.deny Err type", "run.inject Ok", "run.inject Err ended", "run.inject Err handle"),
    *("run.trace Ok", "run.trace Err type", "run.fork Ok", "run.fork Err step", "run.fork Err type"),
    *("run.fork Err own", "run.revert Ok", "run.revert Err step", "run.revert Err moved", "run.revert Err compensated"),
    *("run.revert Err type", "run.revert compensated", "run.revert failed", "run.revert irreversible"),
    *("run.discard Ok", "run.discard Err ended", "run.discard Err own", "run.discard compensated"),
    *("run.discard failed", "run.discard irreversible", "run.merge Merged", "run.merge Conflict"),
    *("run.merge Err type", "run.merge Err ended", "run.pick Ok", "run.pick Err type", "run.pick Err stop"),
    *("run.pick Err index", "run.pick Unknown", "run.unknown Err name"),
)
"""Rules that the suite must reach in its fixed number of seeds."""

LEAN_RULES = (
    "return into a frame", "return with no frame left", "let", "if", "call", "do", "local steps used up",
    "stop at the outermost level", "stop shown to its owner", "undo raised", "unwinding done",
    "inbox.take", "run.answer", "run.deny", "run.discard", "run.fork", "run.inject", "run.merge", "run.next",
    "run.pass", "run.pick", "run.revert", "run.spawn", "run.trace", "run.unknown",
    "start", "intent", "denied", "injected", "forked", "undo", "reverted", "end done", "end failed", "end discarded",
    "outcome Ok by world", "outcome Ok by owner", "outcome Ok by machine", "outcome Unknown by world",
    *(f"outcome Err {code} by machine" for code in (
        "abandoned", "compensated", "ended", "handle", "moved", "name", "own", "step", "stop", "type", "grant",
        "not_found", "path", "link", "not_text", "not_folder")),
    "outcome Err denied by owner", "outcome Err index by world", "outcome Err world by world",
)  # fmt: skip
"""The rules of `lean/Shepherd/Reference.lean` that the cases must reach."""
