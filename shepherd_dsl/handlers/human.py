"""`human.approve(question)`: a person says yes or no.

Who answers, in this order: the command line (`--yes`, `--no`), `[human] approve` where it is `yes` or `no`, the file
`[human] answers`, else the terminal. A line of the file is `yes` or `no` and a glob; the first whose glob matches the
whole question answers it. Empty lines and lines that begin with `#` do not count. No merge of a run changes the file
(`Workspace.policies`):

    yes  Deploy * to staging?
    no   *

Errors: `no_terminal`, `no_answer` (the terminal was closed, three answers were neither yes nor no, or no line of the
file matches), `answers` (the file cannot be read, or a line is wrong).
"""

from __future__ import annotations

import contextlib
import os
import termios
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import anyio

from shepherd_dsl.core.match import match_text
from shepherd_dsl.core.value import Con, err, ok
from shepherd_dsl.handlers.context import HandlerContext
from shepherd_dsl.handlers.protocol import OperationSpec, Request
from shepherd_dsl.scope.policy import UnfitError, read_policy

OPERATIONS: Mapping[str, OperationSpec] = MappingProxyType(
    {
        "human.approve": OperationSpec(
            effect_class="pure", params=(("question", "Text"),), result="Bool", about="ask a person yes or no"
        )
    }
)

_WORDS = {"y": True, "yes": True, "n": False, "no": False}
_TRIES = 3
_LONGEST = 4096
_LINES = 20
_WIDEST = 400
"""Lines of a question, and characters of one, that are shown."""


class HumanHandler:
    """Performs `human.approve`; asks one question at a time. `terminal` is the device to ask on."""

    operations = OPERATIONS

    def __init__(self, context: HandlerContext, *, terminal: str = "/dev/tty") -> None:
        self._context = context
        self._terminal = terminal
        self._turn: anyio.Lock | None = None

    async def perform(self, request: Request) -> Con:
        """`Ok(true)`, `Ok(false)`, or an error as above."""
        (question,) = request.args
        assert isinstance(question, str)
        config = self._context.config.human
        if self._context.assume is not None:
            return ok(self._context.assume)
        if config.approve != "ask":
            return ok(config.approve == "yes")
        if config.answers is not None:
            return answer_from(self._context.workspace / config.answers, question)
        if self._turn is None:
            self._turn = anyio.Lock()
        async with self._turn:
            with request.aside():
                return await self._ask(request, question)

    async def probe(self, request: Request) -> Con | None:
        """None: the question is asked again."""
        return None

    async def aclose(self) -> None:
        """Nothing to close."""

    async def _ask(self, request: Request, question: str) -> Con:
        try:
            terminal = os.open(self._terminal, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return err("no_terminal", f"there is no terminal to ask on: {printable(question)}")
        try:
            text = f"\n{framed(self._context.redactor.text(question))}\n"
            for _ in range(_TRIES):
                # What was typed before the question was there answers something else.
                with contextlib.suppress(termios.error):
                    termios.tcflush(terminal, termios.TCIFLUSH)
                await _write(terminal, f"{text}{printable(request.run)} asks: yes or no? ")
                line = await _read_line(terminal)
                if line is None:
                    return err("no_answer", "the terminal was closed")
                answer = _WORDS.get(line.strip().lower())
                if answer is not None:
                    return ok(answer)
                text = "Please answer yes or no.\n"
            return err("no_answer", f"{_TRIES} answers were neither yes nor no")
        finally:
            os.close(terminal)


def open_handler(context: HandlerContext) -> HumanHandler:
    """The factory of the entry point `human`."""
    return HumanHandler(context)


def answer_from(file: Path, question: str) -> Con:
    """What the file of answers says to `question`."""
    try:
        lines = read_policy(file).splitlines()
    except OSError:
        return err("answers", f"there is no file of answers: {file.name}")
    except UnfitError as problem:
        return err("answers", f"the file of answers cannot be read: {file.name}: {problem}")
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        word, _, glob = line.strip().partition(" ")
        if word not in ("yes", "no") or not glob.strip():
            return err("answers", f"{file.name}, line {number}: a line is `yes GLOB` or `no GLOB`")
        if match_text(question, glob.strip()):
            return ok(word == "yes")
    return err("no_answer", f"no line of {file.name} matches: {question}")


def framed(question: str) -> str:
    """A question as it stands on the terminal: each line behind `│`, so that none passes for the prompt or for what
    shepherd says; of a long one the beginning and the end, so that nothing scrolls away unseen without a word."""
    lines = [line[:_WIDEST] + f"… ({len(line)} characters)" * (len(line) > _WIDEST) for line in question.split("\n")]
    if len(lines) > _LINES:
        half = _LINES // 2
        lines[half : len(lines) - half] = [f"… {len(lines) - 2 * half} lines of the question are not shown here …"]
    return "\n".join(f"│ {printable(line)}".rstrip() for line in lines)


def printable(text: str) -> str:
    """`text` with what could play tricks on a terminal (escape sequences, direction marks) made visible; newlines stay.

    A question may come from a model: it must not be able to paint over what it asks.
    """
    return "".join(
        char
        if char == "\n" or unicodedata.category(char) not in ("Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp")
        else f"\\u{{{ord(char):x}}}"
        for char in text
    )


async def _write(terminal: int, text: str) -> None:
    data = text.encode()
    while data:
        await anyio.wait_writable(terminal)
        try:
            data = data[os.write(terminal, data) :]
        except BlockingIOError:
            continue


async def _read_line(terminal: int) -> str | None:
    """One line; None at the end of the terminal's input."""
    data = b""
    while b"\n" not in data and len(data) < _LONGEST:
        await anyio.wait_readable(terminal)
        try:
            piece = os.read(terminal, _LONGEST)
        except BlockingIOError:
            continue
        except OSError:
            return None
        if not piece:
            return None
        data += piece
    return data.decode("utf-8", "replace")
