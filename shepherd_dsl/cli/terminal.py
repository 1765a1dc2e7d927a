"""A run as it goes on, on the terminal: events as they become durable, progress while a handler is at work."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

from shepherd_dsl.cli.graph import STYLES
from shepherd_dsl.cli.output import colour, paint
from shepherd_dsl.cli.rows import PLUMBING, answer_text, call_text, first_line
from shepherd_dsl.cli.run_names import with_names
from shepherd_dsl.cli.text import cells, count, fit, pad, plain, terminal_width
from shepherd_dsl.core.event import Denied, End, Event, Forked, Injected, Intent, Outcome, Reverted, Start, Undo
from shepherd_dsl.core.machine import Asked
from shepherd_dsl.core.run import ROOT, WORLD, Commit
from shepherd_dsl.trace.revisions import shown_run

_HELD = 1000
"""Lines that are held back while a question is open: the last ones."""


class TerminalDisplay:
    """Writes to standard error, so that the result of a run stands alone on standard output.

    `quiet` shows remarks only; `verbose` also streams what handlers print. On a terminal the last line shows what is
    under way, and for how long. `remarks` are made as soon as it is known which run this is: `tree`, empty before. A
    standard error that cannot be written any more does not stop the run.
    While a handler asks a person on the terminal, lines are held back, and come when the question is answered.
    """

    def __init__(
        self, *, quiet: bool = False, verbose: bool = False, stream: Any = None, remarks: Sequence[str] = ()
    ) -> None:
        self.tree = ""
        self._remarks = remarks
        self._stream = sys.stderr if stream is None else stream
        self._on = colour(self._stream)
        self._live = bool(self._stream.isatty()) and not quiet
        self._pauses = 0
        self._held: deque[str] = deque(maxlen=_HELD)
        self._dropped = 0
        self._quiet = quiet
        self._verbose = verbose
        self._at_work: dict[tuple[str, int], tuple[str, float]] = {}
        self._status = False
        # The lock is for the lines of the terminal: a thread lets the seconds go on while a handler is silent.
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._clock: threading.Thread | None = None

    def begin(self, tree: str, text: str) -> None:
        """The run to be shown is the root run of `tree`; `text`, where there is one, is said of it."""
        self.tree = tree
        for remark in (*[text] * bool(text), *self._remarks):
            self.said(remark)

    # ── Display ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def recorded(self, commits: list[Commit]) -> None:
        """Events that are now durable."""
        for commit in commits:
            self._event(commit)

    def started(self, asked: Asked) -> None:
        """A handler begins."""
        if not self._live:
            return
        family, text = call_text(asked.op, asked.args)
        with self._lock:
            self._at_work[(asked.run, asked.index)] = (f"{family} · {first_line(text)}", time.monotonic())
            if self._clock is None:
                self._clock = threading.Thread(target=self._tick, daemon=True)
                self._clock.start()
            self._progress()

    def output(self, asked: Asked, text: str) -> None:
        """A piece of output."""
        if self._verbose and not self._quiet:
            for line in text.splitlines():
                self._write(paint(f"      │ {plain(line)}", "dim", on=self._on))
            return
        last = first_line(text.strip().rpartition("\n")[2])
        if self._live and last:
            family, _ = call_text(asked.op, asked.args)
            with self._lock:
                _, since = self._at_work.get((asked.run, asked.index), ("", time.monotonic()))
                self._at_work[(asked.run, asked.index)] = (f"{family} · {last}", since)
                self._progress()

    def finished(self, asked: Asked) -> None:
        """A handler is through."""
        with self._lock:
            self._at_work.pop((asked.run, asked.index), None)
            self._progress()

    def said(self, text: str) -> None:
        """A remark."""
        self._write(f"{paint('note', 'cyan', on=self._on)} {plain(text)}")

    def paused(self) -> None:
        """See `Display`. The question stands on a line of its own: what is under way is wiped before."""
        with self._lock:
            self._pauses += self._stream.isatty()
            if self._status:
                self._put("\r\x1b[2K")
                self._status = False

    def resumed(self) -> None:
        """See `Display`."""
        with self._lock:
            self._pauses = max(self._pauses - 1, 0)
            self._release()

    def _release(self) -> None:
        """Write what was held back, unless a question is still open."""
        if self._pauses:
            return
        if self._dropped:
            self._put(f"      … {count(self._dropped, 'line')} of that time not shown here\n")
        self._dropped = 0
        while self._held:
            self._put(self._held.popleft())
        if self._at_work:
            self._progress()

    def close(self) -> None:
        """Leave the terminal tidy."""
        self._closed.set()
        with self._lock:
            self._pauses = 0
            self._release()
            self._at_work.clear()
            self._progress()

    # ── lines ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _event(self, commit: Commit) -> None:
        event, run = self._named(commit), commit.run
        match event:
            case Start():
                self._line(commit, "start", event.agent, "", "")
            case Intent() | Undo():
                pass  # shown with its outcome
            case Outcome():
                op, family, text = self._question(commit)
                if op in PLUMBING or run == WORLD:
                    return
                mark, result = answer_text(event.answer)
                if event.files:
                    result = f"{result}  {len(event.files)} file{'s' * (len(event.files) != 1)}".strip()
                self._line(commit, family, text, mark, result)
            case Denied():
                family, text = call_text(event.op, event.args)
                self._line(commit, family, text, "✗", "denied")
            case Injected():
                self._line(commit, "inject", "", "", "")
            case Forked():
                self._line(commit, "fork", f"from event {event.at}", "", "")
            case Reverted():
                self._line(commit, "revert", f"to event {event.to}", "", "")
            case End():
                self._line(commit, "end", event.kind, "", "")

    def _named(self, commit: Commit) -> Event:
        return with_names(commit.event, lambda handle: shown_run(self.tree, commit.handles[handle]))

    def _question(self, outcome: Commit) -> tuple[str, str, str]:
        """Operation, family and call of the intent or undo that an outcome answers."""
        place = outcome.parent
        while place is not None:
            event = self._named(place)
            if isinstance(event, Undo):
                return event.op, "undo", f"{event.at}: {event.op}"
            if isinstance(event, Intent):
                return (event.op, *call_text(event.op, event.args))
            place = place.parent
        return "", "answer", ""

    def _line(self, commit: Commit, family: str, text: str, mark: str, result: str) -> None:
        if self._quiet:
            return
        who = "" if commit.run == ROOT else f"  ({shown_run(self.tree, commit.run)})"
        room = max(30, terminal_width() - 21 - cells(who))
        right = fit(plain(f"{mark} {result}".strip()), room // 2)
        left = fit(plain(text), room - cells(right) - 2 if right else room)
        line = f"  {commit.index:>4}  {pad(family, 7)} · "
        if right:
            left = pad(left, min(44, room // 2)) + "  "
        self._write(
            f"{line}{left}{paint(right, STYLES.get(mark, 'dim'), on=self._on)}{paint(who, 'cyan', on=self._on)}"
        )

    def _tick(self) -> None:
        while not self._closed.wait(1.0):
            with self._lock:
                self._progress()

    def _progress(self) -> None:
        """Draw the last line anew: what was begun last, and how long the longest has been under way."""
        if not self._live or self._pauses:
            return
        line = "\r\x1b[2K" if self._status else ""
        self._status = bool(self._at_work) and not self._closed.is_set()
        if self._status:
            texts = [text for text, _ in self._at_work.values()]
            seconds = time.monotonic() - min(since for _, since in self._at_work.values())
            more = f"  and {len(texts) - 1} more" if len(texts) > 1 else ""
            tail = f"{more}  {seconds:.0f} s"
            shown = fit(plain(f"     …  {texts[-1]}"), terminal_width() - 1 - cells(tail)) + tail
            line += paint(shown, "dim", on=self._on)
        self._put(line)

    def _write(self, line: str) -> None:
        with self._lock:
            if self._pauses:
                self._dropped += len(self._held) == _HELD
                self._held.append(f"{line.rstrip()}\n")
                return
            clear = "\r\x1b[2K" if self._status else ""
            self._status = False
            self._put(f"{clear}{line.rstrip()}\n")
            if self._at_work:
                self._progress()

    def _put(self, text: str) -> None:
        if not text:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            # Nobody watches any more; the run is recorded all the same.
            self._quiet, self._live = True, False
