"""`revert` and `undo` in the workspace: byte for byte, never over your edits unless told, and undone themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shepherd_dsl.core.files import git_blob_hash
from tests.support.cli import shepherd
from tests.support.workspaces import POEM, held, make_poems, tree_hash

FIRST = """
sed -i s/two/TWO/ poem.txt; chmod 750 tool.sh; ln -sfn tool.sh link; rm gone.txt; printf 'new\\0' >picture
mkdir -p made/deep made/empty; echo made >made/deep/file; ln -s nowhere made/link; rmdir hollow
umask 077; echo s >secret
"""
SECOND = """
sed -i s/TWO/zwei/ poem.txt; chmod 700 tool.sh; ln -sfn poem.txt made/link; rm -r made/deep
echo late >late; echo x >>secret
"""
EVENTS = {"before": 0, "first": 2, "second": 4}
"""The events after which the files are those of the two scripts."""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = make_poems(tmp_path / "repo")
    monkeypatch.chdir(folder)
    return folder


def ok(*line: str) -> str:
    printed = shepherd(*line)
    assert printed.status == 0, printed.err
    return printed.out


def refused(*line: str) -> list[str]:
    """The paths that a refused command names."""
    printed = shepherd(*line, "--json")
    assert printed.status == 2
    error = json.loads(printed.err)["error"]
    assert error["code"] == "merge.conflict"
    assert "--keep-mine" in error["hint"]
    assert all(one["path"] in error["what"] for one in error["conflicts"])
    return [one["path"] for one in error["conflicts"]]


def test_a_revert_restores_contents_modes_and_links_and_removes_what_was_made_later(workspace: Path) -> None:
    hashes = {"before": tree_hash(workspace)}
    ok("run", "-q", "main.shep", FIRST, SECOND)
    hashes["second"] = tree_hash(workspace)
    ok("revert", "1@2")
    hashes["first"] = tree_hash(workspace)
    now = held(workspace)
    assert len(set(hashes.values())) == 3
    assert now["tool.sh"][0] == 0o100750
    assert now["link"] == (0o120000, b"tool.sh")
    assert now["secret"] == (0o100600, b"s\n")
    assert now["made/empty"][1] is None
    assert "late" not in now
    for state in ("before", "first", "second", "first", "before", "second"):
        ok("revert", f"1@{EVENTS[state]}")
        assert tree_hash(workspace) == hashes[state]
        ok("undo")
        ok("undo")
        assert tree_hash(workspace) == hashes[state]


def test_undos_of_undos_go_back_and_forth_exactly(workspace: Path) -> None:
    before = tree_hash(workspace)
    ok("run", "-q", "main.shep", FIRST, SECOND)
    after = tree_hash(workspace)
    for want in (before, after) * 2:
        ok("undo")
        assert tree_hash(workspace) == want
    ok("revert", "1@0")
    for want in (after, before) * 2:
        ok("undo")
        assert tree_hash(workspace) == want


def spoil(workspace: Path) -> None:
    """Edits of the user's at what the run changed, one of every kind, and one elsewhere."""
    (workspace / "poem.txt").write_text("mine\n")
    (workspace / "tool.sh").chmod(0o600)
    (workspace / "link").unlink()
    (workspace / "link").symlink_to("mine")
    (workspace / "late").unlink()
    (workspace / "gone.txt").write_text("mine\n")
    (workspace / "docs" / "other.txt").write_text("mine\n")


SPOILT = ["gone.txt", "late", "link", "poem.txt", "tool.sh"]


