"""From characters to tokens; every error of the lexer is reported and got over.

Texts with interpolation come as `TEXT_BEGIN e TEXT_MID e TEXT_END`, each with the literal characters before the next
`${`. Comments and line ends are kept: the formatter needs them, and the layout takes them out for the parser.
"""

from __future__ import annotations

import re

from shepherd_dsl.syntax import codes
from shepherd_dsl.syntax.diagnostics import Diagnostic
from shepherd_dsl.syntax.span import Span
from shepherd_dsl.syntax.table import FIXED
from shepherd_dsl.syntax.token import COMMENT, NL, Token

WORDS = {text: kind for kind, text in FIXED.items() if text.isalpha()}
"""Words with a meaning in the grammar."""

_SIGNS = {text: kind for kind, text in FIXED.items() if not text.isalpha()}

_SCAN = re.compile(
    r"""
    (?P<blank>[ \t]+)
  | (?P<nl>\r?\n)
  | (?P<comment>//[^\n\r]*)
  | (?P<block_comment>/\*(?:.*?\*/|[^\n]*))
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<number>[0-9][A-Za-z0-9_]*(?:\.[0-9][A-Za-z0-9_]*)?(?:(?<=[eE])[+-][0-9]+)?)
  | (?P<quote>\"\"\"|\")
  | (?P<foreign>\#[^\r\n]*|'(?:[^'\\\n]|\\.)*'?|`[^`\n]*`?
      |&&|\|\||\+\+|--|\+=|-=|\*=|/=|%=|:=|::|===|!==|\.\.\.?|!(?!=)|[;?@~^&$\\])
  | (?P<sign>=>|->|==|!=|<=|>=|[{}()\[\],.:|=<>+\-*/%])
    """,
    re.VERBOSE | re.DOTALL,
)
_INT = re.compile(r"(?:0|[1-9][0-9]*(?:_[0-9]+)*)\Z")
_DEC = re.compile(r"(?:0|[1-9][0-9]*(?:_[0-9]+)*)\.[0-9]+(?:_[0-9]+)*\Z")

_CHUNKS = {
    '"': re.compile(r'[^"\\$\r\n\0]+'),
    '"""': re.compile(r'[^"\\$\0]+'),
}
_ESCAPE = re.compile(r'\\(?:[nrt"\\$]|u\{[0-9A-Fa-f]{1,6}\})')

_MEANT: dict[str, tuple[str | None, str]] = {  # signs of other languages: what is read instead, and what to write
    "&&": ("AND", "write `and`"),
    "||": ("OR", "write `or`"),
    "!": ("NOT", "write `not`"),
    "++": ("PLUS", "write `+`; texts are joined by interpolation, lists by `concat`"),
    "===": ("EQ", "write `==`"),
    "!==": ("NE", "write `!=`"),
    ":=": ("ASSIGN", "write `let name = …`"),
    ";": (NL, "a statement ends at the end of its line"),
    "?": (None, "write `if c { a } else { b }`, or match on an `Option`"),
    "::": ("DOT", "write `.`"),
}


