"""The terminal while a run goes on: nothing is painted over a question that is open."""

from __future__ import annotations

import io
import os
import pty
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import attrs
import pytest

from shepherd_dsl.cli.terminal import TerminalDisplay
from shepherd_dsl.core.machine import Asked
from shepherd_dsl.core.value import Con, err, ok
from shepherd_dsl.handlers.human import HumanHandler
from shepherd_dsl.handlers.secrets import Redactor
from shepherd_dsl.runtime.display import Sheltered
from shepherd_dsl.testing.requests import make_context, make_request

QUESTION = Asked("root", 3, "human.approve", ("Deploy it?",), ("root",))
COMMAND = Asked("root.0", 5, "shell.run", ("make all",), ("root", "root.0"))


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def shown() -> Iterator[tuple[TerminalDisplay, Terminal]]:
    stream = Terminal()
    display = TerminalDisplay(stream=stream, verbose=False)
    yield display, stream
    display.close()


def test_nothing_is_written_while_a_question_is_open(shown: tuple[TerminalDisplay, Terminal]) -> None:
    display, stream = shown
    display.started(COMMAND)
    display.paused()
    before = stream.getvalue()
    assert before.endswith("\r\x1b[2K")
    display.started(QUESTION)
    display.output(COMMAND, "half way\n")
    display.said("first")
    display.paused()
    display.said("second")
    display.resumed()
    assert stream.getvalue() == before
    display.resumed()
    after = stream.getvalue().removeprefix(before)
    assert after.index("first") < after.index("second") < after.index("…")


def test_of_many_lines_the_last_are_shown(shown: tuple[TerminalDisplay, Terminal]) -> None:
    display, stream = shown
    display.paused()
    for number in range(1003):
        display.said(f"line {number}.")
    display.resumed()
    assert "3 lines of that time not shown here" in stream.getvalue()
    assert "line 2." not in stream.getvalue()
    assert stream.getvalue().count("line ") == 1000


def test_the_end_shows_what_was_held_back(shown: tuple[TerminalDisplay, Terminal]) -> None:
    display, stream = shown
    display.paused()
    display.said("late")
    display.close()
    assert "late" in stream.getvalue()


def test_what_is_no_terminal_is_written_at_once() -> None:
    """Nobody is asked there."""
    stream = io.StringIO()
    display = TerminalDisplay(stream=stream)
    display.paused()
    display.said("into a file")
    assert "into a file" in stream.getvalue()
    display.close()


@pytest.mark.parametrize(("typed", "expected"), [("yes\n", ok(True)), ("", None)])
def test_a_person_is_asked_in_peace(tmp_path: Path, typed: str, expected: Con | None) -> None:
    """Also where the handler is cancelled, the display goes on."""
    main, other = pty.openpty()
    stream = Terminal()
    display = TerminalDisplay(stream=stream)
    sheltered = Sheltered(display, Redactor(()))

    @contextmanager
    def aside() -> Iterator[None]:
        sheltered.paused()
        try:
            yield
        finally:
            sheltered.resumed()

    handler = HumanHandler(make_context(tmp_path), terminal=os.ttyname(other))
    request = attrs.evolve(make_request("human.approve", "Deploy it?"), aside=aside)
    meanwhile: list[str] = []

    def person() -> None:
        seen = b""
        while b"yes or no? " not in seen:
            seen += os.read(main, 1024)
        display.said("meanwhile")
        meanwhile.append(stream.getvalue())
        os.write(main, typed.encode())

    async def asks() -> Con:
        with anyio.move_on_after(20 if typed else 1):
            return await handler.perform(request)
        return err("cancelled", "")

    thread = threading.Thread(target=person, daemon=True)
    thread.start()
    answer = anyio.run(asks)
    thread.join(20)
    assert meanwhile == [""]
    assert "meanwhile" in stream.getvalue()
    assert answer.name == ("Ok" if expected is not None else "Err")
    display.close()
    os.close(main)
    os.close(other)
