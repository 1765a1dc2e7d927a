"""Paths that a merge never writes, whatever the run's files hold: they are instructions to programs, not files.

- A file in `.git/` makes Git run commands (`config`, `hooks/`), and so does one in a folder that Git takes for a
  repository without that name; `.hg/` and its kin do the same for others. `!.git/` in `.shepherdignore` takes them in.
- One in a `.shepherd/` decides what later runs may do (which secrets go where, who approves) wherever it lies, since
  the nearest one counts. So do `.shepherdignore`, and the files that the configuration names (`scope.policy`).
- What the workspace keeps out of runs is not a run's to make (`.venv/lib/x.pth`, `.ssh/authorized_keys`).

So a grant of `**` must not reach them. On file systems that ignore case, or some characters, other spellings lead
there too.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

import attrs

from shepherd_dsl.core.event import Entry
from shepherd_dsl.core.files import EMPTY_FOLDER, LINK, Files
from shepherd_dsl.errors import RefusedError
from shepherd_dsl.path_text import path_text
from shepherd_dsl.scope.beneath import Beneath
from shepherd_dsl.scope.ignore import Ignored
from shepherd_dsl.scope.journal import Step, is_folder
from shepherd_dsl.scope.policy import Policies

_STATE_NAMES: Final = frozenset({".shepherd", "shephe~1"})
_IGNORE_NAMES: Final = frozenset({".shepherdignore", *(f"shephe~{number}" for number in (2, 3, 4))})
_REPOSITORIES: Final[Mapping[str, str]] = MappingProxyType(
    {".git": "Git", ".hg": "Mercurial", ".svn": "Subversion", ".jj": "Jujutsu", ".bzr": "Bazaar"}
)
"""The folders of version controls, and what a file there can make run commands."""
_SHORT: Final = MappingProxyType({f"{name[1:]}~1": name for name in _REPOSITORIES})
"""The same as NTFS shortens them."""
_GIT_PARTS: Final = frozenset({"head", "objects", "refs", "commondir", "config", "config.worktree", "hooks"})
"""What Git knows a repository by, and what in it can name commands."""

_LEAVE: Final = "--keep-mine leaves such paths as you have them and merges the rest."
_SHOWN: Final = 20


@attrs.frozen(slots=True)
class Guarded:
    """A path that a merge must not write: the `code` of the refusal, and in words what it would be."""

    path: str
    code: str
    what: str
    hint: str


@attrs.frozen(slots=True, kw_only=True)
class Guard:
    """What a merge is checked against.

    `at` is the workspace, `ignored` what it keeps out of runs, `policies` what else decides there. `tracked` are the
    files that the user had given the run, or had before: to put them back is no harm.
    """

    at: Beneath
    ignored: Ignored
    policies: Policies
    tracked: Files
    _files: list[tuple[str, ...]] = attrs.field(init=False)
    _places: list[tuple[str, ...]] = attrs.field(init=False)
    _folds: bool = attrs.field(init=False)
    """Whether the workspace's file system ignores case."""

    @_files.default
    def _(self) -> list[tuple[str, ...]]:
        return [_folded_path(path) for path in sorted(self.policies.files)]

    @_places.default
    def _(self) -> list[tuple[str, ...]]:
        return [_folded_path(path) for path in sorted(self.policies.places)]

    @_folds.default
    def _(self) -> bool:
        return self.at.stat(".SHEPHERD") is not None

    def check(self, steps: Iterable[Step], *, there: Files, result: Files, own: Collection[str]) -> tuple[Guarded, ...]:
        """The steps that must not be done, of those that bring the workspace from `there` to `result`.

        `own` are paths that were not the run's before, and that the user did not say to overwrite.
        """
        found: dict[str, Guarded] = {}
        parts: dict[str, list[str]] = {}
        for step in steps:
            one = self._by_name(step) or self._policy(step) or self._kept_out(step, own)
            if one is not None:
                found[step.path] = one
            elif step.new is not None:
                for folder in _folders_with_part(step.path):
                    parts.setdefault(folder, []).append(step.path)
        for folder, paths in parts.items():
            if self._makes_repository(folder, there, result):
                found.update((path, _repository(path, folder)) for path in paths if path not in found)
        return tuple(found[path] for path in sorted(found))

    def _by_name(self, step: Step) -> Guarded | None:
        """Inside a `.shepherd/`, or inside a repository that the workspace does not take in."""
        above = ""
        for name in step.path.split("/"):
            folded, above = _folded(name), f"{above}/{name}" if above else name
            if folded in _STATE_NAMES:
                code, what = "merge.own", "a run's files hold .shepherd/, which is never merged"
                return Guarded(step.path, code, what, "")
            kind = _SHORT.get(folded, folded)
            if kind in _REPOSITORIES and (name != kind or self.ignored(above, True) or self._ignores(step)):
                code, what = "merge.git", f"a run's files hold {kind}/, where a file can make {_REPOSITORIES[kind]}"
                hint = f"Where runs are to change the repository, write !{kind}/ into .shepherdignore;"
                return Guarded(step.path, code, f"{what} run commands; it is not merged", hint)
        return None

    def _policy(self, step: Step) -> Guarded | None:
        """What decides about later runs."""
        names = _folded_path(step.path)
        in_the_way = step.new not in (None, EMPTY_FOLDER)
        if (
            _IGNORE_NAMES.isdisjoint(names)
            and not any(_begins(names, file) or (in_the_way and _begins(file, names)) for file in self._files)
            and not (_is_link(step.new) and any(_begins(place, names) for place in self._places))
        ):
            return None
        code, what = "merge.policy", "a run's files change what decides about later runs; it is not merged"
        hint = "`shepherd diff RUN` shows the change. Make it by hand where you want it, then merge again; where not,"
        return Guarded(step.path, code, what, hint)

    def _ignores(self, step: Step) -> bool:
        """Whether the workspace ignores what the step makes; a link may stand for a folder."""
        paths = (step.path, "/".join(_folded_path(step.path))) if self._folds else (step.path,)
        return any(
            self.ignored(path, step.new == EMPTY_FOLDER) or (_is_link(step.new) and self.ignored(path, True))
            for path in paths
        )

    def _kept_out(self, step: Step, own: Collection[str]) -> Guarded | None:
        """New, or the user's own, though the workspace ignores it."""
        if (
            step.new is None
            or (step.old not in (None, EMPTY_FOLDER) and step.path not in own)
            or self.tracked.get(step.path) is not None
            or not self._ignores(step)
        ):
            return None
        code, what = "merge.ignored", "the run made what the workspace keeps out of runs; it is not merged"
        return Guarded(step.path, code, what, "`!PATH` in .shepherdignore gives it to runs;")

    def _makes_repository(self, folder: str, there: Files, result: Files) -> bool:
        """Whether Git takes `folder` for a repository after the merge, and not just as the user has it."""
        inside = f"{folder}/" if folder else ""
        if not self.ignored(f"{inside}.git/config", False):
            return False
        names = set(result.names(folder))
        if not folder or is_folder(self.at, folder):
            known = there.names(folder)
            names.update(name for name, _ in self.at.list(folder) if name not in known)
        looks = {_folded(name) for name in names}
        if "head" not in looks or not ("commondir" in looks or {"objects", "refs"} <= looks):
            return False
        return any(
            self.tracked.get(path) != entry
            for path, entry in result.under(folder)
            if _folded(path[len(inside) :].partition("/")[0]) in _GIT_PARTS
        )


