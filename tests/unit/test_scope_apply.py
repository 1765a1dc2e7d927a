"""A merge into the workspace happens wholly or not at all, and never over the user's edits."""

from __future__ import annotations

import os
import random
import signal
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

import pytest

from shepherd_dsl.conformance.scope import Content, walk
from shepherd_dsl.core.event import Entry
from shepherd_dsl.core.files import EMPTY_FOLDER, LINK, Files, git_blob_hash
from shepherd_dsl.errors import CorruptError, LockedError, RefusedError, ScopeError
from shepherd_dsl.scope.apply import merge_into
from shepherd_dsl.scope.journal import MergeRecord, Step, finish_interrupted, last_merge

BLOBS: dict[str, bytes] = {}


def entry(what: Content) -> Entry:
    if what is None:
        return EMPTY_FOLDER
    mode, data = what if isinstance(what, tuple) else (0o100644, what)
    BLOBS[git_blob_hash(data)] = data
    return Entry(mode, git_blob_hash(data))


def files(content: dict[str, Content]) -> Files:
    return Files.of((path, entry(what)) for path, what in content.items())


def lay(folder: Path, content: dict[str, Content]) -> None:
    folder.mkdir(exist_ok=True)
    for path, what in content.items():
        put(folder / path, what)


def put(path: Path, what: Content) -> None:
    if what is None:
        path.mkdir(parents=True)
        return
    mode, data = what if isinstance(what, tuple) else (0o100644, what)
    path.parent.mkdir(parents=True, exist_ok=True)
    if mode == LINK:
        path.symlink_to(os.fsdecode(data))
    else:
        path.write_bytes(data)
        path.chmod(mode & 0o7777)


def held(workspace: Path) -> dict[str, Content]:
    return {
        path: None if data is None else (mode, data)
        for path, mode, data in walk(workspace)
        if not path.startswith(".shepherd/")
    }


def full(content: dict[str, Content]) -> dict[str, Content]:
    return {path: (0o100644, what) if isinstance(what, bytes) else what for path, what in content.items()}


BASE: dict[str, Content] = {
    "keep": b"keep",
    "edit": b"old",
    "mode": b"m",
    "gone": b"gone",
    "d/only": b"only",
    "d2/e/f": b"f",
    "link": (LINK, b"keep"),
    "file to folder": b"file",
    "folder to file/x": b"x",
    "folder to file/y/z": b"z",
    "hollow": None,
    "filled": None,
    "emptied/x": b"x",
    "to hollow": b"t",
}
RESULT: dict[str, Content] = {
    "keep": b"keep",
    "edit": b"new",
    "mode": (0o100750, b"m"),
    "link": (LINK, b"edit"),
    "file to folder/a/b": b"inside",
    "folder to file": b"flat",
    "filled/in": b"in",
    "emptied": None,
    "to hollow": None,
    "new/deep/file": (0o100600, b"n"),
    "new/hollow": None,
}


def merged(workspace: Path, base: dict[str, Content], result: dict[str, Content]) -> tuple[Step, ...]:
    return merge_into(workspace, files(base), files(result), read_blob=BLOBS.__getitem__).steps


def taken_back(workspace: Path, record: MergeRecord, *, dry_run: bool = False) -> MergeRecord:
    """The merge of a merge's new side into its old one."""
    steps = [step for step in record.steps if step.path not in record.left]
    new = Files.of((step.path, step.new) for step in steps if step.new is not None)
    old = Files.of((step.path, step.old) for step in steps if step.old is not None)
    return merge_into(workspace, new, old, read_blob=BLOBS.__getitem__, dry_run=dry_run)


