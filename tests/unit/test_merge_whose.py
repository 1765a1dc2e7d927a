"""Whose merge a revert takes back, and what a merge says of files that runs never see."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import make_workspace, run_work, shepherd

NEW = "src/new.txt"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = make_workspace(tmp_path / "repo")
    monkeypatch.chdir(folder)
    assert run_work(folder, "--quiet").status == 0
    assert (folder / NEW).read_text() == "one\ntwo\n"
    assert shepherd("fork", "1@-1").status == 0
    return folder


def test_a_fork_that_was_not_merged_leaves_the_workspace_alone(workspace: Path) -> None:
    planned = shepherd("revert", "2@2", "--dry-run", "--json").json()
    done = shepherd("revert", "2@2", "--json").json()
    assert planned["workspace"] is None is done["workspace"]
    assert (workspace / NEW).read_text() == "one\ntwo\n"
    assert shepherd("undo", "2").status == 0
    assert (workspace / NEW).read_text() == "one\ntwo\n"


def test_an_explicit_merge_of_a_fork_builds_on_what_its_source_gave(workspace: Path) -> None:
    assert shepherd("revert", "2@2").status == 0
    merged = shepherd("merge", "2", "--json").json()
    assert [(step["path"], step["to"]) for step in merged["workspace"]["paths"]] == [(NEW, None)]
    assert not (workspace / NEW).exists()


def test_a_revert_of_a_fork_that_was_merged_itself_writes_into_the_workspace(workspace: Path) -> None:
    assert shepherd("revert", "2@2").status == 0
    assert shepherd("merge", "2").status == 0
    back = shepherd("undo", "2", "--json").json()
    assert back["undone"] == "merge"
    assert (workspace / NEW).exists()
    assert shepherd("merge", "2").status == 0
    reverted = shepherd("revert", "2@-2", "--json").json()
    assert [step["path"] for step in reverted["workspace"]["paths"]] == [NEW]
    assert (workspace / NEW).read_text() == "one\ntwo\n"


def test_a_fork_cannot_undo_the_merge_of_its_source(workspace: Path) -> None:
    from shepherd_dsl.errors import RevisionError
    from shepherd_dsl.runtime.actions import undo_merge_of
    from shepherd_dsl.runtime.workspace import Workspace

    with pytest.raises(RevisionError) as caught:
        undo_merge_of(Workspace.find(workspace), "2")
    assert caught.value.code == "undo.nothing"
    assert (workspace / NEW).exists()


WRITER = """\
agent main() -> Int
  grants file.write("**")
{
  do file.write(".env", "KEY=made up\\n")
  do file.write("plain.txt", "from the run\\n")
  return 1
}
"""


def test_an_ignored_file_in_the_way_has_a_code_of_its_own(workspace: Path) -> None:
    (workspace / "env.shep").write_text(WRITER)
    (workspace / ".env").write_text("KEY=mine\n")
    printed = shepherd("run", "env.shep", "--json")
    assert printed.status == 1
    refused = printed.json()["refused"]
    assert refused["code"] == "merge.ignored"
    assert ".env (ignored)" in refused["what"]
    assert ".shepherdignore" in refused["hint"]
    assert ((workspace / ".env").read_text(), (workspace / "plain.txt").exists()) == ("KEY=mine\n", False)
    for option in ("--overwrite", "--markers"):
        printed = shepherd("merge", "3", option)
        assert (printed.status, "[merge.ignored]" in printed.err) == (2, True)
        assert ".env (ignored)" in printed.err
    assert (workspace / ".env").read_text() == "KEY=mine\n"
    assert shepherd("merge", "3", "--keep-mine").status == 0
    assert ((workspace / ".env").read_text(), (workspace / "plain.txt").exists()) == ("KEY=mine\n", True)
    assert shepherd("undo", "3").status == 0
    (workspace / ".env").rename(workspace / "mine.env.example")
    assert "[merge.ignored]" in shepherd("merge", "3").err
    assert not (workspace / ".env").exists()
    (workspace / ".shepherdignore").write_text("!.env\n")
    assert shepherd("merge", "3").status == 0
    assert (workspace / ".env").read_text() == "KEY=made up\n"


def test_a_new_ignored_file_can_be_left_out_and_the_rest_merged(workspace: Path) -> None:
    (workspace / "env.shep").write_text(WRITER)
    assert shepherd("run", "env.shep", "--json").json()["refused"]["code"] == "merge.ignored"
    merged = shepherd("merge", "3", "--keep-mine", "--json").json()["workspace"]
    assert [step["path"] for step in merged["paths"]] == ["plain.txt"]
    assert [(one["path"], one["why"], one["settled"]) for one in merged["conflicts"]] == [(".env", "guarded", "kept")]
    assert (workspace / "plain.txt").exists()
    assert not (workspace / ".env").exists()
    assert shepherd("undo", "3").status == 0
    assert not (workspace / "plain.txt").exists()


def test_a_conflict_of_both_kinds_is_a_conflict_that_marks_what_is_ignored(workspace: Path) -> None:
    (workspace / "env.shep").write_text(WRITER)
    assert shepherd("run", "env.shep", "--keep", "--quiet").status == 0
    (workspace / ".env").write_text("KEY=mine\n")
    (workspace / "plain.txt").write_text("mine\n")
    printed = shepherd("merge", "3")
    assert printed.status == 2
    assert "[merge.conflict]" in printed.err
    assert ".env (ignored)" in printed.err
    assert "plain.txt (ignored)" not in printed.err
