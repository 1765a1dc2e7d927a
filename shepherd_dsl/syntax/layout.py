"""From the lexer's tokens to the parser's: where statements end, what a brace opens, and brackets that match.

A line end becomes NEWLINE where a statement may end there and another may begin after it, directly inside the braces of
a block or outside of all brackets. So a line goes on if it ends in an operator, a comma or an open bracket, or if the
next one begins with something that cannot begin a statement. A line that begins with `(`, `[` or `-` is a new one.
"""

from __future__ import annotations

from shepherd_dsl.syntax import codes
from shepherd_dsl.syntax.diagnostics import Diagnostic, Note
from shepherd_dsl.syntax.lexer import WORDS
from shepherd_dsl.syntax.table import END
from shepherd_dsl.syntax.token import COMMENT, NL, Token, kinds

MAX_DEPTH = 100
"""How deep brackets may nest."""

SOFT = kinds(
    "IMPORT EFFECT TYPE TEST PURE REVERSIBLE IRREVERSIBLE COMPENSABLE BY AT MOST TO INTO FROM STARTING "
    "INTENT OUTCOME DENIED INJECTED"
)
"""Words that are names wherever the grammar does not ask for them."""

RESERVED = frozenset(WORDS.values()) - SOFT

DECLARATIONS = frozenset({"IMPORT", "EFFECT", "TYPE", "AGENT", "TEST"})
STATEMENTS = frozenset({"LET", "RETURN", "FAIL", "EXPECT", "SUPERVISE", "PASS", "ANSWER", "DENY"})
"""Words that begin a statement and nothing else."""

OPERATORS = kinds("PLUS MINUS STAR SLASH PERCENT EQ NE LT LE GT GE AND OR MATCHES")

_CANNOT_END = (
    (RESERVED - {"PASS", "RETURN", "TRUE", "FALSE"})
    | (OPERATORS - {"GT"})
    | kinds("COMMA DOT COLON BAR ASSIGN ARROW FAT_ARROW LPAR LFUN LSQB LBRACE LREC TEXT_BEGIN TEXT_MID")
)
_CANNOT_BEGIN = (OPERATORS - {"MINUS"}) | kinds(
    "ELSE WHERE WHEN WITH GRANTS IN DOT COMMA COLON BAR ASSIGN ARROW FAT_ARROW RPAR RSQB RBRACE LBRACE "
    "TEXT_MID TEXT_END"
)
_BEFORE_EMPTY_RECORD = OPERATORS | kinds("ASSIGN LPAR LSQB COMMA COLON ARROW RETURN FAIL ANSWER INJECT STARTING")
_VERDICTS = frozenset({"ANSWER", "DENY"})
_NAMES = SOFT | _VERDICTS | {"NAME"}
_BEGIN_OPERAND = _NAMES | kinds(
    "INT DEC TEXT TEXT_BEGIN TRUE FALSE LPAR LSQB LBRACE CON MINUS NOT AWAIT IF MATCH FOR DO TRY SPAWN OBSERVE "
    "FAILED ASKED INJECT REVERT DISCARD MERGE FORK"
)
_BEFORE_ARGUMENTS = frozenset({"NAME", "CON", "RPAR", "RSQB", "RBRACE"})
_FOLLOW_DECLARATION = {
    "IMPORT": ("TEXT",), "EFFECT": ("NAME",), "TYPE": ("CON",), "AGENT": ("NAME",), "TEST": ("TEXT",),
}  # fmt: skip
_CLOSERS = {"RPAR": ("LPAR", "LFUN"), "RSQB": ("LSQB",), "RBRACE": ("LBRACE", "LREC"), "TEXT_END": ("TEXT_BEGIN",)}
_CLOSER_OF = {opener: closer for closer, openers in _CLOSERS.items() for opener in openers}
_SIGN = {"LPAR": "(", "LFUN": "(", "LSQB": "[", "LBRACE": "{", "LREC": "{", "TEXT_BEGIN": "${",
         "RPAR": ")", "RSQB": "]", "RBRACE": "}", "TEXT_END": "}"}  # fmt: skip


