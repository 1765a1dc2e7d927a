"""Folders as persistent Merkle trees: what `core.files` is made of.

A folder's Git tree is its hash. What a Git tree cannot hold, empty folders and full modes, stands in the manifest (see
`Files.manifest`). A folder that comes from Git is loaded when it is looked into.

No function recurses: a path may be 2,048 folders deep.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from shepherd_dsl.core.content import Content, Large
from shepherd_dsl.core.event import Change, Entry
from shepherd_dsl.core.names import git_name, normal_path, text_name

LoadTree: TypeAlias = Callable[[str], Sequence[tuple[bytes, int, str]]]
"""Gives the entries (name in Git, mode in Git, hash) of the Git tree with a hash."""

LINK = 0o120000
"""Mode of a symbolic link."""

EMPTY_FOLDER = Entry(0o040000, "")
"""The entry of a folder that holds nothing."""

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""The hash of the Git tree without entries, which stands for no folder."""

_FOLDER = 0o040000
_PLAIN = 0o100644
_EXEC = 0o100755
_UNKNOWN = ""
_HOLES = 1
_MODES = 2


class Source:
    """Where a folder that was not looked into comes from: its Git tree and its part of the manifest."""

    __slots__ = ("exec", "load_tree", "odd", "plain", "tree")

    def __init__(self, tree: str | None, odd: dict[str, Any], plain: int, exec_: int, load_tree: LoadTree) -> None:
        self.tree = tree
        self.odd = odd
        self.plain = plain
        self.exec = exec_
        self.load_tree = load_tree

    def ordinary(self) -> bool:
        """Whether nothing below needs a manifest, as far as can be told without looking."""
        return not self.odd and self.plain == _PLAIN and self.exec == _EXEC

    def load(self) -> dict[str, Entry | Folder]:
        out: dict[str, Entry | Folder] = {}
        odd = dict(self.odd)
        for raw, git_mode, oid in self.load_tree(self.tree) if self.tree else ():
            name = text_name(raw)
            special = odd.pop(name, None)
            if git_mode == _FOLDER and oid != EMPTY_TREE:
                inner = special if isinstance(special, dict) else {}
                out[name] = Folder(None, Source(oid, inner, self.plain, self.exec, self.load_tree))
            elif isinstance(special, int) and _git_mode(special) == git_mode:
                out[name] = Entry(special, oid)
            elif special is None and git_mode in (_PLAIN, _EXEC, LINK):
                mode = {_PLAIN: self.plain, _EXEC: self.exec, LINK: LINK}[git_mode]
                out[name] = Entry(mode, oid)
            else:
                raise ValueError(f"a Git tree holds {name!r} with mode {git_mode:o}, which the manifest contradicts")
        for name, special in odd.items():
            if not isinstance(special, dict):
                raise ValueError(f"a manifest gives a mode to {name!r}, which is not there")
            out[name] = Folder(None, Source(None, special, self.plain, self.exec, self.load_tree))
        return out


class Folder:
    """A folder: its children, and what is known of them. Never changed once reachable from a `Files`, apart from
    what is computed late, which is a function of the children.

    `tree` is the hash of its Git tree, None where that is empty, `_UNKNOWN` until computed; `odd` what below needs a
    manifest (`_HOLES`: an empty folder, `_MODES`: a full mode, None until computed); `counts` how many entries below
    have which mode.
    """

    __slots__ = ("_children", "_source", "counts", "odd", "tree")

    def __init__(self, children: dict[str, Entry | Folder] | None, source: Source | None = None) -> None:
        self._children = children
        self._source = source
        self.tree: str | None = source.tree if source else _UNKNOWN
        self.odd: int | None = 0 if source and source.ordinary() else None
        self.counts: dict[int, int] | None = None

    def children(self) -> dict[str, Entry | Folder]:
        if self._children is None:
            assert self._source is not None
            self._children = self._source.load()
        return self._children

    def empty(self) -> bool:
        """Whether it holds nothing; does not load it."""
        if self._children is None:
            assert self._source is not None
            return self._source.tree is None and not self._source.odd
        return not self._children

    def folders(self) -> list[Folder]:
        return [child for child in self.children().values() if type(child) is Folder]

    def same(self, other: Folder) -> bool:
        """Whether the two are known to hold the same; False means only that it takes a look inside."""
        if self is other:
            return True
        if tree_of(self) != tree_of(other):
            return False
        if not odd_of(self) and not odd_of(other):
            return True
        a, b = self._source, other._source
        return bool(a and b and a.odd == b.odd and a.plain == b.plain and a.exec == b.exec)


