"""A run cannot write what decides about the next one, nor make Git or another tool run commands when it is merged."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import anyio
import pytest

from shepherd_dsl.core.event import Entry
from shepherd_dsl.core.files import EMPTY_FOLDER, LINK, Files, git_blob_hash
from shepherd_dsl.core.value import Con, Value
from shepherd_dsl.errors import RefusedError, UserError
from shepherd_dsl.handlers.human import HumanHandler
from shepherd_dsl.runtime.workspace import Workspace
from shepherd_dsl.scope.apply import Effect, Manner, merge_into
from shepherd_dsl.scope.ignore import load_ignored
from shepherd_dsl.scope.journal import Beside, MergeRecord
from shepherd_dsl.scope.policy import MOST_BYTES, Policies
from shepherd_dsl.scope.settle import Policy
from shepherd_dsl.testing.requests import make_context, make_request
from tests.support.cli import shepherd

BLOBS: dict[str, bytes] = {}
NONE = Policies()

BARE = {"docs/HEAD": b"ref: refs/heads/main\n", "docs/objects/x": b"", "docs/refs/x": b""}
EVIL = b"[core]\n\tbare = false\n\tworktree = ..\n\tfsmonitor = touch evil\n"


def entry(data: bytes, mode: int = 0o100644) -> Entry:
    BLOBS[git_blob_hash(data)] = data
    return Entry(mode, git_blob_hash(data))


def files(content: dict[str, bytes]) -> Files:
    return Files.of((path, entry(data)) for path, data in content.items())


def merge(workspace: Path, base: Files, result: Files, *, keep: bool = False, policies: Policies = NONE) -> MergeRecord:
    return merge_into(
        workspace, base, result,
        read_blob=BLOBS.__getitem__, manner=Manner(policy="keep" if keep else "refuse"), policies=policies,
    )  # fmt: skip


def refused(workspace: Path, base: Files, result: Files, *, policies: Policies = NONE) -> tuple[str, set[str]]:
    """The code of the refusal and its paths; nothing was written, and the rest can be merged without them."""
    before = sorted(os.listdir(workspace))
    with pytest.raises(RefusedError) as caught:
        merge(workspace, base, result, policies=policies)
    assert sorted(set(os.listdir(workspace)) - {".shepherd"}) == sorted(set(before) - {".shepherd"})
    assert caught.value.exit_status == 2
    assert "--keep-mine" in caught.value.hint
    return caught.value.code, set(caught.value.paths)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def perform(handler: HumanHandler, op: str, *args: Value) -> Con:
    return anyio.run(handler.perform, make_request(op, *args))


def lay(workspace: Path, content: dict[str, bytes]) -> Files:
    """The files, in the workspace too."""
    for path, data in content.items():
        write(workspace / path, data)
    return files(content)


PROGRAM = """\
agent first() -> Int
  grants file.write("**")
{
  do file.write(".shepherdignore", "!.git/\\n!.git\\n!.env\\n")
  do file.write("work.txt", "useful\\n")
  return 1
}

agent second() -> Int
  grants file.write("**")
{
  do file.write(".git/config", "[core]\\n\\tfsmonitor = touch evil\\n")
  return 1
}

agent approved() -> Int
  grants file.write("**")
{
  do file.write("answers.txt", "yes *\\n")
  return 1
}

