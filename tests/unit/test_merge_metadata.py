"""What a merge, a revert and an undo do to owners, times, attributes and folders' permissions of the user's files."""

from __future__ import annotations

import os
import shutil
import stat
import struct
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from shepherd_dsl.cli.back import merge_lines
from shepherd_dsl.core.event import Entry
from shepherd_dsl.core.files import LINK, Files, git_blob_hash
from shepherd_dsl.errors import CorruptError
from shepherd_dsl.runtime.merges import merges
from shepherd_dsl.runtime.workspace import Workspace
from shepherd_dsl.scope.apply import merge_into
from shepherd_dsl.scope.beneath import Beneath
from shepherd_dsl.scope.journal import Beside, MergeRecord, finish_interrupted
from shepherd_dsl.scope.metadata import Memory, Metadata, Past, memory_of, memory_text
from tests.support.cli import shepherd
from tests.support.plain_user import NOBODY, as_root, do_as_plain_user
from tests.support.workspaces import age, make_poems, run_script, seen

OLD = 10**18
EVERYTHING = """
sed -i s/two/TWO/ poem.txt; chmod 755 tool.sh; ln -sfn tool.sh link; rm gone.txt; printf 'new\\0' >picture
mkdir -p made/deep made/empty; echo made >made/deep/file; rmdir hollow; rm -r private
rm folder/in; rmdir folder; echo flat >folder; rm flat; mkdir flat; echo in >flat/in; echo more >docs/more
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing in it is new, and root's least of all."""
    folder = make_poems(tmp_path / "repo")
    (folder / ".shepherd" / "config.toml").write_text("[jail]\noff = true\n")
    for path in ("private/key", "private/deep/key", "folder/in", "flat", "own"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)
    (folder / "own").chmod(0o4755)
    age(folder)
    monkeypatch.chdir(folder)
    return folder


def ok(*line: str) -> str:
    printed = shepherd(*line)
    assert printed.status == 0, printed.err
    return printed.out


def ran(script: str, second: str = "true", *more: str) -> None:
    printed = run_script(script, second, *more)
    assert printed.status == 0, printed.err


# ── there and back ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_merge_taken_back_leaves_nothing_of_itself(workspace: Path) -> None:
    """The hash of the whole tree: contents, modes, times, links, owners, attributes, folders' permissions and times."""
    before = seen(workspace)
    ran(EVERYTHING)
    merged = seen(workspace)
    assert merged != before
    ok("revert", "1@0")
    assert seen(workspace) == before
    for want in (merged, before) * 2:
        ok("undo")
        assert seen(workspace) == want
    ok("undo")
    for want in (before, merged) * 2:
        ok("revert", "1@0") if want is before else ok("undo")
        assert seen(workspace) == want


def test_undos_of_a_merge_go_back_and_forth_exactly(workspace: Path) -> None:
    before = seen(workspace)
    ran(EVERYTHING, "rm -r made; echo late >docs/late")
    merged = seen(workspace)
    for want in (before, merged) * 2:
        ok("undo")
        assert seen(workspace) == want


def test_a_state_that_the_workspace_had_before_comes_back_as_it_was(workspace: Path) -> None:
    """Before the last merge that began there: with the times that files had then, not those of the first run."""
    ran("echo one >>poem.txt")
    ok("revert", "1@0")
    os.utime(workspace / "poem.txt", ns=(1, OLD + 10**9))
    before = seen(workspace)
    ok("undo")
    assert (workspace / "poem.txt").stat().st_mtime_ns > OLD + 10**9
    ok("revert", "1@0")
    assert seen(workspace) == before


