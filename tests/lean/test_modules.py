"""How the build tool reads source folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.lean.modules import header, in_order, left_out, load, reached
from tools.lean.places import LeanError


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder.joinpath(*name.split("__")).with_suffix(".lean")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


def names(text: str) -> list[str]:
    return [name for _, name in header(text)]


def test_imports_are_read_from_the_header_only() -> None:
    text = "-- import No\n/- import No /- nested -/ import No -/\nimport A.B import C\n\n/-! import No -/\nimport No\n"
    assert header(text) == [(3, "A.B"), (3, "C")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("prelude\nimport Init", ["Init"]),
        ("/-- doc -/ import No", []),
        ("def x := 1\nimport No", []),
        ("/- not closed import No", []),
        ("import A -- why\nimport B/- -/ import «C d».E", ["A", "B", "«C d».E"]),
        ("import A\nimported", ["A"]),
        ("modules", []),
    ],
)
def test_headers(text: str, expected: list[str]) -> None:
    assert names(text) == expected


def test_the_module_system_is_refused(tmp_path: Path) -> None:
    write(tmp_path, P="-- so\nmodule\nimport Init")
    with pytest.raises(LeanError, match=r"P.lean:2:0: error: `module` in the header"):
        load(tmp_path, ["P"])


def test_modules_have_the_names_of_their_files(tmp_path: Path) -> None:
    write(tmp_path, P="import P.A.B\nimport Std.Data", P__A__B="", Other="")
    modules = load(tmp_path, ["P"])
    assert list(modules) == ["P", "P.A.B"]
    assert modules["P"].imports == ("P.A.B",)
    assert [module.name for module in in_order(modules)] == ["P.A.B", "P"]


def test_an_import_without_a_file_says_where_and_which(tmp_path: Path) -> None:
    write(tmp_path, P="\nimport P.Missing")
    with pytest.raises(LeanError, match=r"P.lean:2:0: error: no module P.Missing: there is no file .*P/Missing.lean"):
        load(tmp_path, ["P"])


def test_a_circle_is_shown(tmp_path: Path) -> None:
    write(tmp_path, P="import P.A", P__A="import P.B", P__B="import P.A")
    with pytest.raises(LeanError, match=r"P.A → P.B → P.A"):
        in_order(load(tmp_path, ["P"]))


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "P.lean").write_bytes(b"-- \xff")
    with pytest.raises(LeanError, match="byte 3 is not UTF-8"):
        load(tmp_path, ["P"])


def test_the_lint_finds_what_no_one_imports(tmp_path: Path) -> None:
    write(tmp_path, Shepherd="import Shepherd.A\nimport Shepherd.Laws", Shepherd__A="", Shepherd__B="import Shepherd.A")
    write(tmp_path, Shepherd__Laws="import Shepherd.Laws.One", Shepherd__Laws__One="", Shepherd__Laws__Two="")
    modules = load(tmp_path, ["Shepherd"])
    complaints = left_out(modules)
    assert len(complaints) == 2
    assert complaints[0].endswith("add `import Shepherd.B` there")
    assert complaints[1].endswith("add `import Shepherd.Laws.Two` there")
    assert reached(modules, ["Shepherd.B"]) == {"Shepherd.A", "Shepherd.B"}
