"""What a run's topmost layer says of the run's files: the kernel has put there all that was written or removed.

a device 0:0          nothing is here any more, whatever the layers below have (a whiteout)
an opaque folder      the folder is a new one: what the layers below have in it is gone
a folder              what the layers below have in it is there, but for what is said of it here
a file or a link      this, and nothing of what the layers below have here
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from typing import Final

from shepherd_dsl.core.content import PutBlob
from shepherd_dsl.core.event import Entry
from shepherd_dsl.core.files import EMPTY_FOLDER, Files, normal_path
from shepherd_dsl.scope.beneath import Beneath
from shepherd_dsl.scope.ignore import Ignored
from shepherd_dsl.scope.survey import Seen, Survey, kept, look, stamp

OPAQUE: Final = "user.overlay.opaque"
"""The attribute of a folder that hides what the layers below have there."""


class LayerSurvey:
    """One look at a topmost layer, over layers that hold the files `lower`.

    `upper` is the layer, in which nothing is changed: the overlay would not notice. `at` is the same through the
    overlay. The rest is as for `survey`.
    """

    def __init__(
        self,
        upper: Beneath,
        at: Beneath,
        lower: Files,
        before: Mapping[str, Seen],
        *,
        now: int,
        put_blob: PutBlob,
        ignored: Ignored,
        tracked: Callable[[str], bool],
    ) -> None:
        self._upper, self._at, self._lower, self._before = upper, at, lower, before
        self._now, self._put_blob, self._ignored, self._tracked = now, put_blob, ignored, tracked
        self._hidden: set[str] = set()
        self._folders: list[str] = []
        self._seen: dict[str, Seen] = {}
        self._skipped: list[str] = []
        self._unstable: list[str] = []
        self._replaced: list[str] = []

    def take(self) -> tuple[Survey, Files]:
        """What the layer holds, and the run's files. OSError passes through."""
        todo = [""]
        while todo:
            folder = todo.pop()
            try:
                inside = self._inside(folder)
                if is_opaque(self._upper.folder(folder)):
                    self._hidden.add(folder)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except PermissionError:
                self._skipped.append(folder)
                continue
            self._folders.append(folder)
            prefix = f"{folder}/" if folder else ""
            todo.extend(prefix + name for name, found in inside if self._is_inner_folder(prefix + name, found))
        survey = Survey(
            self._seen, tuple(sorted(self._skipped)), tuple(sorted(self._unstable)), tuple(sorted(self._replaced))
        )
        return survey, self._files()

    def shows(self, path: str) -> bool:
        """After `take`: whether what the layers below have at `path` is seen."""
        names = path.split("/")
        return not any("/".join(names[:depth]) in self._hidden for depth in range(len(names) + 1))

    def _inside(self, folder: str) -> list[tuple[str, os.stat_result]]:
        """What the layer has in a folder; one that a process made unusable is given back through the overlay."""
        try:
            return self._upper.list(folder)
        except PermissionError:
            self._at.folder(folder)
            return self._upper.list(folder)

    def _is_inner_folder(self, path: str, found: os.stat_result) -> bool:
        """Take in what stands at `path`; whether it is a folder to look into."""
        if is_whiteout(found):
            self._hidden.add(path)
            return False
        kind = stat.S_IFMT(found.st_mode)
        is_folder = kind == stat.S_IFDIR
        if self._ignored(path, is_folder) and not self._tracked(path):
            return False
        if is_folder and normal_path(path) is not None:
            if not self._lower.is_folder(path):
                self._hidden.add(path)
            return True
        self._hidden.add(path)
        if normal_path(path) is None or kind not in (stat.S_IFREG, stat.S_IFLNK):
            self._skipped.append(path)
        else:
            self._look(path, found)
        return False

    def _look(self, path: str, found: os.stat_result) -> None:
        old = self._before.get(path)
        try:
            try:
                self._seen[path] = look(
                    self._upper, path, found, old, self._now, self._put_blob, self._unstable, self._replaced
                )
            except PermissionError:
                # Even its owner may not read it. The overlay lends the permission, which changes its times.
                data, _ = self._at.read(path)
                hash = kept(path, data, old, self._put_blob, self._replaced)
                self._seen[path] = Seen(Entry(found.st_mode, hash), stamp(found), True)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except PermissionError:
            self._skipped.append(path)

    def _files(self) -> Files:
        change: dict[str, Entry | None] = {}
        for path in self._hidden:
            if path and self._lower.get(path) is not None:
                change[path] = None
            change.update((below, None) for below, _ in self._lower.under(path))
        change.update((path, item.entry) for path, item in self._seen.items())
        files = self._lower.apply(tuple(change.items()))
        # Deepest first: a folder that holds an empty one is not empty.
        for path in sorted(self._folders, key=lambda path: -path.count("/")):
            if path and not files.is_folder(path):
                files = files.apply(((path, EMPTY_FOLDER),))
        return files


def is_whiteout(found: os.stat_result) -> bool:
    """Whether that is the stat of a whiteout."""
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


def is_opaque(fd: int) -> bool:
    """Whether a folder of a layer hides what the layers below have there."""
    try:
        return os.getxattr(fd, OPAQUE) == b"y"
    except OSError:
        return False
