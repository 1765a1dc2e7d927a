"""What is printed: columns and lanes of the log, values laid out, texts without what steers a terminal."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from shepherd_dsl.cli.ending import done_lines, failure_lines
from shepherd_dsl.cli.graph import render
from shepherd_dsl.cli.rows import Row
from shepherd_dsl.cli.text import cells, fit, pad, plain
from shepherd_dsl.cli.values import laid_out, shown
from shepherd_dsl.core.event import Reverted
from shepherd_dsl.core.files import Files, normal_path, os_name, path_of_os
from shepherd_dsl.core.value import UNIT, Blob, Con, Handle, Record, Value, err, record, some
from shepherd_dsl.path_text import path_text, shortened
from shepherd_dsl.trace.protocol import Recorded

TEXTS = st.text(st.sampled_from("ab 你好e\u0301\t\x1b[31m\n🐑"), max_size=80)


def row(run: str, index: int, *, family: str = "shell", text: str = "x", result: str = "y", live: bool = True) -> Row:
    recorded = Recorded(run, index, Reverted(0), Files.empty(), f"{index:040x}", None)
    return Row(recorded, family, text, result, "✓", live)


ROWS = st.lists(
    st.builds(
        row,
        st.sampled_from(["root", "root.0", "root.1", "root.1(root.0)", "root.2"]),
        st.integers(0, 99_999),
        family=st.sampled_from(["shell", "tracker", "a-very-long-family-name"]),
        text=TEXTS,
        result=TEXTS,
        live=st.booleans(),
    ),
    max_size=12,
)


# ── the log ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(ROWS, st.integers(70, 200))
def test_no_line_is_wider_than_the_terminal(rows: list[Row], width: int) -> None:
    lines = render(rows, tree="1", width=width, on=False)
    assert len(lines) == len(rows)
    assert max(map(cell_len, lines), default=0) <= width
    assert all(line.isprintable() for line in lines)


@given(ROWS)
def test_colours_change_nothing_else(rows: list[Row]) -> None:
    painted = render(rows, tree="1", width=110, on=True)
    assert [plain(line).rstrip() for line in painted] == render(rows, tree="1", width=110, on=False)


def test_columns_line_up() -> None:
    rows = [
        row("root", 1234, family="tracker", text="你好"),
        row("root", 5),
        row("root", 0, family="start", text="abc"),
    ]
    lines = render(rows, tree="1", width=100, on=False)
    assert {cell_len(line[: line.index("·")]) for line in lines} == {cell_len("*  1234  0000000  tracker ")}
    assert len({cell_len(line[: line.index("✓")]) for line in lines}) == 1


def test_a_lane_is_free_again_after_the_oldest_event_of_its_run() -> None:
    order = ["root", "root.1", "root.0", "root.1", "root.0", "root", "root.2", "root.2", "root"]
    lines = render([row(run, 0) for run in order], tree="7", width=100, on=False)
    assert [line[:5] for line in lines] == [
        "*    ",
        "| *  ",
        "| | *",
        "| * |",
        "|   *",
        "*    ",
        "| *  ",
        "| *  ",
        "*    ",
    ]


def test_many_runs_at_once_share_the_last_lane() -> None:
    runs = [f"root.{number}" for number in range(60)]
    rows = [row("root", 1), *(row(run, 1) for run in runs), *(row(run, 0) for run in runs), row("root", 0)]
    lines = render(rows, tree="1", width=100, on=False)
    assert max(map(cell_len, lines)) <= 100
    assert all(line[:40].count("*") == 1 for line in lines)


def test_ten_thousand_events_are_quick() -> None:
    rows = [row("root" if number % 3 else "root.0", number, text="pytest -q tests") for number in range(10_000, 0, -1)]
    began = time.perf_counter()
    assert len(render(rows, tree="1", width=110, on=True)) == 10_000
    assert time.perf_counter() - began < 10, "a second is usual on a busy machine"


# ── texts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(TEXTS, st.integers(0, 40))
def test_fit_and_pad(text: str, width: int) -> None:
    cut = fit(plain(text), width)
    assert cells(cut) <= width
    assert cut == plain(text) or cut == "" or cut.endswith("…")
    assert cells(pad(cut, width)) == width


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("a\rb\x07c", "a b c"),
        ("\x9b31m", " 31m"),
        ("\u202eabc", " abc"),
        ("tab\there", "tab here"),
    ],
)
def test_nothing_steers_the_terminal(text: str, want: str) -> None:
    assert plain(text) == want


# ── values ───────────────────────────────────────────────────────────────────────────────────────────────────────────

VALUES: list[tuple[Value, str]] = [
    (UNIT, "()"),
    (True, "true"),
    (-12, "-12"),
    ('say "hi"\n', '"say \\"hi\\"\\n"'),
    ((), "[]"),
    ((1, "a"), '[1, "a"]'),
    (record(code=0, out="…"), '{ code: 0, out: "…" }'),
    (Record(()), "{}"),
    (some(1), "Some(1)"),
    (Con("None", ()), "None"),
    (Blob("0123456789abcdef" * 2 + "01234567", 3), "blob 0123456789 (3 bytes)"),
    (Handle(2), "run 2"),
]


@pytest.mark.parametrize(("value", "want"), VALUES, ids=[want for _, want in VALUES])
def test_values_as_in_the_language(value: Value, want: str) -> None:
    assert shown(value) == want
    assert list(laid_out(value, width=80)) == [want]


def test_a_long_value_takes_a_line_for_each_part() -> None:
    value = record(items=("a" * 30, "b" * 30), text="one\ntwo", small=some(record(x=1)))
    assert list(laid_out(value, width=40, lead="  answer ")) == [
        "  answer {",
        "    items: [",
        f'      "{"a" * 30}"',
        f'      "{"b" * 30}"',
        "    ]",
        "    small: Some({ x: 1 })",
        "    text:",
        "      │ one",
        "      │ two",
        "  }",
    ]


def test_failures_over_several_lines() -> None:
    error = err("fail", "the check failed:\n\x1b[31mone\x1b[0m\n" + "\n".join(map(str, range(30)))).args[0]
    lines = list(failure_lines("failed run 1", error))
    assert lines[0] == "failed run 1: the check failed: [fail]"
    assert lines[1] == "    … 11 lines, which `shepherd show` has …"
    assert lines[2:] == [f"    {number}" for number in range(10, 30)]


def test_texts_of_several_lines_stand_below() -> None:
    assert list(done_lines("done run 1:", "one\ntwo\n")) == ["done run 1:", "  one", "  two"]
    assert list(done_lines("done run 1:", "one\n")) == ["done run 1: one"]
    assert list(done_lines("done run 1:", "")) == ["done run 1:"]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("a b/你好.txt", "a b/你好.txt"),
        ("a\nb", '"a\\nb"'),
        ("a\\nb", '"a\\\\nb"'),
        ("a\tb", '"a\\tb"'),
        ('say "hi"', '"say \\"hi\\""'),
        (" a", '" a"'),
        ("a ", '"a "'),
        ("a\u202egnp.exe", '"a\\342\\200\\256gnp.exe"'),
        ("a\u2066b", '"a\\342\\201\\246b"'),
        (path_of_os(b"a\xff"), '"a\\377"'),
        ("\x1b[31m", '"\\033[31m"'),
    ],
)
def test_a_path_is_quoted_as_git_does_where_it_would_not_be_shown_as_it_is(path: str, shown: str) -> None:
    assert path_text(path) == shown


@given(st.binary(min_size=1, max_size=12).map(path_of_os).filter(normal_path))
def test_a_path_in_a_list_is_on_one_line_and_says_which_it_is(path: str) -> None:
    text = path_text(path)
    assert text.isprintable()
    assert text == text.strip()
    assert unquoted(text) == os_name(path)


def unquoted(text: str) -> bytes:
    """The bytes of a path that `path_text` shows."""
    if not text.startswith('"'):
        return os_name(text)
    short = {"a": 7, "b": 8, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13, '"': 34, "\\": 92}

    def byte(found: re.Match[bytes]) -> bytes:
        what = found.group(1).decode()
        return bytes([short[what] if what in short else int(what, 8)])

    return re.sub(rb"\\([0-7]{3}|.)", byte, text[1:-1].encode())


def test_a_long_path_keeps_its_ends() -> None:
    path = "beginning/" + "x" * 5000 + "/end"
    assert len(shortened(path)) == 160
    assert shortened(path).startswith("beginning/x")
    assert shortened(path).endswith("x/end")
    assert "…" in shortened(path)
    assert shortened("short") == "short"