agent asks() -> Bool
  grants human.approve
{
  return do human.approve("Deploy to production?")
}
"""


class TestTwoRuns:
    """What one run writes, a later one would use."""

    @pytest.fixture
    def place(self, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.chdir(workspace)
        assert shepherd("init").status == 0
        subprocess.run(["git", "init", "-q"], check=True)
        (workspace / "p.shep").write_text(PROGRAM)
        return workspace

    def test_taking_the_repository_in(self, place: Path) -> None:
        config = (place / ".git" / "config").read_bytes()
        printed = shepherd("run", "p.shep:first", "--json")
        assert (printed.status, printed.json()["refused"]["code"]) == (1, "merge.policy")
        again = shepherd("merge", "1")
        assert again.status == 2
        assert "shepherd diff" in again.err
        assert "--keep-mine" in again.err
        assert not (place / "work.txt").exists()
        assert shepherd("merge", "1", "--keep-mine").status == 0
        assert (place / "work.txt").exists()
        assert not (place / ".shepherdignore").exists()
        assert shepherd("run", "p.shep:second", "--json").json()["refused"]["code"] == "merge.ignored"
        assert "[merge.ignored]" in shepherd("merge", "2", "--overwrite").err
        assert (place / ".git" / "config").read_bytes() == config

    def test_the_user_takes_the_change_by_hand(self, place: Path) -> None:
        assert shepherd("run", "p.shep:first", "--quiet").status == 1
        (place / ".shepherdignore").write_text("!.git/\n!.git\n!.env\n")
        assert shepherd("merge", "1").status == 0
        assert (place / "work.txt").exists()
        assert shepherd("undo", "1").status == 0
        assert (place / ".shepherdignore").exists()
        assert not (place / "work.txt").exists()

    def test_answering_for_the_user(self, place: Path) -> None:
        (place / "answers.txt").write_text("no *\n")
        (place / ".shepherd" / "config.toml").write_text('[human]\nanswers = "answers.txt"\n')
        printed = shepherd("run", "p.shep:approved", "--json")
        assert (printed.status, printed.json()["refused"]["code"]) == (1, "merge.policy")
        assert "[merge.policy]" in shepherd("merge", "1", "--overwrite").err
        assert (place / "answers.txt").read_text() == "no *\n"
        assert shepherd("run", "p.shep:asks", "--json").json()["value"] is False


class TestPolicy:
    @pytest.mark.parametrize(
        "path",
        [
            ".shepherdignore", ".ShepherdIgnore", ".shepherd\u200cignore", ".shepherdignore. ", "SHEPHE~2",
            ".shepherdignore::$DATA", "sub/.shepherdignore", ".shepherdignore/x", ".\u017fhepherdignore",
        ],
    )  # fmt: skip
    def test_what_runs_see_is_not_theirs_to_say(self, workspace: Path, path: str) -> None:
        result = files({"a.txt": b"a", path: b"!.git/\n"})
        assert refused(workspace, Files.empty(), result) == ("merge.policy", {path})
        record = merge(workspace, Files.empty(), result, keep=True)
        assert [step.path for step in record.steps] == ["a.txt"]
        assert sorted(os.listdir(workspace)) == [".shepherd", "a.txt"]

    def test_nor_to_remove_or_to_join(self, workspace: Path) -> None:
        base = lay(workspace, {".shepherdignore": b"secret.txt\n\n\nend\n", "a.txt": b"a"})
        assert refused(workspace, base, files({"a.txt": b"b"})) == ("merge.policy", {".shepherdignore"})
        write(workspace / ".shepherdignore", b"mine\n\n\nend\n")
        result = files({".shepherdignore": b"secret.txt\n\n\n!.git/\n"})
        with pytest.raises(RefusedError) as caught:
            merge_into(workspace, base, result, read_blob=BLOBS.__getitem__, manner=Manner(by_line=True))
        assert caught.value.code == "merge.policy"

    @pytest.mark.parametrize("target", [b"/dev/zero", b"/etc/hosts", b"a.txt"])
    def test_a_link_is_no_list_of_what_is_ignored(self, workspace: Path, target: bytes) -> None:
        result = Files.of([(".shepherdignore", entry(target, LINK))])
        assert refused(workspace, Files.empty(), result)[0] == "merge.policy"
        (workspace / ".shepherdignore").symlink_to(os.fsdecode(target))
        with pytest.raises(UserError, match="symbolic link") as caught:
            load_ignored(workspace)
        assert caught.value.code == "scope.ignore"

    def test_only_a_regular_file_of_bounded_size_is_read(self, workspace: Path) -> None:
        os.mkfifo(workspace / ".shepherdignore")
        with pytest.raises(UserError, match="not a regular file"):
            load_ignored(workspace)
        (workspace / ".shepherdignore").unlink()
        (workspace / ".shepherdignore").mkdir()
        with pytest.raises(UserError, match="not a regular file"):
            load_ignored(workspace)
        (workspace / ".shepherdignore").rmdir()
        (workspace / ".shepherdignore").write_bytes(b"#" * MOST_BYTES)
        assert not load_ignored(workspace)("a", False)
        (workspace / ".shepherdignore").write_bytes(b"#" * (MOST_BYTES + 1))
        with pytest.raises(UserError, match="more than"):
            load_ignored(workspace)

    def test_answers_are_read_from_a_regular_file_only(self, tmp_path: Path) -> None:
        handler = HumanHandler(make_context(tmp_path, config='[human]\nanswers = "answers"'))
        (tmp_path / "real").write_text("yes *\n")
        (tmp_path / "answers").symlink_to("real")
        outcome = perform(handler, "human.approve", "Deploy?")
        assert outcome.name == "Err"
        assert "symbolic link" in repr(outcome)
        (tmp_path / "answers").unlink()
        os.mkfifo(tmp_path / "answers")
        assert perform(handler, "human.approve", "Deploy?").name == "Err"

    @pytest.mark.parametrize(
        ("path", "made"),
        [
            ("conf/answers.txt", entry(b"yes *\n")),
            ("Conf/ANSWERS.txt", entry(b"yes *\n")),
            ("conf/answers.txt/x", entry(b"yes *\n")),
            ("conf", entry(b"elsewhere", LINK)),
            ("conf", entry(b"a file")),
            ("real/answers.txt", entry(b"yes *\n")),
            ("tapes/t.jsonl", entry(b"{}")),
            ("issues.jsonl", entry(b"{}")),
            ("tools/pyvenv.cfg", entry(b"home = /home/somebody/.ssh\n")),
            ("tools/lib", entry(b"/home/somebody", LINK)),
            ("tools", entry(b"/home/somebody", LINK)),
            ("shared", entry(b"/home/somebody", LINK)),
        ],
    )
    def test_what_the_configuration_names(self, workspace: Path, path: str, made: Entry) -> None:
        Workspace.init(workspace)
        (workspace / ".shepherd" / "config.toml").write_text(
            '[human]\nanswers = "./conf/answers.txt"\n[tracker]\npath = "issues.jsonl"\n'
            '[model]\ndefault = "record:tapes/t.jsonl=openai:x"\n'
            '[jail]\nread = ["shared"]\n[environment]\npath = ["tools/bin"]\n'
        )
        if path.startswith("real"):
            (workspace / "real").mkdir()
            (workspace / "conf").symlink_to("real")
        policies = Workspace(workspace).policies({"PATH": "/usr/bin:"})
        result = Files.of([(path, made), ("conf.d/x", entry(b"1")), ("shared.txt", entry(b"1"))])
        assert refused(workspace, Files.empty(), result, policies=policies) == ("merge.policy", {path})

    def test_what_stands_beside_is_merged(self, workspace: Path) -> None:
        Workspace.init(workspace)
        (workspace / ".shepherd" / "config.toml").write_text(
            '[human]\nanswers = "conf/answers.txt"\n[jail]\nread = ["shared", "../conf", "/etc"]\n'
        )
        base = Files.of([("conf", EMPTY_FOLDER)])
        (workspace / "conf").mkdir()
        policies = Workspace(workspace).policies({"PATH": f"{workspace}/env/bin"})
        assert policies.files == {"conf/answers.txt", "env/pyvenv.cfg", ".shepherd/tracker.jsonl"}
        result = files({"conf/other.txt": b"1", "shared/x": b"1", "env/bin/x": b"1", "answers.txt": b"yes *"})
        assert len(merge(workspace, base, result, policies=policies).steps) == 5

    def test_a_wrong_configuration_stops_a_merge(self, workspace: Path) -> None:
        Workspace.init(workspace)
        (workspace / ".shepherd" / "config.toml").write_text("[human]\nanswer = 1\n")
        with pytest.raises(UserError):
            Workspace(workspace).policies()


class TestRepositories:
    @pytest.mark.parametrize(
        "content",
        [
            {**BARE, "docs/config": EVIL},
            {"docs/head": b"", "docs/OBJECTS/x": b"", "docs/Refs/x": b"", "docs/config": EVIL},
            {"docs/HEAD": b"", "docs/commondir": b"../other", "docs/config": EVIL},
            {"HEAD": b"", "objects/x": b"", "refs/x": b"", "config": EVIL},
        ],
    )
    def test_a_folder_that_git_takes_for_a_repository(self, workspace: Path, content: dict[str, bytes]) -> None:
        assert refused(workspace, Files.empty(), files(content)) == ("merge.git", set(content))
        record = merge(workspace, Files.empty(), files({**content, "docs/a.txt": b"a"}), keep=True)
        assert [step.path for step in record.steps] == ["docs/a.txt"]

    def test_git_agrees(self, workspace: Path) -> None:
        """What the rule takes for a repository, Git does, and obeys its `config`."""
        for path, data in {**BARE, "docs/config": EVIL}.items():
            write(workspace / path, data)
        for asked, said in (("rev-parse --git-dir", ".\n"), ("config core.fsmonitor", "touch evil\n")):
            command = ["git", "-C", str(workspace / "docs"), *asked.split()]
            assert subprocess.run(command, capture_output=True, check=True, text=True).stdout == said

    def test_one_that_is_completed_by_a_second_run(self, workspace: Path) -> None:
        first = {"docs/HEAD": BARE["docs/HEAD"], "docs/objects/x": b"", "docs/config": EVIL}
        merge(workspace, Files.empty(), files(first))
        base = files(first)
        result = files({**first, "docs/refs/x": b""})
        assert refused(workspace, base, result) == ("merge.git", {"docs/refs/x"})

    def test_one_whose_other_half_runs_do_not_see(self, workspace: Path) -> None:
        lay(workspace, {"docs/objects/x": b"", "docs/refs/x": b""})
        write(workspace / ".shepherdignore", b"objects/\nrefs/\n")
        result = files({"docs/HEAD": b"ref: refs/heads/main\n", "docs/config": EVIL})
        assert refused(workspace, Files.empty(), result) == ("merge.git", {"docs/HEAD", "docs/config"})

    @pytest.mark.parametrize(
        "changed",
        [{"docs/config": EVIL}, {"docs/hooks/pre-commit": b"evil"}, {"docs/commondir": b"../x"}, {"docs/refs/y": b""}],
    )
    def test_one_of_the_users_is_not_changed(self, workspace: Path, changed: dict[str, bytes]) -> None:
        mine = {**BARE, "docs/config": b"[core]\n\tbare = true\n"}
        base = lay(workspace, mine)
        result = files({**mine, **changed, "docs/description": b"fine"})
        assert refused(workspace, base, result) == ("merge.git", set(changed))

    def test_one_of_the_users_is_removed_and_brought_back(self, workspace: Path) -> None:
        base = lay(workspace, {**BARE, "docs/config": b"[core]\n\tbare = true\n"})
        merge(workspace, base, Files.empty())
        assert not (workspace / "docs").exists()
        merge_into(workspace, Files.empty(), base, read_blob=BLOBS.__getitem__, tracked=base)
        assert (workspace / "docs/config").exists()

    def test_a_workspace_that_takes_repositories_in(self, workspace: Path) -> None:
        write(workspace / ".shepherdignore", b"!.git/\n!.git\n!.hg/\n")
        content = {**BARE, "docs/config": b"1", ".hg/hgrc": b"1"}
        merge(workspace, Files.empty(), files(content))
        assert (workspace / "docs/config").exists()
        assert (workspace / ".hg/hgrc").exists()

    def test_ordinary_folders_of_these_names_are_merged(self, workspace: Path) -> None:
        content = {"config/a": b"1", "objects/a": b"1", "hooks/a": b"1", "refs/a": b"1", "sub/HEAD": b"1"}
        assert len(merge(workspace, Files.empty(), files(content)).steps) == 5


class TestKeptOut:
    @pytest.mark.parametrize("path", [".venv/lib/x.pth", ".ssh/authorized_keys", "sub/node_modules/x.js", ".env"])
    def test_new_files_where_runs_see_nothing(self, workspace: Path, path: str) -> None:
        result = files({path: b"evil", "a.txt": b"a"})
        assert refused(workspace, Files.empty(), result) == ("merge.ignored", {path})
        assert [step.path for step in merge(workspace, Files.empty(), result, keep=True).steps] == ["a.txt"]
        write(workspace / ".shepherdignore", f"!{path.split('/')[0]}\n!{path}\n!node_modules/\n".encode())
        merge(workspace, files({"a.txt": b"a"}), result)
        assert (workspace / path).read_bytes() == b"evil"

    @pytest.mark.parametrize("path", [".venv", ".ssh", ".hg", ".git"])
    def test_a_link_in_the_place_of_such_a_folder(self, workspace: Path, path: str) -> None:
        result = Files.of([(path, entry(b"elsewhere", LINK)), ("elsewhere/x", entry(b"1"))])
        code, paths = refused(workspace, Files.empty(), result)
        assert code == ("merge.git" if path in (".hg", ".git") else "merge.ignored")
        assert paths == {path}

    def test_what_the_user_had_given_the_run_is_brought_back(self, workspace: Path) -> None:
        base = files({"old.log": b"1"})
        write(workspace / ".shepherdignore", b"*.log\n")
        merge_into(workspace, Files.empty(), base, read_blob=BLOBS.__getitem__, tracked=base)
        assert (workspace / "old.log").exists()

    def test_neither_markers_nor_the_run_s_get_into_a_file_that_runs_do_not_see(self, workspace: Path) -> None:
        write(workspace / ".venv/x.pth", b"mine\n")
        result = files({".venv/x.pth": b"import evil\n"})
        policies: tuple[Policy, ...] = ("markers", "overwrite", "markers_overwrite")
        for policy in policies:
            with pytest.raises(RefusedError) as caught:
                merge_into(
                    workspace, Files.empty(), result,
                    read_blob=BLOBS.__getitem__, manner=Manner(by_line=True, policy=policy),
                )  # fmt: skip
            assert caught.value.code == "merge.ignored"
            assert (workspace / ".venv/x.pth").read_bytes() == b"mine\n"

    def test_what_was_left_out_once_is_left_out_again(self, workspace: Path) -> None:
        first, second = files({".venv/x": b"1", "a": b"1"}), files({".venv/x": b"2", "a": b"2"})
        effects: list[Effect] = []

        def remember(effect: Effect) -> Beside:
            effects.append(effect)
            return Beside("beside", "")

        merge_into(
            workspace, Files.empty(), first,
            read_blob=BLOBS.__getitem__, manner=Manner(policy="keep"), remember=remember, tracked=Files.empty(),
        )  # fmt: skip
        with pytest.raises(RefusedError) as caught:
            merge_into(workspace, first, second, read_blob=BLOBS.__getitem__, own=effects[0].own, tracked=Files.empty())
        assert caught.value.paths == (".venv/x",)

    def test_other_spellings_where_case_does_not_count(self, workspace: Path) -> None:
        result = files({".Venv/x.pth": b"evil"})
        merge(workspace, Files.empty(), result)
        (workspace / ".SHEPHERD").mkdir()  # such a file system shows .shepherd/ by this name too
        assert refused(workspace, Files.empty(), files({".VENV/x.pth": b"evil"}))[0] == "merge.ignored"
