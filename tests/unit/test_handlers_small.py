"""`human.approve`, `clock.*`, `random.int` and the local tracker."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
import time
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shepherd_dsl.core.value import UNIT, Con, Record, Value, equal, ok, record
from shepherd_dsl.handlers.clock import LONGEST_MS, ClockHandler
from shepherd_dsl.handlers.human import HumanHandler, printable
from shepherd_dsl.handlers.protocol import Handler
from shepherd_dsl.handlers.random import RandomHandler
from shepherd_dsl.handlers.tracker import TrackerHandler, comments
from shepherd_dsl.testing.clock import START_MS, FakeClock
from shepherd_dsl.testing.requests import make_context, make_request


def perform(handler: Handler, op: str, *args: Value, position: int = 1) -> Con:
    return anyio.run(handler.perform, make_request(op, *args, position=position))


def probe(handler: Handler, op: str, *args: Value, position: int = 1) -> Con | None:
    return anyio.run(handler.probe, make_request(op, *args, position=position))


def code(outcome: Con | None) -> str:
    assert outcome is not None
    assert outcome.name == "Err", outcome
    (value,) = outcome.args
    assert isinstance(value, Record)
    found = value.get("code")
    assert isinstance(found, str)
    return found


class _Person(threading.Thread):
    """Sits at the other end of a terminal: types each of `answers` when the prompt for it is there."""

    def __init__(self, *answers: str) -> None:
        super().__init__(daemon=True)
        self.main, self.other = pty.openpty()
        self.terminal = os.ttyname(self.other)
        self.seen = b""
        self._answers = answers

    def run(self) -> None:
        for number, answer in enumerate(self._answers, 1):
            while self.seen.count(b"yes or no? ") < number:
                self.seen += os.read(self.main, 1024)
            # In two pieces, as a terminal in raw mode or a slow line would give them.
            os.write(self.main, answer[:1].encode())
            time.sleep(0.01)
            os.write(self.main, answer[1:].encode())


class TestHuman:
    @pytest.mark.parametrize(
        ("answers", "expected"),
        [
            (["yes\n"], ok(True)),
            (["Y\n"], ok(True)),
            ([" no \n"], ok(False)),
            (["what?\n", "\n", "n\n"], ok(False)),
        ],
    )
    def test_a_person_answers(self, tmp_path: Path, answers: list[str], expected: Con) -> None:
        person = _Person(*answers)
        person.start()
        handler = HumanHandler(make_context(tmp_path), terminal=person.terminal)
        assert equal(perform(handler, "human.approve", "Deploy it?"), expected)
        assert b"Deploy it?" in person.seen

    def test_three_unclear_answers(self, tmp_path: Path) -> None:
        person = _Person("a\n", "b\n", "c\n")
        person.start()
        handler = HumanHandler(make_context(tmp_path), terminal=person.terminal)
        assert code(perform(handler, "human.approve", "Deploy it?")) == "no_answer"

    def test_the_end_of_input_is_no_answer(self, tmp_path: Path) -> None:
        person = _Person("\x04")
        person.start()
        handler = HumanHandler(make_context(tmp_path), terminal=person.terminal)
        assert code(perform(handler, "human.approve", "Deploy it?")) == "no_answer"

    def test_a_question_cannot_paint_over_itself(self, tmp_path: Path) -> None:
        person = _Person("n\n")
        person.start()
        handler = HumanHandler(make_context(tmp_path), terminal=person.terminal)
        perform(handler, "human.approve", "rm -rf /\x1b[2K\r\u202eevil")
        assert b"\x1b" not in person.seen
        assert b"rm -rf /\\u{1b}[2K\\u{d}\\u{202e}evil" in person.seen

    def test_waiting_can_be_cancelled(self, tmp_path: Path) -> None:
        person = _Person()
        handler = HumanHandler(make_context(tmp_path), terminal=person.terminal)

        async def main() -> bool:
            with anyio.move_on_after(0.2) as scope:
                await handler.perform(make_request("human.approve", "Deploy it?"))
            return scope.cancelled_caught

        assert anyio.run(main)

    def test_no_terminal(self, tmp_path: Path) -> None:
        handler = HumanHandler(make_context(tmp_path), terminal=str(tmp_path / "none"))
        assert code(perform(handler, "human.approve", "Deploy it?")) == "no_terminal"

    def test_no_controlling_terminal(self, tmp_path: Path) -> None:
        script = (
            "import anyio, pathlib, sys\n"
            "from shepherd_dsl.handlers.human import HumanHandler\n"
            "from shepherd_dsl.testing.requests import make_context, make_request\n"
            "handler = HumanHandler(make_context(pathlib.Path(sys.argv[1])))\n"
            "print(anyio.run(handler.perform, make_request('human.approve', 'x?')))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path)], capture_output=True, start_new_session=True, check=True
        )
        assert b"no_terminal" in done.stdout

    @pytest.mark.parametrize("yes", [True, False])
    def test_the_command_line_answers(self, tmp_path: Path, yes: bool) -> None:
        context = make_context(tmp_path, config='[human]\napprove = "no"', assume=yes)
        assert equal(perform(HumanHandler(context), "human.approve", "x?"), ok(yes))

    @pytest.mark.parametrize(("word", "expected"), [("yes", True), ("no", False)])
    def test_the_configuration_answers(self, tmp_path: Path, word: str, expected: bool) -> None:
        context = make_context(tmp_path, config=f'[human]\napprove = "{word}"')
        assert equal(perform(HumanHandler(context), "human.approve", "x?"), ok(expected))

    def test_a_file_answers(self, tmp_path: Path) -> None:
        (tmp_path / "answers").write_text("# staging is fine\nyes  Deploy * to staging?\n\nno  Deploy *\n")
        handler = HumanHandler(make_context(tmp_path, config='[human]\nanswers = "answers"'))
        assert equal(perform(handler, "human.approve", "Deploy 1.2 to staging?"), ok(True))
        assert equal(perform(handler, "human.approve", "Deploy 1.2 to production?"), ok(False))
        assert code(perform(handler, "human.approve", "Remove all?")) == "no_answer"

    @pytest.mark.parametrize("text", [None, "maybe *\n", "yes\n", b"yes \xff\n"])
    def test_a_wrong_file(self, tmp_path: Path, text: str | bytes | None) -> None:
        if text is not None:
            (tmp_path / "answers").write_bytes(text.encode() if isinstance(text, str) else text)
        handler = HumanHandler(make_context(tmp_path, config='[human]\nanswers = "answers"'))
        assert code(perform(handler, "human.approve", "x?")) == "answers"

    @given(st.text())
    def test_printable_lets_no_control_through(self, text: str) -> None:
        shown = printable(text)
        assert not any(ord(char) < 32 and char != "\n" for char in shown)
        assert "\x7f" not in shown
        if text.isascii() and text.isprintable():
            assert shown == text


class TestClock:
    def test_now_is_now(self) -> None:
        before = time.time_ns() // 1_000_000
        (now,) = perform(ClockHandler(), "clock.now").args
        assert isinstance(now, int)
        assert before <= now <= time.time_ns() // 1_000_000

    def test_sleep_takes_its_time(self) -> None:
        begun = time.monotonic()
        assert equal(perform(ClockHandler(), "clock.sleep", 80), ok(UNIT))
        assert time.monotonic() - begun >= 0.075

    @pytest.mark.parametrize("ms", [-1, LONGEST_MS + 1, pytest.param(10**5000, id="huge")])
    def test_a_sleep_out_of_range(self, ms: int) -> None:
        assert code(perform(ClockHandler(FakeClock()), "clock.sleep", ms)) == "range"

    def test_sleep_can_be_cancelled(self) -> None:
        async def main() -> bool:
            with anyio.move_on_after(0.05) as scope:
                await ClockHandler().perform(make_request("clock.sleep", 60_000))
            return scope.cancelled_caught

        assert anyio.run(main)

    def test_a_fake_clock(self, tmp_path: Path) -> None:
        clock = FakeClock(file=tmp_path / "clock")
        handler = ClockHandler(clock)
        assert equal(perform(handler, "clock.sleep", 5000), ok(UNIT))
        clock.advance(1)
        assert equal(perform(handler, "clock.now"), ok(START_MS + 5001))
        assert clock.sleeps == [5000]
        assert FakeClock(file=tmp_path / "clock").now_ms() == START_MS + 5001
        assert FakeClock(start_ms=START_MS + 9999, file=tmp_path / "clock").now_ms() == START_MS + 9999
        with pytest.raises(ValueError, match="back"):
            clock.advance(-1)


class TestRandom:
    @given(st.integers(), st.integers(min_value=0))
    def test_is_within_its_bounds(self, low: int, width: int) -> None:
        (number,) = perform(RandomHandler(), "random.int", low, low + width).args
        assert isinstance(number, int)
        assert low <= number <= low + width

    def test_reaches_both_bounds(self) -> None:
        assert equal(perform(RandomHandler(lambda n: 0), "random.int", -3, 4), ok(-3))
        assert equal(perform(RandomHandler(lambda n: n - 1), "random.int", -3, 4), ok(4))
        found = {perform(RandomHandler(), "random.int", 1, 2).args for _ in range(60)}
        assert found == {(1,), (2,)}

    def test_bounds_the_wrong_way_round(self) -> None:
        assert code(perform(RandomHandler(), "random.int", 2, 1)) == "range"


class TestTracker:
    def test_comment_and_retract(self, tmp_path: Path) -> None:
        handler = TrackerHandler(tmp_path / "deep" / "tracker.jsonl")
        assert equal(perform(handler, "tracker.comment", 42, "döne\n", position=1), ok(record(id=1)))
        assert equal(perform(handler, "tracker.comment", 42, "more", position=3), ok(record(id=2)))
        assert equal(perform(handler, "tracker.retract", record(id=1), position=5), ok(UNIT))
        assert comments(handler.file) == ((42, "döne\n", False), (42, "more", True))

    def test_the_same_intent_posts_once(self, tmp_path: Path) -> None:
        handler = TrackerHandler(tmp_path / "tracker.jsonl")
        for _ in range(2):
            assert equal(perform(handler, "tracker.comment", 42, "done", position=1), ok(record(id=1)))
        for _ in range(2):
            assert equal(perform(handler, "tracker.retract", record(id=1), position=3), ok(UNIT))
        assert comments(handler.file) == ((42, "done", False),)

    def test_what_cannot_be_retracted(self, tmp_path: Path) -> None:
        handler = TrackerHandler(tmp_path / "tracker.jsonl")
        assert code(perform(handler, "tracker.retract", record(id=1), position=1)) == "not_found"
        perform(handler, "tracker.comment", 42, "done", position=3)
        perform(handler, "tracker.retract", record(id=1), position=5)
        assert code(perform(handler, "tracker.retract", record(id=1), position=7)) == "retracted"

    def test_probe_says_what_became_of_an_intent(self, tmp_path: Path) -> None:
        handler = TrackerHandler(tmp_path / "tracker.jsonl")
        assert code(probe(handler, "tracker.comment", 42, "done", position=1)) == "not_done"
        perform(handler, "tracker.comment", 42, "done", position=1)
        assert equal(probe(handler, "tracker.comment", 42, "done", position=1) or UNIT, ok(record(id=1)))
        assert code(probe(handler, "tracker.comment", 42, "done", position=3)) == "not_done"

    @pytest.mark.parametrize("cut", range(1, 60, 7))
    def test_a_line_cut_off_by_a_crash_did_not_happen(self, tmp_path: Path, cut: int) -> None:
        file = tmp_path / "tracker.jsonl"
        handler = TrackerHandler(file)
        perform(handler, "tracker.comment", 42, "first", position=1)
        whole = file.read_bytes()
        perform(handler, "tracker.comment", 42, "second", position=3)
        file.write_bytes(file.read_bytes()[: len(whole) + cut])
        assert code(probe(handler, "tracker.comment", 42, "second", position=3)) == "not_done"
        assert equal(perform(handler, "tracker.comment", 42, "second", position=3), ok(record(id=2)))
        assert comments(file) == ((42, "first", True), (42, "second", True))

    def test_a_file_that_is_no_tracker(self, tmp_path: Path) -> None:
        (tmp_path / "tracker.jsonl").write_text("hello\n")
        assert code(perform(TrackerHandler(tmp_path / "tracker.jsonl"), "tracker.comment", 1, "x")) == "tracker"
        assert code(perform(TrackerHandler(tmp_path), "tracker.comment", 1, "x")) == "tracker"
        assert (tmp_path / "tracker.jsonl").read_text() == "hello\n"

    def test_many_at_once(self, tmp_path: Path) -> None:
        file = tmp_path / "tracker.jsonl"

        async def main() -> None:
            async with anyio.create_task_group() as tasks:
                for position in range(12):
                    handler = TrackerHandler(file)
                    tasks.start_soon(handler.perform, make_request("tracker.comment", 1, "x", position=position))

        anyio.run(main)
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        assert sorted(line["id"] for line in lines) == list(range(1, 13))
        assert len({line["key"] for line in lines}) == 12

    def test_cancelling_does_not_leave_it_open_whether_it_posted(self, tmp_path: Path) -> None:
        handler = TrackerHandler(tmp_path / "tracker.jsonl")
        outcomes: list[Con] = []

        async def main() -> None:
            with anyio.CancelScope() as scope:
                scope.cancel()
                outcomes.append(await handler.perform(make_request("tracker.comment", 42, "done")))

        anyio.run(main)
        assert comments(handler.file) == ((42, "done", True),)
        assert equal(outcomes[0], ok(record(id=1)))
