"""What the workspace holds now, where a merge is about to look."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from typing import Final, Literal

import attrs

from shepherd_dsl.core.event import Change, Entry
from shepherd_dsl.core.files import EMPTY_FOLDER, Files
from shepherd_dsl.scope.beneath import Beneath
from shepherd_dsl.scope.guard import disguise
from shepherd_dsl.scope.ignore import Ignored
from shepherd_dsl.scope.journal import FOREIGN, above_of, entry_at, is_folder

Never = Literal["ignored", "special", "unreadable"]
"""Why a merge never overwrites something: runs do not see it; it is a FIFO, socket or device; you may not read it."""

_SLASH: Final = "/"


@attrs.frozen(slots=True)
class Present:
    """`change`: how the workspace differs from what it was given; `never`: what must stay, and why."""

    change: Change
    never: Mapping[str, Never]


def present(at: Beneath, base: Files, change: Change, *, ignored: Ignored, deep: bool) -> Present:
    """How the workspace differs from `base` at the paths of `change`, above them, and in folders that it replaces.

    What is in those folders is read only where it may be replaced too (`deep`); else `FOREIGN` stands for it.
    """
    look = _Look(at, base, dict(change), ignored, deep=deep)
    for path, new in change:
        try:
            look.at(path, new)
        except PermissionError:
            look.closed(path)
    return Present(tuple(sorted(look.out.items())), look.never)


class _Look:
    def __init__(
        self, at: Beneath, base: Files, paths: dict[str, Entry | None], ignored: Ignored, *, deep: bool
    ) -> None:
        self._at, self._base, self._paths, self._ignored, self._deep = at, base, paths, ignored, deep
        self._folders = {above for path in paths for above in above_of(path)}
        self.out: dict[str, Entry | None] = {}
        self.never: dict[str, Never] = {}

    def at(self, path: str, new: Entry | None) -> None:
        """What stands at a path, which the run made `new`, and above it."""
        end = path.find(_SLASH)
        while end != -1:
            above = path[:end]
            if above not in self.out and not is_folder(self._at, above):
                self._found(above)
            end = path.find(_SLASH, end + 1)
        if not is_folder(self._at, path):
            self._found(path)
            return
        inside = [f"{path}/{name}" for name, _ in self._at.list(path)]
        self._put(path, None if inside else EMPTY_FOLDER)
        base = self._base
        replaced = new is not None and new != EMPTY_FOLDER
        if base.get(path) is None and new != EMPTY_FOLDER and (new is None or base.is_folder(path)):
            if replaced:
                self._unknown(path)
        elif replaced and self._deep:
            self._unknown(path)
        else:
            for inner in inside:
                if inner not in self._paths and inner not in self._folders:
                    self._stands(inner, is_folder(self._at, inner))

    def closed(self, path: str) -> None:
        """Notes the first folder on the way to `path` that may not be read."""
        for folder in [*reversed(above_of(path)[:-1]), path]:
            try:
                os.stat(".", dir_fd=self._at.folder(folder))
            except OSError:
                self._foreign(folder, "unreadable")
                return

    def _unknown(self, top: str) -> None:
        """Finds what is below the folder `top` and neither in `base` nor among the paths of the change."""
        todo = [top]
        while todo:
            folder = todo.pop()
            try:
                inside = self._at.list(folder)
            except PermissionError:
                self._foreign(folder, "unreadable")
                continue
            if not inside and folder not in self._paths and not self._base.is_folder(folder):
                self._put(folder, EMPTY_FOLDER if self._deep else FOREIGN)
            for name, found in inside:
                path = f"{folder}/{name}"
                inner = stat.S_ISDIR(found.st_mode)
                if inner and not self._hidden(path, folder=True):
                    todo.append(path)
                elif inner or path not in self._paths:
                    self._stands(path, inner)

    def _stands(self, path: str, folder: bool) -> None:
        """Notes what stands in a folder that is to go."""
        if self._hidden(path, folder=folder):
            self._foreign(path, "ignored")
        elif self._deep and not folder:
            self._found(path)
        else:
            self._put(path, FOREIGN)

    def _found(self, path: str) -> None:
        entry = entry_at(self._at, path)
        if entry == FOREIGN:
            found = self._at.stat(path)
            self.never[path] = "unreadable" if found is not None and stat.S_ISREG(found.st_mode) else "special"
        elif entry is not None and self._hidden(path, folder=False):
            self.never[path] = "ignored"
        self._put(path, entry)

    def _foreign(self, path: str, why: Never) -> None:
        self.never[path] = why
        self._put(path, FOREIGN)

    def _put(self, path: str, entry: Entry | None) -> None:
        if self._base.get(path) != entry:
            self.out[path] = entry

    def _hidden(self, path: str, *, folder: bool) -> bool:
        """Whether runs never see it: it is ignored, or some file system takes its name for one that means something."""
        if self._base.get(path) is not None or self._base.is_folder(path):
            return False
        name = path.rpartition(_SLASH)[2]
        return self._ignored(path, folder) or disguise(name) is not None