def test_a_state_that_it_never_had_is_as_new_as_the_revert(workspace: Path) -> None:
    ran("echo one >>poem.txt; rm gone.txt; echo 1 >docs/new", "echo two >>poem.txt; rm -r private")
    mode = stat.S_IMODE((workspace / "docs").stat().st_mode)
    start = time.time_ns() - 10**8
    ok("revert", "1@2")
    for path in ("poem.txt", "private", "."):
        assert (workspace / path).stat().st_mtime_ns >= start, path
    assert seen(workspace)["private"][0] == oct(stat.S_IFDIR | mode)
    # What the run left alone in its first event is what it was.
    key = (workspace / "private/key").stat()
    assert key.st_mtime_ns < OLD + 10**6
    if os.geteuid() == 0:
        assert (workspace / "poem.txt").stat().st_uid >= 1000
        assert key.st_uid >= 1000


def test_a_merge_is_as_new_as_it_is(workspace: Path) -> None:
    start = time.time_ns() - 10**8
    ran("echo one >>poem.txt; echo 1 >docs/new")
    for path in ("poem.txt", "docs/new", "docs", "."):
        assert (workspace / path).stat().st_mtime_ns >= start


def test_what_the_user_did_in_a_folder_meanwhile_is_seen_in_its_time(workspace: Path) -> None:
    ran("echo 1 >docs/new; rm hollow/x; echo 1 >top")
    (workspace / "docs/mine").write_text("mine")
    mine = (workspace / "docs").stat().st_mtime_ns
    ok("undo")
    assert (workspace / "docs").stat().st_mtime_ns >= mine
    assert (workspace / ".").stat().st_mtime_ns == OLD


def test_private_folders_are_private_again(workspace: Path) -> None:
    (workspace / "private").chmod(0o2710)
    ran("rm -r private")
    assert not (workspace / "private").exists()
    ok("undo")
    assert stat.S_IMODE((workspace / "private").stat().st_mode) == 0o2710
    assert stat.S_IMODE((workspace / "private/deep").stat().st_mode) == 0o700


def test_a_folder_of_the_users_makes_way_for_what_comes_back(workspace: Path) -> None:
    ran("rm flat; mkdir flat; echo 1 >flat/in", "rm -r flat; echo 2 >flat", "--keep")
    (workspace / "flat").unlink()
    (workspace / "flat").mkdir()
    (workspace / "flat/in").write_text("1\n")
    before = seen(workspace)
    ok("merge", "--overwrite")
    assert (workspace / "flat").read_text() == "2\n"
    ok("undo")
    assert seen(workspace) == before
    made = Memory({}, {"d": (Metadata(time=1), 2)})
    folder = workspace.parent / "w"
    (folder / "d").mkdir(parents=True)
    (folder / "d/a").write_bytes(b"1")
    (folder / "d/a").chmod(0o644)
    inner, flat = files(**{"d/a": (0o100644, b"1")}), files(d=(0o100644, b"2"))
    assert changed(folder, inner, flat, Past((made,)))[0].left == ()
    assert (folder / "d").read_bytes() == b"2"


def test_a_folder_is_private_before_anything_is_in_it(tmp_path: Path) -> None:
    base, none = files(**{"d/e/a": (0o100644, b"1")}), Files.empty()
    (tmp_path / "d/e").mkdir(parents=True)
    (tmp_path / "d/e/a").write_bytes(b"1")
    (tmp_path / "d/e/a").chmod(0o644)
    (tmp_path / "d").chmod(0o711)
    (tmp_path / "d/e").chmod(0o701)
    past = Past((memory(tmp_path, changed(tmp_path, base, none)[1]),))
    modes: dict[str, tuple[int, int]] = {}

    def look(name: str) -> None:
        if (tmp_path / "d/e/a").exists():
            modes[name] = (tmp_path / "d").stat().st_mode & 0o777, (tmp_path / "d/e").stat().st_mode & 0o777

    changed(tmp_path, none, base, past, look)
    assert modes["put 0"] == (0o700, 0o700)
    assert modes["synced"] == modes["done"] == (0o711, 0o701)