class TestEdited:
    """The run was merged, and the user edited what it had changed."""

    @pytest.fixture(autouse=True)
    def _edited(self, workspace: Path) -> None:
        self.old = held(workspace)
        ok("run", "-q", "main.shep", FIRST, SECOND)
        spoil(workspace)
        self.edited = held(workspace)

    def mine(self, files: dict[str, tuple[int, bytes | None]]) -> dict[str, tuple[int, bytes | None]]:
        """`files`, with the user's edits of what conflicts."""
        out = {path: what for path, what in files.items() if path not in SPOILT}
        return {**out, **{path: self.edited[path] for path in SPOILT if path in self.edited}}

    def elsewhere(self, files: dict[str, tuple[int, bytes | None]]) -> dict[str, tuple[int, bytes | None]]:
        return {**files, "docs/other.txt": self.edited["docs/other.txt"]}

    def back_and_forth(self, workspace: Path, now: dict[str, tuple[int, bytes | None]]) -> None:
        for want in (self.edited, now) * 2:
            ok("undo")
            assert held(workspace) == want

    @pytest.mark.parametrize("line", ["revert 1@0", "revert 1@0 --dry-run", "undo", "undo --dry-run"])
    def test_refused_with_a_clear_list(self, workspace: Path, line: str) -> None:
        log = shepherd("log", "1", "--all", "--json").out
        # `late` is gone as it would be anyway, so it does not conflict.
        assert refused(*line.split()) == [path for path in SPOILT if path != "late"]
        assert held(workspace) == self.edited
        assert shepherd("log", "1", "--all", "--json").out == log

    def test_the_reason_is_shown(self, workspace: Path) -> None:
        printed = shepherd("revert", "1@0")
        assert "error these files were changed here since they were merged:\n  gone.txt: changed here" in printed.err
        assert "\n  poem.txt: changed here since\n" in printed.err

    @pytest.mark.parametrize("line", ["revert 1@0", "undo"])
    def test_mine_are_kept_and_the_rest_taken_back(self, workspace: Path, line: str) -> None:
        planned = ok(*line.split(), "--keep-mine", "--dry-run")
        assert held(workspace) == self.edited
        out = ok(*line.split(), "--keep-mine")
        assert "left as you have it, changed here since: poem.txt" in planned
        assert "left as you have it, changed here since: poem.txt" in out
        assert held(workspace) == self.mine(self.elsewhere(self.old))
        self.back_and_forth(workspace, self.mine(self.elsewhere(self.old)))

    @pytest.mark.parametrize("line", ["revert 1@0", "undo"])
    def test_overwritten_ones_come_back_by_an_undo(self, workspace: Path, line: str) -> None:
        planned = ok(*line.split(), "--overwrite", "--dry-run")
        assert held(workspace) == self.edited
        out = ok(*line.split(), "--overwrite")
        assert "~ poem.txt (yours overwritten)" in planned
        assert "~ poem.txt (yours overwritten)" in out
        assert held(workspace) == self.elsewhere(self.old)
        self.back_and_forth(workspace, self.elsewhere(self.old))

    def test_an_edit_after_overwriting_stands_in_the_way_of_the_undo(self, workspace: Path) -> None:
        ok("revert", "1@0", "--overwrite")
        (workspace / "poem.txt").write_text("later\n")
        assert refused("undo") == ["poem.txt"]
        now = held(workspace)
        ok("undo", "--overwrite")
        assert held(workspace) == self.edited
        ok("undo")
        assert held(workspace) == now

    def test_keep_leaves_the_whole_workspace_alone(self, workspace: Path) -> None:
        ok("revert", "1@0", "--keep")
        assert held(workspace) == self.edited
        ok("undo")
        assert held(workspace) == self.edited
        printed = shepherd("log", "1", "--json").json()
        assert printed["events"][-1]["index"] == shepherd("log", "1", "--all", "--json").json()["events"][-1]["index"]

    def test_what_was_overwritten_is_no_part_of_later_merges(self, workspace: Path) -> None:
        ok("revert", "1@2", "--overwrite")
        ok("resume", "1", "-q")
        assert (workspace / "poem.txt").read_text() == POEM.replace("two", "zwei")

    def test_what_was_kept_is_an_edit_for_later_merges(self, workspace: Path) -> None:
        (workspace / "poem.txt").write_text(POEM.replace("two", "zwei").replace("seven", "SEVEN"))
        ok("revert", "1@2", "--keep-mine")
        ok("resume", "1", "-q", "--keep")
        ok("merge", "1")
        assert (workspace / "late").exists()
        assert (workspace / "poem.txt").read_text() == POEM.replace("two", "zwei").replace("seven", "SEVEN")