class Layout:
    """The tokens of a source for the parser, ended by `$END`; `too_deep` says that they are not worth parsing."""

    def __init__(self, tokens: list[Token], file: str, source: str) -> None:
        self._file = file
        self._source = source
        self._in = [token for token in tokens if token.kind not in (COMMENT, NL)]
        self._line_ends: dict[int, Token] = {}  # the first line end before a token, by the token's place in _in
        count = 0
        for token in tokens:
            if token.kind == NL:
                self._line_ends.setdefault(count, token)
            elif token.kind != COMMENT:
                count += 1
        self._stack: list[Token] = []
        self._guards: list[int] = []  # depths of guards whose `=>` has not come yet
        self.tokens: list[Token] = []
        self.diagnostics: list[Diagnostic] = []
        self.too_deep = False

    def run(self, *, text_open: bool = False) -> None:
        """Fill `tokens`; `text_open` says that a text went on to the end of the file, which is reported already."""
        tokens = self._in
        for index, token in enumerate(tokens):
            previous = self.tokens[-1] if self.tokens else None
            line_end = self._line_ends.get(index)
            following = tokens[index + 1].kind if index + 1 < len(tokens) else END
            self._kind(index, token, previous, following)
            kind = token.kind
            if kind == "WHEN":
                self._guards.append(len(self._stack))
            elif kind == "FAT_ARROW" and self._guards and self._guards[-1] >= len(self._stack):
                self._guards.pop()
            if line_end is not None and self._stack:
                self._recover(token, following)
            if line_end is not None and previous is not None and self._ends(token):
                newline = Token("NEWLINE", "", line_end.start, line_end.start)
                newline.depth = len(self._stack)
                self.tokens.append(newline)
            if kind in _CLOSERS:
                if not self._close(token):
                    continue
            else:
                if kind == "TEXT_MID":
                    while self._stack[-1].kind != "TEXT_BEGIN":
                        self._unwind(len(self._stack) - 1, token, "the interpolation ends here")
                token.depth = len(self._stack)
                if kind in _CLOSER_OF:
                    self._stack.append(token)
                    if len(self._stack) > MAX_DEPTH:
                        self._report(codes.DEEP, token, f"brackets nest more than {MAX_DEPTH} deep here")
                        self.too_deep = True
                        return
            self.tokens.append(token)
        end = Token(END, "", len(self._source), len(self._source))
        if text_open:  # the closing brackets are inside it
            del self._stack[:]
        self._unwind(0, end, "the file ends")
        self.tokens.append(end)

    def _kind(self, index: int, token: Token, previous: Token | None, following: str) -> None:
        """Decide what depends on the neighbours: words that are labels, braces, the brackets of a lambda."""
        kind, tokens = token.kind, self._in
        if kind in RESERVED or kind in SOFT:
            after_dot = previous is not None and previous.kind == "DOT"
            label = following == "COLON" and bool(self._stack) and self._stack[-1].kind == "LREC"
            if after_dot or label or (kind in _VERDICTS and not self._verdict(index, previous, following)):
                token.kind = "NAME"
        elif kind == "LBRACE":
            second = tokens[index + 2].kind if index + 2 < len(tokens) else END
            labelled = second == "COLON" and (following in ("NAME", "CON", "TEXT") or following in RESERVED | SOFT)
            empty = following == "RBRACE" and previous is not None and previous.kind in _BEFORE_EMPTY_RECORD
            if labelled or empty:
                token.kind = "LREC"
        elif kind == "LPAR" and following in _NAMES and not self._plain(index, previous):
            at = index + 1
            while at + 2 < len(tokens) and tokens[at + 1].kind == "COMMA":
                at += 2
                if tokens[at].kind not in _NAMES:
                    return
            if at + 2 < len(tokens) and tokens[at + 1].kind == "RPAR" and tokens[at + 2].kind == "FAT_ARROW":
                token.kind = "LFUN"

    def _verdict(self, index: int, previous: Token | None, following: str) -> bool:
        """Whether `answer` or `deny` at this place begins a statement with its operand; else it is a name."""
        if not self._stack or self._stack[-1].kind != "LBRACE":
            return False
        begins = index in self._line_ends or (previous is not None and previous.kind in ("LBRACE", "FAT_ARROW"))
        return begins and index + 1 not in self._line_ends and following in _BEGIN_OPERAND

    def _plain(self, index: int, previous: Token | None) -> bool:
        """Whether a bracket after this token cannot be that of a lambda: it holds arguments, or stands in a guard."""
        if self._guards and self._guards[-1] == len(self._stack):
            return True
        if index in self._line_ends and (not self._stack or self._stack[-1].kind == "LBRACE"):
            return False  # it begins a statement
        return previous is not None and (previous.kind in _BEFORE_ARGUMENTS or previous.kind in SOFT)

    def _ends(self, token: Token) -> bool:
        """Whether the line end before `token` ends a statement."""
        previous = self.tokens[-1]
        if self._stack and self._stack[-1].kind != "LBRACE":
            return False
        if token.kind in STATEMENTS and self._stack:
            return previous.kind != "LBRACE"
        if previous.kind in _CANNOT_END or token.kind in _CANNOT_BEGIN:
            return False
        return bool(self._stack) or token.kind not in ("TEXT", "TEXT_BEGIN")

    def _recover(self, token: Token, following: str) -> None:
        """Close brackets that were forgotten, where a line begins with what cannot stand inside them."""
        at = token.start
        if (
            token.kind in DECLARATIONS
            and (at == 0 or self._source[at - 1] == "\n")
            and (
                following in _FOLLOW_DECLARATION[token.kind]
                or (following in SOFT and token.kind in ("AGENT", "EFFECT"))
            )
        ):
            self._unwind(0, token, f"`{token.text}` begins a declaration")
        elif token.kind in STATEMENTS and self._stack[-1].kind in ("LPAR", "LFUN", "LSQB", "LREC"):
            keep = len(self._stack)
            while keep and self._stack[keep - 1].kind in ("LPAR", "LFUN", "LSQB", "LREC"):
                keep -= 1
            self._unwind(keep, token, f"`{token.text}` begins a statement")

    def _close(self, token: Token) -> bool:
        """Match a closing bracket; false if there is nothing that it closes."""
        wanted = _CLOSERS[token.kind]
        keep = len(self._stack)
        while keep and self._stack[keep - 1].kind not in wanted:
            if self._stack[keep - 1].kind == "TEXT_BEGIN" and token.kind != "TEXT_END":
                keep = 0  # an interpolation is never left by a bracket inside it
                break
            keep -= 1
        if not keep:
            self._report(codes.UNOPENED, token, f"`{_SIGN[token.kind]}` closes nothing", hint="take it out")
            return False
        self._unwind(keep, token, f"`{_SIGN[token.kind]}` stands here")
        self._stack.pop()
        token.depth = len(self._stack)
        return True

    def _unwind(self, keep: int, token: Token, why: str) -> None:
        while len(self._stack) > keep:
            opener = self._stack.pop()
            closer = _CLOSER_OF[opener.kind]
            where = Note(f"{why}, and `{_SIGN[closer]}` is still missing", token.span)
            self._report(
                codes.UNCLOSED,
                opener,
                f"this `{_SIGN[opener.kind]}` is not closed",
                expected=f"`{_SIGN[closer]}`",
                notes=(where,),
            )
            at = self.tokens[-1].end
            added = Token(closer, "", at, at)
            added.depth = len(self._stack)
            self.tokens.append(added)

    def _report(
        self, code: str, token: Token, message: str, *, expected: str = "", hint: str = "", notes: tuple[Note, ...] = ()
    ) -> None:
        self.diagnostics.append(
            Diagnostic(code, token.span, self._file, message, expected=expected, hint=hint, notes=notes)
        )
