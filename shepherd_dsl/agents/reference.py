"""How a recorded run finds its Python agents again.

The tree's info keeps, for each agent, `module:function` and the file of the module relative to the workspace. Nothing
of it is part of an event. Resuming such a tree imports the user's module, and so runs its top level.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from shepherd_dsl.agents.agent import Agent
from shepherd_dsl.agents.build import Built, build
from shepherd_dsl.errors import AgentError, ShepherdError

INFO = "python"
"""The name in the tree's info."""


def info_of(built: Built, workspace: Path) -> dict[str, str]:
    """What the tree keeps to find these agents again."""
    rows = {
        name: {"file": _file_of(one, workspace), "reference": _reference(one)}
        for name, one in sorted(built.agents.items())
    }
    return {INFO: json.dumps(rows, sort_keys=True)}


def _reference(one: Agent[..., Any]) -> str:
    module, _, function = one.reference.partition(":")
    if module == "__main__":
        spec = getattr(sys.modules["__main__"], "__spec__", None)
        module = spec.name if spec is not None else module
    return f"{module}:{function}"


def _file_of(one: Agent[..., Any], workspace: Path) -> str:
    file = one.function.__code__.co_filename
    return os.path.relpath(file, workspace).replace("\\", "/") if os.path.exists(file) else ""


def recorded_agents(workspace: Path, tree: str) -> Built:
    """The agents of a recorded tree, imported. Raises AgentError where one cannot be found."""
    from shepherd_dsl.runtime.workspace import Workspace

    where = f"run {tree}"
    text = Workspace(workspace).store().read(tree).info.get(INFO)
    if text is None:
        raise AgentError("python.unknown", "the run does not say where its Python agents are", where=where)
    rows: Mapping[str, Mapping[str, str]] = json.loads(text)
    found = [find(row["reference"], row["file"], workspace, where) for row in rows.values()]
    try:
        return build(found)
    except ShepherdError as why:
        # Whatever is wrong with the agents now, it is no outcome of the run.
        raise AgentError("python.import", why.what, where=why.where or where, hint=why.hint) from why


def find(reference: str, file: str, workspace: Path, where: str) -> Agent[..., Any]:
    """The agent `module:function`. Raises AgentError, saying what is missing."""
    name, _, path = reference.partition(":")
    if "<locals>" in path:
        raise AgentError(
            "python.local",
            f"the agent `{path}` was made inside a function, so it cannot be imported",
            where=where,
            hint="Make it at the top of its module, or hand it over in Python: resume(tree, agents=[…]).",
        )
    module = _imported(name, file, workspace, where)
    found: object = module
    for part in path.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, Agent):
        what = "there is no such thing" if found is None else f"it is a {type(found).__name__}"
        raise AgentError(
            "python.gone",
            f"`{name}` has no agent `{path}` any more: {what}",
            where=where,
            hint="Put it back under this name, or hand it over in Python: resume(tree, agents=[…]).",
        )
    return found


def _imported(name: str, file: str, workspace: Path, where: str) -> ModuleType:
    path = workspace / file
    try:
        if name == "__main__":
            return _script(path, file, workspace, where)
        known = sys.modules.get(name)
        if known is not None:
            return known
        _check_inside(path if file else None, workspace, name, where)
        if _missing(name):
            # The folder that the module's dotted name counts from; it stays, for what the module imports later.
            depth = name.count(".") + (2 if path.name == "__init__.py" else 1)
            sys.path.append(str(path.resolve().parents[depth - 1]))
            importlib.invalidate_caches()
        # From the outermost package inwards: finding one imports only those around it, which were checked.
        parts = name.split(".")
        for depth in range(1, len(parts) + 1):
            spec = importlib.util.find_spec(".".join(parts[:depth]))
            if spec is not None and spec.origin is not None:
                _check_inside(Path(spec.origin), workspace, name, where)
        return importlib.import_module(name)
    except AgentError:
        raise
    except ShepherdError as why:
        raise AgentError("python.import", f"`{name}` cannot be imported: {why.what}", where=where) from why
    except (Exception, SystemExit) as why:
        from shepherd_dsl.agents.session import described

        raise AgentError(
            "python.import",
            f"the module `{name}` of this run's agents cannot be imported: {described(why)}",
            where=where,
            hint=f"It was at {file}, seen from the workspace; set PYTHONPATH if it moved." if file else "",
        ) from why


def _check_inside(path: Path | None, workspace: Path, name: str, where: str) -> None:
    """A trace may come from elsewhere: only the workspace's own modules are imported because it names them."""
    if path is None or not path.resolve().is_relative_to(workspace.resolve()):
        raise AgentError(
            "python.outside",
            f"the module `{name}` of this run's agents is not in the workspace, so it is not imported",
            where=where,
            hint="Hand the agents over in Python: resume(tree, agents=[…]).",
        )


def _missing(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is None
    except ModuleNotFoundError:
        return True


def _script(path: Path, file: str, workspace: Path, where: str) -> ModuleType:
    """The module of a program that was run as a script, under another name, so that it does not start again."""
    main = sys.modules["__main__"]
    own = getattr(main, "__file__", None)
    if own is not None and path.exists() and os.path.samefile(own, path):
        return main
    _check_inside(path, workspace, "__main__", where)
    name = f"__shepherd_main__.{path.stem}"
    if name in sys.modules:
        return sys.modules[name]
    if not path.is_file():
        raise FileNotFoundError(f"the script {file} is not there")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.append(str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
