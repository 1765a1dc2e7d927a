"""A run's files as a value: a persistent Merkle tree of folders (`core.md`, "A run": path ↦ content).

`Files` is a map from paths to entries. A folder is not an entry unless it is empty, so the map alone says everything.
Sharing makes a fork free: what a change does not touch is the same object before and after. A folder's Git tree is its
hash, so comparing costs the difference. Nothing here reads or writes anything: a value made by `from_git` asks the
function it was given for a folder when it is looked into.

No function recurses: a path may be 2,048 folders deep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from shepherd_dsl.core.content import Content
from shepherd_dsl.core.event import Change, Entry
from shepherd_dsl.core.folder import (
    EMPTY_FOLDER,
    EMPTY_TREE,
    LINK,
    Edit,
    Folder,
    LoadTree,
    Source,
    canonical,
    check_entry,
    difference,
    git_body,
    git_hash,
    manifest_of,
    read_manifest,
    tree_of,
    walk,
)
from shepherd_dsl.core.names import git_name, normal_path, os_name, path_of_os, text_name

__all__ = [
    "EMPTY_FOLDER",
    "LINK",
    "Files",
    "LoadTree",
    "git_blob_hash",
    "git_name",
    "merge",
    "normal_path",
    "os_name",
    "path_of_os",
    "text_name",
]


def git_blob_hash(data: Content) -> str:
    """The Git blob hash of `data`, 40 hex digits."""
    return git_hash(b"blob", data)


class Files:
    """An immutable map from paths to entries. Two are equal when they map the same paths to the same entries.

    Paths given to the methods must be normal (see `normal_path`); `apply` and `of` raise ValueError where one is not.
    """

    __slots__ = ("_hash", "_manifest", "_root")

    def __init__(self, root: Folder) -> None:
        """Not for callers: use `empty`, `of` or `from_git`."""
        self._root = root
        self._hash = ""
        self._manifest: bytes | None = None

    @staticmethod
    def empty() -> Files:
        """No files."""
        return _EMPTY

    @staticmethod
    def of(pairs: Iterable[tuple[str, Entry]]) -> Files:
        """The files of the given (path, entry) pairs, in any order."""
        return _EMPTY.apply(tuple(pairs))

    @staticmethod
    def from_git(tree_oid: str | None, extras: Mapping[str, Any] | None, load_tree: LoadTree) -> Files:
        """The files of a Git tree and the mapping of a manifest (the JSON value of `manifest`; empty where none is).

        A folder is loaded when it is looked into. Raises ValueError, then or now, where tree or manifest are not what
        this class writes.
        """
        plain, exec_, odd = read_manifest(extras or {})
        if tree_oid in (None, EMPTY_TREE) and not odd:
            return _EMPTY
        files = Files(Folder(None, Source(tree_oid, odd, plain, exec_, load_tree)))
        files._manifest = canonical(extras) if extras else b""
        return files

    @property
    def hash(self) -> str:
        """The Git hash of the state tree {"files": the files, "manifest.json": `manifest`}, each where not empty."""
        if self._hash == "":
            tree, manifest = self.git_tree, self.manifest
            body = b""
            if tree:
                body += b"40000 files\0" + bytes.fromhex(tree)
            if manifest:
                body += b"100644 manifest.json\0" + bytes.fromhex(git_blob_hash(manifest))
            self._hash = git_hash(b"tree", body)
        return self._hash

    @property
    def git_tree(self) -> str | None:
        """The hash of the Git tree of the files, None where it would be empty."""
        return tree_of(self._root)

    @property
    def manifest(self) -> bytes:
        """What a Git tree cannot hold, as canonical JSON; b"" where there is nothing.

        {"empty": [path…], "modes": {path: mode}, "plain": mode, "exec": mode}, each left out where it says nothing.
        `empty` lists the empty folders. `plain` and `exec` are the full modes of files that are 100644 and 100755 in
        the Git tree: the commonest ones, the usual ones in a tie. `modes` lists the files whose mode is neither.
        """
        if self._manifest is None:
            self._manifest = manifest_of(self._root)
        return self._manifest

    def get(self, path: str) -> Entry | None:
        """The entry at `path`; None where there is nothing or a folder that holds something."""
        found = self._find(path)
        if isinstance(found, Folder):
            return EMPTY_FOLDER if found.empty() and found is not self._root else None
        return found

    def is_folder(self, path: str) -> bool:
        """Whether `path` is a folder, empty or not. The empty text names the top, which is one."""
        return isinstance(self._find(path), Folder)

    def items(self) -> Iterator[tuple[str, Entry]]:
        """All (path, entry) pairs, in the order of the paths (by code point)."""
        return walk("", self._root)

    def under(self, folder: str) -> Iterator[tuple[str, Entry]]:
        """The (path, entry) pairs below `folder`, paths in full, in order; none where it is not a folder."""
        found = self._find(folder)
        if isinstance(found, Folder):
            yield from walk(f"{folder}/" if folder else "", found)

    def names(self, folder: str) -> tuple[str, ...]:
        """The components directly inside `folder`, sorted; none where it is not a folder."""
        found = self._find(folder)
        return tuple(sorted(found.children())) if isinstance(found, Folder) else ()

    def apply(self, change: Change) -> Files:
        """The files after `change`. Total on normal paths:

        - what is removed is removed first; a folder whose last file goes, goes too, unless the change names it;
        - then entries are put in, in the order of their paths, each displacing what stands in its way;
        - an empty folder's entry means nothing where something stands, or is put, below it.
        """
        edit = Edit(self._root)
        puts = []
        for path, entry in change:
            if normal_path(path) is None:
                raise ValueError(f"not a normal path: {path!r}")
            if entry is None:
                edit.remove(path.split("/"))
            else:
                check_entry(entry)
                puts.append((path, entry))
        puts.sort(key=lambda pair: pair[0])
        for path, entry in puts:
            edit.put(path.split("/"), entry)
        return self if edit.root is self._root else Files(edit.root)

    def diff(self, other: Files) -> Change:
        """The change that turns `self` into `other`: `self.apply(self.diff(other)) == other`. Costs the difference."""
        return difference(self._root, other._root)

    def tree_objects(self, known: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
        """The Git trees (hash, body) of the files that are not `known`, each once, inner ones first.

        What is below a known tree is taken to be known too and is not looked into.
        """
        if tree_of(self._root) is None:
            return
        done: set[str] = set()
        stack = [(self._root, False)]
        while stack:
            folder, inside_done = stack.pop()
            oid = folder.tree
            if oid is None or oid in done:
                continue
            if inside_done:
                done.add(oid)
                yield oid, git_body(folder)
            elif not known(oid):
                stack.append((folder, True))
                stack.extend((inner, False) for inner in folder.folders())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Files) and (self is other or self.hash == other.hash)

    def __hash__(self) -> int:
        return hash(self.hash)

    def __repr__(self) -> str:
        return f"<Files {self.hash[:12]}>"

    def _find(self, path: str) -> Entry | Folder | None:
        at: Entry | Folder | None = self._root
        for name in path.split("/") if path else ():
            if not isinstance(at, Folder):
                return None
            at = at.children().get(name)
        return at


def merge(base: Files, ours: Files, theirs: Files) -> Files | tuple[str, ...]:
    """Three-way merge, path by path (`core.md`, `run.merge`; law `merge_conflict_free`).

    A path that only one side changed, or both changed alike, gets that change; otherwise it conflicts. So do a file of
    one side and what the other newly put below it. Gives the merged files, or the conflicting paths, sorted; then
    nothing is merged. Costs the difference.
    """
    mine = dict(base.diff(ours))
    change = tuple((path, entry) for path, entry in base.diff(theirs) if path not in mine or mine[path] != entry)
    conflicts = {path for path, _ in change if path in mine}
    kept = ours.apply(tuple((path, None) for path, entry in change if entry is None and path not in conflicts))
    for path, entry in change:
        if entry is None or path in conflicts:
            continue
        end = path.find("/")
        while end != -1:
            above = kept.get(path[:end])
            if above is not None and above != EMPTY_FOLDER:
                conflicts.update((path[:end], path))
                break
            end = path.find("/", end + 1)
        if entry != EMPTY_FOLDER:
            below = [inner for inner, _ in kept.under(path)]
            if below:
                conflicts.update((path, *below))
    return tuple(sorted(conflicts)) if conflicts else ours.apply(change)


_EMPTY = Files(Folder({}))
