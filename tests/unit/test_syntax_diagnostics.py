"""The rendering of diagnostics, their order, and the registry of codes."""

from __future__ import annotations

import pytest

from shepherd_dsl.errors import ProgramError
from shepherd_dsl.syntax import Diagnostic, parse, program_error, render
from shepherd_dsl.syntax.diagnostics import Note, ordered, pages, register
from shepherd_dsl.syntax.span import Lines, Span


def at(source: str, part: str, **more: object) -> Diagnostic:
    start = source.index(part)
    return Diagnostic("E011", Span(start, start + len(part)), "a.shep", "no", **more)  # type: ignore[arg-type]


def carets(source: str, part: str) -> tuple[str, str]:
    """The shown line and the line of the caret, without the edge."""
    shown = render(source, [at(source, part)]).splitlines()
    edge = shown[2].index("|") + 2
    return shown[3][edge:], shown[4][edge:]


@pytest.mark.parametrize(
    ("source", "part", "line", "caret"),
    [
        ("let x = 3", "x", "let x = 3", "    ^"),
        ("a\nbcd", "cd", "bcd", " ^^"),
        ("\tx", "x", "    x", "    ^"),
        ("漢字 x", "x", "漢字 x", "     ^"),
        ("漢字 x", "漢字", "漢字 x", "^^^^"),
        ("e\u0301 x", "x", "e\u0301 x", "  ^"),
        ("a\x1b[31mb", "b", "a␛[31mb", "      ^"),
        ("a\u202eb", "b", "a<U+202E>b", "         ^"),
        ("one\r\ntwo", "two", "two", "^^^"),
        ("one {\n}\n", "{\n}", "one {", "    ^ …"),
    ],
)
def test_the_caret_stands_under_the_span(source: str, part: str, line: str, caret: str) -> None:
    assert carets(source, part) == (line, caret)


def test_the_end_of_the_file_has_a_place() -> None:
    assert render("abc\n", [Diagnostic("E012", Span(4, 4), "a.shep", "over")]).splitlines()[1] == " --> a.shep:2:1"


def test_a_long_line_is_cut_around_the_caret() -> None:
    shown, caret = carets("x" * 500 + "HERE" + "y" * 500, "HERE")
    assert len(shown) < 170
    assert shown[caret.index("^") :].startswith("HERE")
    assert caret.strip() == "^^^^"


def test_everything_that_is_known_is_said() -> None:
    source = "one\ntwo\n"
    note = Note("declared here", Span(0, 3))
    diagnostic = at(source, "two", expected="a name", hint="rename it", notes=(note, Note("by the way")))
    assert render(source, [diagnostic]) == (
        "error[E011]: no\n --> a.shep:2:1\n  |\n2 | two\n  | ^^^\n  = expected: a name\n  = hint: rename it\n"
        "  = note: declared here\n --> a.shep:1:1\n1 | one\n  | ---\n  = note: by the way\n"
    )


def test_colour_only_adds_colour() -> None:
    source = "let = 3"
    _, diagnostics = parse(source, file="a.shep")
    plain, colored = render(source, diagnostics), render(source, diagnostics, color=True)
    assert "\x1b" not in plain
    assert colored.replace("\x1b", "").count("[1;31m")
    stripped = colored
    for style in ("1;31", "1", "34", "36", "32", "0"):
        stripped = stripped.replace(f"\x1b[{style}m", "")
    assert stripped == plain


def test_files_come_in_the_order_of_their_mention_and_places_inside_them() -> None:
    def found(file: str, start: int) -> Diagnostic:
        return Diagnostic("E011", Span(start, start + 1), file, "no")

    assert ordered([found("b", 5), found("a", 9), found("b", 1), found("b", 5)]) == (
        found("b", 1), found("b", 5), found("a", 9),
    )  # fmt: skip


def test_one_error_carries_all() -> None:
    source = "agent main() -> Int {\n  let x =\n  return * 2\n}\n"
    _, diagnostics = parse(source, file="a.shep")
    error = program_error(diagnostics, {"a.shep": source})
    assert isinstance(error, ProgramError)
    assert (error.code, error.where, error.exit_status) == ("E012", "a.shep:2:10", 2)
    assert error.diagnostics == diagnostics
    assert error.rendered == render(source, diagnostics)
    assert error.rendered.count("error[") == len(diagnostics) == 2


def test_a_code_is_registered_once() -> None:
    with pytest.raises(ValueError, match="E001"):
        register("E001", "again", "…")
    assert [page.code for page in pages()] == sorted({page.code for page in pages()})


def test_lines() -> None:
    lines = Lines("ab\r\n\ncd")
    assert [lines.position(offset) for offset in (0, 2, 4, 5, 7)] == [(1, 1), (1, 3), (2, 1), (3, 1), (3, 3)]
    assert [lines.text(line) for line in (1, 2, 3)] == ["ab", "", "cd"]
    assert (len(lines), lines.start(3)) == (3, 5)