def test_a_folder_in_which_other_files_come_stays(workspace: Path) -> None:
    ran("mkdir d; echo 1 >d/c", "rm d/c; echo 2 >d/a")
    (workspace / "d").chmod(0o710)
    node = (workspace / "d").stat().st_ino
    ok("revert", "1@2")
    found = (workspace / "d").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_ino) == (0o710, node)
    assert [path.name for path in (workspace / "d").iterdir()] == ["c"]


def test_folders_that_a_run_makes_have_the_permissions_of_the_users(workspace: Path) -> None:
    ran("mkdir -m 700 made; echo 1 >made/file")
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((workspace / "made").stat().st_mode) == 0o777 & ~umask


def test_where_only_the_permissions_change_the_file_stays(workspace: Path) -> None:
    before = (workspace / "tool.sh").stat()
    os.link(workspace / "picture", workspace.parent / "elsewhere")
    ran("chmod 755 tool.sh picture")
    now = (workspace / "tool.sh").stat()
    assert stat.S_IMODE(now.st_mode) == 0o755
    assert (now.st_ino, now.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    # Of a file with another name, which need not be the workspace's, there is a new one.
    assert stat.S_IMODE((workspace / "picture").stat().st_mode) == 0o755
    assert stat.S_IMODE((workspace.parent / "elsewhere").stat().st_mode) != 0o755
    os.utime(workspace / "tool.sh")
    ok("revert", "1@0")
    assert (workspace / "tool.sh").stat().st_ino == before.st_ino
    assert (workspace / "tool.sh").stat().st_mtime_ns == before.st_mtime_ns
    assert (workspace / "tool.sh").stat().st_mode == before.st_mode


@as_root
def test_an_owner_comes_back_though_only_permissions_changed(workspace: Path) -> None:
    before = seen(workspace)
    ran("chmod 755 tool.sh")
    os.chown(workspace / "tool.sh", 5, 5)
    ok("undo")
    now = seen(workspace)
    assert now["tool.sh"] == before["tool.sh"]


@pytest.mark.parametrize("way", [("merge", "--overwrite"), ("merge", "--keep-mine")], ids=" ".join)
def test_folders_that_a_merge_made_go_with_it(workspace: Path, way: tuple[str, ...]) -> None:
    ran("echo more >>private/deep/key; echo n >hollow/new", "true", "--keep")
    for path in ("private/deep/key", "private/key"):
        (workspace / path).unlink()
    (workspace / "private/deep").rmdir()
    (workspace / "private").rmdir()
    before = seen(workspace)
    ok(*way)
    assert (workspace / "private").exists() == (way[1] == "--overwrite")
    ok("undo")
    assert seen(workspace) == before


def test_an_empty_folder_of_the_users_stays_when_a_merge_into_it_is_taken_back(workspace: Path) -> None:
    ran("mkdir -p fresh/deep; echo 1 >fresh/deep/file", "true", "--keep")
    (workspace / "fresh").mkdir()
    before = seen(workspace)
    ok("merge")
    merged = seen(workspace)
    ok("undo")
    assert seen(workspace) == before
    ok("undo")
    assert seen(workspace) == merged
    ok("revert", "1@0")
    assert seen(workspace) == before


def test_holes_stay_holes(workspace: Path) -> None:
    with open(workspace / "sparse", "wb") as file:
        file.truncate(1 << 24)
    ran("printf x >>sparse; truncate -s 32M fresh")
    for path in ("sparse", "fresh"):
        assert (workspace / path).stat().st_blocks <= 16, path
    ok("revert", "1@0")
    assert (workspace / "sparse").stat().st_size == 1 << 24
    assert (workspace / "sparse").stat().st_blocks == 0


# ── rights ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@as_root
@pytest.mark.parametrize("way", [("revert", "1@0"), ("undo",)], ids=" ".join)
def test_another_users_program_stays_his(workspace: Path, way: tuple[str, ...]) -> None:
    os.chown(workspace / "own", 1000, 1001)
    (workspace / "own").chmod(0o6755)
    ran("rm own")
    assert "without" not in ok(*way)
    found = (workspace / "own").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o6755, 1000, 1001)


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o6711, 0o1644])
def test_a_run_makes_no_program_that_has_rights(workspace: Path, mode: int) -> None:
    (workspace / "own").chmod(mode)
    before = seen(workspace)
    # With the bytes of a program that has the bits, the trace has them too.
    ran(f"cat own >tool; cat own >tool.sh; chmod {mode:o} tool tool.sh", "true", "--keep")
    merged = shepherd("merge", "--json").json()["workspace"]
    stripped = ["tool", "tool.sh"] if mode & 0o6000 else []
    assert merged["stripped"] == stripped
    for path in ("tool", "tool.sh"):
        assert stat.S_IMODE((workspace / path).stat().st_mode) == mode & ~0o6000
    # What was left out is not taken for an edit of the user's, whatever is done next.
    ok("revert", "1@0")
    assert seen(workspace) == before
    ok("undo")
    assert stat.S_IMODE((workspace / "tool").stat().st_mode) == mode & ~0o6000
    ok("undo")
    assert seen(workspace) == before
    ok("revert", "1@-2")
    assert stat.S_IMODE((workspace / "tool").stat().st_mode) == mode & ~0o6000