def test_writes_the_difference(tmp_path: Path) -> None:
    lay(tmp_path, BASE)
    steps = merged(tmp_path, BASE, RESULT)
    assert held(tmp_path) == full(RESULT)
    assert tuple((step.path, step.new) for step in steps) == files(BASE).diff(files(RESULT))
    assert all(files(BASE).get(step.path) == step.old for step in steps)
    assert merged(tmp_path, BASE, RESULT) == ()
    assert sorted(path.name for path in (tmp_path / ".shepherd/merge").iterdir()) == ["last.json", "lock", "stage"]
    assert list((tmp_path / ".shepherd/merge/stage").iterdir()) == []


def test_keeps_what_the_user_did_elsewhere(tmp_path: Path) -> None:
    lay(tmp_path, BASE)
    (tmp_path / "keep").write_bytes(b"mine")
    (tmp_path / "d/mine").write_bytes(b"mine")
    (tmp_path / "new").mkdir()
    (tmp_path / "new/mine").write_bytes(b"mine")
    (tmp_path / "edit").write_bytes(b"new")  # the same change
    (tmp_path / "gone").unlink()
    merged(tmp_path, BASE, RESULT)
    assert held(tmp_path) == full({**RESULT, "keep": b"mine", "d/mine": b"mine", "new/mine": b"mine"})


def test_undo_puts_back(tmp_path: Path) -> None:
    lay(tmp_path, BASE)
    record = merge_into(tmp_path, files(BASE), files(RESULT), read_blob=BLOBS.__getitem__)
    assert last_merge(tmp_path) == record
    (tmp_path / "keep").write_bytes(b"mine")
    preview = taken_back(tmp_path, record, dry_run=True)
    assert held(tmp_path)["edit"] == (0o100644, b"new")
    assert taken_back(tmp_path, record) == preview
    assert held(tmp_path) == full({**BASE, "keep": b"mine"})
    merged(tmp_path, BASE, RESULT)
    (tmp_path / "edit").write_bytes(b"mine")
    with pytest.raises(RefusedError, match="edit"):
        taken_back(tmp_path, record)


def test_dry_run_changes_nothing(tmp_path: Path) -> None:
    lay(tmp_path, BASE)
    assert last_merge(tmp_path) is None
    preview = merge_into(tmp_path, files(BASE), files(RESULT), read_blob=BLOBS.__getitem__, dry_run=True)
    assert held(tmp_path) == full(BASE)
    assert preview.steps == merged(tmp_path, BASE, RESULT)


Edit = Callable[[Path], object]


def fifo_instead(workspace: Path) -> None:
    (workspace / "f").unlink()
    os.mkfifo(workspace / "f")


def folder_instead(workspace: Path) -> None:
    (workspace / "f").unlink()
    put(workspace / "f/mine", b"3")


def link_instead(workspace: Path) -> None:
    (workspace / "d").rename(workspace / "e")
    (workspace / "d").symlink_to("e")


