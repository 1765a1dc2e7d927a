"""Builds with the portable Lean: what is compiled again, what is said, and what an accident leaves behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.lean.build import Built, Result, build
from tools.lean.install import Toolchain
from tools.lean.modules import load
from tools.lean.places import ROOT
from tools.lean.server import Message, _parsed

A = "def two := 2\n\ntheorem two_eq : two + two = 4 := rfl\n"
B = "import P.A\n\ntheorem four : two + two + 0 = 4 := two_eq\n"
C = """\
import P.B

@[deprecated four (since := "2026-01-01")]
theorem old : two + two + 0 = 4 := four

theorem new : two + two + 0 = 4 := old

#eval two + 1
"""

Builder = Callable[..., Built]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "P").mkdir()
    write(tmp_path, P="import P.C", A=A, B=B, C=C)
    return tmp_path


@pytest.fixture
def compile(lean: Toolchain, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Builder:
    monkeypatch.setenv("SHEPHERD_LEAN_CACHE", str(folder / "cache"))

    def run(jobs: int = 2, accept_sorry: bool = False, say: Callable[[Result], None] = lambda result: None) -> Built:
        return build(load(folder, ["P"]), lean, jobs, say, accept_sorry=accept_sorry)

    return run


def write(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        (folder / ("P.lean" if name == "P" else f"P/{name}.lean")).write_text(text, "utf-8")


def fresh(built: Built) -> set[str]:
    assert built.failed == {}
    return {name for name, result in built.compiled.items() if result.fresh}


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if "new" in path.name]


def test_only_what_changed_and_what_rests_on_it_is_compiled_again(compile: Builder, folder: Path) -> None:
    heard: list[str] = []
    built = compile(say=lambda result: heard.append(result.module.name))
    assert fresh(built) == {"P", "P.A", "P.B", "P.C"}
    assert heard == ["P.A", "P.B", "P.C", "P"]
    assert built.tree is not None
    assert (built.tree / "P" / "A.olean").is_file()

    again = compile()
    assert fresh(again) == set()
    assert again.tree == built.tree
    assert again.compiled["P.C"].messages == built.compiled["P.C"].messages
    texts = [message.shown("C.lean") for message in again.compiled["P.C"].messages]
    assert texts[0].startswith("C.lean:6:35: warning: `old` has been deprecated")
    assert texts[1] == "C.lean:8:0: information: 3"

    write(folder, B=B + "\n-- changed\n")
    assert fresh(compile()) == {"P", "P.B", "P.C"}
    write(folder, B=B)
    assert fresh(compile()) == set()
    assert leftovers(folder) == []


def test_an_error_is_shown_where_it_is_and_stops_only_what_rests_on_it(compile: Builder, folder: Path) -> None:
    write(
        folder, B="import P.A\n\n\ntheorem four : two + two + 0 = 4 :=\n  nothing\n", P="import P.C\nimport P.D", D=""
    )
    built = compile()
    assert built.tree is None
    assert set(built.failed) == {"P.B"}
    assert built.waiting == {"P.C": ["P.B"], "P": ["P.C"]}
    assert {"P.A", "P.D"} == set(built.compiled)
    [message] = [message for message in built.failed["P.B"].messages if message.fails][:1]
    assert (message.severity, message.line, message.column) == ("error", 5, 2)
    write(folder, B=B)
    assert fresh(compile()) == {"P", "P.B", "P.C"}


def test_a_proof_left_open_fails(compile: Builder, folder: Path) -> None:
    write(folder, B="import P.A\n\ntheorem four : two + two + 0 = 4 := by sorry\n")
    assert fresh(compile(accept_sorry=True)) == {"P", "P.A", "P.B", "P.C"}
    built = compile()
    assert set(built.failed) == {"P.B"}
    assert any(message.fails and message.line == 3 for message in built.failed["P.B"].messages)


def test_a_lean_that_dies_is_an_error_of_the_file(compile: Builder, folder: Path) -> None:
    write(folder, B="import P.A\n\n#eval (IO.Process.exit 3 : IO Unit)\n")
    built = compile()
    assert set(built.failed) == {"P.B"}
    assert built.failed["P.B"].messages[-1].text.startswith("Lean ended with status 3 while it compiled this file.")


def test_two_builds_at_once(compile: Builder, folder: Path) -> None:
    done: list[Built] = []
    threads = [threading.Thread(target=lambda: done.append(compile(jobs=1))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [set(built.compiled) for built in done] == [{"P", "P.A", "P.B", "P.C"}] * 2
    assert done[0].tree == done[1].tree
    assert fresh(compile()) == set()
    assert leftovers(folder) == []


ENDLESS = "import P.A\n\npartial def loop (n : Nat) : IO Nat := loop (n + 1)\n\n#eval loop 0\n"
SCRIPT = """
import sys
from pathlib import Path
from tools.lean.build import build
from tools.lean.install import Toolchain
from tools.lean.modules import load
folder, lean, node, key = sys.argv[1:]
build(load(Path(folder), ["P"]), Toolchain(Path(lean), Path(node), key), 2, lambda result: print(result.module.name, flush=True))
"""  # noqa: E501


def test_an_interrupted_build_ends_its_processes_and_keeps_what_is_done(
    compile: Builder, lean: Toolchain, folder: Path
) -> None:
    write(folder, B=ENDLESS)
    command = [sys.executable, "-c", SCRIPT, str(folder), str(lean.folder), str(lean.node), lean.key]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "P.A\n"
        time.sleep(1)
        started = children(process.pid)
        assert started
        process.send_signal(signal.SIGINT)
        try:
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode != 0
    assert "KeyboardInterrupt" in errors
    assert [child for child in started if Path(f"/proc/{child}").exists()] == []
    assert leftovers(folder) == []
    write(folder, B=B)
    assert fresh(compile()) == {"P", "P.B", "P.C"}


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split() + [
        child
        for task in Path(f"/proc/{pid}/task").iterdir()
        if task.name != str(pid)
        for child in (task / "children").read_text().split()
    ]


def test_what_is_no_json_was_printed_by_the_file() -> None:
    assert _parsed('{"ok": true}') == {"ok": True}
    assert _parsed("12")["data"] == "12"
    assert _parsed("out of memory")["severity"] == "info"


def test_which_messages_fail() -> None:
    assert Message("error", 1, 0, "x").fails
    assert Message("warning", 1, 0, "declaration uses `sorry`", "hasSorry").fails
    assert not Message("warning", 1, 0, "unused variable `x`", "linter.unusedVariables").fails
