"""What to say of a token that cannot stand where it stands."""

from __future__ import annotations

from shepherd_dsl.syntax import codes
from shepherd_dsl.syntax.diagnostics import Diagnostic
from shepherd_dsl.syntax.layout import DECLARATIONS, OPERATORS, RESERVED, SOFT, STATEMENTS
from shepherd_dsl.syntax.span import Span
from shepherd_dsl.syntax.table import END, FIXED
from shepherd_dsl.syntax.token import Token, kinds

_COMPARISONS = frozenset({"EQ", "NE", "LT", "LE", "GT", "GE", "MATCHES"})
_EXPRESSION = kinds(
    "INT DEC TEXT TEXT_BEGIN TRUE FALSE LPAR LFUN LSQB LREC NAME CON MINUS NOT AWAIT IF MATCH FOR DO TRY SPAWN OBSERVE "
    "FAILED ASKED INJECT REVERT DISCARD MERGE FORK"
)
_STATEMENT = _EXPRESSION | STATEMENTS
_PATTERN = kinds("UNDERSCORE NAME INT DEC MINUS TEXT TEXT_BEGIN TRUE FALSE LPAR CON LREC")
_TYPE = frozenset({"CON", "LREC", "LPAR", "AGENT"})
_CLASS = frozenset({"PURE", "REVERSIBLE", "IRREVERSIBLE", "COMPENSABLE"})
_AFTER_OPERAND = OPERATORS | {"DOT", "LPAR", "LSQB"}

_SHOWN = {
    "NAME": "a name",
    "CON": "a name in upper case",
    "INT": "an integer",
    "TEXT": "a text",
    "TEXT_MID": "`}`",
    "TEXT_END": "`}`",
    "LREC": "`{`",
    "NEWLINE": "the end of the line",
    END: "the end of the file",
}
_ORDER = ("NAME", "CON", "INT", "TEXT")

_ELSEWHERE = {  # words of other languages: what to write here
    "fn": "write `agent name(x: Type) -> Type { … }`, or a lambda `x => …`",
    "func": "write `agent name(x: Type) -> Type { … }`, or a lambda `x => …`",
    "function": "write `agent name(x: Type) -> Type { … }`, or a lambda `x => …`",
    "def": "write `agent name(x: Type) -> Type { … }`, or a lambda `x => …`",
    "lambda": "write `x => …`",
    "var": "write `let`",
    "const": "write `let`",
    "while": "there is no `while`: use `for`, or an agent that calls itself",
    "elif": "write `else if`",
    "switch": "write `match e { pattern => … }`",
    "case": "write `match e { pattern => … }`",
    "throw": 'write `fail "…"`',
    "raise": 'write `fail "…"`',
    "class": "write `type Name = { field: Type }`",
    "struct": "write `type Name = { field: Type }`",
    "enum": "write `type Name = A(Type) | B`",
    "perform": "write `do`",
    "async": "every run can go on beside others: `spawn`, then `await all`",
}


