"""A trace that names Python modules imports none but the workspace's own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from shepherd_dsl.agents.reference import find
from shepherd_dsl.errors import AgentError

MARKER = "import pathlib\npathlib.Path({!r}).write_text('ran')\n"


@pytest.mark.parametrize("name", ["hostile_module", "__main__"])
@pytest.mark.parametrize(
    "file", ["../outside/hostile_module.py", "ABSOLUTE", "link/hostile_module.py", "a/../../outside/hostile_module.py"]
)
def test_a_module_outside_the_workspace_is_not_imported(tmp_path: Path, name: str, file: str) -> None:
    workspace, outside = tmp_path / "w", tmp_path / "outside"
    workspace.mkdir()
    (workspace / "a").mkdir()
    outside.mkdir()
    (workspace / "link").symlink_to(outside)
    ran = tmp_path / "ran"
    (outside / "hostile_module.py").write_text(MARKER.format(str(ran)))
    before = list(sys.path)
    file = str(outside / "hostile_module.py") if file == "ABSOLUTE" else file
    with pytest.raises(AgentError) as refused:
        find(f"{name}:agent", file, workspace, "run 9")
    assert refused.value.code == "python.outside"
    assert not ran.exists()
    assert sys.path == before


@pytest.mark.parametrize("name", ["antigravity", "this", "wsgiref.simple_server"])
@pytest.mark.parametrize("file", ["", "main.py"])
def test_an_installed_module_is_not_imported(tmp_path: Path, name: str, file: str) -> None:
    (tmp_path / "main.py").write_text("")
    with pytest.raises(AgentError) as refused:
        find(f"{name}:agent", file, tmp_path, "run 9")
    assert refused.value.code == "python.outside"
    assert name not in sys.modules
