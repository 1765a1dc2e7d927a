"""The audit finds each way to a theorem without a proof, and has no word against what is sound."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.lean.audit import Report, audit, headline_theorems
from tools.lean.build import build, default_jobs
from tools.lean.install import Toolchain
from tools.lean.modules import Module, load

BAD = Path(__file__).parent / "bad"
LAWS = ("about_partial", "about_opaque", "about_other_code", "about_extern", "no_theorem", "sound", "classical")

FOUND = {
    ("unproved", "Bad.Sorry", "open_end", "rests on sorry"),
    ("unproved", "Bad.Sorry", "rests_on_open_end", "rests on sorry"),
    ("axiom", "Bad.OwnAxiom", "cheat", "is an axiom"),
    ("unproved", "Bad.OwnAxiom", "by_axiom", "rests on cheat"),
    ("unproved", "Bad.Hidden", "behind_a_lemma", "rests on cheat"),
    ("unproved", "Bad.Native", "by_native", "rests on Lean.ofReduceBool"),
    ("kernel", "Bad.Unchecked", "unseen", "the kernel rejects it"),
    ("kernel", "Bad.Unchecked", "anything", "the kernel rejects it"),
    ("code", "Bad.Laws.Code", "Bad.about_partial", "speaks of Bad.endless, which is opaque (a partial definition is)"),
    ("code", "Bad.Laws.Code", "Bad.about_opaque", "speaks of Bad.hidden, which is opaque (a partial definition is)"),
    ("code", "Bad.Laws.Code", "Bad.about_other_code", "speaks of Bad.slow, which is implemented by other code"),
    ("code", "Bad.Laws.Code", "Bad.about_extern", "speaks of Bad.outside, which is implemented outside Lean (extern)"),
    ("name", "Bad.Laws.Code", "Bad.no_theorem", "is not a theorem"),
}


def audited(lean: Toolchain, modules: dict[str, Module]) -> Report:
    built = build(modules, lean, default_jobs(), lambda result: None, accept_sorry=True)
    assert built.failed == {}
    return audit(lean, modules, LAWS, built.tree, built.keys)


@pytest.fixture(scope="module")
def report(lean: Toolchain) -> Report:
    return audited(lean, load(BAD, ["Bad"]))


@pytest.mark.parametrize("expected", sorted(FOUND), ids=lambda expected: f"{expected[1]}:{expected[2]}")
def test_it_finds(report: Report, expected: tuple[str, str, str, str]) -> None:
    kind, module, name, text = expected
    texts = [p.text for p in report.problems if (p.kind, p.module, p.name) == (kind, module, name)]
    assert any(found.startswith(text) for found in texts), report.problems


def test_it_finds_nothing_else(report: Report) -> None:
    expected = {(kind, module, name) for kind, module, name, _ in FOUND}
    others = {(p.kind, p.module, p.name) for p in report.problems} - expected
    # What `native_decide` made for its theorem rests on the same, and the kernel alone cannot compute it.
    assert {other for other in others if other[1] != "Bad.Native"} == set()


def test_it_says_where(report: Report) -> None:
    lines = {problem.name: problem.line for problem in report.problems}
    assert (lines["open_end"], lines["rests_on_open_end"], lines["by_axiom"]) == (1, 3, 3)


def test_theorems_come_with_their_docstring_and_axioms(report: Report) -> None:
    found = {theorem.theorem: theorem for theorem in report.theorems}
    sound = found["sound"]
    assert (sound.name, sound.module, sound.axioms) == ("Bad.sound", "Bad.Laws.Sound", [])
    assert sound.doc.split() == ["The", "order", "of", "two", "numbers", "does", "not", "matter."]
    assert set(found["classical"].axioms) <= {"Classical.choice", "Quot.sound", "propext"}
    assert "propext" in found["classical"].axioms


def test_a_sound_module_alone_passes_and_a_headline_theorem_may_be_missing(lean: Toolchain) -> None:
    report = audited(lean, _only("Bad.Laws.Sound"))
    assert report.ok
    assert {theorem.theorem for theorem in report.theorems} == {"sound", "classical"}
    assert report.declarations > 50


def _only(name: str) -> dict[str, Module]:
    return {name: load(BAD, ["Bad"])[name]}


def test_the_names_of_the_headline_theorems_are_known() -> None:
    names = headline_theorems()
    assert len(names) == len(set(names)) == 24
