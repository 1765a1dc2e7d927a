"""Diagnostics: what is wrong with a program, where, what was expected, and what to do.

A code is registered once, with its title and the page that `shepherd explain CODE` prints:

    E001–E099  syntax              shepherd_dsl/syntax/codes.py
    E100–E299  types and grants    shepherd_dsl/check/codes.py
    E300–E399  lowering and tests  shepherd_dsl/lower/codes.py

Each code has a failing example `tests/examples/errors/CODE_name.shep` with its stored rendering beside it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

import attrs

from shepherd_dsl.errors import ProgramError
from shepherd_dsl.syntax.span import Lines, Span

CODE_MODULES = ("shepherd_dsl.syntax.codes", "shepherd_dsl.check.codes", "shepherd_dsl.lower.codes")


@attrs.frozen(slots=True)
class Note:
    """A second place that matters, with its own text. `file` is None where it is that of the diagnostic."""

    text: str
    span: Span | None = None
    file: str | None = None


@attrs.frozen(slots=True)
class Diagnostic:
    """One error of a program.

    `message` is one sentence without a full stop; `expected` says what could stand there; `hint` what to do.
    """

    code: str
    span: Span
    file: str
    message: str
    expected: str = attrs.field(default="", kw_only=True)
    hint: str = attrs.field(default="", kw_only=True)
    notes: tuple[Note, ...] = attrs.field(default=(), kw_only=True)


@attrs.frozen(slots=True)
class Page:
    """What is known of a code: its title (a few words) and its explanation (paragraphs, with an example)."""

    code: str
    title: str
    text: str


_pages: dict[str, Page] = {}


def register(code: str, title: str, text: str) -> str:
    """Add a code to the registry and give it back. A code can be registered once."""
    if code in _pages:
        raise ValueError(f"the code {code} is registered twice")
    _pages[code] = Page(code, title, text.strip() + "\n")
    return code


def pages() -> tuple[Page, ...]:
    """Every registered code, sorted."""
    import importlib.util

    for name in CODE_MODULES:
        if importlib.util.find_spec(name) is not None:
            importlib.import_module(name)
    return tuple(_pages[code] for code in sorted(_pages))


def explain(code: str) -> str | None:
    """The page of a code (`E012`, in any case) as text, or None where there is none."""
    wanted = code.strip().upper()
    for page in pages():
        if page.code == wanted:
            return f"{page.code}: {page.title}\n\n{page.text}"
    return None


def program_error(diagnostics: Iterable[Diagnostic], sources: Mapping[str, str]) -> ProgramError:
    """All diagnostics of a program as one error, rendered without colour, in the order of files and places."""
    found = ordered(diagnostics)
    first = found[0]
    line, column = Lines(sources.get(first.file, "")).position(first.span.start)
    error = ProgramError(
        first.code,
        first.message,
        rendered=render(sources, found),
        where=f"{first.file}:{line}:{column}",
        hint=first.hint,
    )
    error.diagnostics = found
    return error


def ordered(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """The files in the order of their first mention, inside a file by place; what is said twice is said once."""
    found = list(dict.fromkeys(diagnostics))
    files: dict[str, int] = {}
    for diagnostic in found:
        files.setdefault(diagnostic.file, len(files))
    return tuple(sorted(found, key=lambda d: (files[d.file], d.span.start, d.span.end, d.code)))


# Rendering -----------------------------------------------------------------------------------------------------------

_STYLES = {"error": "\x1b[1;31m", "bold": "\x1b[1m", "edge": "\x1b[34m", "note": "\x1b[36m", "hint": "\x1b[32m"}
_LONGEST_LINE = 160


def render(source: str | Mapping[str, str], diagnostics: Iterable[Diagnostic], color: bool = False) -> str:
    """Diagnostics as text for a terminal: code, message, place, source line, caret, expectation, hint, notes.

    `source` is the one source of all of them, or the sources by file. The text ends in a newline.
    """
    known: dict[str, Lines] = {}

    def lines_of(file: str) -> Lines:
        if file not in known:
            known[file] = Lines(source if isinstance(source, str) else source.get(file, ""))
        return known[file]

    return "\n".join(_render_one(diagnostic, lines_of(diagnostic.file), lines_of, color) for diagnostic in diagnostics)


_LinesOf: TypeAlias = Callable[[str], Lines]


def _render_one(diagnostic: Diagnostic, lines: Lines, lines_of: _LinesOf, color: bool) -> str:
    line, column = lines.position(diagnostic.span.start)
    note_lines = [
        lines_of(note.file or diagnostic.file).position(note.span.start)[0] for note in diagnostic.notes if note.span
    ]
    width = len(str(max([line, *note_lines])))
    edge = _paint("|", "edge", color)
    blank = " " * width
    out = [
        f"{_paint(f'error[{diagnostic.code}]', 'error', color)}: {_paint(_shown(diagnostic.message), 'bold', color)}"
    ]
    out.append(f"{blank}{_paint('-->', 'edge', color)} {_shown(diagnostic.file)}:{line}:{column}")
    out.append(f"{blank} {edge}")
    out.extend(_excerpt(lines, diagnostic.span, width, "^", "error", color))
    if diagnostic.expected:
        out.append(f"{blank} {_paint('=', 'edge', color)} expected: {_shown(diagnostic.expected)}")
    if diagnostic.hint:
        out.append(f"{blank} {_paint('=', 'edge', color)} {_paint('hint', 'hint', color)}: {_shown(diagnostic.hint)}")
    for note in diagnostic.notes:
        text = f"{_paint('note', 'note', color)}: {_shown(note.text)}"
        if note.span is None:
            out.append(f"{blank} {_paint('=', 'edge', color)} {text}")
            continue
        there = lines_of(note.file or diagnostic.file)
        at_line, at_column = there.position(note.span.start)
        out.append(f"{blank} {_paint('=', 'edge', color)} {text}")
        out.append(
            f"{blank}{_paint('-->', 'edge', color)} {_shown(note.file or diagnostic.file)}:{at_line}:{at_column}"
        )
        out.extend(_excerpt(there, note.span, width, "-", "note", color))
    return "\n".join(out) + "\n"


def _excerpt(lines: Lines, span: Span, width: int, mark: str, style: str, color: bool) -> list[str]:
    line, column = lines.position(span.start)
    text = lines.text(line)
    start = min(column - 1, len(text))
    end = max(start + 1, min(start + span.end - span.start, len(text)))
    cut = max(0, start - _LONGEST_LINE // 2) if len(text) > _LONGEST_LINE else 0
    before, marked = _shown(text[cut:start]), _shown(text[start:end])
    shown = _shown(text[cut : cut + _LONGEST_LINE])
    if cut:
        shown, before = "…" + shown, "…" + before
    if cut + _LONGEST_LINE < len(text):
        shown += "…"
    carets = mark * max(1, min(_width(marked), _LONGEST_LINE))
    more = " …" if lines.position(max(span.start, span.end - 1))[0] > line else ""
    edge = _paint("|", "edge", color)
    return [
        f"{_paint(str(line).rjust(width), 'edge', color)} {edge} {shown}".rstrip(),
        f"{' ' * width} {edge} {' ' * _width(before)}{_paint(carets + more, style, color)}",
    ]


def _shown(text: str) -> str:
    """Tabs as four blanks, what a terminal would act on as a visible sign."""
    return "".join(
        "    " if c == "\t" else c if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp") else _visible(c)
        for c in text
    )


def _visible(char: str) -> str:
    return chr(0x2400 + ord(char)) if ord(char) < 0x20 else f"<U+{ord(char):04X}>"


def _width(text: str) -> int:
    """Columns in a terminal."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _paint(text: str, style: str, color: bool) -> str:
    return f"{_STYLES[style]}{text}\x1b[0m" if color else text