class Edit:
    """A tree of folders being changed: `root` starts shared, and each folder is copied the first time it changes."""

    __slots__ = ("_mine", "root")

    def __init__(self, root: Folder) -> None:
        self.root = root
        self._mine: dict[int, Folder] = {}  # by id; holding the folder keeps its id from being used again

    def remove(self, names: list[str]) -> None:
        chain = [self.root]
        for name in names[:-1]:
            inner = chain[-1].children().get(name)
            if not isinstance(inner, Folder):
                return
            chain.append(inner)
        last = chain[-1].children().get(names[-1])
        if last is None or (isinstance(last, Folder) and not last.empty()):
            return
        level = len(chain) - 1
        while level > 0 and len(chain[level].children()) == 1:
            level -= 1
        self._own(names[:level]).pop(names[level])

    def put(self, names: list[str], entry: Entry) -> None:
        at: Entry | Folder | None = self.root
        for name in names:
            at = at.children().get(name) if isinstance(at, Folder) else None
        if at == entry or (entry.mode == _FOLDER and isinstance(at, Folder)):
            return
        self._own(names[:-1])[names[-1]] = Folder({}) if entry.mode == _FOLDER else entry

    def _own(self, names: list[str]) -> dict[str, Entry | Folder]:
        """The children, free to be changed, of the folder at `names`, made where there is none."""
        if id(self.root) not in self._mine:
            self.root = self._copy(self.root)
        at = self.root.children()
        for name in names:
            inner = at.get(name)
            if not isinstance(inner, Folder):
                inner = at[name] = self._copy(None)
            elif id(inner) not in self._mine:
                inner = at[name] = self._copy(inner)
            at = inner.children()
        return at

    def _copy(self, folder: Folder | None) -> Folder:
        made = Folder(dict(folder.children()) if folder else {})
        self._mine[id(made)] = made
        return made


def check_entry(entry: Entry) -> None:
    kind = entry.mode & ~0o7777
    fits = kind == 0o100000 or entry.mode == LINK
    if entry == EMPTY_FOLDER or (fits and len(entry.hash) == 40):
        return
    raise ValueError(f"not an entry: mode {entry.mode:o}, hash {entry.hash!r}")


def _git_mode(mode: int) -> int:
    """The mode in a Git tree: a file is executable there when its owner may execute it."""
    if mode == LINK:
        return LINK
    return _EXEC if mode & 0o100 else _PLAIN


def git_hash(kind: bytes, body: Content) -> str:
    if not isinstance(body, Large):
        return hashlib.sha1(b"%s %d\0%s" % (kind, len(body), body), usedforsecurity=False).hexdigest()
    found = hashlib.sha1(b"%s %d\0" % (kind, len(body)), usedforsecurity=False)
    for part in body.parts():
        found.update(part)
    return found.hexdigest()


