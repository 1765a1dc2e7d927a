"""Ways round a grant's patterns that must not work."""

from __future__ import annotations

import pytest

from shepherd_dsl.core.file_ops import perform
from shepherd_dsl.core.files import Files
from shepherd_dsl.core.grant import Clause, Pattern, matches
from shepherd_dsl.core.match import match_path, match_words, words
from shepherd_dsl.core.value import Con, Record

HIDDEN = [
    "src/../x",
    "src/..",
    "src/../../etc/passwd",
    "src//x",
    "./src/x",
    "src/./x",
    "/src/x",
    "src/x/",
    "src/",
    "src",
    "",
    " src/x",
    "SRC/x",
    "Src/x",
    "src\\x",
    "src\\..\\x",
    "src/x\0",
    "src\0/x",
    "\u0455rc/x",
    "\uff53rc/x",
    "src\u2215x",
    "src\uff0fx",
    "src\u200b/x",
    "\ufeffsrc/x",
    "src\uefafx",
    "src/\uef80\ud800",
    "src/\uefc3\uefa9",
    "src/" + "x" * 256,
    "src/" + "x/" * 2100 + "x",
]


@pytest.mark.parametrize("path", HIDDEN)
def test_a_path_outside_the_glob_does_not_match(path: str) -> None:
    assert not match_path(path, "src/**")
    assert not matches(Clause("file.write", (Pattern("path", "src/**"),)), "file.write", (path, "x"))


@pytest.mark.parametrize("glob", ["src/../**", "./**", "/**", "src//**", "../**", "src/./*"])
def test_a_glob_that_leads_elsewhere_matches_nothing(glob: str) -> None:
    assert not any(match_path(path, glob) for path in ["x", "src/x", "src", "a/b", *HIDDEN])


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "a/../../x",
        "/etc/passwd",
        ".",
        "..",
        "",
        "a//b",
        "a/",
        "a\0",
        "\ud800",
        ".shepherd",
        ".shepherd/config.toml",
    ],
)
@pytest.mark.parametrize("op", ["file.read", "file.write", "file.remove"])
def test_a_file_operation_takes_only_normal_paths(path: str, op: str) -> None:
    args = (path, "x") if op == "file.write" else (path,)
    answer, change = perform(Files.empty(), lambda name: b"", op, args)
    assert isinstance(answer, Con)
    (error,) = answer.args
    assert isinstance(error, Record)
    assert (answer.name, error.get("code"), change) == ("Err", "path", ())


@pytest.mark.parametrize(
    "command",
    [
        "pytest;rm x",
        "pytest\u00a0x",
        "pytest\u2003-q",
        "pytest\x0b-q",
        "pytest\x0c-q",
        "pytest\x1f-q",
        "PYTEST -q",
        "/tmp/pytest -q",
        "./pytest -q",
        "x/pytest",
        "A=1 pytest -q",
        "env pytest -q",
        "sh -c pytest",
        "'' pytest",
        '"" pytest -q',
        "pytest' x' -q",
        "'pytest -q'",
        "pytest\\ -q",
        "pytest 'open",
        'pytest "open',
        "pytest \\",
        "\uff50ytest -q",
        "pytest\u200b -q",
        "",
        " ",
        "#pytest",
        "$(pytest)",
    ],
)
def test_a_command_that_starts_something_else_does_not_match(command: str) -> None:
    """Each is either no command at all, or one whose first word, as it would be started, is not `pytest`."""
    assert not match_words(command, "pytest *")
    found = words(command)
    assert not found or found[0] != "pytest"


@pytest.mark.parametrize(
    "command", ["pytest", "pytest -q", "py'test' -q", "pytest\n;\nrm x", "pytest $(rm x)", "pytest ''"]
)
def test_what_matches_starts_that_program_alone(command: str) -> None:
    """The words that a grant looks at are the words that are started: nothing else reads the text."""
    assert match_words(command, "pytest *")
    found = words(command)
    assert found is not None
    assert found[0] == "pytest"


@pytest.mark.parametrize(
    "command", ["git push", "git -c core.pager=evil status", "git 'status ' x", "git status x", "git"]
)
def test_a_pattern_without_a_last_star_is_the_whole_command(command: str) -> None:
    assert not match_words(command, "git status")


def test_a_quoted_star_is_no_wildcard() -> None:
    assert not match_words("rm x", "rm '*'")
    assert match_words("rm '*'", "rm '*'")


@pytest.mark.parametrize("op", ["file", "files.write", "file.", "FILE.write", "xfile.write", "run.spawn"])
def test_a_family_is_that_family_alone(op: str) -> None:
    assert op == "file." or not matches(Clause("file.*"), op, ("x", "y"))


def test_fewer_arguments_than_patterns_match_nothing() -> None:
    clause = Clause("file.write", (Pattern("path", "src/**"), Pattern("text", "a*")))
    assert not matches(clause, "file.write", ())
    assert not matches(clause, "file.write", ("src/x",))
    assert not matches(clause, "file.write", (1, "a"))
