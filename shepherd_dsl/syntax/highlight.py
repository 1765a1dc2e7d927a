"""The Pygments lexer of the language: `pygmentize -l shepherd FILE`. Only Pygments imports this module."""

from __future__ import annotations

from typing import ClassVar

from pygments.lexer import RegexLexer, bygroups, include, words
from pygments.token import Comment, Error, Keyword, Name, Number, Operator, Punctuation, String, Whitespace

DECLARATIONS = ("import", "effect", "type", "agent", "test", "with", "grants")
STATEMENTS = (
    "let", "return", "fail", "expect", "if", "else", "match", "for", "in", "where", "when", "do", "try",
    "pass", "answer", "deny", "supervise", "observe", "spawn", "await", "all", "fork", "merge", "discard",
    "revert", "inject", "failed", "asked",
)  # fmt: skip
CLASSES = ("pure", "reversible", "irreversible", "compensable")
LINKS = ("intent", "outcome", "denied", "injected", "at", "most", "by", "to", "into", "from", "starting")
WORD_OPERATORS = ("and", "or", "not", "matches")
CONSTANTS = ("true", "false")
TYPES = ("Unit", "Bool", "Int", "Dec", "Text", "Blob", "Path", "Command", "List", "Option", "Run")


class ShepherdLexer(RegexLexer):  # type: ignore[misc, unused-ignore]
    """Highlights `.shep`. Words that are names in most places count as words only where they usually are."""

    name = "Shepherd"
    aliases: ClassVar[list[str]] = ["shepherd", "shep"]
    filenames: ClassVar[list[str]] = ["*.shep"]
    mimetypes: ClassVar[list[str]] = ["text/x-shepherd"]

    tokens: ClassVar = {
        "root": [(r"\}", Punctuation), include("code")],
        "braces": [(r"\}", Punctuation, "#pop"), include("code")],
        "interpolation": [(r"\}", String.Interpol, "#pop"), include("code")],
        "code": [
            (r"\s+", Whitespace),
            (r"//[^\n]*", Comment.Single),
            (r'"""', String.Double, "long"),
            (r'"', String.Double, "text"),
            (r"\{", Punctuation, "braces"),
            (r"(\.)([A-Za-z_]\w*)", bygroups(Operator, Name.Attribute)),
            (r"([a-z_]\w*)(\s*)(:)", bygroups(Name.Variable, Whitespace, Punctuation)),
            (r"(effect)(\s+)([a-z_][\w.]*)", bygroups(Keyword.Declaration, Whitespace, Name.Function)),
            (r"(agent)(\s+)([a-z_]\w*)", bygroups(Keyword.Declaration, Whitespace, Name.Function)),
            (r"(type)(\s+)([A-Z]\w*)", bygroups(Keyword.Declaration, Whitespace, Name.Class)),
            (r"(do)(\s+)([a-z_][\w.]*)", bygroups(Keyword, Whitespace, Name.Function)),
            (words(DECLARATIONS, prefix=r"\b", suffix=r"\b"), Keyword.Declaration),
            (words(STATEMENTS, prefix=r"\b", suffix=r"\b"), Keyword),
            (words(CLASSES, prefix=r"\b", suffix=r"\b"), Keyword.Type),
            (words(LINKS, prefix=r"\b", suffix=r"\b(?=\s+[\w\"\[({])"), Keyword),
            (words(WORD_OPERATORS, prefix=r"\b", suffix=r"\b"), Operator.Word),
            (words(CONSTANTS, prefix=r"\b", suffix=r"\b"), Keyword.Constant),
            (words(TYPES, prefix=r"\b", suffix=r"\b"), Keyword.Type),
            (r"[A-Z]\w*", Name.Class),
            (r"_\b", Name.Builtin.Pseudo),
            (r"[a-z_]\w*", Name),
            (r"[0-9][0-9_]*\.[0-9][0-9_]*", Number),
            (r"[0-9][0-9_]*", Number.Integer),
            (r"=>|->|==|!=|<=|>=|[=<>+\-*/%|]", Operator),
            (r"[()\[\],.:]", Punctuation),
            (r".", Error),
        ],
        "text": [
            (r'"', String.Double, "#pop"),
            (r"\n", Error, "#pop"),
            (r'[^"\\$\n]+', String.Double),
            (r'\\(?:[nrt"\\$]|u\{[0-9A-Fa-f]{1,6}\})', String.Escape),
            (r"\$\{", String.Interpol, "interpolation"),
            (r"[\\$]", String.Double),
        ],
        "long": [
            (r'"""', String.Double, "#pop"),
            (r'[^"\\$]+', String.Double),
            (r'\\(?:[nrt"\\$]|u\{[0-9A-Fa-f]{1,6}\})', String.Escape),
            (r"\$\{", String.Interpol, "interpolation"),
            (r'[\\$"]', String.Double),
        ],
    }