def test_what_a_run_writes_into_a_program_with_rights_has_none(workspace: Path) -> None:
    ran("cat own >tool.sh; chmod 4755 tool.sh; echo more >>own; chmod 4755 own", "true", "--keep")
    printed = ok("merge")
    assert "without its set-id bits and capabilities: tool.sh\n" in printed
    assert stat.S_IMODE((workspace / "own").stat().st_mode) == 0o755
    ok("revert", "1@0")
    assert stat.S_IMODE((workspace / "own").stat().st_mode) == 0o4755


def test_the_same_program_may_lose_permissions_and_keep_its_rights(workspace: Path) -> None:
    owner = (workspace / "own").stat().st_uid
    ran("chmod 4700 own")
    found = (workspace / "own").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid) == (0o4700, owner)


def test_the_end_of_a_run_says_what_has_no_rights_though_nothing_else_changed(workspace: Path) -> None:
    (workspace / "tool.sh").write_bytes((workspace / "own").read_bytes())
    printed = run_script("chmod 4644 tool.sh")
    assert printed.status == 0
    assert stat.S_IMODE((workspace / "tool.sh").stat().st_mode) in (0o644, 0o600, 0o664)
    assert "without its set-id bits and capabilities: tool.sh" in printed.out


CAPABLE = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)


@as_root
def test_capabilities_go_with_their_content(workspace: Path) -> None:
    os.setxattr(workspace / "own", "security.capability", CAPABLE)
    before = seen(workspace)
    ran("chmod 700 own; echo x >>tool.sh")
    assert os.getxattr(workspace / "own", "security.capability") == CAPABLE
    ok("undo")
    os.setxattr(workspace / "own", "security.capability", CAPABLE)
    (workspace / "own").chmod(0o4755)
    ran("echo x >>own")
    assert "security.capability" not in os.listxattr(workspace / "own")
    ok("revert", "2@0")
    assert os.getxattr(workspace / "own", "security.capability") == CAPABLE
    assert seen(workspace)["own"] == before["own"]