@pytest.mark.parametrize(
    ("base", "result", "edit", "conflicts"),
    [
        ({"f": b"1"}, {"f": b"2"}, lambda w: (w / "f").write_bytes(b"3"), ("f",)),
        ({"f": b"1"}, {"f": b"2"}, lambda w: (w / "f").chmod(0o600), ("f",)),
        ({"f": b"1"}, {"f": b"2"}, lambda w: (w / "f").unlink(), ("f",)),
        ({"f": b"1"}, {}, lambda w: (w / "f").write_bytes(b"3"), ("f",)),
        ({}, {"f": b"1"}, lambda w: (w / "f").write_bytes(b"3"), ("f",)),
        ({}, {"f": b"1"}, lambda w: (w / "f").symlink_to("/etc/passwd"), ("f",)),
        ({}, {"f": b"1"}, lambda w: os.mkfifo(w / "f"), ("f",)),
        ({"f": b"1"}, {"f": b"2"}, fifo_instead, ("f",)),
        ({}, {"d/f": b"1"}, lambda w: (w / "d").write_bytes(b"3"), ("d", "d/f")),
        ({}, {"d/f": b"1"}, lambda w: (w / "d").symlink_to("/tmp"), ("d", "d/f")),
        ({}, {"d": b"1"}, lambda w: put(w / "d/mine", b"3"), ("d", "d/mine")),
        ({}, {"d": b"1"}, lambda w: (w / "d").mkdir(), ("d",)),
        ({"d/f": b"1"}, {"d": b"2"}, lambda w: put(w / "d/.env", b"3"), ("d", "d/.env")),
        ({"d/f": b"1"}, {"d": b"2"}, lambda w: put(w / "d/e/g", b"3"), ("d", "d/e/g")),
        ({"d/f": b"1"}, {"d": b"2"}, lambda w: (w / "d/e").mkdir(), ("d", "d/e")),
        ({"d/f": b"1"}, {"d": b"2"}, lambda w: (w / "d/f").write_bytes(b"3"), ("d", "d/f")),
        ({"d/f": b"1"}, {"d/f": b"2"}, lambda w: ((w / "d/f").unlink(), (w / "d").rmdir()), ("d/f",)),
        ({"d/f": b"1"}, {"d/f": b"2"}, link_instead, ("d/f",)),
        ({"d/f": b"1"}, {"d": b"2"}, lambda w: (w / "d/f").unlink(), ("d",)),
        ({"h": None}, {"h": b"1"}, lambda w: put(w / "h/mine", b"3"), ("h",)),
    ],
)
def test_refuses_where_the_user_changed_the_same(
    tmp_path: Path, base: dict[str, Content], result: dict[str, Content], edit: Edit, conflicts: tuple[str, ...]
) -> None:
    lay(tmp_path, {**base, "other": b"1"})
    edit(tmp_path)
    before = held(tmp_path)
    with pytest.raises(RefusedError) as refused:
        merged(tmp_path, {**base, "other": b"1"}, {**result, "other": b"2"})
    assert refused.value.code == "merge.conflict"
    assert set(conflicts) <= set(refused.value.paths)
    assert all(path.split("/")[0] == conflicts[0].split("/")[0] for path in refused.value.paths)
    assert all(path in str(refused.value) for path in conflicts)
    assert held(tmp_path) == before
    assert finish_interrupted(tmp_path) is None


@pytest.mark.parametrize(
    ("base", "result", "edit", "after"),
    [
        ({"d/f": b"1"}, {}, lambda w: put(w / "d/.env", b"3"), {"d/.env": b"3"}),
        ({"h": None}, {}, lambda w: put(w / "h/mine", b"3"), {"h/mine": b"3"}),
        ({"h": None}, {"h/f": b"1"}, lambda w: put(w / "h/mine", b"3"), {"h/f": b"1", "h/mine": b"3"}),
        ({"d/f": b"1"}, {"d": None}, lambda w: put(w / "d/mine", b"3"), {"d/mine": b"3"}),
        ({}, {"d": None}, lambda w: put(w / "d/mine", b"3"), {"d/mine": b"3"}),
        ({"f": b"1"}, {}, folder_instead, {"f/mine": b"3"}),
        (
            {"f": b"1"},
            {"f/g": b"2"},
            folder_instead,
            {"f/g": b"2", "f/mine": b"3"},
        ),
        (
            {"e/f": b"1"},
            {"e/f": b"1", "h/x/y": b"2"},
            lambda w: put(w / "h/x/z", b"3"),
            {"e/f": b"1", "h/x/y": b"2", "h/x/z": b"3"},
        ),
    ],
)
def test_merges_where_both_can_be_had(
    tmp_path: Path, base: dict[str, Content], result: dict[str, Content], edit: Edit, after: dict[str, Content]
) -> None:
    lay(tmp_path, base)
    edit(tmp_path)
    merged(tmp_path, base, result)
    assert held(tmp_path) == full(after)