def diagnose(source: str, file: str, tokens: list[Token], index: int, expected: list[str]) -> Diagnostic:
    """The diagnostic for the token at `index`, where the kinds `expected` could have come instead."""
    token = tokens[index]
    before = tokens[index - 1] if index else None
    kind = token.kind
    could = frozenset(expected)
    listed = describe(could)

    def say(code: str, message: str, *, hint: str = "", what: str = listed, span: Span | None = None) -> Diagnostic:
        return Diagnostic(code, span or token.span, file, message, expected=what, hint=hint)

    foreign = next((t for t in (before, token) if t is not None and t.kind == "NAME" and t.text in _ELSEWHERE), None)
    if foreign is not None:
        message = f"`{foreign.text}` is not a word of this language"
        return say(codes.UNEXPECTED, message, hint=_ELSEWHERE[foreign.text], what="", span=foreign.span)
    if kind == "ASSIGN" and "EQ" in could:
        if index < 2 or tokens[index - 2].kind in ("NEWLINE", "LBRACE"):
            hint = f"write `let {before.text if before else 'name'} = …` for a new name, `==` to compare"
            return say(codes.ASSIGNMENT, "a name is given its value once, by `let`", hint=hint, what="")
        return say(codes.UNEXPECTED, "`=` does not compare", hint="write `==`")
    if kind in _COMPARISONS and "AND" in could:
        return say(codes.COMPARED_TWICE, "comparisons cannot be chained", hint="write `a < b and b < c`", what="")
    if before is not None and before.kind == "TRY":
        return say(codes.TRY_WITHOUT_DO, "`try` stands before `do` alone", what="`do`")
    if kind in ("TEXT_MID", "TEXT_END") and before is not None and before.kind in ("TEXT_BEGIN", "TEXT_MID"):
        span = Span(before.end - 2, min(len(source), token.start + 1))
        return say(
            codes.EMPTY_INTERPOLATION,
            "nothing stands between `${` and `}`",
            hint="write `\\$` for a dollar sign",
            span=span,
        )
    if kind == "TEXT_BEGIN" and "TEXT" in could:
        return say(
            codes.INTERPOLATED, "this text has to be plain", hint="take `${…}` out", what="a text without `${…}`"
        )
    if (kind in RESERVED) and "NAME" in could and not (kind in STATEMENTS and could & STATEMENTS):
        return say(
            codes.RESERVED, f"`{token.text}` is a reserved word", hint=f"choose another name, perhaps `{token.text}_`"
        )
    if could <= DECLARATIONS | {END, "NEWLINE"} and could & DECLARATIONS:
        return say(
            codes.TOP_LEVEL,
            f"{shown(token)} cannot stand outside of a declaration",
            what=describe(could & DECLARATIONS),
        )
    if kind in ("NEWLINE", END) or (kind == "RBRACE" and not (could & {"RBRACE"})):
        where = {"NEWLINE": "the line ends", END: "the file ends", "RBRACE": "`}` comes"}[kind]
        at = before.end if before else 0
        span = token.span if kind == "RBRACE" and token.text else Span(at, at)
        return say(codes.INCOMPLETE, f"{where} too early", span=span, hint=_incomplete_hint(could))
    if kind == "CON" and "NAME" in could and "CON" not in could:
        lower = token.text[:1].lower() + token.text[1:]
        return say(
            codes.CASE, f"`{token.text}` begins in upper case", what="a name in lower case", hint=f"write `{lower}`"
        )
    if kind == "NAME" and "CON" in could and "NAME" not in could:
        upper = token.text[:1].upper() + token.text[1:]
        return say(codes.CASE, f"`{token.text}` begins in lower case", hint=f"write `{_TYPES.get(token.text, upper)}`")
    if "NEWLINE" in could and (kind in _STATEMENT | DECLARATIONS or kind in SOFT):
        return say(codes.TWO_STATEMENTS, f"{shown(token)} begins a second statement on this line")
    hint = ""
    if kind == "ARROW" and "FAT_ARROW" in could:
        hint = "write `=>`"
    elif kind == "FAT_ARROW" and "ARROW" in could:
        hint = "write `->`"
    elif kind == "ASSIGN" and {"COMMA", "RPAR"} <= could:
        hint = "parameters have no default values"
    return say(codes.UNEXPECTED, f"{shown(token)} cannot stand here", hint=hint)


_TYPES = {"int": "Int", "str": "Text", "string": "Text", "text": "Text", "bool": "Bool", "float": "Dec", "list": "List",
          "void": "Unit", "none": "Unit"}  # fmt: skip


def shown(token: Token) -> str:
    """A token in a message."""
    if token.kind in ("TEXT", "TEXT_BEGIN"):
        return "this text"
    if token.kind == "NEWLINE":
        return "the end of the line"
    if token.kind == END:
        return "the end of the file"
    return f"`{token.text or FIXED.get(token.kind, '}')}`"


def describe(kinds: frozenset[str]) -> str:
    """What could stand somewhere, in words, the most general first."""
    left = set(kinds)
    out = []
    if "LET" in left and "INT" in left:
        out.append("a statement")
        left -= _STATEMENT | SOFT
    elif {"INT", "LSQB", "DO"} <= left:
        out.append("an expression")
        left -= _EXPRESSION | SOFT
    elif {"UNDERSCORE", "INT", "CON"} <= left:
        out.append("a pattern")
        left -= _PATTERN | SOFT
    elif left >= _TYPE:
        out.append("a type")
        left -= _TYPE
    if "PLUS" in left:
        out.append("an operator")
        left -= _AFTER_OPERAND
    if left >= _CLASS and "NAME" not in left:
        out.append("`pure`, `reversible`, `compensable by …` or `irreversible`")
        left -= _CLASS
    if "NAME" in left:
        left -= SOFT
    if "TEXT" in left:
        left.discard("TEXT_BEGIN")
    names = [_SHOWN[kind] for kind in _ORDER if kind in left]
    signs = sorted({_SHOWN.get(kind) or f"`{FIXED[kind]}`" for kind in left - {*_ORDER, "NEWLINE", END}})
    ends = [_SHOWN[kind] for kind in ("NEWLINE", END) if kind in left]
    out += names + signs + (ends[:1] if ends else [])
    if len(out) < 2:
        return "".join(out)
    return f"{', '.join(out[:-1])} or {out[-1]}"


def _incomplete_hint(could: frozenset[str]) -> str:
    if could == {"ARROW"}:
        return "say what it gives: `-> Unit` for nothing"
    return ""
