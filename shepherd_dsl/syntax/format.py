"""The formatter: blanks, indentation and blank lines, never the tokens.

It keeps the line breaks of the source, so that authors decide what stands together, and breaks lines over 120 columns
at their outermost brackets and commas. Comments stay where they are. The result parses to the same tree, and
formatting it again changes nothing.
"""

from __future__ import annotations

from itertools import pairwise

import attrs

from shepherd_dsl.syntax.diagnostics import program_error
from shepherd_dsl.syntax.layout import SOFT, Layout
from shepherd_dsl.syntax.lexer import Lexer
from shepherd_dsl.syntax.parser import parse
from shepherd_dsl.syntax.token import COMMENT, NL, Token, kinds

WIDTH = 120
INDENT = 2

_OPENERS = frozenset({"LPAR", "LFUN", "LSQB", "LBRACE", "LREC"})
_CLOSERS = frozenset({"RPAR", "RSQB", "RBRACE"})
_OPERAND_END = kinds("NAME CON INT DEC TEXT TRUE FALSE UNDERSCORE RPAR RSQB RBRACE PASS") | SOFT
_TIGHT_BEFORE_INDEX = frozenset({"NAME", "CON", "RPAR", "RSQB"})
_TIGHT_BEFORE_CALL = frozenset({"NAME", "CON", "RPAR", "RSQB", "ALL", "FAILED", "ASKED", "AGENT"})


@attrs.define(slots=True, eq=False)
class _Line:
    """A line of the result: its tokens, and whether a blank line stands before it."""

    tokens: list[Token]
    blank_before: bool


def format_source(text: str, *, file: str = "<text>") -> str:
    """The formatted text of a program; raises ProgramError where it has a syntax error."""
    _, diagnostics = parse(text, file=file)
    if diagnostics:
        raise program_error(diagnostics, {file: text})
    lexer = Lexer(text, file)
    lexer.run()
    layout = Layout(lexer.tokens, file, text)
    layout.run()
    begins = {b.start for a, b in pairwise(layout.tokens) if a.kind == "NEWLINE"}
    lines = _lines(_pieces(lexer.tokens, text))
    out = _printed(lines, begins)
    while any(_too_wide(*shown) and _split(lines, index) for index, shown in reversed(list(enumerate(out)))):
        out = _printed(lines, begins)
    shown: list[str] = []
    for line, (indent, content) in zip(lines, out, strict=True):
        if line.blank_before and shown:
            shown.append("")
        shown.append(" " * indent + content if content else "")
    return "".join(line + "\n" for line in shown)


def _too_wide(indent: int, content: str) -> bool:
    return "\n" not in content and indent + len(content) > WIDTH


def _pieces(tokens: list[Token], source: str) -> list[Token]:
    """The tokens, each text with its interpolations as one."""
    out: list[Token] = []
    depth = 0
    begin = tokens[0] if tokens else None
    for token in tokens:
        if token.kind == "TEXT_BEGIN":
            if depth == 0:
                begin = token
            depth += 1
        elif token.kind == "TEXT_END":
            depth -= 1
            if depth == 0 and begin is not None:
                written = source[begin.start : token.end].replace("\r\n", "\n")
                piece = Token("TEXT", written, begin.start, token.end)
                piece.depth = begin.depth
                out.append(piece)
        elif depth == 0:
            if token.kind == "TEXT":
                token.text = token.text.replace("\r\n", "\n")
            out.append(token)
    return out


def _lines(tokens: list[Token]) -> list[_Line]:
    """The lines of the source, without the blank ones; `else` joins the brace before it."""
    lines: list[_Line] = []
    current: list[Token] = []
    ends = 2  # line ends since the last token; two make a blank line
    for token in [*tokens, Token(NL, "", 0, 0)]:
        if token.kind != NL:
            if not current and lines and token.kind == "ELSE" and lines[-1].tokens[-1].kind == "RBRACE":
                current = lines.pop().tokens
            elif not current:
                lines.append(_Line([], ends > 1))
                current = lines.pop().tokens
                blank = ends > 1
            current.append(token)
            ends = 0
            continue
        ends += 1
        if current:
            lines.append(_Line(current, blank))
            current = []
    return _top_level(_tight(lines))


def _tight(lines: list[_Line]) -> list[_Line]:
    """No blank line after an opening bracket or before a closing one."""
    for index, line in enumerate(lines):
        if index == 0 or line.tokens[0].kind in _CLOSERS or lines[index - 1].tokens[-1].kind in _OPENERS:
            line.blank_before = False
    return lines


def _top_level(lines: list[_Line]) -> list[_Line]:
    """A blank line around each declaration of several lines, above the comments that belong to it."""
    starts = [i for i, line in enumerate(lines) if line.tokens[0].kind in ("IMPORT", "EFFECT", "TYPE", "AGENT", "TEST")
              and line.tokens[0].depth == 0 and _declares(line.tokens)]  # fmt: skip
    for number, start in enumerate(starts):
        if number == 0:
            continue
        first = start
        while lines[first - 1].tokens[0].kind == COMMENT and not lines[first].blank_before:
            first -= 1
        previous = starts[number - 1]
        end = starts[number + 1] if number + 1 < len(starts) else len(lines)
        while end > start + 1 and lines[end - 1].tokens[0].kind == COMMENT:
            end -= 1
        if first - previous > 1 or end - start > 1:
            lines[first].blank_before = True
    return lines


