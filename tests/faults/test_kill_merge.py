"""SIGKILL at every point of a merge that builds on the user's edits, and of what takes it back.

The workspace is as before or as after, what is remembered of the merge says the same, and both can go on from there.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from shepherd_dsl.runtime.merges import finish, merges
from shepherd_dsl.runtime.workspace import Workspace
from shepherd_dsl.testing import crash
from shepherd_dsl.trace import points
from tests.support.cli import shepherd
from tests.support.workspaces import POEM, age, make_poems, run_script, seen, tree_hash

SCRIPT = """
sed -i s/two/TWO/ poem.txt; sed -i s/one/ONE/ docs/other.txt; rm gone.txt; chmod 755 tool.sh picture; echo n >new
rmdir hollow; mkdir made; echo m >made/file; rm -r apart
"""


def join(root: Path) -> None:
    (root / "poem.txt").write_text(POEM.replace("six", "SIX"))
    (root / "tool.sh").write_text("echo mine\n")


def clash(root: Path) -> None:
    (root / "poem.txt").write_text(POEM.replace("two", "2"))
    (root / "gone.txt").unlink()


def replace(root: Path) -> None:
    (root / "poem.txt").write_text("mine\n")
    (root / "gone.txt").write_text("mine too\n")


def cross(root: Path) -> None:
    shutil.rmtree(root / "docs")
    (root / "docs").write_text("a file now\n")
    (root / "new").mkdir()
    (root / "new" / "mine").write_text("mine\n")


def leave(root: Path) -> None:
    pass


# In a workspace with a finished run: an edit, what is then done, another edit, and the command that is killed.
CASES = [
    (join, "", leave, "merge 1"),
    (clash, "", leave, "merge 1 --markers"),
    (replace, "", leave, "merge 1 --overwrite"),
    (replace, "", leave, "merge 1 --keep-mine"),
    (cross, "", leave, "merge 1 --overwrite"),
    (cross, "merge 1 --overwrite", leave, "revert 1@0"),
    (join, "merge 1", leave, "undo 1"),
    (join, "merge 1", replace, "undo 1 --overwrite"),
    (join, "merge 1", replace, "revert 1@0 --overwrite"),
]


@pytest.fixture(params=CASES, ids=[f"{first.__name__}-{command}" for first, _, _, command in CASES])
def start(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, list[str]]:
    first, lead, then, command = request.param
    root = make_poems(tmp_path / "start")
    (root / "apart").mkdir()
    (root / "apart" / "key").write_text("key")
    age(root)
    monkeypatch.chdir(root)
    assert run_script(SCRIPT, "true", "--keep").status == 0
    first(root)
    assert not lead or shepherd(*lead.split()).status == 0
    then(root)
    return root, command.split()


def copied(root: Path, name: str) -> Path:
    place = root.parent / name
    subprocess.run(["cp", "-a", root, place], check=True)
    return place


def killed_at(place: tuple[str, int], root: Path, command: list[str]) -> None:
    child = os.fork()
    if child == 0:
        try:
            os.chdir(root)
            crash.install(f"{place[0]}:{place[1]}", points.set_hook)
            shepherd(*command)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, place


def test_killed_at_every_point(start: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    root, command = start
    before, rows = tree_hash(root), len(merges(Workspace(root), "1"))
    reached: Counter[str] = Counter()
    done = copied(root, "done")
    monkeypatch.chdir(done)
    points.set_hook(lambda name: reached.update((name,)))
    try:
        assert shepherd(*command).status in (0, 1)
    finally:
        points.set_hook(None)
    after = tree_hash(done)
    assert after != before
    assert {"merge.kept", "merge.plan", "merge.put", "merge.beside", "merge.done"} <= set(reached)
    # A point that is reached often: the first time, and the last.
    found = [(point, n) for point in sorted(reached) if point.startswith("merge.") for n in sorted({1, reached[point]})]
    outcomes: Counter[str] = Counter()
    for number, place in enumerate(found):
        copy = copied(root, f"k{number}")
        killed_at(place, copy, command)
        monkeypatch.chdir(copy)
        workspace = Workspace(copy)
        finish(workspace)
        now, known = tree_hash(copy), len(merges(workspace, "1"))
        assert (now, known) in ((before, rows), (after, rows + 1)), place
        assert list((copy / ".shepherd/merge/stage").iterdir()) == [], place
        outcomes["before" if known == rows else "after"] += 1
        if known == rows:
            assert shepherd(*command).status in (0, 1), place
            assert tree_hash(copy) == after, place
        # What was remembered is enough to go back exactly, and forth again.
        forth = seen(copy)
        for want, all_of_it in ((before, seen(root)), (after, forth)):
            assert shepherd("undo", "1").status == 0, place
            assert tree_hash(copy) == want, place
            assert seen(copy) == all_of_it, place
    assert set(outcomes) == {"before", "after"}
