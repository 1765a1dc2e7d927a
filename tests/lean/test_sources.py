"""The Lean sources as they are here: all are built, and Lake is told of the same ones."""

from __future__ import annotations

import re

from tools.lean.modules import in_order, left_out, load, reached
from tools.lean.native import wanted
from tools.lean.places import ROOT, ROOTS, SOURCES

LAKEFILE = (ROOT / "lakefile.lean").read_text("utf-8")
TARGET = re.compile(r"^(@\[default_target\]\n)?(lean_lib|lean_exe) (\w+) where\n((?: +.*\n)+)", re.MULTILINE)


def test_every_module_of_the_library_is_imported_by_its_root() -> None:
    assert left_out(load(SOURCES, ROOTS)) == []


def test_every_law_is_imported_by_the_library() -> None:
    modules = load(SOURCES, ROOTS)
    laws = {name for name in modules if name.startswith("Shepherd.Laws.")}
    assert laws <= reached(modules, ["Shepherd"])


def test_the_order_of_building_is_total() -> None:
    modules = load(SOURCES, ROOTS)
    assert {module.name for module in in_order(modules)} == set(modules)


def test_lake_builds_the_same_roots_from_the_same_folder() -> None:
    targets = {name: (bool(default), kind, body) for default, kind, name, body in TARGET.findall(LAKEFILE)}
    assert set(re.findall(r"^lean_(?:lib|exe) (\w+)", LAKEFILE, re.MULTILINE)) == set(targets)
    roots = []
    for name, (default, _, body) in targets.items():
        settings = dict(re.findall(r"^ +(\w+) := (.+)$", body, re.MULTILINE))
        assert default, f"{name} is not a default target"
        assert settings.pop("srcDir") == '"lean"'
        roots.append(settings.pop("root", f"`{name}").removeprefix("`"))
        assert settings == {}, name
    assert sorted(roots) == sorted(ROOTS)
    assert sorted(file.stem for file in SOURCES.glob("*.lean")) == sorted(ROOTS)
    assert {kind for _, kind, _ in targets.values()} == {"lean_lib", "lean_exe"}


def test_the_lean_is_a_release() -> None:
    assert re.fullmatch(r"4\.\d+\.\d+", wanted())