def test_never_writes_its_own_folder_or_outside(tmp_path: Path) -> None:
    workspace = tmp_path / "w"
    lay(workspace, {"d/f": b"1"})
    (tmp_path / "outside").mkdir()
    with pytest.raises(RefusedError, match=r"\.shepherd"):
        merged(workspace, {}, {".shepherd/merge/plan.json": b"{}"})
    (workspace / "d/f").unlink()
    (workspace / "d").rmdir()
    (workspace / "d").symlink_to(tmp_path / "outside")
    with pytest.raises(RefusedError):
        merged(workspace, {"d/f": b"1"}, {"d/f": b"2", "d/g": b"2"})
    merged(workspace, {"d/f": b"1"}, {})
    assert list((tmp_path / "outside").iterdir()) == []
    assert (workspace / "d").is_symlink()


def test_modes_do_not_depend_on_the_umask_and_give_no_rights(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        merged(tmp_path, {}, {"f": (0o100666, b"1"), "g": (0o104755, b"2"), "l": (LINK, b"nowhere")})
    finally:
        os.umask(old)
    assert held(tmp_path) == {"f": (0o100666, b"1"), "g": (0o100755, b"2"), "l": (LINK, b"nowhere")}


def test_one_merge_at_a_time(tmp_path: Path) -> None:
    lay(tmp_path, BASE)

    def second(name: str) -> None:
        with pytest.raises(LockedError, match="another process"):
            merged(tmp_path, BASE, {})
        with pytest.raises(LockedError):
            finish_interrupted(tmp_path)

    merge_into(tmp_path, files(BASE), files(RESULT), read_blob=BLOBS.__getitem__, checkpoint=second)
    assert held(tmp_path) == full(RESULT)


def test_a_full_disk_before_the_plan_changes_nothing(tmp_path: Path) -> None:
    lay(tmp_path, BASE)

    def full_disk(hash: str) -> bytes:
        if BLOBS[hash] == b"n":
            raise OSError(28, "No space left on device")
        return BLOBS[hash]

    with pytest.raises(ScopeError, match="No space left"):
        merge_into(tmp_path, files(BASE), files(RESULT), read_blob=full_disk)
    assert held(tmp_path) == full(BASE)
    assert finish_interrupted(tmp_path) is None
    assert list((tmp_path / ".shepherd/merge/stage").iterdir()) == []


def test_a_damaged_plan_is_named(tmp_path: Path) -> None:
    (tmp_path / ".shepherd/merge").mkdir(parents=True)
    (tmp_path / ".shepherd/merge/plan.json").write_text('{"version":1,"steps":[["a"')
    with pytest.raises(CorruptError, match=r"merge\.corrupt"):
        finish_interrupted(tmp_path)
    with pytest.raises(RefusedError, match="interrupted"):
        merge_into(tmp_path, files({}), files(RESULT), read_blob=BLOBS.__getitem__, dry_run=True)


class Act(Protocol):
    def __call__(self, *, checkpoint: Callable[[str], None]) -> object: ...


def killed_at(number: int, act: Act) -> str:
    """Runs `act` in a process that dies by SIGKILL at its checkpoint `number`; the checkpoint's name, "" if none."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        count = 0

        def checkpoint(name: str) -> None:
            nonlocal count
            if count == number:
                os.write(write, name.encode())
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1

        try:
            act(checkpoint=checkpoint)
            os._exit(0)
        except BaseException:
            os._exit(1)
    os.close(write)
    name = os.read(read, 1000).decode()
    os.close(read)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) == bool(name)
    assert name or os.waitstatus_to_exitcode(status) == 0
    return name


def kill_at(number: int, workspace: Path, base: dict[str, Content], result: dict[str, Content]) -> str:
    return killed_at(number, partial(merge_into, workspace, files(base), files(result), read_blob=BLOBS.__getitem__))


def test_killed_at_every_step(tmp_path: Path) -> None:
    reached: list[str] = []
    while True:
        number = len(reached)
        workspace = tmp_path / str(number)
        lay(workspace, BASE)
        name = kill_at(number, workspace, BASE, RESULT)
        if not name:
            break
        reached.append(name)
        planned = "plan" in reached
        record = finish_interrupted(workspace)
        assert held(workspace) == full(RESULT if planned else BASE), name
        assert (record is not None) == (planned and name != "done"), name
        assert record is None or record.left == ()
        assert finish_interrupted(workspace) is None
        merged(workspace, BASE, RESULT)
        assert held(workspace) == full(RESULT)
        assert list((workspace / ".shepherd/merge/stage").iterdir()) == []
    kinds = {name.split(" ")[0] for name in reached}
    assert kinds == {"stage", "staged", "plan", "unlink", "rmdir", "put", "synced", "done"}
    assert len(reached) > 25


def test_killed_again_while_finishing(tmp_path: Path) -> None:
    for number in range(120):
        workspace = tmp_path / str(number)
        lay(workspace, BASE)
        chance = random.Random(number)
        name = kill_at(chance.randrange(8, 30), workspace, BASE, RESULT)
        planned = (workspace / ".shepherd/merge/plan.json").exists() or name in ("", "done")
        finish = partial(finish_interrupted, workspace)
        for _ in range(chance.randrange(3)):
            killed_at(chance.randrange(12), finish)
        finish_interrupted(workspace)
        assert held(workspace) == full(RESULT if planned else BASE), (number, name)


def test_what_the_user_saved_after_the_crash_stays(tmp_path: Path) -> None:
    for number in range(60):
        workspace = tmp_path / str(number)
        lay(workspace, BASE)
        if not kill_at(number, workspace, BASE, RESULT):
            break
        planned = (workspace / ".shepherd/merge/plan.json").exists()
        (workspace / "edit").write_bytes(b"mine")
        (workspace / "d").mkdir(exist_ok=True)
        (workspace / "d/mine").write_bytes(b"mine")
        with_folder = (workspace / "folder to file").is_dir()
        if with_folder:
            put(workspace / "folder to file/mine", b"mine")
        record = finish_interrupted(workspace)
        now = held(workspace)
        assert (now["edit"], now["d/mine"]) == ((0o100644, b"mine"), (0o100644, b"mine"))
        if not with_folder:
            assert now["folder to file"] == (0o100644, b"flat")
        else:
            assert now["folder to file/mine"] == (0o100644, b"mine")
        if planned:
            assert record is not None
            assert record.left == (("edit", "folder to file") if with_folder else ("edit",))
            assert now["mode"] == (0o100750, b"m")


def test_what_the_user_saves_during_a_merge_stays(tmp_path: Path) -> None:
    lay(tmp_path, BASE)

    def save(name: str) -> None:
        if name == "plan":
            (tmp_path / "edit").write_bytes(b"mine")
            (tmp_path / "gone").write_bytes(b"mine")
            (tmp_path / "new").write_bytes(b"mine")

    record = merge_into(tmp_path, files(BASE), files(RESULT), read_blob=BLOBS.__getitem__, checkpoint=save)
    assert record.left == ("edit", "gone", "new/deep/file", "new/hollow")
    want = {path: what for path, what in RESULT.items() if not path.startswith("new/")}
    assert held(tmp_path) == full({**want, "edit": b"mine", "gone": b"mine", "new": b"mine"})
    assert last_merge(tmp_path) == record
    taken_back(tmp_path, record)
    assert held(tmp_path) == full({**BASE, "edit": b"mine", "gone": b"mine", "new": b"mine"})


def test_replaced_files_are_whole_for_who_has_them_open(tmp_path: Path) -> None:
    lay(tmp_path, BASE)
    with open(tmp_path / "edit", "rb") as opened:
        merged(tmp_path, BASE, RESULT)
        assert opened.read() == b"old"
    assert stat.S_ISREG((tmp_path / "edit").lstat().st_mode)
