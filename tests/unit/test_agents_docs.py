"""The example of the documentation, run as it stands."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shepherd_dsl.runtime.actions import fork_run, replay_run
from shepherd_dsl.runtime.workspace import Workspace

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/embedding.py"

TEST = """
import sys, unittest

sys.path.insert(0, "src")
from greeting import greet


class Greeting(unittest.TestCase):
    def test_greeting(self):
        self.assertEqual(greet("Ada"), "Hello, Ada!")
"""
BROKEN = "def greet(name):\n    return 'Hi'\n"
GOOD = "def greet(name):\n    return f'Hello, {name}!'\n"


@pytest.fixture
def space(tmp_path: Path) -> Path:
    """A small repository with a test, and a cassette beside it."""
    (tmp_path / "space/tests").mkdir(parents=True)
    (tmp_path / "space/tests/test_greeting.py").write_text(TEST)
    answers = [BROKEN, "Say hello by name.", BROKEN, "Return the text.", GOOD]
    lines = [{"cassette": 1}, *({"any": True, "reply": {"text": text}} for text in answers)]
    (tmp_path / "tape").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path / "space"


def command(*args: str, space: Path) -> str:
    """What a process prints that ends well."""
    done = subprocess.run(
        [sys.executable, *args],
        cwd=space,
        env={**os.environ, "COLUMNS": "110", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_example(space: Path) -> None:
    """The first answers break the tests: the worker is taken back, then started afresh; the third is right."""
    feature = "greet(name) returns 'Hello, NAME!'"
    shutil.copy(EXAMPLE, space / "embedding.py")
    out = command("embedding.py", ".", feature, f"cassette:{space.parent / 'tape'}", space=space)
    assert out == "run 1 done: src/greeting.py\nrun.deny, run.revert, run.deny, run.fork, run.deny\n"
    assert (space / "src/greeting.py").read_text() == GOOD
    log = command("-m", "shepherd_dsl.cli.main", "log", "1", space=space)
    assert "oversee" in log
    assert "python3 -m unittest" in log
    assert replay_run(Workspace(space), "1").identical
    # A fork goes on in another process, which imports the example again; the recorded answers are in its trace.
    tree = fork_run(Workspace(space), "1", len(list(Workspace(space).store().read("1").trace("root"))) - 4)
    command("-m", "shepherd_dsl.cli.main", "resume", tree, "--quiet", space=space)
    assert replay_run(Workspace(space), tree).identical


def test_the_documentation_shows_the_example() -> None:
    """The page holds the example's text, so what is read is what is run."""
    page = (ROOT / "docs/python.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    code = EXAMPLE.read_text()
    assert code[code.index("import sys") :] in blocks


def test_every_public_name_is_documented() -> None:
    """The page names everything that `shepherd_dsl` exports."""
    from shepherd_dsl.agents import EXPORTS

    page = (ROOT / "docs/python.md").read_text()
    missing = [name for name in EXPORTS if not re.search(rf"`{name}\b|\b{name}\(", page)]
    assert not missing


def test_exports_and_static_imports_agree() -> None:
    """What type checkers see is what there is."""
    from shepherd_dsl import __dir__ as names
    from shepherd_dsl.agents import EXPORTS

    source = (ROOT / "shepherd_dsl/__init__.py").read_text()
    static = set(re.findall(r"import (\w+) as \1", source))
    assert static == {*EXPORTS, "AgentError", "DivergenceError", "EffectError"}
    assert static <= set(names())


def test_the_command_line_stays_light() -> None:
    """`import shepherd_dsl` imports nothing of the embedding, nor what it stands on."""
    code = (
        "import sys, shepherd_dsl; print([m for m in sys.modules if m.startswith(('shepherd_dsl.', 'anyio', 'attr'))])"
    )
    assert command("-c", code, space=ROOT) == "[]\n"
