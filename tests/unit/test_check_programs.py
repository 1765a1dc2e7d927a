"""What the checker accepts and refuses beyond the failing example that each code has."""

from __future__ import annotations

from pathlib import Path

import pytest

from shepherd_dsl.check import analyse, load
from shepherd_dsl.check.env import Tables
from shepherd_dsl.check.load import check_agent, library_modules, own_agents
from shepherd_dsl.errors import ProgramError, UserError
from tests.support.programs import codes


def body(text: str, *, grants: str = "run, shell.run, model.chat, file", result: str = "Unit") -> str:
    """An agent with that body."""
    return f"agent f(n: Int, worker: Run[Exit]) -> {result} grants {grants} {{\n{text}\n}}\n"


def test_every_body_of_the_library_checks() -> None:
    tables = Tables()
    for env in library_modules():
        for sig in own_agents(env):
            check_agent(sig, tables)
        assert env.diagnostics == []


@pytest.mark.parametrize(
    "source",
    [
        body("let x: Option[Int] = None"),
        body("let x = [None, Some(1)]\nlet y: List[Option[Int]] = x"),
        body("let x = if n == 1 { A } else { B(n) }\nmatch x { A => (), B(_) => () }"),
        body("let x: A | B(Int) | C = if n == 1 { A } else { B(n) }"),
        body("return if n == 1 { Some(n) } else { None }", result="Option[Int]"),
        body("let x: Dec = 1.5 + int_dec(n)\nlet y = x * n"),
        body('let path: Path = "a"\nlet text: Text = path'),
        body("let all_of_them = for x in [1, 2] where x > n { { n: x } }\nlet y = max_by(all_of_them, r => r.n).n + 1"),
        body('match try do shell.run("ls") { Ok(exit) => exit.code, Err(e) => text_len(e.code), Unknown => 0 }'),
        body("let x = fold([1], [], (found, item) => found + [item])\nlet y: List[Int] = x"),
        body('let x: { code: Int } = ask("n?")'),
        body('do file.write("a", ask("text?"))'),
        body('fail "no"', result="Int"),
        body('match n { 0 => return 1, _ => fail "no" }', result="Int"),
        body("for x in [1] { if x == n { return x } }\nreturn 0", result="Int"),
        body("let exits = await all [worker, worker]\nlet x = exits[0].code"),
        body("match merge_of(worker) { Merged => 0, Conflict(paths) => len(paths) }")
        + "agent merge_of(r: Run[Exit]) -> Merged | Conflict(List[Text]) grants run { return do run.merge(r) }",
    ],
)
def test_accepted(source: str) -> None:
    assert codes(source) == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (body('let x: Option[Int] = Some("1")'), ["E123"]),
        (body("match if n == 1 { A } else { B(n) } { A => () }"), ["E128"]),
        (body("let f: Int = await worker"), ["E123"]),
        (body("inject n into worker"), ["E123"]),
        (body('revert worker to "start"'), ["E123"]),
        (body("await n"), ["E123"]),
        (body('let x = [1]\nlet y = x["0"]'), ["E123"]),
        (body("return 1"), ["E123"]),
        (body("if n { () }"), ["E123"]),
        (body("let x = worker.code"), ["E124"]),
        (body('supervise worker { intent shell.run(c) => answer "ok" }'), ["E123"]),
        (body('supervise worker { outcome shell.run(c) -> exit => deny "no" }'), ["E134"]),
        (body('supervise worker { outcome shell.run(c) -> { code: "0" } => { } }'), ["E130"]),
        (body("supervise worker { intent shell.runn => pass }"), ["E121"]),
        (body('let x = observe worker from 0 { intent shell.run(c), k => "one" }'), ["E123"]),
        (body("let x = observe worker from 0 { intent shell.run(c, d), k => k }"), ["E122"]),
        (body("merge worker else { 1 }\nlet x = observe n from 0 { intent _, k => k }"), ["E123"]),
        (body("let x = map([1], item => item.code)"), ["E126", "E124"]),
        (body("unknown(x => x)"), ["E120"]),
    ],
)
def test_refused(source: str, expected: list[str]) -> None:
    found = codes(source)
    assert found
    assert set(found) <= set(expected)


@pytest.mark.parametrize(
    ("grants", "text", "ok"),
    [
        ('file.write("src/**")', 'do file.write("src/a/b.py", "")', True),
        ('file.write("src/**")', 'do file.write("srcs/a", "")', False),
        ('file.write("src/*"), file.write("doc/*")', 'do file.write("doc/a", "")', True),
        ('file.write("src/**")', 'do file.write("src/${n}", "")', True),
        ("file", 'do file.remove("x")', True),
        ("file.read, file.list", 'do file.remove("x")', False),
        ('shell.run("pytest *")', "do shell.run(\"pytest -q  'tests'\")", True),
        ('shell.run("pytest *")', 'do shell.run("pytest-3")', False),
        ("random.int(1, _)", "do random.int(1, n)", True),
        ("random.int(1, _)", "do random.int(2, n)", False),
        ("random.int(1, _)", "do random.int(n, n)", True),
        ("run.spawn, run.next", "let w = spawn f(n)", True),
        ("run.spawn, run.next", "let w = spawn f(n)\nawait w", False),
        ("run", "let w = spawn f(n)\nsupervise w { intent _ => answer 1 }", True),
        ("run.spawn, run.next, run.pass", 'let w = spawn f(n)\nsupervise w { intent _ => deny "no" }', False),
        ("run at most 3", "let w = spawn f(n)\nlet x = last_green(w)", True),
        ("file", "do inbox.take()", True),
    ],
)
def test_what_a_grant_allows(grants: str, text: str, ok: bool) -> None:
    found = codes(f"agent f(n: Int) -> Unit grants {grants} {{\n{text}\n}}\n")
    assert found == ([] if ok else ["E140"])