def canonical(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode("utf-8")


def git_body(folder: Folder) -> bytes:
    """The body of the Git tree of `folder`, whose inner folders' trees are known."""
    parts: list[tuple[bytes, bytes]] = []
    for name, child in folder.children().items():
        raw = git_name(name)
        if type(child) is Entry:
            mode = child.mode
            head = b"120000 %s\0" if mode == LINK else b"100755 %s\0" if mode & 0o100 else b"100644 %s\0"
            parts.append((raw, head % raw + bytes.fromhex(child.hash)))
        elif child.tree is not None:  # type: ignore[union-attr]
            parts.append((raw + b"/", b"40000 %s\0" % raw + bytes.fromhex(child.tree)))  # type: ignore[union-attr]
    parts.sort()
    return b"".join([part for _, part in parts])


def tree_of(root: Folder) -> str | None:
    """The hash of the Git tree of `root`; computes, inner folders first, what is not known."""
    if root.tree != _UNKNOWN:
        return root.tree
    stack = [root]
    while stack:
        folder = stack[-1]
        todo = [inner for inner in folder.folders() if inner.tree == _UNKNOWN]
        if todo and folder.tree == _UNKNOWN:
            stack.extend(todo)
            continue
        stack.pop()
        if folder.tree == _UNKNOWN:
            body = git_body(folder)
            folder.tree = git_hash(b"tree", body) if body else None
    return root.tree


def odd_of(root: Folder) -> int:
    """What in `root` needs a manifest, `_HOLES | _MODES`; loads only where it has to."""
    stack = [root]
    while root.odd is None:
        folder = stack[-1]
        todo = [inner for inner in folder.folders() if inner.odd is None]
        if todo and folder.odd is None:
            stack.extend(todo)
            continue
        stack.pop()
        odd = 0
        for child in folder.children().values():
            if isinstance(child, Entry):
                odd |= 0 if child.mode in (_PLAIN, _EXEC, LINK) else _MODES
            else:
                odd |= _HOLES if child.empty() else child.odd or 0
        folder.odd = odd
    return root.odd


def counts_of(root: Folder) -> dict[int, int]:
    """How many entries in `root` have which mode. Loads everything."""
    stack = [root]
    while root.counts is None:
        folder = stack[-1]
        todo = [inner for inner in folder.folders() if inner.counts is None]
        if todo and folder.counts is None:
            stack.extend(todo)
            continue
        stack.pop()
        counts: dict[int, int] = {}
        for child in folder.children().values():
            if isinstance(child, Entry):
                counts[child.mode] = counts.get(child.mode, 0) + 1
            else:
                for mode, number in (child.counts or {_FOLDER: 1}).items():
                    counts[mode] = counts.get(mode, 0) + number
        folder.counts = counts
    return root.counts


def manifest_of(root: Folder) -> bytes:
    """See `Files.manifest`. Costs what it says, and what is new in `root`; loads all only where a mode is odd."""
    odd = odd_of(root)
    if not odd:
        return b""
    plain, exec_ = _usual_modes(counts_of(root)) if odd & _MODES else (_PLAIN, _EXEC)
    known = {LINK, plain, exec_}
    ordinary = known == {LINK, _PLAIN, _EXEC}
    empty: list[str] = []
    modes: dict[str, str] = {}
    stack = [("", root)]
    while stack:
        prefix, folder = stack.pop()
        for name, child in folder.children().items():
            if isinstance(child, Entry):
                if child.mode not in known:
                    modes[prefix + name] = f"{child.mode:o}"
            elif child.empty():
                empty.append(prefix + name)
            elif odd_of(child) if ordinary else not counts_of(child).keys() <= known:
                stack.append((f"{prefix}{name}/", child))
    value: dict[str, object] = {}
    if empty:
        value["empty"] = sorted(empty)
    if exec_ != _EXEC:
        value["exec"] = f"{exec_:o}"
    if modes:
        value["modes"] = modes
    if plain != _PLAIN:
        value["plain"] = f"{plain:o}"
    return canonical(value)


def _usual_modes(counts: dict[int, int]) -> tuple[int, int]:
    """The commonest full modes of the files that are 100644 and 100755 in Git; in a tie these, then the least."""
    found: list[int] = []
    for kind in (_PLAIN, _EXEC):
        modes = [mode for mode in counts if mode not in (_FOLDER, LINK) and _git_mode(mode) == kind]
        found.append(min(modes or [kind], key=lambda mode: (-counts.get(mode, 0), mode != kind, mode)))
    return found[0], found[1]


def read_manifest(extras: Mapping[str, Any]) -> tuple[int, int, dict[str, Any]]:
    """(`plain`, `exec`, tree): the tree has a dict for a folder with something odd below, a mode for a file."""
    if not extras.keys() <= {"empty", "exec", "modes", "plain"}:
        raise ValueError(f"a manifest with unknown parts: {sorted(extras)}")
    plain = int(extras.get("plain", f"{_PLAIN:o}"), 8)
    exec_ = int(extras.get("exec", f"{_EXEC:o}"), 8)
    tree: dict[str, Any] = {}
    for path, mode in [*((path, None) for path in extras.get("empty", ())), *extras.get("modes", {}).items()]:
        if normal_path(path) is None:
            raise ValueError(f"a manifest names {path!r}, which is not a normal path")
        *above, last = path.split("/")
        at = tree
        for name in above:
            at = at.setdefault(name, {})
            if not isinstance(at, dict):
                raise ValueError(f"a manifest has {path!r} below a file")
        if last in at:
            raise ValueError(f"a manifest names {path!r} twice")
        at[last] = {} if mode is None else int(mode, 8)
    return plain, exec_, tree


def difference(left: Folder, right: Folder) -> Change:
    if left.same(right):
        return ()
    out: list[tuple[str, Entry | None]] = []
    nothing: dict[str, Entry | Folder] = {}
    stack: list[tuple[str, Folder | None, Folder | None]] = [("", left, right)]
    while stack:
        prefix, a, b = stack.pop()
        inside_a = a.children() if a else nothing
        inside_b = b.children() if b else nothing
        for name in [*inside_a, *(name for name in inside_b if name not in inside_a)]:
            x, y = inside_a.get(name), inside_b.get(name)
            if x is y:
                continue
            deep_x = x if isinstance(x, Folder) and not x.empty() else None
            deep_y = y if isinstance(y, Folder) and not y.empty() else None
            if deep_x and deep_y and deep_x.same(deep_y):
                continue
            flat_x = None if deep_x else EMPTY_FOLDER if isinstance(x, Folder) else x
            flat_y = None if deep_y else EMPTY_FOLDER if isinstance(y, Folder) else y
            if flat_x != flat_y:
                out.append((prefix + name, flat_y))
            if deep_x or deep_y:
                stack.append((f"{prefix}{name}/", deep_x, deep_y))
    out.sort(key=lambda pair: pair[0])
    return tuple(out)


def walk(prefix: str, root: Folder) -> Iterator[tuple[str, Entry]]:
    stack: list[tuple[str, Entry | Folder]] = [(prefix, root)]
    top = True
    while stack:
        path, here = stack.pop()
        if isinstance(here, Entry):
            yield path, here
        elif here.empty() and not top:
            yield path[:-1], EMPTY_FOLDER
        else:
            # The order of whole paths: a folder sorts as its name and "/", an empty one as its name alone.
            inside = [
                (f"{path}{name}/" if isinstance(child, Folder) else path + name, child)
                for name, child in here.children().items()
            ]
            inside.sort(key=_path_order, reverse=True)
            stack.extend(inside)
        top = False


def _path_order(pair: tuple[str, Entry | Folder]) -> str:
    path, child = pair
    return path[:-1] if isinstance(child, Folder) and child.empty() else path