def disguise(name: str) -> str | None:
    """The name that means something (`.git`, `.shepherd`, …) for which some file system takes the component `name`,
    which is another."""
    folded = _folded(name)
    kind = ".shepherd" if folded in _STATE_NAMES else _SHORT.get(folded, folded)
    return kind if name != kind and (kind == ".shepherd" or kind in _REPOSITORIES) else None


def refusal(found: tuple[Guarded, ...]) -> RefusedError:
    """The error for paths that must not be merged, of the kind of the first: `merge.own`, `merge.git`, `merge.policy`
    or `merge.ignored`."""
    first = found[0]
    paths = tuple(one.path for one in found if one.code == first.code)
    shown = "".join(f"\n  {path_text(path)}" for path in paths[:_SHOWN]) if len(paths) > 1 else ""
    more = f"\n  and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return RefusedError(
        first.code,
        f"{first.what}{':' if shown else ''}{shown}{more}",
        where=path_text(first.path) if len(paths) == 1 else "",
        hint=" ".join(filter(None, ("Nothing was changed.", first.hint, _LEAVE))),
        paths=paths,
    )


def _repository(path: str, folder: str) -> Guarded:
    code, what = "merge.git", f"a run's files make {path_text(folder or '.')} a folder that Git takes for a repository"
    hint = "Where runs are to do that, write !.git/ into .shepherdignore;"
    return Guarded(path, code, f"{what}, where a file can make it run commands; it is not merged", hint)


def _folders_with_part(path: str) -> Iterator[str]:
    """The folders in which `path` is, or is inside, what Git would know or obey if they were repositories."""
    above = ""
    for name in path.split("/"):
        if _folded(name) in _GIT_PARTS:
            yield above
        above = f"{above}/{name}" if above else name


def _is_link(entry: Entry | None) -> bool:
    return entry is not None and entry.mode == LINK


def _begins(names: tuple[str, ...], start: tuple[str, ...]) -> bool:
    return names[: len(start)] == start


def _folded_path(path: str) -> tuple[str, ...]:
    return tuple(_folded(name) for name in path.split("/"))


def _folded(name: str) -> str:
    """`name` as the most forgiving file systems compare it: no case (APFS, NTFS), no format characters (HFS+), accents
    apart from their letters (APFS), no stream and no spaces or dots at the end (NTFS)."""
    if name.isascii():
        plain = name.lower()
    else:
        plain = "".join(char for char in name if unicodedata.category(char) != "Cf").casefold()
        plain = unicodedata.normalize("NFD", plain)
    return plain.partition(":")[0].rstrip(" .")
