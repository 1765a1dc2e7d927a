"""The overlay backend passes the suite for scopes, and what is its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from shepherd_dsl.conformance.scope import CHECKS, Check, Lab, ScopeCase, walk
from shepherd_dsl.core.files import LINK
from shepherd_dsl.scope import mounts as mounts_module
from shepherd_dsl.scope import overlay_layers
from shepherd_dsl.scope.bases import remove_tree
from shepherd_dsl.scope.ignore import ignored_by
from shepherd_dsl.scope.overlay import OverlayBackend
from tests.support.killing import killed_at
from tests.support.plain_user import as_root, do_as_plain_user, python_for_all
from tests.support.scope_scenes import expect_any_files, expect_ignored_goes_along, points, scenario
from tests.support.scopes import OVERLAY_LACKS, needs_overlay

pytestmark = needs_overlay

MADE: list[OverlayBackend] = []


def make(folder: Path, read_blob: Callable[[str], bytes]) -> OverlayBackend:
    MADE.append(OverlayBackend(folder, read_blob=read_blob))
    return MADE[-1]


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> Iterator[None]:
    """Let go of what the backends of a test hold: descriptors, and a process each."""
    yield
    while MADE:
        MADE.pop().close()


CASE = ScopeCase("overlay", make, lacks=OVERLAY_LACKS)
SEED, POINTS = 2026, points(300)
"""Which steps of the backend the process is killed at, of some thousands."""


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_conforms(check: Check, tmp_path: Path) -> None:
    try:
        check(CASE, tmp_path)
    finally:
        remove_tree(tmp_path)  # deeper than others can remove


def mounts(folder: Path) -> list[str]:
    """The mounts below a folder that everybody sees."""
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if f" {folder}/" in line]


def test_nobody_else_sees_the_mounts(tmp_path: Path) -> None:
    lab = Lab(CASE, tmp_path)
    scope = lab.start({"a": b"1"})
    assert list(scope.place.parent.iterdir()) == []
    assert mounts(tmp_path) == []
    scope.close()


def test_a_fork_takes_what_is_ignored_along(tmp_path: Path) -> None:
    lab = Lab(CASE, tmp_path)
    backend = OverlayBackend(lab.home, read_blob=lab.read, ignored=ignored_by(["build/"]))
    MADE.append(backend)
    expect_ignored_goes_along(lab, backend)


def test_no_layer_is_added_where_nothing_was_written(tmp_path: Path) -> None:
    lab = Lab(CASE, tmp_path)
    scope = lab.start({"a": b"1"})
    for number in range(3):
        lab.backend.fork("root", f"root.{number}")
    assert not list((lab.home / "layers").glob("frozen-*"))
    scope.close()


def test_a_fork_while_a_process_is_at_work_is_made_of_values(tmp_path: Path) -> None:
    lab = Lab(CASE, tmp_path)
    scope = lab.start({"a": b"1"})
    (scope.folder / "b").write_bytes(b"2")
    lab.changes(scope)
    with open(scope.folder / "b", "ab") as at_work:
        lab.backend.fork("root", "root.0")
        assert not list((lab.home / "layers").glob("frozen-*"))
        at_work.write(b"3")
    copy = lab.backend.open("root.0", scope.files)
    lab.expect(copy, scope.files)
    assert dict(lab.changes(scope)) == {"b": lab.entry(b"23")}
    lab.expect(copy, copy.files)
    copy.close()
    scope.close()


def test_a_process_that_is_still_at_work_does_not_reach_whoever_opens_the_run_next(tmp_path: Path) -> None:
    lab = Lab(CASE, tmp_path)
    scope = lab.start({"a": b"1"})
    with open(scope.folder / "b", "ab") as at_work:
        scope.close()
        again = lab.backend.open("root", scope.files)
        lab.expect(again, scope.files)
        at_work.write(b"late")
        at_work.flush()
        (again.folder / "c").write_bytes(b"c")
        assert dict(lab.changes(again)) == {"c": lab.entry(b"c")}
        again.close()
    third = lab.backend.open("root", scope.files)
    lab.expect(third, scope.files)
    third.close()


def test_layers_are_not_piled_up_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlay_layers, "MOST_LAYERS", 3)
    lab = Lab(CASE, tmp_path)
    scope = lab.start({"a": b"1"})
    for number in range(6):
        (scope.folder / f"f{number}").write_bytes(b"%d" % number)
        lab.changes(scope)
        lab.backend.fork("root", f"root.{number}")
        copy = lab.backend.open(f"root.{number}", scope.files)
        lab.expect(copy, scope.files)
        copy.close()
    assert len(list((lab.home / "layers").glob("frozen-*.json"))) == 3
    scope.close()


def test_layers_from_before_a_restart_of_the_machine_are_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(CASE, tmp_path)
    scope = lab.start({"a": b"1"})
    (scope.folder / "b").write_bytes(b"2")
    lab.changes(scope)
    files = scope.files
    lab.backend.close()
    (lab.home / "layers" / "run-root" / "upper" / "files" / "b").write_bytes(b"not put to the disk")
    monkeypatch.setattr(overlay_layers, "_boot", lambda: "another")
    again = lab.backend.open("root", files)
    lab.expect(again, files)
    again.close()


def test_a_base_is_shared_and_never_written(tmp_path: Path) -> None:
    lab = Lab(CASE, tmp_path)
    scope = lab.start({"a": b"1", "d/b": b"2", "l": (LINK, b"a")})
    other = OverlayBackend(tmp_path / "scopes-of-another", read_blob=lab.read)
    (base,) = (path for path in (tmp_path / ".bases").iterdir() if path.is_dir())
    before = walk(base / "files")
    (scope.folder / "a").write_bytes(b"one")
    (scope.folder / "d" / "b").chmod(0o700)
    scope.sync(lab.files({"x": b"y"}))
    second = other.open("root", lab.files({"a": b"1", "d/b": b"3", "l": (LINK, b"a")}))
    assert [path for path in (tmp_path / ".bases").iterdir() if path.is_dir()] == [base]
    assert walk(base / "files") == before
    second.close()
    other.close()
    scope.close()


def test_killed_at_any_step(tmp_path: Path) -> None:
    scenario(Lab(CASE, tmp_path / "first"))  # what is loaded on first use is no step
    total = killed_at(-1, lambda: scenario(Lab(CASE, tmp_path / "whole")))
    assert total > POINTS
    for number, step in enumerate(sorted(Random(SEED).sample(range(1, total), POINTS))):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        # A few steps more or less are made each time: what the kernel answers is not always the same.
        assert killed_at(step, lambda folder=folder: scenario(Lab(CASE, folder))) < step
        lab = Lab(CASE, folder)
        expect_any_files(lab, f"step {step}")
        lab.backend.close()
    assert mounts(tmp_path) == []


@as_root
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_conforms_for_a_plain_user(check: Check) -> None:
    """In a user namespace, without a right that root has."""
    python = python_for_all(f"open({str(mounts_module.SERVER)!r})", "-S")
    do_as_plain_user(lambda place: check(CASE, place), python=python)