class Lexer:
    """One pass over a source. `tokens` and `diagnostics` hold the result after `run`."""

    def __init__(self, source: str, file: str) -> None:
        self.source = source
        self.file = file
        self.tokens: list[Token] = []
        self.diagnostics: list[Diagnostic] = []
        # Open "{" and interpolations, innermost last: (None, …) for "{", (quote, offset of the text) for "${".
        self._open: list[tuple[str | None, int]] = []

    def run(self) -> None:
        """Read the whole source."""
        source, scan, tokens = self.source, _SCAN.match, self.tokens
        at, size = 0, len(source)
        if source.startswith("\ufeff"):
            at = 1
        while at < size:
            found = scan(source, at)
            if found is None:
                at = self._strange(at)
                continue
            kind, end = found.lastgroup, found.end()
            if kind == "word":
                text = found.group()
                tokens.append(Token(WORDS.get(text) or _word_kind(text), text, at, end))
            elif kind == "sign":
                text = found.group()
                if text == "{":
                    self._open.append((None, at))
                elif text == "}" and self._open:
                    quote, start = self._open.pop()
                    if quote is not None:
                        at = self._text(at, end, quote, start, resumed=True)
                        continue
                tokens.append(Token(_SIGNS[text], text, at, end))
            elif kind == "nl":
                tokens.append(Token(NL, "\n", at, end))
                self._close_texts(at, line_end=True)
            elif kind == "quote":
                at = self._text(at, end, found.group(), at, resumed=False)
                continue
            elif kind == "number":
                self._number(found.group(), at, end)
            elif kind == "comment":
                tokens.append(Token(COMMENT, found.group().rstrip(), at, end))
            elif kind == "foreign":
                self._foreign(found.group(), at, end)
            elif kind == "block_comment":
                self._error(
                    codes.FOREIGN, at, end, "comments of this form are unknown", hint="write `// …` on each line"
                )
            at = end
        self._close_texts(size, line_end=False)

    def _error(self, code: str, start: int, end: int, message: str, *, expected: str = "", hint: str = "") -> None:
        self.diagnostics.append(Diagnostic(code, Span(start, end), self.file, message, expected=expected, hint=hint))

    def _strange(self, at: int) -> int:
        char = self.source[at]
        if char == "\0":
            self._error(codes.CONTROL, at, at + 1, "a NUL character", hint="is this a text file?")
        elif char == "\r":
            self._error(
                codes.CONTROL, at, at + 1, "a carriage return without a line feed", hint="end lines with LF or CRLF"
            )
        elif char < " " or char == "\x7f":
            self._error(codes.CONTROL, at, at + 1, f"the control character U+{ord(char):04X}", hint="take it out")
        elif char in "“”„«»‘’":
            self._error(codes.CHARACTER, at, at + 1, f"`{char}` is not a quotation mark here", hint='write `"`')
        elif char.isalpha():
            end = at
            if self.tokens and self.tokens[-1].end == at and self.tokens[-1].text[-1:].isalnum():
                at = self.tokens.pop().start  # the beginning of the same word
            while end < len(self.source) and (self.source[end].isalnum() or self.source[end] == "_"):
                end += 1
            name = self.source[at:end]
            self._error(
                codes.CHARACTER,
                at,
                end,
                f"`{name}` has letters that a name cannot have",
                expected="a name of the letters a to z, digits and `_`",
            )
            self.tokens.append(Token("NAME", name, at, end))
            return end
        elif char.isspace() or not char.isprintable():
            self._error(
                codes.CHARACTER,
                at,
                at + 1,
                f"the character U+{ord(char):04X}, which cannot be seen",
                hint="write a plain blank, or `\\u{…}` inside a text",
            )
        else:
            self._error(codes.CHARACTER, at, at + 1, f"`{char}` has no meaning outside of texts and comments")
        end = at + 1  # a binary file should not give an error a byte
        while end < len(self.source) and self.source[end] == char:
            end += 1
        return end

    def _number(self, text: str, start: int, end: int) -> None:
        if _INT.match(text):
            self.tokens.append(Token("INT", text, start, end))
        elif _DEC.match(text):
            self.tokens.append(Token("DEC", text, start, end))
        else:
            if re.fullmatch(r"[0-9._]+[eE][+-]?[0-9]+", text):
                hint = "there are no floats: write the digits out"
            elif re.fullmatch(r"0[0-9_]+(\.[0-9_]+)?", text):
                hint = "leave the leading zeros out"
            elif re.match(r"0[xXbBoO]", text):
                hint = "numbers are written in decimal"
            else:
                hint = "a name cannot begin with a digit"
            self._error(
                codes.NUMBER, start, end, f"`{text}` is not a number", expected="`42`, `1_000` or `1.50`", hint=hint
            )
            self.tokens.append(Token("INT", "0", start, end))

    def _foreign(self, text: str, start: int, end: int) -> None:
        meant, hint = _MEANT.get(text, (None, ""))
        if text[0] in "'`":
            self._error(codes.FOREIGN, start, end, "a text stands between double quotes", hint='write `"…"`')
            self.tokens.append(Token("TEXT", text, start, end, Span(start + 1, max(start + 1, end - 1))))
            return
        if text[0] == "#":
            self._error(codes.FOREIGN, start, start + 1, "`#` does not begin a comment", hint="write `// …`")
            return
        if not hint and text.endswith("="):
            hint = "a name is given its value once: write `let new = …`"
        self._error(codes.FOREIGN, start, end, f"`{text}` is not a sign of this language", hint=hint)
        if meant is not None:
            self.tokens.append(Token(meant, text, start, end))

    # Texts -----------------------------------------------------------------------------------------------------------

    def _text(self, start: int, at: int, quote: str, opened: int, *, resumed: bool) -> int:
        """Read a text from `at` to its end or its next `${`; `start` is where the token starts, `opened` the text."""
        source, size, chunk = self.source, len(self.source), _CHUNKS[quote]
        first = at
        while True:
            found = chunk.match(source, at)
            if found:
                at = found.end()
            if source.startswith(quote, at):
                kind = "TEXT_END" if resumed else "TEXT"
                end = at + len(quote)
                self.tokens.append(Token(kind, source[start:end], start, end, Span(first, at)))
                return end
            if source.startswith("${", at):
                self._open.append((quote, opened))
                kind = "TEXT_MID" if resumed else "TEXT_BEGIN"
                self.tokens.append(Token(kind, source[start : at + 2], start, at + 2, Span(first, at)))
                return at + 2
            if at >= size or (quote == '"' and source[at] in "\r\n"):
                self._unfinished(quote, opened, at)
                kind = "TEXT_END" if resumed else "TEXT"
                self.tokens.append(Token(kind, source[start:at], start, at, Span(first, at)))
                return at
            if source[at] == "\\":
                escape = _ESCAPE.match(source, at)
                good = escape is not None and escape_value(escape.group()) is not None
                at = escape.end() if escape is not None and good else self._bad_escape(at)
            elif source[at] == "\0":
                self._error(codes.CONTROL, at, at + 1, "a NUL character", hint="write `\\u{0}` if you mean it")
                at += 1
            else:
                at += 1

    def _bad_escape(self, at: int) -> int:
        match = re.compile(r"\\(u\{[^}\"\n]*\}?|[^\r\n])?").match(self.source, at)
        assert match is not None  # it begins with the backslash that was found
        text = match.group()
        self._error(
            codes.ESCAPE,
            at,
            match.end(),
            f"`{text}` is not an escape",
            expected='`\\n`, `\\t`, `\\r`, `\\"`, `\\\\`, `\\$` or `\\u{10FFFF}`',
            hint="write `\\\\` for a backslash",
        )
        return match.end()

    def _unfinished(self, quote: str, opened: int, at: int) -> None:
        if quote == '"':
            self._error(
                codes.TEXT_OPEN,
                opened,
                at,
                "this text does not end on its line",
                expected='a closing `"`',
                hint='write `\\"` for a quotation mark inside, `"""` around a text of several lines',
            )
        else:
            self._error(
                codes.TEXT_OPEN_LONG,
                opened,
                opened + 3,
                "this text does not end",
                expected='a closing `"""`',
            )

    def _close_texts(self, at: int, *, line_end: bool) -> None:
        """End the texts whose interpolation is still open at `at`: one-line texts at a line end, all at the end."""
        while True:
            index = next(
                (i for i, (quote, _) in enumerate(self._open) if quote == '"' or (quote and not line_end)), None
            )
            if index is None:
                return
            missing = self._open[index:]
            del self._open[index:]
            quote, opened = missing[0]
            self._unfinished(quote or "", opened, at)
            place = len(self.tokens) - line_end  # before the NL
            self.tokens[place:place] = [
                Token("RBRACE", "", at, at) if quote is None else Token("TEXT_END", "", at, at, Span(at, at))
                for quote, _ in reversed(missing)
            ]


def _word_kind(text: str) -> str:
    if text == "_":
        return "UNDERSCORE"
    return "CON" if text.lstrip("_")[:1].isupper() else "NAME"


def escape_value(text: str) -> str | None:
    """The character an escape stands for, or None where there is none (a surrogate, or beyond U+10FFFF)."""
    simple = {"n": "\n", "r": "\r", "t": "\t"}.get(text[1], text[1])
    if text[1] != "u":
        return simple
    point = int(text[3:-1], 16)
    return chr(point) if point <= 0x10FFFF and not 0xD800 <= point <= 0xDFFF else None