@as_root
def test_lists_of_access_and_groups_are_those_that_files_have_there(workspace: Path) -> None:
    given = acl((1, 6, -1), (2, 4, 4321), (4, 4, -1), (16, 4, -1), (32, 0, -1))
    os.setxattr(workspace / "poem.txt", "system.posix_acl_access", given)
    (workspace / "poem.txt").chmod(0o640)
    os.utime(workspace / "poem.txt", ns=(1, OLD))
    os.setxattr(workspace / "docs", "system.posix_acl_default", given)
    os.chown(workspace / "docs", 1, 7)
    (workspace / "docs").chmod(0o2755)
    before = seen(workspace)
    # Where new files are laid down first has a group and lists of its own.
    stage = workspace / ".shepherd/merge/stage"
    stage.mkdir(parents=True)
    os.setxattr(stage, "system.posix_acl_default", given)
    os.chown(stage, 0, 9)
    stage.chmod(0o2700)
    ran("echo x >>poem.txt; echo n >docs/new; chmod 640 docs/new; echo n >plain; chmod 600 plain; echo x >>tool.sh")
    found = (workspace / "poem.txt").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid) == (0o640, before["poem.txt"][1])
    for path in ("poem.txt", "docs/new"):
        assert os.getxattr(workspace / path, "system.posix_acl_access") == given
    assert ((workspace / "docs/new").stat().st_uid, (workspace / "docs/new").stat().st_gid) == (0, 7)
    assert ((workspace / "plain").stat().st_gid, os.listxattr(workspace / "plain")) == (os.getegid(), [])
    assert "system.posix_acl_access" not in os.listxattr(workspace / "tool.sh")
    ok("revert", "1@0")
    assert seen(workspace) == before