def test_a_revert_gives_back_what_i_had_before_a_merge_by_line(workspace: Path) -> None:
    """My edit was joined with the run's: the revert takes the run's out again, and leaves exactly mine."""
    ok("run", "-q", "--keep", "main.shep", FIRST, SECOND)
    (workspace / "poem.txt").write_text(POEM.replace("six", "SIX"))
    (workspace / "tool.sh").write_text("echo mine\n")
    before = tree_hash(workspace)
    ok("merge", "1")
    merged = tree_hash(workspace)
    assert (workspace / "poem.txt").read_text() == POEM.replace("two", "zwei").replace("six", "SIX")
    ok("undo")
    ok("undo")
    assert tree_hash(workspace) == merged
    ok("revert", "1@2")
    assert (workspace / "poem.txt").read_text() == POEM.replace("two", "TWO").replace("six", "SIX")
    assert held(workspace)["tool.sh"] == (0o100750, b"echo mine\n")
    ok("revert", "1@0")
    assert tree_hash(workspace) == before
    ok("revert", "1@4")
    assert tree_hash(workspace) == merged
    ok("undo")
    assert tree_hash(workspace) == before


def test_a_fork_builds_on_what_its_source_joined_with_my_edit(workspace: Path) -> None:
    ok("run", "-q", "--keep", "main.shep", FIRST, SECOND)
    (workspace / "poem.txt").write_text(POEM.replace("six", "SIX"))
    before = tree_hash(workspace)
    ok("merge", "1")
    merged = tree_hash(workspace)
    ok("fork", "1@-1")
    ok("revert", "2@0")
    assert tree_hash(workspace) == merged
    ok("merge", "2")
    assert tree_hash(workspace) == before
    ok("undo", "2")
    assert tree_hash(workspace) == merged
    # What the fork has in the workspace is again its source's, which it leaves alone.
    ok("revert", "2@2")
    assert tree_hash(workspace) == merged
    ok("merge", "2")
    assert (workspace / "poem.txt").read_text() == POEM.replace("two", "TWO").replace("six", "SIX")


def test_what_i_had_changed_in_the_same_way_stays_mine(workspace: Path) -> None:
    ok("run", "-q", "--keep", "main.shep", "sed -i s/two/TWO/ poem.txt; rm gone.txt; echo new >new", "true")
    (workspace / "poem.txt").write_text(POEM.replace("two", "TWO"))
    (workspace / "gone.txt").unlink()
    before = tree_hash(workspace)
    for line in ("undo", "revert 1@0"):
        ok("merge", "1")
        assert (workspace / "new").exists()
        ok(*line.split())
        assert tree_hash(workspace) == before
        if line == "revert 1@0":
            ok("undo")


def test_an_undo_of_a_revert_merges_nothing_that_was_not_merged(workspace: Path) -> None:
    ok("run", "-q", "main.shep", FIRST, SECOND)
    ok("revert", "1@2")
    first = tree_hash(workspace)
    ok("resume", "1", "-q", "--keep")
    ok("revert", "1@0")
    assert tree_hash(workspace) != first
    ok("undo")
    assert tree_hash(workspace) == first
    assert "went back to event 0" not in ok("log", "1")


def test_undo_of_a_merge_with_keep_is_a_mistake(workspace: Path) -> None:
    ok("run", "-q", "main.shep", FIRST, SECOND)
    printed = shepherd("undo", "--keep")
    assert (printed.status, "[usage]" in printed.err) == (2, True)


def test_a_kept_content_that_was_damaged_is_found(workspace: Path) -> None:
    ok("run", "-q", "main.shep", FIRST, SECOND)
    (workspace / "poem.txt").write_text("mine\n")
    ok("revert", "1@0", "--overwrite")
    kept = workspace / ".shepherd" / "merge" / "kept" / git_blob_hash(b"mine\n")
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == ("mine\n", 0o600)
    kept.write_text("other\n")
    before = tree_hash(workspace)
    printed = shepherd("undo")
    assert (printed.status, "[merge.kept]" in printed.err) == (1, True)
    assert tree_hash(workspace) == before
