"""The suite for scopes notices what is wrong: each check fails on a plain-copy backend that was spoilt for it."""

from __future__ import annotations

import errno
import os
import time
import unittest
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import attrs
import pytest

from shepherd_dsl.conformance import scope_large, scope_posix
from shepherd_dsl.conformance.scope import CHECKS, LARGE, Check, Lack, Scale, ScopeCase
from shepherd_dsl.core.event import Entry
from shepherd_dsl.core.files import EMPTY_FOLDER, git_blob_hash, os_name
from shepherd_dsl.errors import ScopeError
from shepherd_dsl.scope import beneath as beneath_module
from shepherd_dsl.scope import copy as copy_module
from shepherd_dsl.scope import survey as survey_module
from shepherd_dsl.scope.beneath import Beneath
from shepherd_dsl.scope.copy import CopyBackend, CopyScope
from shepherd_dsl.scope.survey import Seen, Survey, survey
from tests.support.scopes import COPY_LACKS

Spoil: TypeAlias = Callable[[pytest.MonkeyPatch], None]
SMALL: Final = Scale(files=400, size=9 << 20)


def seeing(change: Callable[[dict[str, Seen], Mapping[str, Seen]], None]) -> Spoil:
    """Whatever a look finds is changed by `change` (what is seen, what was seen before)."""

    def spoil(patch: pytest.MonkeyPatch) -> None:
        def look(at: Beneath, before: Mapping[str, Seen], **rest: Any) -> Survey:
            found = survey(at, before, **rest)
            seen = dict(found.seen)
            change(seen, before)
            return attrs.evolve(found, seen=seen)

        patch.setattr(copy_module, "survey", look)

    return spoil


def not_seeing(which: Callable[[str], bool]) -> Spoil:
    """A look does not find the paths of which `which` is true."""

    def change(seen: dict[str, Seen], before: Mapping[str, Seen]) -> None:
        for path in [path for path in seen if which(path)]:
            del seen[path]

    return seeing(change)


def seeing_other_modes(seen: dict[str, Seen], before: Mapping[str, Seen]) -> None:
    """The executable bit and no other, as Git has it."""
    for path, item in seen.items():
        if item.entry != EMPTY_FOLDER and item.entry.mode & 0o170000 == 0o100000:
            mode = 0o100755 if item.entry.mode & 0o100 else 0o100644
            seen[path] = attrs.evolve(item, entry=Entry(mode, item.entry.hash))


def seeing_sizes(seen: dict[str, Seen], before: Mapping[str, Seen]) -> None:
    """A file of the same size is taken for the same."""
    for path, item in before.items():
        now = seen.get(path)
        if now is not None and item.stamp and now.stamp and item.stamp[2] == now.stamp[2]:
            seen[path] = attrs.evolve(now, entry=item.entry)


def seeing_what_was_below(seen: dict[str, Seen], before: Mapping[str, Seen]) -> None:
    """What was in a folder that is a file now is taken for there."""
    seen.update({path: item for path, item in before.items() if path.rpartition("/")[0] in seen})


def without_trust_in_times(patch: pytest.MonkeyPatch) -> None:
    """A file is never found to be written by somebody who has it in memory."""
    patch.setattr(Beneath, "may_be_written", lambda self, path: False)


def tearing(patch: pytest.MonkeyPatch) -> None:
    """A file is put into the one that is there, in two halves."""
    place = Beneath.place

    def put(self: Beneath, staged: str, path: str) -> os.stat_result:
        there = self.stat(path)
        if there is None:
            return place(self, staged, path)
        new = os.open(os_name(staged), os.O_RDONLY, dir_fd=self._stage)
        data = os.read(new, there.st_size + 1)
        os.close(new)
        above, name = self._place(path)
        old = os.open(name, os.O_WRONLY | os.O_TRUNC, dir_fd=above)
        for half in (data[: len(data) // 2], data[len(data) // 2 :]):
            os.write(old, half)
            time.sleep(0.002)
        os.close(old)
        return os.stat(name, dir_fd=above)

    patch.setattr(Beneath, "place", put)


def short_paths(patch: pytest.MonkeyPatch) -> None:
    """A path goes to the system in one call."""
    folder = Beneath.folder

    def enter(self: Beneath, path: str, *, make: bool = False) -> int:
        if len(os_name(path)) > 3900:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), path)
        return folder(self, path, make=make)

    patch.setattr(Beneath, "folder", enter)