def acl(*entries: tuple[int, int, int]) -> bytes:
    """An access list as the kernel has it: (kind, permissions, who)."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", tag, may, who % 2**32) for tag, may, who in entries)


# ── what is remembered ───────────────────────────────────────────────────────────────────────────────────────────────


BLOBS = {git_blob_hash(data): data for data in (b"1", b"2")}


def files(**content: tuple[int, bytes]) -> Files:
    return Files.of((path, Entry(mode, git_blob_hash(data))) for path, (mode, data) in content.items())


def changed(
    folder: Path, base: Files, result: Files, past: Past | None = None, checkpoint: Callable[[str], None] | None = None
) -> tuple[MergeRecord, str]:
    """A merge, and the name of what it remembers."""
    found = [""]

    def remember(effect: object) -> Beside:
        found[0] = effect.memory  # type: ignore[attr-defined]
        return Beside("test", "")

    record = merge_into(
        folder, base, result, read_blob=BLOBS.__getitem__, past=past, remember=remember, checkpoint=checkpoint
    )
    return record, found[0]


def memory(folder: Path, name: str) -> Memory:
    return memory_of((folder / ".shepherd/merge/kept" / name).read_text())


@as_root
def test_who_cannot_give_files_away_brings_no_program_of_anothers_back() -> None:
    def act(folder: Path) -> None:
        with_rights, none = files(a=(0o104755, b"1"), b=(0o100644, b"1")), Files.empty()
        past = Past((memory(folder, changed(folder, with_rights, none)[1]),))
        record, _ = changed(folder, none, with_rights, past)
        assert record.stripped == ("a",)
        assert list(merge_lines(record, "changed"))[-1] == "  without its set-id bits and capabilities: a"
        for path, mode in (("a", 0o755), ("b", 0o644)):
            found = (folder / path).stat()
            assert (found.st_uid, stat.S_IMODE(found.st_mode), found.st_mtime_ns) == (NOBODY, mode, OLD)

    place = Path(tempfile.mkdtemp(prefix="shepherd-plain-"))
    for name, mode in (("a", 0o4755), ("b", 0o644)):
        (place / name).write_bytes(b"1")
        (place / name).chmod(mode)
        os.utime(place / name, ns=(OLD, OLD))
    try:
        do_as_plain_user(act, place)
    finally:
        shutil.rmtree(place)


def test_what_is_written_for_nobody_in_particular_has_no_rights(tmp_path: Path) -> None:
    """Whatever a caller says: the bits go with an owner and a group."""
    ours = Metadata(os.geteuid(), os.getegid())
    with Beneath(tmp_path, tmp_path / "stage") as at:
        for name, like in (("a", Metadata()), ("b", attrs.evolve(ours, gid=-1)), ("c", ours)):
            at.place(at.stage(Entry(0o106755, ""), b"1", like=like), name)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "abc"] == [0o755, 0o755, 0o6755]


@pytest.mark.parametrize("trusted", [True, False])
def test_rights_come_back_by_what_we_wrote_ourselves(tmp_path: Path, trusted: bool) -> None:
    with_rights, none = files(a=(0o104755, b"1")), Files.empty()
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "a").chmod(0o4755)
    found = memory(tmp_path, changed(tmp_path, with_rights, none)[1])
    record, _ = changed(tmp_path, none, with_rights, Past((attrs.evolve(found, trusted=trusted),)))
    assert record.stripped == (() if trusted else ("a",))
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == (0o4755 if trusted else 0o755)


@as_root
def test_what_another_user_kept_brings_no_rights(workspace: Path) -> None:
    ran("rm own")
    for path in (workspace / ".shepherd/merge/kept").iterdir():
        os.chown(path, 1234, 1234)
    assert "without its set-id bits and capabilities: own" in ok("revert", "1@0")
    assert stat.S_IMODE((workspace / "own").stat().st_mode) == 0o755
    assert ok("undo")
    assert not (workspace / "own").exists()


def test_merges_of_older_versions_are_taken_back_too(workspace: Path) -> None:
    ran(EVERYTHING + "rm own")
    row = workspace / ".shepherd/runs/1/merges.json"
    known = merges(Workspace(workspace), "1")[-1].memory
    assert known is not None
    row.write_text(row.read_text().replace(f', "memory": "{known}"', "").replace(f'"memory": "{known}", ', ""))
    assert merges(Workspace(workspace), "1")[-1].memory is None
    printed = ok("undo")
    assert "without its set-id bits and capabilities: own" in printed
    assert (workspace / "private/key").read_text() == "private/key"
    assert not (workspace / "made").exists()
    # That `own` came without its bits is not taken for an edit of the user's.
    ok("undo")
    assert not (workspace / "own").exists()


def test_a_lost_memory_costs_metadata_alone(workspace: Path) -> None:
    ran(EVERYTHING + "rm own")
    for path in (workspace / ".shepherd/merge/kept").iterdir():
        path.unlink()
    ok("revert", "1@0")
    assert (workspace / "private/key").read_text() == "private/key"
    assert stat.S_IMODE((workspace / "own").stat().st_mode) == 0o755
    ok("undo")
    ok("undo")
    assert stat.S_IMODE((workspace / "own").stat().st_mode) == 0o755


def test_the_memory_is_for_its_user_alone_and_in_no_trace(workspace: Path) -> None:
    ran("rm own")
    name = merges(Workspace(workspace), "1")[-1].memory
    assert name is not None
    kept = workspace / ".shepherd/merge/kept" / name
    assert (kept.stat().st_mode & 0o777, kept.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_the_plan_of_an_older_version_is_finished(tmp_path: Path) -> None:
    stage = tmp_path / ".shepherd/merge/stage"
    stage.mkdir(parents=True)
    (stage / "0").write_bytes(b"2")
    (tmp_path / "a").write_bytes(b"1")
    one, two = git_blob_hash(b"1"), git_blob_hash(b"2")
    (tmp_path / "a").chmod(0o644)
    (stage / "0").chmod(0o644)
    steps = f'[["a",["100644","{one}"],["100644","{two}"]]]'
    plan = tmp_path / ".shepherd/merge/plan.json"
    plan.write_text(f'{{"version":1,"steps":{steps},"folders":[],"left":[]}}')
    assert finish_interrupted(tmp_path) is not None
    assert (tmp_path / "a").read_bytes() == b"2"
    plan.write_text('{"version":3,"steps":[],"folders":[],"left":[]}')
    with pytest.raises(CorruptError, match="version 3"):
        finish_interrupted(tmp_path)


def test_an_interrupted_merge_is_finished_with_all_metadata(tmp_path: Path) -> None:
    base, result = files(**{"d/a": (0o100644, b"1"), "b": (0o100644, b"1"), "l": (LINK, b"1")}), Files.empty()

    class Stopped(BaseException):
        pass

    def stop(name: str) -> None:
        if name == place:
            raise Stopped

    for number, place in enumerate(("plan", "put 0", "put 1", "put 2", "synced", "beside")):
        folder = tmp_path / str(number)
        (folder / "d").mkdir(parents=True)
        (folder / ".shepherd").mkdir()
        (folder / "d/a").write_bytes(b"1")
        (folder / "b").write_bytes(b"1")
        (folder / "l").symlink_to("1")
        (folder / "d/a").chmod(0o644)
        (folder / "b").chmod(0o644)
        age(folder)
        base = base.apply((("d/a", Entry(0o100644, git_blob_hash(b"1"))),))
        before = seen(folder)
        past = Past((memory(folder, changed(folder, base, result)[1]),))
        assert not (folder / "d").exists()
        with pytest.raises(Stopped):
            changed(folder, result, base, past, stop)
        assert seen(folder) != before or place in ("synced", "beside")
        assert finish_interrupted(folder) is not None
        assert seen(folder) == before


@as_root
def test_a_plain_user_has_his_files_back_as_they_were_too(tmp_path: Path) -> None:
    def act(folder: Path) -> None:
        for number, test in enumerate(
            (
                test_an_interrupted_merge_is_finished_with_all_metadata,
                test_a_folder_is_private_before_anything_is_in_it,
                test_the_plan_of_an_older_version_is_finished,
            )
        ):
            (folder / str(number)).mkdir()
            test(folder / str(number))

    act(tmp_path)  # All that is loaded when it is used is there then: others may not read it.
    do_as_plain_user(act)


def test_what_is_remembered_is_read_as_it_was_written() -> None:
    one = Metadata(1, 2, 3, {"user.x": b"\xff"}, 0o2755)
    found = Memory({"a\udcff": (Entry(0o100644, "0" * 40), one)}, {"": (one, None), "d": (one, 5)}, frozenset({"m"}))
    assert memory_of(memory_text(found)) == found
    for damage in ("[]", "{}", '{"version":2}', memory_text(found).replace("[1,2,3,", "[-2,2,3,")):
        with pytest.raises((ValueError, LookupError, TypeError, AttributeError)):
            memory_of(damage)


@as_root
@pytest.mark.parametrize("mode", [0o4755, 0o755])
def test_a_program_that_is_exchanged_between_two_looks_gives_no_rights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    """Somebody puts root's program in the place of his own when his own has been read."""
    (tmp_path / "a").write_bytes(b"1")
    os.chown(tmp_path / "a", 1000, 1000)
    (tmp_path / "a").chmod(mode)
    (tmp_path / "roots").write_bytes(b"2")
    (tmp_path / "roots").chmod(mode)
    os.setxattr(tmp_path / "roots", "security.capability", CAPABLE)
    known = Beneath.metadata

    def exchanged(at: Beneath, path: str) -> Metadata | None:
        if path == "a" and (tmp_path / "roots").exists():
            (tmp_path / "roots").rename(tmp_path / "a")
        return known(at, path)

    monkeypatch.setattr(Beneath, "metadata", exchanged)
    base, none = files(a=(0o100000 | mode, b"1")), Files.empty()
    record, name = changed(tmp_path, base, none)
    assert memory(tmp_path, name).files == {}
    assert record.left == ("a",)


@as_root
def test_rights_of_others_are_not_taken_over_with_a_content(tmp_path: Path) -> None:
    """A memory of another user's that says whose a program was has no say, where the content vouches for itself."""
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "a").chmod(0o6755)
    os.chown(tmp_path / "a", 1000, 1000)
    (tmp_path / "a").chmod(0o6755)
    base, result = files(a=(0o106755, b"1")), files(a=(0o104711, b"1"))
    forged = Memory({"a": (Entry(0o104711, git_blob_hash(b"1")), Metadata(0, 0, 1))}, trusted=False)
    record, _ = changed(tmp_path, base, result, Past((forged,)))
    found = (tmp_path / "a").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, record.stripped) == (0o4711, 1000, 1000, ())
