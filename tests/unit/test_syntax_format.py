"""The formatter on what people write."""

from __future__ import annotations

from pathlib import Path

import pytest

from shepherd_dsl.errors import ProgramError
from shepherd_dsl.syntax import format_source, parse
from shepherd_dsl.syntax.tree import same

ROOT = Path(__file__).parents[2]
PROGRAMS = sorted([*ROOT.glob("examples/*.shep"), *ROOT.glob("shepherd_dsl/std/*.shep")])


def formatted(text: str) -> str:
    out = format_source(text)
    assert same(parse(text, file="a")[0], parse(out, file="a")[0])
    assert format_source(out) == out
    return out


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.name)
def test_the_programs_of_the_repository(path: Path) -> None:
    formatted(path.read_text("utf-8"))


@pytest.mark.parametrize(
    "path", [path for path in PROGRAMS if path.parent.name == "examples"], ids=lambda path: path.name
)
def test_the_examples_are_formatted(path: Path) -> None:
    assert format_source(path.read_text("utf-8")) == path.read_text("utf-8")


def test_nothing_stays_nothing() -> None:
    assert format_source("") == format_source("\n\n  \n") == ""


def test_a_file_with_an_error_is_not_touched() -> None:
    with pytest.raises(ProgramError) as error:
        format_source("agent main( {", file="a.shep")
    assert error.value.code == "E008"
    assert error.value.where == "a.shep:1:11"


def test_blanks_and_indentation() -> None:
    assert formatted(
        "agent  main<T>( x:Int,xs :List [T] )->Int grants run{\n"
        "let a=-x+ -  1*( 2-3 )\n\n\n\n"
        "      let b={c:1,d:[1,2]}.c // why\n"
        "  if a==b{return xs [0]}\n"
        "else {\n"
        "\t\treturn f ( a )\n"
        "  }\n\n"
        "}"
    ) == (
        "agent main<T>(x: Int, xs: List[T]) -> Int grants run {\n"
        "  let a = -x + -1 * (2 - 3)\n"
        "\n"
        "  let b = { c: 1, d: [1, 2] }.c  // why\n"
        "  if a == b { return xs[0] } else {\n"
        "    return f(a)\n"
        "  }\n"
        "}\n"
    )


def test_lines_that_go_on_are_indented() -> None:
    assert formatted(
        'agent main() -> Int\ngrants run,\nfile.read\n"what it does"\n{\nlet a = b\n.c(\n1,\n[\n2\n]\n)\n+ d\n'
        "match a {\nSome(x)\nwhen x > 1 => x,\nNone => {\n1\n}\n}\n}\n"
    ) == (
        "agent main() -> Int\n"
        "  grants run,\n"
        "  file.read\n"
        '  "what it does"\n'
        "{\n"
        "  let a = b\n"
        "    .c(\n"
        "      1,\n"
        "      [\n"
        "        2\n"
        "      ]\n"
        "    )\n"
        "    + d\n"
        "  match a {\n"
        "    Some(x)\n"
        "      when x > 1 => x,\n"
        "    None => {\n"
        "      1\n"
        "    }\n"
        "  }\n"
        "}\n"
    )


def test_comments_stay_where_they_are() -> None:
    assert formatted(
        "// file\n\n\n// about\neffect a.b() -> Unit pure // c\n// about main\nagent main() -> Int { // open\n// in\n"
        "let a = [ // list\n// item\n1, // one\n// last\n]\n// end\n}\n// after\n"
    ) == (
        "// file\n"
        "\n"
        "// about\n"
        "effect a.b() -> Unit pure  // c\n"
        "\n"
        "// about main\n"
        "agent main() -> Int {  // open\n"
        "  // in\n"
        "  let a = [  // list\n"
        "    // item\n"
        "    1,  // one\n"
        "    // last\n"
        "  ]\n"
        "  // end\n"
        "}\n"
        "// after\n"
    )


def test_texts_are_kept() -> None:
    text = 'agent main() -> Text {\n      return """\n    a  ${ x+1 }\n      b\n        """\n}\n'
    assert formatted(text) == text.replace("      return", "  return")


def test_long_lines_are_broken_at_their_outermost_brackets() -> None:
    words = ", ".join(f'"{"word" * 4}{n}"' for n in range(8))
    assert formatted(f"agent main() -> Unit {{\n  let x = first([{words}], f(1, 2))\n}}\n").splitlines()[1:5] == [
        "  let x = first(",
        "    [",
        '      "wordwordwordword0",',
        '      "wordwordwordword1",',
    ]
    assert max(map(len, formatted(f"agent main() -> Unit {{ first([{words}], f(1, 2)) }}").splitlines())) <= 120
    grants = ", ".join(f'file.write("src/part{n}/**")' for n in range(8))
    assert len(formatted(f"agent main() -> Unit\n  grants {grants}\n{{\n}}\n").splitlines()) > 5


def test_declarations_of_several_lines_stand_apart() -> None:
    assert formatted(
        "type A = Int\ntype B = Int\nagent a() -> Int {\n  return 1\n}\nagent b() -> Int { return 1 }\n"
    ) == ("type A = Int\ntype B = Int\n\nagent a() -> Int {\n  return 1\n}\n\nagent b() -> Int { return 1 }\n")


def test_crlf_becomes_lf() -> None:
    assert format_source("type A = Int\r\ntype B = Int\r\n") == "type A = Int\ntype B = Int\n"