def sharing_forks(patch: pytest.MonkeyPatch) -> None:
    """The files of a fork are hard links to those of its original."""

    def fork(self: CopyBackend, run: str, copy: str) -> None:
        source = self._home(run) / "files"
        for at, _, names in os.walk(source):
            to = self._home(copy) / "files" / Path(at).relative_to(source)
            to.mkdir(parents=True, exist_ok=True)
            for name in names:
                os.link(Path(at, name), to / name, follow_symlinks=False)

    patch.setattr(CopyBackend, "fork", fork)


def keeping_folders(patch: pytest.MonkeyPatch) -> None:
    """What is removed stays."""
    patch.setattr(CopyBackend, "remove", lambda self, run: None)


def filling_holes(patch: pytest.MonkeyPatch) -> None:
    """Each look writes the files anew, zeros like other bytes."""
    changes = CopyScope.changes

    def dense(self: CopyScope, write_blob: Callable[[bytes], str]) -> Any:
        found = changes(self, write_blob)
        for path, entry in found:
            if entry is not None and entry.mode == 0o100644:
                self._at.put(path, entry, self._at.read(path)[0])
        return found

    patch.setattr(CopyScope, "changes", dense)
    patch.setattr(beneath_module, "write_piece", lambda file, data, offset: os.pwrite(file, data, offset))


def reading_a_piece(patch: pytest.MonkeyPatch) -> None:
    """A large file is taken for what stands at its beginning."""
    real = survey_module.kept

    def kept(path: str, data: bytes, *rest: Any) -> str:
        return real(path, data, *rest) if len(data) < 8 << 20 else git_blob_hash(data[: 8 << 20])

    patch.setattr(survey_module, "kept", kept)


def refusing(patch: pytest.MonkeyPatch, name: str, number: int, when: Callable[[str], bool]) -> None:
    """A call of the system on a path of which `when` is true is answered with an error."""
    real = getattr(os, name)

    def call(path: Any, *rest: Any, **options: Any) -> Any:
        if isinstance(path, Path) and when(str(path)):
            raise OSError(number, os.strerror(number), str(path))
        return real(path, *rest, **options)

    patch.setattr(os, name, call)


def without_attributes(patch: pytest.MonkeyPatch) -> None:
    """There are no extended attributes in a scope."""
    refusing(patch, "setxattr", errno.EOPNOTSUPP, lambda path: "/scopes/" in path)


def without_folder_moves(patch: pytest.MonkeyPatch) -> None:
    """A folder that was there cannot be renamed."""
    refusing(patch, "rename", errno.EXDEV, lambda path: path.endswith("/d"))


def without_nameless_files(patch: pytest.MonkeyPatch) -> None:
    """A nameless file cannot be made, and the error is the wrong one."""
    real = os.open

    def call(path: Any, flags: int, *rest: Any, **options: Any) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        return real(path, flags, *rest, **options)

    patch.setattr(os, "open", call)


def emptying_what_is_unlinked(patch: pytest.MonkeyPatch) -> None:
    """Who removes a file takes it from those who have it open."""
    real = Path.unlink

    def unlink(self: Path, missing_ok: bool = False) -> None:
        os.truncate(self, 0)
        real(self, missing_ok)

    patch.setattr(Path, "unlink", unlink)


def copying_over(patch: pytest.MonkeyPatch) -> None:
    """A rename writes into the file that is there."""
    real = os.rename

    def rename(of: Any, to: Any, **options: Any) -> None:
        if isinstance(of, Path) and of.is_file() and Path(to).is_file():
            Path(to).write_bytes(of.read_bytes())
            of.unlink()
        else:
            real(of, to, **options)

    patch.setattr(os, "rename", rename)


def skipping_nothing(patch: pytest.MonkeyPatch) -> None:
    """What is not carried is not listed."""

    def look(at: Beneath, before: Mapping[str, Seen], **rest: Any) -> Survey:
        return attrs.evolve(survey(at, before, **rest), skipped=())

    patch.setattr(copy_module, "survey", look)


