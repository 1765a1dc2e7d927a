"""`file.*`, answered by the machine at the outermost level from the files of the run that asked (`core.md`).

A symbolic link is never followed: what it names may lie outside the scope.
"""

from __future__ import annotations

from shepherd_dsl.core.content import Large, ReadBlob
from shepherd_dsl.core.event import Change, Entry
from shepherd_dsl.core.files import EMPTY_FOLDER, LINK, Files, git_blob_hash
from shepherd_dsl.core.match import match_path
from shepherd_dsl.core.names import normal_path
from shepherd_dsl.core.value import UNIT, Blob, Con, Value, err, ok

FILE_OPS = frozenset({"file.read", "file.write", "file.remove", "file.list"})

MAX_READ = 1 << 22
"""Bytes of the largest file that `file.read` gives as a text."""

PLAIN = 0o100644

STATE = ".shepherd"
"""The folder of the workspace that never enters a trace; case is folded, as some file systems do."""


def perform(files: Files, read_blob: ReadBlob, op: str, args: tuple[Value, ...]) -> tuple[Con, Change]:
    """The answer to a file operation on `files`, and its change to them."""
    if op == "file.list" and len(args) == 1 and isinstance(args[0], str):
        glob = args[0]
        paths = tuple([path for path, entry in files.items() if entry != EMPTY_FOLDER and match_path(path, glob)])
        return ok(paths), ()
    if not args or not isinstance(args[0], str):
        return err("type", f"`{op}` takes a path"), ()
    path = normal_path(args[0])
    if path is None:
        return err("path", f"not a normal relative path: {args[0][:200]}"), ()
    if path.partition("/")[0].casefold() == STATE:
        return err("path", f"{STATE}/ holds the traces and is in no run's files"), ()
    if op == "file.read" and len(args) == 1:
        return read(files, read_blob, path), ()
    if op == "file.remove" and len(args) == 1:
        return remove(files, path)
    if op == "file.write" and len(args) == 2:
        return write(files, path, args[1])
    return err("type", f"`{op}` got arguments it does not take"), ()


def read(files: Files, read_blob: ReadBlob, path: str) -> Con:
    """`file.read`: the text at `path`."""
    refusal = _blocked(files, path)
    if refusal is not None:
        return refusal
    entry = files.get(path)
    if files.is_folder(path):
        return err("is_folder", f"{path} is a folder")
    if entry is None:
        return err("not_found", f"no file {path}")
    if entry.mode == LINK:
        return err("link", f"{path} is a symbolic link, which is not followed")
    try:
        data = read_blob(entry.hash)
    except KeyError:
        return err("not_found", f"the content of {path} is not known here")
    if isinstance(data, Large) or len(data) > MAX_READ:
        return err("too_large", f"{path} has {len(data)} bytes; a text has at most {MAX_READ}")
    try:
        return ok(data.decode("utf-8"))
    except UnicodeDecodeError:
        return err("not_text", f"{path} is not UTF-8 text")


def write(files: Files, path: str, content: Value) -> tuple[Con, Change]:
    """`file.write`: `content` at `path`, keeping the mode of a file that is there."""
    if isinstance(content, str):
        name = git_blob_hash(content.encode("utf-8"))
    elif isinstance(content, Blob):
        name = content.hash
    else:
        return err("type", "`file.write` takes a text or a blob"), ()
    refusal = _blocked(files, path)
    if refusal is not None:
        return refusal, ()
    there = files.get(path)
    if files.is_folder(path):
        return err("is_folder", f"{path} is a folder"), ()
    if there is not None and there.mode == LINK:
        return err("link", f"{path} is a symbolic link, which is not followed"), ()
    entry = Entry(PLAIN if there is None else there.mode, name)
    return ok(UNIT), () if there == entry else ((path, entry),)


def remove(files: Files, path: str) -> tuple[Con, Change]:
    """`file.remove`: no file, link or empty folder at `path` any more."""
    refusal = _blocked(files, path)
    if refusal is not None:
        return refusal, ()
    if files.get(path) is None:
        if files.is_folder(path):
            return err("is_folder", f"{path} is a folder that holds files"), ()
        return err("not_found", f"no file {path}"), ()
    return ok(UNIT), ((path, None),)


def _blocked(files: Files, path: str) -> Con | None:
    """The error where something above `path` is no folder: the first such thing, from the top."""
    parts = path.split("/")
    for count in range(1, len(parts)):
        above = "/".join(parts[:count])
        entry = files.get(above)
        if entry is not None and entry != EMPTY_FOLDER:
            if entry.mode == LINK:
                return err("link", f"{above} is a symbolic link, which is not followed")
            return err("not_folder", f"{above} is a file")
    return None
