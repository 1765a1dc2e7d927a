"""`shepherd merge` where you and the run changed the same files: by line, refused, or settled as an option says."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.support.cli import shepherd
from tests.support.workspaces import POEM, held, make_poems, run_script, tree_hash


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = make_poems(tmp_path / "repo")
    monkeypatch.chdir(folder)
    return folder


def kept(first: str, second: str = "true") -> None:
    assert run_script(first, second, "--keep").status == 0


def edit(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new))


def test_both_edits_of_one_text_are_there_afterwards(workspace: Path) -> None:
    kept("sed -i s/two/TWO/ poem.txt; echo eight >>docs/other.txt; echo new >new.txt")
    edit(workspace / "poem.txt", "six", "SIX")
    edit(workspace / "docs" / "other.txt", "one", "ONE")
    before = tree_hash(workspace)
    planned = shepherd("merge", "--dry-run", "--json").json()["workspace"]
    assert tree_hash(workspace) == before
    assert planned["by_line"] == ["docs/other.txt", "poem.txt"]
    printed = shepherd("merge")
    assert printed.status == 0, printed.err
    assert "~ poem.txt (merged line by line)" in printed.out
    assert "+ new.txt\n" in printed.out
    assert (workspace / "poem.txt").read_text() == POEM.replace("two", "TWO").replace("six", "SIX")
    assert (workspace / "docs" / "other.txt").read_text() == POEM.replace("one", "ONE") + "eight\n"
    assert "has these files already" in shepherd("merge").out
    assert shepherd("undo").status == 0
    assert tree_hash(workspace) == before


def test_a_run_that_ends_is_merged_by_line_too(workspace: Path) -> None:
    (workspace / "main.shep").write_text(
        (workspace / "main.shep").read_text().replace("shell.script", "shell.script, human.approve", 1)
        .replace("  return 1", '  do human.approve("?")\n  return 1')
    )  # fmt: skip
    stopped = run_script("sed -i s/two/TWO/ poem.txt", "true", "--no")
    assert stopped.status == 0, stopped.err
    assert shepherd("undo").status == 0
    edit(workspace / "poem.txt", "six", "SIX")
    assert shepherd("fork", "1@-2").status == 0
    resumed = shepherd("resume", "2", "--yes", "-q")
    assert resumed.status == 0, resumed.err
    assert "~ poem.txt (merged line by line)" in resumed.out
    assert (workspace / "poem.txt").read_text() == POEM.replace("two", "TWO").replace("six", "SIX")


def test_permissions_and_contents_are_merged_apart(workspace: Path) -> None:
    kept("chmod 755 tool.sh; sed -i s/two/TWO/ poem.txt")
    edit(workspace / "tool.sh", "1", "2")
    (workspace / "poem.txt").chmod(0o600)
    assert shepherd("merge").status == 0
    now = held(workspace)
    assert now["tool.sh"] == (0o100755, b"echo 2\n")
    assert now["poem.txt"] == (0o100600, POEM.replace("two", "TWO").encode())


def test_permissions_that_both_changed_conflict(workspace: Path) -> None:
    kept("chmod 755 tool.sh")
    (workspace / "tool.sh").chmod(0o600)
    printed = shepherd("merge", "--markers")
    assert printed.status == 2
    assert "tool.sh: permissions changed on both sides" in printed.err
    assert shepherd("merge", "--overwrite").status == 0
    assert held(workspace)["tool.sh"][0] == 0o100755


def test_clashing_lines_are_named_and_nothing_is_changed(workspace: Path) -> None:
    kept("sed -i -e s/two/TWO/ -e s/six/SIX/ poem.txt; echo new >new.txt")
    edit(workspace / "poem.txt", "two\nthree", "2\n3\n3")
    before = tree_hash(workspace)
    for line in (["merge"], ["merge", "--dry-run"]):
        printed = shepherd(*line)
        assert printed.status == 2
        assert "[merge.conflict]" in printed.err
        assert "poem.txt: lines 2-4 here, lines 2-3 of the run" in printed.err
        assert "new.txt" not in printed.err
    error = json.loads(shepherd("merge", "--json").err)["error"]
    assert error["conflicts"] == [
        {
            "path": "poem.txt",
            "why": "lines",
            "settled": None,
            "ignored": False,
            "lines": [
                {
                    "base": {"start": 2, "count": 2},
                    "workspace": {"start": 2, "count": 3},
                    "run": {"start": 2, "count": 2},
                    "markers": None,
                }
            ],
        }
    ]
    assert tree_hash(workspace) == before


def test_markers_on_request(workspace: Path) -> None:
    kept("sed -i -e s/two/TWO/ -e s/six/SIX/ poem.txt; sed -i s/one/ONE/ docs/other.txt; echo new >new.txt")
    edit(workspace / "poem.txt", "two", "2")
    edit(workspace / "docs" / "other.txt", "seven", "SEVEN")
    before = tree_hash(workspace)
    planned = shepherd("merge", "--markers", "--dry-run")
    assert planned.status == 1
    assert tree_hash(workspace) == before
    printed = shepherd("merge", "--markers")
    assert printed.status == 1
    assert printed.out == planned.out.replace("would change", "changed")
    assert "~ poem.txt (conflict markers: lines 2-8)" in printed.out
    assert "~ docs/other.txt (merged line by line)" in printed.out
    text = (workspace / "poem.txt").read_text()
    head, found = "one\n<<<<<<< workspace\n2\n||||||| base\ntwo\n=======\nTWO\n>>>>>>> run 1@", text.split("\n")
    assert text.startswith(head)
    assert found[8:] == ["three", "four", "five", "SIX", "seven", ""]
    assert (workspace / "new.txt").exists()
    # Nothing more is to be merged, and the undo gives back what there was.
    assert "has these files already" in shepherd("merge").out
    assert shepherd("undo").status == 0
    assert tree_hash(workspace) == before
    assert shepherd("undo").status == 0
    assert (workspace / "poem.txt").read_text() == text


def test_a_text_that_both_made_clashes_as_a_whole(workspace: Path) -> None:
    kept("echo run >new.txt")
    (workspace / "new.txt").write_text("mine\n")
    assert "new.txt: line 1 here, line 1 of the run" in shepherd("merge").err
    assert shepherd("merge", "--markers").status == 1
    assert "mine\n||||||| base\n=======\nrun\n" in (workspace / "new.txt").read_text()


@pytest.mark.parametrize(
    ("script", "path", "mine", "why"),
    [
        ("printf 'run\\0' >picture", "picture", b"mine\0", "binary"),
        ("echo run >>gone.txt", "gone.txt", None, "removed_here"),
        ("rm gone.txt", "gone.txt", b"mine\n", "removed_there"),
        ("ln -sfn gone.txt link", "link", b"a file now\n", "kind"),
        ("rm poem.txt; ln -s gone.txt poem.txt", "poem.txt", b"mine\n", "kind"),
        ("head -c 17000000 /dev/zero | tr '\\0' x >poem.txt", "poem.txt", b"mine\n", "large"),
        ("mkdir new; echo run >new/file", "new", b"mine\n", "in_the_way"),
    ],
)
class TestNotByLine:
    """What is not merged by line conflicts, with a reason; markers cannot show it, the two options settle it."""

    @pytest.fixture(autouse=True)
    def _edited(self, workspace: Path, script: str, path: str, mine: bytes | None) -> None:
        kept(script + "; echo more >>docs/other.txt")
        (workspace / path).unlink(missing_ok=True)
        if mine is not None:
            (workspace / path).write_bytes(mine)

    def test_refused(self, workspace: Path, path: str, why: str) -> None:
        before = tree_hash(workspace)
        for more in ([], ["--markers"], ["--dry-run"]):
            printed = shepherd("merge", *more, "--json")
            assert printed.status == 2
            conflicts = json.loads(printed.err)["error"]["conflicts"]
            assert (conflicts[0]["path"], conflicts[0]["why"]) == (path, why)
        assert tree_hash(workspace) == before

    def test_mine_is_kept_and_the_rest_merged(self, workspace: Path, path: str, why: str) -> None:
        before, old = tree_hash(workspace), held(workspace)
        printed = shepherd("merge", "--keep-mine")
        assert printed.status == 0, printed.err
        assert f": {path}" in printed.out
        now = held(workspace)
        assert now.get(path) == old.get(path)
        assert now["docs/other.txt"] == (0o100644, POEM.encode() + b"more\n")
        assert shepherd("undo").status == 0
        assert tree_hash(workspace) == before

    def test_the_run_s_is_taken_and_an_undo_brings_mine_back(self, workspace: Path, path: str, why: str) -> None:
        before = tree_hash(workspace)
        printed = shepherd("merge", "--overwrite")
        assert printed.status == 0, printed.err
        assert f"{path} (yours overwritten)" in printed.out
        merged = tree_hash(workspace)
        fresh = shepherd("fork", "1@-1")
        assert fresh.status == 0
        assert shepherd("undo", "1").status == 0
        assert tree_hash(workspace) == before
        assert shepherd("undo", "1").status == 0
        assert tree_hash(workspace) == merged


@pytest.mark.parametrize(("option", "picture"), [("--keep-mine", b"mine\0"), ("--overwrite", b"run\0")])
def test_markers_where_there_are_lines_and_another_option_for_the_rest(
    workspace: Path, option: str, picture: bytes
) -> None:
    kept("sed -i s/two/TWO/ poem.txt; printf 'run\\0' >picture")
    edit(workspace / "poem.txt", "two", "2")
    (workspace / "picture").write_bytes(b"mine\0")
    before = tree_hash(workspace)
    refused = shepherd("merge", "--markers")
    assert refused.status == 2
    assert "poem.txt" not in refused.err
    assert "add --keep-mine" in refused.err
    printed = shepherd("merge", "--markers", option)
    assert printed.status == 1
    assert "<<<<<<<" in (workspace / "poem.txt").read_text()
    assert (workspace / "picture").read_bytes() == picture
    assert shepherd("undo").status == 0
    assert tree_hash(workspace) == before


CROSSED = {
    "a file in the way of a folder": ("mkdir sub; echo run >sub/q", "sub", "sub/q"),
    "a folder in the way of a file": ("echo run >sub", "sub/deep/q", "sub"),
    "a folder instead of a file": ("echo run >>gone.txt", "gone.txt/q", "gone.txt"),
    "an empty folder in the way of a file": ("echo run >sub", "sub/", "sub"),
    "a link instead of a folder": ("echo run >>docs/other.txt", "docs@", "docs/other.txt"),
    "a file instead of a folder": ("echo run >docs/new.txt", "docs", "docs/new.txt"),
}


@pytest.mark.parametrize("case", CROSSED)
class TestAcrossKinds:
    """A file of one side where the other has a folder."""

    @pytest.fixture(autouse=True)
    def _edited(self, workspace: Path, case: str) -> None:
        script, mine, self.run_s = CROSSED[case]
        kept(script + "; echo more >>docs/other.txt" * ("docs" not in script))
        place = workspace / mine.rstrip("@")
        if place.is_dir():
            shutil.rmtree(place)
        if place.parent.is_file():
            place.parent.unlink()
        place.parent.mkdir(parents=True, exist_ok=True)
        if mine.endswith("/"):
            place.mkdir()
        elif mine.endswith("@"):
            place.symlink_to("hollow")
        else:
            place.write_text("mine\n")
        self.before = held(workspace)
        assert shepherd("merge").status == 2
        assert held(workspace) == self.before

    def test_mine_is_kept(self, workspace: Path) -> None:
        assert shepherd("merge", "--keep-mine").status == 0
        now = held(workspace)
        assert {path: now[path] for path in self.before if path != "docs/other.txt"} == {
            path: what for path, what in self.before.items() if path != "docs/other.txt"
        }
        assert self.run_s not in now or now[self.run_s] == self.before.get(self.run_s)

    def test_the_run_s_is_taken_and_mine_comes_back(self, workspace: Path) -> None:
        printed = shepherd("merge", "--overwrite")
        assert printed.status == 0, printed.err
        assert "(yours overwritten)" in printed.out
        merged = held(workspace)
        assert merged[self.run_s][1] is not None
        assert merged[self.run_s][1].endswith(b"run\n")  # type: ignore[union-attr]
        for line, want in (("undo", self.before), ("undo", merged), ("revert 1@0", self.before), ("undo", merged)):
            assert shepherd(*line.split()).status == 0
            assert held(workspace) == want, line

    def test_what_is_put_there_since_is_not_lost(self, workspace: Path) -> None:
        assert shepherd("merge", "--overwrite").status == 0
        place = workspace / self.run_s
        if place.parent == workspace:
            place.write_text("later\n")
        else:
            place.with_name("later").write_text("later\n")
        now = held(workspace)
        shepherd("revert", "1@0")
        later = [path for path, what in now.items() if what[1] == b"later\n"]
        assert all(held(workspace)[path] == now[path] for path in later)


@pytest.mark.parametrize(
    ("script", "lay", "path", "why"),
    [
        ("echo run >pipe", os.mkfifo, "pipe", "a FIFO, socket or device, which is never overwritten"),
        ("mkdir sub; echo run >sub/q", os.mkfifo, "sub", "a FIFO, socket or device, which is never overwritten"),
        ("echo run >sub", lambda path: (path.mkdir(), (path / ".env").write_text("k\n")), "sub", "sub/.env (ignored)"),
    ],
)
def test_what_is_ignored_or_no_file_is_never_overwritten(
    workspace: Path, script: str, lay: Callable[[Path], object], path: str, why: str
) -> None:
    kept(script + "; echo new >new.txt")
    lay(workspace / path)
    for options in ((), ("--overwrite",)):
        printed = shepherd("merge", *options)
        assert printed.status == 2
        assert why in printed.err
    assert "--overwrite takes" not in printed.err
    assert "never overwritten" in printed.err
    assert "--keep-mine" in printed.err
    assert shepherd("merge", "--keep-mine").status == 0
    for line, there in (("undo", False), ("undo", True), ("revert 1@0", False), ("undo", True), ("undo", False)):
        assert shepherd(*line.split()).status == 0
        assert (workspace / "new.txt").exists() == there, line
        assert not (workspace / path).is_file()
        assert (workspace / path).exists()


class TestOverwritten:
    """What a run overwrote comes back where the run is taken back, and is not asked about again."""

    @pytest.fixture(autouse=True)
    def _merged(self, workspace: Path) -> None:
        (workspace / "k").write_text("k\n")
        kept("echo run >poem.txt; echo run >new; rm k gone.txt", "echo more >>poem.txt; echo last >last")
        assert shepherd("fork", "1@2").status == 0
        (workspace / "poem.txt").write_text("user\n")
        (workspace / "new").write_text("precious\n")
        (workspace / "k").write_text("kk\n")
        self.before = tree_hash(workspace)
        assert shepherd("merge", "2").status == 2
        assert shepherd("merge", "2", "--overwrite").status == 0
        self.merged = tree_hash(workspace)

    def test_by_a_revert(self, workspace: Path) -> None:
        assert (workspace / "new").read_text() == "run\n"
        for line, want in (("revert 2@0", self.before), ("undo 2", self.merged), ("undo 2", self.before)):
            assert shepherd(*line.split()).status == 0
            assert tree_hash(workspace) == want

    def test_after_more_of_the_run(self, workspace: Path) -> None:
        printed = shepherd("resume", "2", "-q")
        assert printed.status == 0, printed.out
        assert "overwritten" not in printed.out
        assert (workspace / "poem.txt").read_text() == "run\nmore\n"
        assert shepherd("revert", "2@2").status == 0
        assert tree_hash(workspace) == self.merged
        assert shepherd("revert", "2@0").status == 0
        assert tree_hash(workspace) == self.before
        # Who is back at his own is asked again.
        assert shepherd("resume", "2", "-q", "--keep").status == 0
        assert shepherd("merge", "2").status == 2

    def test_what_i_edited_since_is_mine(self, workspace: Path) -> None:
        (workspace / "new").write_text("edited\n")
        assert shepherd("revert", "2@0").status == 2
        assert shepherd("revert", "2@0", "--keep-mine").status == 0
        assert (workspace / "new").read_text() == "edited\n"
        assert (workspace / "poem.txt").read_text() == "user\n"


def test_the_next_merge_starts_from_my_version_again(workspace: Path) -> None:
    """What the run does next is joined with my text, not with a mixture; also out of unresolved markers."""
    kept("sed -i s/two/TWO/ poem.txt", "sed -i s/TWO/zwei/ poem.txt; echo last >last.txt")
    edit(workspace / "poem.txt", "two", "2")
    mine = (workspace / "poem.txt").read_text()
    assert shepherd("fork", "1@2").status == 0
    assert shepherd("merge", "2", "--markers").status == 1
    assert shepherd("resume", "2", "--keep", "-q").status == 0
    assert shepherd("merge", "2").status == 2
    assert shepherd("merge", "2", "--markers").status == 1
    text = (workspace / "poem.txt").read_text()
    assert text.count("<<<<<<<") == 1
    assert "2\n||||||| base\ntwo\n=======\nzwei\n" in text
    # A revert to the beginning leaves exactly what I had.
    assert shepherd("revert", "2@0").status == 0
    assert (workspace / "poem.txt").read_text() == mine
    assert not (workspace / "last.txt").exists()


def test_resolved_markers_are_an_edit_like_any_other(workspace: Path) -> None:
    kept("sed -i s/two/TWO/ poem.txt", "echo eight >>poem.txt")
    assert shepherd("fork", "1@2").status == 0
    edit(workspace / "poem.txt", "two", "2")
    assert shepherd("merge", "2", "--markers").status == 1
    (workspace / "poem.txt").write_text(POEM.replace("two", "2 (TWO)"))
    assert shepherd("resume", "2", "-q").status == 0
    assert (workspace / "poem.txt").read_text() == POEM.replace("two", "2 (TWO)") + "eight\n"


def test_what_is_printed_as_json_is_as_the_schema_has_it(workspace: Path) -> None:
    schema = json.loads((Path(__file__).parents[2] / "spec" / "cli.schema.json").read_text("utf-8"))

    def valid(text: str, form: str) -> Any:
        document = json.loads(text)
        jsonschema.Draft202012Validator({**schema, "$ref": f"#/$defs/{form}"}).validate(document)
        return document

    kept("sed -i s/two/TWO/ poem.txt; rm gone.txt; sed -i s/one/ONE/ docs/other.txt")
    edit(workspace / "poem.txt", "two", "2")
    (workspace / "docs" / "other.txt").write_text(POEM + "eight\n")
    assert valid(shepherd("merge", "--json").err, "failure")["error"]["conflicts"][0]["why"] == "lines"
    ended = valid(shepherd("resume", "1", "-q", "--json").out, "run")
    assert ended["refused"]["conflicts"][0]["path"] == "poem.txt"
    merged = valid(shepherd("merge", "--markers", "--json").out, "merge_run")["workspace"]
    assert merged["by_line"] == ["docs/other.txt"]
    assert merged["conflicts"][0]["lines"][0]["markers"] == {"start": 2, "count": 7}
    (workspace / "poem.txt").write_text("mine\n")
    valid(shepherd("revert", "1@0", "--json").err, "failure")
    planned = valid(shepherd("revert", "1@0", "--overwrite", "--dry-run", "--json").out, "back_plan")
    assert planned["workspace"]["conflicts"][0]["settled"] == "overwritten"
    back = valid(shepherd("revert", "1@0", "--keep-mine", "--json").out, "back")
    assert [(one["path"], one["settled"]) for one in back["workspace"]["conflicts"]] == [("poem.txt", "kept")]
    assert valid(shepherd("undo", "--json").out, "back")["workspace"]["conflicts"] == []


def test_names_that_look_alike_are_told_apart(workspace: Path) -> None:
    names = {"a\nb": '"a\\nb"', "a b": "a b", "x\u202ey": '"x\\342\\200\\256y"', "t\tt": '"t\\tt"'}
    script = "; ".join(f"printf 'run\\n' >'{name}'" for name in names)
    kept(f"{script}; printf 'run\\n' >$(printf 'z\\377')")
    shown = [*names.values(), '"z\\377"']
    assert {line[4:] for line in shepherd("merge", "--dry-run").out.splitlines()[1:]} == set(shown)
    for name in names:
        (workspace / name).write_text("mine\n")
    said = shepherd("merge").err
    assert all(f"\n  {name}: line 1 here" in said for name in names.values())
    diff = shepherd("diff").out
    assert '\n+++ "b/a\\nb"\n' in diff
    assert "\n+++ b/a b\n" in diff
    os.mkfifo(workspace / "p\tipe")
    said = shepherd("run", "main.shep", "true", "true", "--keep").err
    assert 'left out: "p\\tipe" (neither file, link nor folder)\n' in said


def test_a_file_whose_name_is_a_disguise_of_git_s_is_left_out_and_nothing_else(workspace: Path) -> None:
    (workspace / ".GIT").write_text("mine\n")
    printed = shepherd("run", "main.shep", "echo new >new; ls -A", "true")
    assert printed.status == 0, printed.err
    assert "left out: .GIT (some file systems take its name for .git)" in printed.err
    assert (workspace / "new").exists()
    assert (workspace / ".GIT").read_text() == "mine\n"


def test_options_that_exclude_each_other(workspace: Path) -> None:
    kept("true")
    for line in (
        "merge --markers --keep-mine --overwrite",
        "merge --keep-mine --overwrite",
        "revert 1@0 --keep --overwrite",
    ):
        printed = shepherd(*line.split())
        assert (printed.status, "exclude each other [usage]" in printed.err) == (2, True)


def test_git_status_shows_what_was_merged(workspace: Path) -> None:
    import subprocess

    def git(*args: str) -> str:
        options = ["-c", "user.name=a", "-c", "user.email=a@b"]
        return subprocess.run(["git", *options, *args], capture_output=True, text=True, check=True).stdout

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "base")
    kept("sed -i s/two/TWO/ poem.txt; echo new >new.txt; rm gone.txt")
    edit(workspace / "poem.txt", "six", "SIX")
    assert shepherd("merge").status == 0
    assert git("status", "--porcelain").splitlines() == [" D gone.txt", " M poem.txt", "?? new.txt"]