def _declares(tokens: list[Token]) -> bool:
    return len(tokens) > 1 and (tokens[1].kind in ("NAME", "CON", "TEXT") or tokens[1].kind in SOFT)


def _split(lines: list[_Line], index: int) -> bool:
    """Break a line at the brackets that hold most of it, or at commas outside of brackets; false if it cannot be."""
    tokens = lines[index].tokens
    stack: list[int] = []
    pairs: list[tuple[int, int, int]] = []  # minus depth, length, opening
    closing: dict[int, int] = {}
    for at, token in enumerate(tokens):
        if token.kind in _OPENERS:
            stack.append(at)
        elif token.kind in _CLOSERS and stack:
            opened = stack.pop()
            if at > opened + 1:
                pairs.append((-len(stack), token.start - tokens[opened].start, -opened))
                closing[opened] = at
    commas = [at for at, token in enumerate(tokens) if token.kind == "COMMA"]
    if pairs:
        first = -max(pairs)[2]
        last, inner = closing[first], tokens[first].depth + 1
        between = [at + 1 for at in commas if first < at < last and tokens[at].depth == inner]
        cuts = [first + 1, *([] if tokens[first].kind == "LBRACE" else between), last]
    else:
        cuts = [at + 1 for at in commas]
    cuts = sorted({cut for cut in cuts if 0 < cut < len(tokens) and tokens[cut].kind != COMMENT})
    if not cuts:
        return False
    parts = [tokens[a:b] for a, b in zip([0, *cuts], [*cuts, len(tokens)], strict=True)]
    lines[index : index + 1] = [
        _Line(part, lines[index].blank_before and number == 0) for number, part in enumerate(parts) if part
    ]
    return True


@attrs.frozen(slots=True, eq=False)
class _Open:
    """An open bracket: what its contents and its closing bracket are indented by, and whether it holds arms."""

    kind: str
    inside: int
    closing: int
    arms: bool


def _printed(lines: list[_Line], begins: set[int]) -> list[tuple[int, str]]:
    """The indentation and the content of each line; `begins` has the offsets at which statements begin."""
    out = []
    stack: list[_Open] = []
    matches: list[int] = []  # depths of `match` whose brace has not come yet
    previous: Token | None = None
    for number, line in enumerate(lines):
        indent = _indent(stack, lines, number, previous, begins)
        for token in line.tokens:
            if token.kind == "MATCH":
                matches.append(token.depth)
            elif token.kind in _OPENERS:
                arms = token.kind == "LBRACE" and bool(matches) and matches[-1] == token.depth
                if arms:
                    matches.pop()
                closing = _base(stack) if token.kind == "LBRACE" and _statements(stack) else indent
                stack.append(_Open(token.kind, closing + INDENT, closing, arms))
            elif token.kind in _CLOSERS:
                stack.pop()
            if token.kind != COMMENT:
                previous = token
        out.append((indent, _spaced(line.tokens)))
    return out


def _statements(stack: list[_Open]) -> bool:
    return not stack or stack[-1].kind == "LBRACE"


def _base(stack: list[_Open]) -> int:
    return stack[-1].inside if stack else 0


def _indent(stack: list[_Open], lines: list[_Line], number: int, previous: Token | None, begins: set[int]) -> int:
    if lines[number].tokens[0].kind in _CLOSERS:
        return stack[-1].closing
    base = _base(stack)
    if not _statements(stack):
        return base
    # A comment is indented like the line after it.
    lead = next((line.tokens[0] for line in lines[number:] if line.tokens[0].kind != COMMENT), None)
    if lead is None or previous is None or lead.kind in _CLOSERS or previous.kind == "LBRACE" or lead.start in begins:
        return base
    if lead.kind == "LBRACE" or (stack and stack[-1].arms and previous.kind == "COMMA"):
        return base
    return base + INDENT


def _spaced(tokens: list[Token]) -> str:
    """The tokens of a line with the blanks that belong between them."""
    out = [tokens[0].text]
    unary = tokens[0].kind == "MINUS"
    generic = False
    for index in range(1, len(tokens)):
        before, token = tokens[index - 1], tokens[index]
        if token.kind == "LT" and index > 1 and tokens[index - 2].kind == "AGENT":
            generic = True
        if token.kind == COMMENT:
            blank = "  "
        elif generic and (token.kind in ("LT", "GT") or before.kind in ("LT", "GT")):
            blank = ""
            generic = before.kind != "GT"
        else:
            blank = " " if _blank(before, token, tokens[index - 2] if index > 1 else None, unary) else ""
        unary = token.kind == "MINUS" and before.kind not in _OPERAND_END
        out.append(blank + token.text)
    return "".join(out)


def _blank(before: Token, token: Token, earlier: Token | None, unary: bool) -> bool:
    a, b = before.kind, token.kind
    if a in ("LPAR", "LFUN", "LSQB", "DOT") or b in ("RPAR", "RSQB", "COMMA", "COLON", "DOT"):
        return False
    if unary:
        return b == "MINUS"  # `--` would be another sign
    if a in ("LBRACE", "LREC") and b == "RBRACE":
        return False
    if b in ("LPAR", "LSQB"):
        if a in SOFT:  # a word between two operands, or a name
            return earlier is not None and earlier.kind in _OPERAND_END
        return a not in (_TIGHT_BEFORE_CALL if b == "LPAR" else _TIGHT_BEFORE_INDEX)
    return True
