"""A run as it goes on, on the terminal: events as they become durable, progress while a handler is at work."""

from __future__ import annotations

import shutil
import sys
import time
from typing import Any

from shepherd_dsl.cli.output import colour, paint
from shepherd_dsl.cli.rows import PLUMBING, Row, answer_text, call_text, first_line
from shepherd_dsl.cli.text import plain
from shepherd_dsl.core.event import Denied, End, Forked, Injected, Intent, Outcome, Reverted, Start, Undo
from shepherd_dsl.core.machine import Asked
from shepherd_dsl.core.run import ROOT, Commit

__all__ = ["Row", "TerminalDisplay"]


class TerminalDisplay:
    """Writes to standard error, so that the result of a run stands alone on standard output.

    `quiet` shows remarks only; `verbose` also streams what handlers print.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False, stream: Any = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._on = colour(self._stream)
        self._live = bool(self._stream.isatty()) and not quiet
        self._quiet = quiet
        self._verbose = verbose
        self._questions: dict[str, tuple[str, str, str]] = {}
        self._since: dict[tuple[str, int], float] = {}
        self._status = ""

    # ── Display ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def recorded(self, commits: list[Commit]) -> None:
        """Events that are now durable."""
        for commit in commits:
            self._event(commit)

    def started(self, asked: Asked) -> None:
        """A handler begins."""
        self._since[(asked.run, asked.index)] = time.monotonic()
        family, text = call_text(asked.op, asked.args)
        self._progress(f"{family} · {first_line(text)}")

    def output(self, asked: Asked, text: str) -> None:
        """A piece of output."""
        if self._verbose and not self._quiet:
            self._clear()
            for line in text.splitlines():
                self._write(paint(f"      │ {plain(line)}", "dim", on=self._on))
            return
        last = first_line(text.strip().rpartition("\n")[2])
        if last:
            family, _ = call_text(asked.op, asked.args)
            self._progress(f"{family} · {last}")

    def finished(self, asked: Asked) -> None:
        """A handler is through."""
        self._since.pop((asked.run, asked.index), None)
        self._clear()

    def said(self, text: str) -> None:
        """A remark."""
        self._clear()
        self._write(f"{paint('note', 'cyan', on=self._on)} {plain(text)}")

    def close(self) -> None:
        """Leave the terminal tidy."""
        self._clear()

    # ── lines ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _event(self, commit: Commit) -> None:
        event, run = commit.event, commit.run
        match event:
            case Start():
                self._line(commit, "start", event.agent, "", "")
            case Intent() | Undo():
                family, text = call_text(event.op, event.args)
                self._questions[run] = (event.op, "undo" if isinstance(event, Undo) else family, text)
            case Outcome():
                op, family, text = self._questions.pop(run, ("", "answer", ""))
                if op in PLUMBING or run == "world":
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
                self._line(commit, "end", event.kind, "✓" if event.kind == "done" else "✗", "")

    def _line(self, commit: Commit, family: str, text: str, mark: str, result: str) -> None:
        if self._quiet:
            return
        self._clear()
        width = shutil.get_terminal_size((110, 24)).columns
        who = "" if commit.run == ROOT else f"  ({commit.run.removeprefix(ROOT)})"
        room = max(30, width - 26 - len(who))
        left = plain(text)
        left = left if len(left) <= room // 2 else left[: room // 2 - 1] + "…"
        right = plain(f"{mark} {result}".strip())
        right = right if len(right) <= room // 2 else right[: room // 2 - 1] + "…"
        style = {"✓": "green", "✗": "red", "?": "yellow"}.get(mark, "dim")
        gap = " " * max(2, 44 - len(left)) if right else ""
        self._write(
            f"  {commit.index:>4}  {family:<7} · {left}{gap}{paint(right, style, on=self._on)}"
            f"{paint(who, 'cyan', on=self._on)}"
        )

    def _progress(self, text: str) -> None:
        if not self._live:
            return
        width = shutil.get_terminal_size((110, 24)).columns
        longest = max((time.monotonic() - since for since in self._since.values()), default=0.0)
        line = plain(f"     …  {text}  {longest:.0f} s")[: width - 1]
        self._stream.write("\r\x1b[2K" + paint(line, "dim", on=self._on))
        self._stream.flush()
        self._status = line

    def _clear(self) -> None:
        if self._status:
            self._stream.write("\r\x1b[2K")
            self._status = ""

    def _write(self, line: str) -> None:
        self._stream.write(line.rstrip() + "\n")
        self._stream.flush()