def losing_bytes_of_names(path: str) -> bool:
    """Names that are no UTF-8."""
    return any(0xEF80 <= ord(character) <= 0xEFFF for character in path)


SPOILT: Final[dict[str, Spoil]] = {
    "every_kind_of_entry": seeing(seeing_other_modes),
    "names_of_any_bytes": not_seeing(losing_bytes_of_names),
    "what_processes_do_is_found": not_seeing(lambda path: path == "e/new/f"),
    "an_edit_of_the_same_size_and_time_is_found": seeing(seeing_sizes),
    "removed_and_made_again": seeing(seeing_sizes),
    "files_become_folders": seeing(seeing_what_was_below),
    "forks_are_isolated": sharing_forks,
    "many_files": not_seeing(lambda path: path == "d7/e7/f7"),
    "deep_paths": short_paths,
    "a_repository_inside": not_seeing(lambda path: path.startswith(".git/")),
    "special_files_are_listed": skipping_nothing,
    "readers_see_the_old_or_the_new": tearing,
    "names_that_differ_in_case": not_seeing(lambda path: path in ("A", "B")),
    "renamed_over": copying_over,
    "folders_are_renamed": without_folder_moves,
    "hard_links_are_separate_files": sharing_forks,
    "attributes_are_not_carried": keeping_folders,
    "holes_take_no_room": filling_holes,
    "open_files_outlive_their_names": emptying_what_is_unlinked,
    "files_without_a_name": without_nameless_files,
    "what_is_written_late_is_found": seeing(seeing_sizes),
    "files_in_memory": without_trust_in_times,
    "removed_and_made_of_another_kind": seeing(seeing_what_was_below),
    "processes_go_deep": not_seeing(lambda path: path.count("/") > 15),
}
BY_NAME: Final[dict[str, Check]] = {check.__name__: check for check in CHECKS}


def case(lacks: frozenset[Lack] = COPY_LACKS) -> ScopeCase:
    return ScopeCase("spoilt", lambda folder, read_blob: CopyBackend(folder, read_blob=read_blob), lacks=lacks)


@pytest.mark.parametrize("name", SPOILT)
def test_a_check_notices(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SPOILT[name](monkeypatch)
    with pytest.raises((AssertionError, ScopeError)):
        BY_NAME[name](case(), tmp_path)


def test_attributes_that_only_scopes_lack_are_no_reason_to_skip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_attributes(monkeypatch)
    with pytest.raises(AssertionError, match="which its file system has"):
        scope_posix.attributes_are_not_carried(case(), tmp_path)
    monkeypatch.undo()
    refusing(monkeypatch, "setxattr", errno.EOPNOTSUPP, lambda path: True)
    with pytest.raises(unittest.SkipTest, match="has no extended attributes"):
        scope_posix.attributes_are_not_carried(case(), tmp_path / "again")


@pytest.mark.parametrize(
    ("check", "spoil"),
    [
        (scope_large.very_many_files, not_seeing(lambda path: path.endswith("f399"))),
        (scope_large.a_very_large_file, reading_a_piece),
    ],
    ids=["very_many_files", "a_very_large_file"],
)
def test_a_large_check_notices(
    check: scope_large.LargeCheck, spoil: Spoil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(case(), tmp_path / "as it is", SMALL)
    spoil(monkeypatch)
    with pytest.raises((AssertionError, ScopeError)):
        check(case(), tmp_path / "spoilt", SMALL)


@pytest.mark.parametrize(
    ("lack", "check"),
    [
        ("folder moves", scope_posix.folders_are_renamed),
        ("kept links", scope_posix.hard_links_are_separate_files),
        ("O_TMPFILE", scope_posix.files_without_a_name),
    ],
)
def test_what_is_said_to_be_lacking_must_lack(lack: Lack, check: Check, tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        check(case(COPY_LACKS | {lack}), tmp_path)


def test_every_check_of_what_awkward_things_do_is_tried() -> None:
    assert set(SPOILT) <= set(BY_NAME)
    assert {check.__name__ for check in scope_posix.POSIX} <= set(SPOILT)
    assert len(LARGE) == 2
