"""The rows of `shepherd log`: events as a person reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeGuard

import attrs

from shepherd_dsl.cli.text import plain
from shepherd_dsl.cli.values import shown
from shepherd_dsl.core.content import Large, ReadBlob
from shepherd_dsl.core.event import (
    Denied,
    End,
    Event,
    Forked,
    Injected,
    Intent,
    Outcome,
    Reverted,
    Start,
    Undo,
)
from shepherd_dsl.core.value import Con, Record, Unit, Value
from shepherd_dsl.trace.protocol import Recorded
from shepherd_dsl.trace.revisions import ROOT

PLUMBING = frozenset({"run.next", "run.pass", "run.pick", "run.trace", "inbox.take", "python.step"})
"""Operations that only keep runs going; the log leaves them out unless every event is asked for."""

BY = {"world": "the handler", "owner": "the run's owner", "machine": "the machine"}
"""Who answered an intent, in words."""

Named = Callable[[Recorded], Event]
"""Gives an event for showing (`run_names.RunNames.event`)."""


@attrs.frozen(slots=True, eq=False)
class Row:
    """A line of the log: an event, or an outcome together with the intent that it answers.

    `mark` is `✓`, `✗`, `?`, or empty; `live` is False for what was reverted.
    """

    recorded: Recorded
    family: str
    text: str
    result: str
    mark: str
    live: bool


def rows(
    newest_first: Iterable[Recorded], *, every: bool, reverted: bool, read_blob: ReadBlob, named: Named
) -> Iterable[Row]:
    """Rows, newest first, for entries given newest first. `every` shows each event by itself, `reverted` also what is
    no longer live. `named` gives the event with the names of the runs in it."""
    skip_to: dict[str, int] = {}
    waiting: dict[str, Recorded] = {}
    for item in newest_first:
        run, event = item.run, item.event
        live = item.index <= skip_to.get(run, item.index)
        if live:
            skip_to.pop(run, None)
            if isinstance(event, Reverted):
                skip_to[run] = event.to
        if not live and not reverted:
            continue
        if every:
            yield _single(item, live, named)
            continue
        if isinstance(event, Outcome):
            waiting[run] = item
            continue
        answered = waiting.get(run)
        if answered is not None and isinstance(event, Intent | Undo):
            del waiting[run]
            if event.op not in PLUMBING:
                yield _pair(item, answered, live, read_blob, named)
            continue
        if isinstance(event, Intent) and event.op in PLUMBING:
            continue
        yield _single(item, live, named)


def _single(item: Recorded, live: bool, named: Named) -> Row:
    event = named(item)
    match event:
        case Start():
            return Row(item, "start", f"{event.agent}({_args(event.args)})", "(root)" * (item.run == ROOT), "", live)
        case Intent():
            family, text = call_text(event.op, event.args)
            return Row(item, family, text, "…", "", live)
        case Denied():
            family, text = call_text(event.op, event.args)
            return Row(item, family, text, "denied", "✗", live)
        case Undo():
            family, text = call_text(event.op, event.args)
            return Row(item, "undo", f"{event.at}: {family} {text}", "…", "", live)
        case Outcome():
            mark, result = answer_text(event.answer)
            return Row(item, "answer", f"by {BY[event.by]}", result, mark, live)
        case Injected():
            return Row(item, "inject", short(event.value, 60), "", "", live)
        case Forked():
            return Row(item, "fork", f"from event {event.at}", "", "", live)
        case Reverted():
            return Row(item, "revert", f"to event {event.to}", "", "", live)
        case End():
            return _end(item, event, live)


def _end(item: Recorded, event: End, live: bool) -> Row:
    if event.kind == "done":
        return Row(item, "end", "done", short(event.value, 50), "✓", live)
    if event.kind == "failed":
        text = event.value.get("text") if isinstance(event.value, Record) else None
        return Row(item, "end", "failed", first_line(str(text)), "✗", live)
    return Row(item, "end", "discarded", "", "✗", live)


def _pair(question: Recorded, outcome: Recorded, live: bool, read_blob: ReadBlob, named: Named) -> Row:
    asked, answered = named(question), named(outcome)
    assert isinstance(asked, Intent | Undo)
    assert isinstance(answered, Outcome)
    family, text = call_text(asked.op, asked.args)
    mark, result = answer_text(answered.answer)
    if isinstance(asked, Undo):
        family, text = "undo", f"{asked.at}: {asked.op}"
    if answered.files:
        counts = line_counts(question, outcome, read_blob)
        result = f"{counts} {result}".strip() if family == "file" else f"{result} {counts}".strip()
    if family == "file" and mark == "✓":
        mark = ""
    if answered.by == "owner":
        result = f"{result} (by its owner)".strip()
    return Row(outcome, family, text, result, mark, live)


def call_text(op: str, args: tuple[Value, ...]) -> tuple[str, str]:
    """The family of an operation, and its call in a few words."""
    family, _, name = plain(op).partition(".")
    if family in ("shell", "file") and args and isinstance(args[0], str):
        prefix = "" if name in ("run", "write") else f"{name} "
        return family, prefix + first_line(args[0])
    if op == "model.chat" and args and isinstance(args[0], Record):
        return family, last_message(args[0])
    if op == "run.spawn" and args:
        inner = args[1] if len(args) > 1 and isinstance(args[1], tuple) else ()
        return family, f"spawn {getattr(args[0], 'name', '?')}({_args(inner)})"
    return family, f"{name}({_args(args)})"


def last_message(chat: Record) -> str:
    """What a model was asked: the last message, on one line."""
    messages = chat.get("messages")
    last = messages[-1] if isinstance(messages, tuple) and messages else None
    if isinstance(last, Con) and last.args and isinstance(last.args[-1], str):
        return first_line(last.args[-1])
    if isinstance(last, Con) and last.args and isinstance(last.args[0], str):
        return first_line(last.args[0])
    return "chat"


def answer_text(answer: Con) -> tuple[str, str]:
    """A mark and a few words for an outcome."""
    if answer.name == "Unknown":
        return "?", "unknown whether it happened"
    value = answer.args[0]
    if is_outcome(value):
        return answer_text(value)  # that of a pass: what came of the intent that was passed
    if answer.name == "Err":
        text = value.get("text") if isinstance(value, Record) else None
        return "✗", first_line(str(text))
    if isinstance(value, Record):
        code, out = value.get("code"), value.get("out")
        if type(code) is int and isinstance(out, str):
            return ("✓" if code == 0 else "✗"), last_line(out) or f"code {code}"
        text = value.get("text")
        if isinstance(text, str):
            return "✓", first_line(text)
    if isinstance(value, Con) and value.name in ("Intent", "Done", "Failed"):
        return "✓", value.name
    return "✓", "" if isinstance(value, Unit) else short(value, 50)


def is_outcome(value: Value) -> TypeGuard[Con]:
    """Whether a value is an outcome itself: `Ok(v)`, `Err({ code, text })` or `Unknown`."""
    match value:
        case Con("Ok", (_,)) | Con("Unknown", ()):
            return True
        case Con("Err", (Record() as error,)):
            return isinstance(error.get("text"), str)
    return False


def line_counts(question: Recorded, outcome: Recorded, read_blob: ReadBlob) -> str:
    """`+18 -4` for the lines that an outcome changed in files; the number of files where they are many or not text."""
    import difflib

    event: Any = outcome.event
    if len(event.files) > 5:
        return f"{len(event.files)} files"
    plus = minus = 0
    for path, entry in event.files:
        before = question.files.get(path)
        try:
            sides = [read_blob(one.hash) if one is not None and one.hash else b"" for one in (before, entry)]
            old, new = ["" if isinstance(side, Large) else side.decode() for side in sides]
        except UnicodeDecodeError:
            return f"{len(event.files)} file{'s' * (len(event.files) != 1)}"
        if sum(map(len, sides)) > 200_000:
            return f"{len(event.files)} file{'s' * (len(event.files) != 1)}"
        same = difflib.SequenceMatcher(None, old.splitlines(), new.splitlines(), autojunk=False)
        for kind, left, left_end, right, right_end in same.get_opcodes():
            if kind != "equal":
                plus += right_end - right
                minus += left_end - left
    return f"+{plus} -{minus}"


def _args(args: tuple[Value, ...]) -> str:
    return ", ".join(short(arg, 40) for arg in args)


def short(value: Value, limit: int) -> str:
    """A value in at most `limit` characters; a text in double quotes."""
    text = " ".join(shown(value).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def first_line(text: str) -> str:
    """The first line that says something."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def last_line(text: str) -> str:
    """The last line that says something: what a command ends with tells most."""
    return next((line.strip(" =") for line in reversed(text.splitlines()) if line.strip(" =")), "")


def event_line(event: Event) -> str:
    """An event by itself on one line."""
    match event:
        case Start():
            return f"start {event.agent}({_args(event.args)})"
        case Intent() | Denied():
            return f"{type(event).__name__.lower()} {event.op}({_args(event.args)})"
        case Undo():
            return f"undo of event {event.at}: {event.op}({_args(event.args)})"
        case Outcome():
            return f"outcome {short(event.answer, 60)} by {BY[event.by]}"
        case Injected():
            return f"injected {short(event.value, 60)}"
        case Forked():
            return f"forked from event {event.at}"
        case Reverted():
            return f"reverted to event {event.to}"
        case End():
            return f"end {event.kind} {short(event.value, 60)}"
