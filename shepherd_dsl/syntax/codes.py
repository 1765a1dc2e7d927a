"""The codes of syntax errors and their pages."""

from __future__ import annotations

from shepherd_dsl.syntax.diagnostics import register

ENCODING = register(
    "E001",
    "the file is not UTF-8",
    """
A program is a text file in UTF-8. This file has bytes that are not, at the place shown.

Save it as UTF-8 in your editor, or convert it:

    iconv -f latin1 -t utf-8 old.shep > new.shep
""",
)
CONTROL = register(
    "E002",
    "a control character",
    """
Outside of texts, a program has blanks, tabs, line ends (LF or CRLF) and visible characters only. NUL is allowed
nowhere; inside a text it can be written `\\u{0}`.

A NUL near the beginning usually means that the file is UTF-16, or not a text at all.
""",
)
CHARACTER = register(
    "E003",
    "a character without a meaning",
    """
Names are made of the letters a to z and A to Z, digits and `_`. Every character may stand in texts and comments.

Quotation marks must be the plain `"`: word processors and chat programs like to change them.
""",
)
TEXT_OPEN = register(
    "E004",
    "a text does not end on its line",
    """
A text between single quotation marks ends on the line on which it begins, and so does an interpolation inside it.

    let a = "say \\"hi\\""          // a quotation mark inside
    let b = "first\\nsecond"       // two lines
    let c = \"\"\"
      a text of
      several lines
      \"\"\"
""",
)
TEXT_OPEN_LONG = register(
    "E005",
    "a text of several lines does not end",
    """
A text that begins with three quotation marks ends at the next three. Everything up to the end of the file was read as
part of it.

The indentation that all its lines share is taken off, as are the line ends next to the quotation marks:

    let prompt = \"\"\"
      Read the file.
        Then answer.
      \"\"\"
    // "Read the file.\\n  Then answer."
""",
)
ESCAPE = register(
    "E006",
    "an unknown escape",
    """
These escapes exist: `\\n` (line feed), `\\t` (tab), `\\r` (carriage return), `\\"`, `\\\\`, `\\$` and `\\u{…}` with
up to six hexadecimal digits of a Unicode scalar value (no surrogates).

Write `\\\\` for a backslash itself: `"C:\\\\temp"`.
""",
)
NUMBER = register(
    "E007",
    "a malformed number",
    """
Numbers are integers (`42`, `1_000`) and exact decimals (`1.50`). There are no floats, so there is no `1e9`; there are
no leading zeros and no other bases; a decimal has digits on both sides of its point.
""",
)
UNCLOSED = register(
    "E008",
    "a bracket is not closed",
    """
The bracket shown has no partner. What comes next cannot stand inside it: the file ends, a declaration begins, a
statement begins inside `( )` or `[ ]`, or a bracket closes that is opened further out.

    let xs = list_of(1, 2      // `)` is missing
    let y = 3
""",
)
UNOPENED = register(
    "E009",
    "a bracket closes nothing",
    """
No bracket of this kind is open here. Either it is one too many, or its partner was taken out further up.
""",
)
DEEP = register(
    "E010",
    "nested too deeply",
    """
Brackets may nest 100 deep, and an expression, a statement or a type may be 200 deep when drawn as a tree. No program
that is meant to be read comes near that; generated programs should name parts with `let`, or build lists.
""",
)
UNEXPECTED = register(
    "E011",
    "something else is expected here",
    """
The program could be read up to the place shown, and nothing goes on in this way. `expected` lists what could stand
there.

Nothing after it on the same line has been read; the next statement has.
""",
)
INCOMPLETE = register(
    "E012",
    "a line ends too early",
    """
The statement or declaration is not complete at the end of its line.

A line goes on where it ends in an operator, a comma, `=`, `->`, `=>`, `:` or an open bracket, and where the next one
begins with `.`, a binary operator other than `-`, a closing bracket, `{` of a block, or one of the words `else`,
`where`, `when`, `with`, `grants`, `and`, `or`, `matches`. A line that begins with `(`, `[` or `-` is a
statement of its own.

    let total =
      a + b            // goes on
    let other = a
      + b              // goes on
""",
)
RESERVED = register(
    "E013",
    "a reserved word is used as a name",
    """
This word has a meaning of its own, so a variable, a parameter or an agent cannot be called so. Fields and the parts of
an operation's name after the dot can: `report.failed`, `run.merge`.
""",
)
TWO_STATEMENTS = register(
    "E014",
    "two statements on one line",
    """
A statement ends at the end of its line; nothing else separates two of them. Inside braces on one line there can be one
statement: `if tests.code != 0 { fail "no" }`.

Often an operator, a comma or a `.` is missing between the two halves.
""",
)
FOREIGN = register(
    "E015",
    "a sign of another language",
    """
    and  or  not            not `&&`, `||`, `!`
    // …                    not `#` or `/* … */`
    "…"                     not '…' or `…`
    let b = a + 1           names are given their value once: no `+=`, no `++`
    if c { a } else { b }   not `c ? a : b`

Statements need no `;`.
""",
)
COMPARED_TWICE = register(
    "E016",
    "comparisons cannot be chained",
    """
`a < b < c` has no meaning that everyone agrees on. Write `a < b and b < c`.
""",
)
INTERPOLATED = register(
    "E017",
    "a plain text is needed",
    """
The path of an import, the name of a test, the text that describes an agent or an effect, and texts in patterns and
grants are known before the program runs. They cannot contain `${…}`.

What depends on an agent's parameters need not be in its instruction: the parameters are given to the model too.
""",
)
CASE = register(
    "E018",
    "upper case or lower case",
    """
Types and constructors begin in upper case (`Exit`, `Some`), and everything else in lower case (variables, parameters,
fields, agents, operations). So a reader, and `match`, can tell a constructor from a variable.
""",
)
TOP_LEVEL = register(
    "E019",
    "only declarations stand outside of braces",
    """
A file is a list of declarations: `import`, `effect`, `type`, `agent` and `test`. Statements stand in the body of an
agent or of a test.

    agent main() -> Text {
      return "hello"
    }
""",
)
ASSIGNMENT = register(
    "E020",
    "names are given their value once",
    """
There is no assignment: `let` gives a name its value, and a later `let` of the same name hides the earlier one.

To build a value step by step, use a loop that gives a list, or `fold`:

    let scores = for file in files { length(file) }
    let total  = fold(scores, 0, (sum, n) => sum + n)

To compare, write `==`.
""",
)
EMPTY_INTERPOLATION = register(
    "E021",
    "an empty interpolation",
    """
`${…}` holds an expression, whose value is put into the text. Write `\\$` for a dollar sign before a brace.
""",
)
TRY_WITHOUT_DO = register(
    "E022",
    "`try` belongs to `do`",
    """
`try do op(…)` gives the outcome of one operation as `Ok(v)`, `Err(e)` or `Unknown`, to match on. There is nothing else
to try: an error elsewhere is a fault, which ends the run; whoever awaits the run can look at it.

    match try do shell.run("pytest") {
      Ok(exit) => exit.code
      Err(e)   => fail e.text
      Unknown  => fail "nobody knows whether the tests ran"
    }
""",
)