@pytest.mark.parametrize(
    ("caller", "callee", "ok"),
    [
        ("all(g)", 'shell.run("ls *"), file.read', True),
        ("file", 'file.read("a")', True),
        ('file.read("a")', "file.read", True),  # the machine looks at the arguments
        ('file.read("a")', 'file.read("b")', False),
        ('file.read("src/**")', 'file.read("src/x/y")', True),
        ("shell.run", "shell.script", False),
        ("file.read", "file", False),
        ("shell.run", "model.chat", False),
    ],
)
def test_what_a_call_needs(caller: str, callee: str, ok: bool) -> None:
    source = f"agent g() -> Unit grants {callee} {{ }}\n"
    assert codes(source + f"agent f() -> Unit grants {caller} {{ g() }}") == ([] if ok else ["E143"])
    assert codes(source + f"agent f() -> Unit grants {caller}, run {{ spawn g() }}") == ([] if ok else ["E143"])


def test_what_an_agent_type_says_counts_as_its_grants() -> None:
    typed = "agent use(g: agent() grants (file.read) -> Unit) -> Unit grants {0} {{ g() }}\n"
    assert codes(typed.format("file.read")) == []
    assert codes(typed.format("shell.run")) == ["E143"]
    source = typed.format("file.read") + "agent g() -> Unit grants shell.run { }\n"
    assert codes(source + "agent f() -> Unit grants file, shell { use(g) }") == ["E123"]


def test_all_errors_of_a_file_are_reported_at_once_and_in_order() -> None:
    source = 'type A = Missing\neffect x.y() -> Int\nagent f() -> Int {\n  let a = b\n  return "c"\n}\n'
    source += 'test "t" { expect 1 }\n'
    assert codes(source) == ["E100", "E110", "E120", "E123", "E123"]


def test_imports(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "a.shep").write_text('import "../b.shep"\nagent a() -> Size { return b() }\n')
    (tmp_path / "b.shep").write_text(
        "type Size = Int\nagent b() -> Size { return 1 }\nagent helper() -> Int { return 2 }\n"
    )
    main = tmp_path / "main.shep"
    main.write_text('import "lib/a.shep"\nagent helper2() -> Size { return a() }\n')
    with pytest.raises(ProgramError) as caught:
        load(main, root=tmp_path)
    assert caught.value.code == "E100"  # what an imported file imports is not seen
    main.write_text('import "b.shep"\nimport "lib/a.shep"\nagent helper2() -> Size { return a() + b() }\n')
    loaded = load(main, root=tmp_path)
    assert [sig.name for sig in loaded.agents()] == ["helper2", "b", "helper", "a"]
    with pytest.raises(ProgramError) as caught:
        load(tmp_path / "lib" / "a.shep", root=tmp_path / "lib")
    assert caught.value.code == "E152"


def test_a_link_out_of_the_project_is_no_way_out(tmp_path: Path) -> None:
    inside = tmp_path / "project"
    inside.mkdir()
    (tmp_path / "out.shep").write_text("type T = Int\n")
    (inside / "link.shep").symlink_to(tmp_path / "out.shep")
    (inside / "main.shep").write_text('import "link.shep"\n')
    with pytest.raises(ProgramError) as caught:
        load(inside / "main.shep", root=inside)
    assert caught.value.code == "E152"


def test_agents_of_one_name_in_two_files_have_two_core_names(tmp_path: Path) -> None:
    (tmp_path / "a.shep").write_text("agent secret() -> Int { return 1 }\n")
    (tmp_path / "b.shep").write_text('import "a.shep"\nagent b() -> Int { return secret() }\n')
    (tmp_path / "main.shep").write_text('import "b.shep"\nagent secret() -> Int { return b() }\n')
    names = [sig.name for sig in load(tmp_path / "main.shep", root=tmp_path).agents()]
    assert sorted(names) == ["b", "secret", "secret'2"]


def test_a_name_of_the_library_may_be_declared_again() -> None:
    assert codes('agent sum(items: List[Int]) -> Text { return "mine" }\nagent f() -> Text { return sum([1]) }') == []


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load(tmp_path / "none.shep")
    assert caught.value.code == "file.unreadable"


def test_an_editor_gets_types_of_a_program_with_errors() -> None:
    found = analyse(Path("p.shep"), source="agent f() -> Int {\n  let x = [1]\n  return y\n}\n")
    assert found.loaded is None
    assert [d.code for d in found.diagnostics] == ["E120"]
    assert found.tables.types
