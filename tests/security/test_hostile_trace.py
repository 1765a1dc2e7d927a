"""A repository fetched from elsewhere: reading what an attacker made of it gives errors, and does nothing else."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pygit2
import pytest

from shepherd_dsl.cli.main import run_main
from shepherd_dsl.runtime.attempts import LATE, MARK
from shepherd_dsl.trace.refs import log_ref
from shepherd_dsl.trace.repository import Repository
from shepherd_dsl.trace.store import GitStore, open_store

PROGRAM = """\
agent main() -> Text
  grants file.write("src/**"), file.list
{
  do file.write("src/a.txt", "hello")
  do file.write("src/b.txt", "hello")
  return "done"
}
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with one recorded tree, `1`, kept apart, as the working directory."""
    folder = tmp_path / "w"
    folder.mkdir()
    (folder / "main.shep").write_text(PROGRAM)
    monkeypatch.chdir(folder)
    assert run_main(["init"]) == 0
    assert run_main(["run", "--keep", "--quiet", "main.shep"]) == 0
    return folder


class Forger:
    """Writes a log commit for the tree `9` as `1` has it, with parts exchanged."""

    def __init__(self, store: GitStore) -> None:
        self.store = store
        self.git = pygit2.Repository(str(store.git))
        commit = self.git[Repository(store.git).refs.read(log_ref("1")) or ""]
        assert isinstance(commit, pygit2.Commit)
        self.commit: pygit2.Commit = commit
        self.parts: dict[str, tuple[Any, int]] = {item.name or "": (item.id, item.filemode) for item in commit.tree}

    def blob(self, data: bytes) -> pygit2.Oid:
        return self.git.create_blob(data)

    def tree(self, entries: Mapping[str, tuple[Any, int]]) -> pygit2.Oid:
        builder = self.git.TreeBuilder()
        for name, (oid, mode) in entries.items():
            builder.insert(name, oid, mode)
        return builder.write()

    def raw_tree(self, entries: list[tuple[bytes, bytes, str]]) -> pygit2.Oid:
        body = b"".join(b"%s %s\0%s" % (mode, name, bytes.fromhex(oid)) for mode, name, oid in entries)
        return self.git.odb.write(pygit2.enums.ObjectType.TREE, body)

    def event(self, index: int, parent: str | None = None, **parts: Any) -> str:
        """The commit of an event of `root` made anew with other parts; None leaves one out. `parent` is another one."""
        old = self.git[self.store.read("1").commit_at("root", index)]
        assert isinstance(old, pygit2.Commit)
        entries: dict[str, tuple[Any, int]] = {item.name or "": (item.id, item.filemode) for item in old.tree}
        for name, part in parts.items():
            name = {"event": "event.json", "manifest": "manifest.json"}.get(name, name)
            if part is None:
                entries.pop(name, None)
            else:
                is_tree = isinstance(part, pygit2.Oid)
                entries[name] = (part, 0o040000) if is_tree else (self.blob(part), 0o100644)
        return str(self.make(self.tree(entries), [above.id for above in old.parents] if parent is None else [parent]))

    def with_start(self, **parts: Any) -> None:
        """The log with another first event of `root`, and the others after it."""
        commit = self.event(0, **parts)
        for index in range(1, self.last() + 1):
            commit = self.event(index, commit)
        self.with_head(commit)

    def make(self, tree: pygit2.Oid, parents: list[Any]) -> pygit2.Oid:
        person = pygit2.Signature("a", "a@a", 1, 0)
        return self.git.create_commit(None, person, person, "x\n", tree, parents)

    def log(self, **parts: Any) -> None:
        entries = dict(self.parts)
        for name, part in parts.items():
            name = {"segments": "segments", "blobs": "blobs"}.get(name, f"{name}.json")
            if part is None:
                entries.pop(name, None)
            elif isinstance(part, bytes):
                entries[name] = (self.blob(part), 0o100644)
            elif isinstance(part, pygit2.Oid):
                entries[name] = (part, 0o040000)
            else:
                entries[name] = (self.blob(json.dumps(part).encode()), 0o100644)
        commit = self.make(self.tree(entries), list(self.commit.parent_ids))
        self.git.create_reference(log_ref("9"), commit)

    def heads(self) -> dict[str, Any]:
        found = json.loads(self.git[self.parts["heads.json"][0]].data)  # type: ignore[attr-defined]
        assert isinstance(found, dict)
        return found

    def with_head(self, commit: str, length: int | None = None) -> None:
        """The log with another head of `root`."""
        heads = self.heads()
        heads["heads"] = [
            [run, first, count if length is None or run != "root" else length, commit if run == "root" else head]
            for run, first, count, head in heads["heads"]
        ]
        self.log(heads=heads)

    def segment(self, data: Any) -> pygit2.Oid:
        text = data if isinstance(data, bytes) else json.dumps(data).encode()
        return self.tree({"00000000": (self.blob(text), 0o100644)})

    def last(self) -> int:
        return len(self.store.read("1").trace("root")) - 1


DEEP = b"[" * 100_000 + b"]" * 100_000


def event(value: Any) -> bytes:
    return json.dumps(value).encode()


def bad_names(forger: Forger, name: bytes) -> None:
    blob = str(forger.blob(b"evil"))
    folder = forger.raw_tree([(b"100644", name, blob)])
    forger.with_head(forger.event(forger.last(), files=folder))


def bomb(forger: Forger, width: int = 10, depth: int = 9) -> pygit2.Oid:
    """A tree of a few objects that stands for `width ** depth` files."""
    made = forger.raw_tree([(b"100644", b"f%02d" % at, str(forger.blob(b"x"))) for at in range(width)])
    for _ in range(depth - 1):
        made = forger.raw_tree([(b"40000", b"d%02d" % at, str(made)) for at in range(width)])
    return made


def at_last(**parts: Any) -> Callable[[Forger], None]:
    return lambda forger: forger.with_head(forger.event(forger.last(), **parts))


def notes(*found: tuple[str, str]) -> dict[str, Any]:
    """A segment as run 1 has it, with notes beside its last event."""
    rows = [["root", 5, name, text] for name, text in found]
    return {"from": 0, "runs": ["root"], "order": [[0, 6]], "times": [0] * 6, "notes": rows}


START = {"version": 1, "program": "0" * 40, "agent": "main", "args": [], "grant": [], "files": "0" * 40}
ERR = {"con": ["Err", {"rec": {"code": "x", "text": "y"}}]}

FORGERIES: dict[str, Callable[[Forger], None]] = {
    "heads are no JSON": lambda forger: forger.log(heads=b"{"),
    "heads are deep": lambda forger: forger.log(heads=DEEP),
    "heads are a list": lambda forger: forger.log(heads=[]),
    "heads are missing": lambda forger: forger.log(heads=None),
    "heads count in words": lambda forger: forger.log(heads={**forger.heads(), "count": "many"}),
    "heads count below zero": lambda forger: forger.log(heads={**forger.heads(), "count": -1}),
    "heads count too far": lambda forger: forger.log(heads={**forger.heads(), "count": 10**12}),
    "a head is no commit": lambda forger: forger.with_head("0" * 40),
    "a head is no hash": lambda forger: forger.with_head("../../../../etc/passwd"),
    "a head is a number": lambda forger: forger.with_head(5),  # type: ignore[arg-type]
    "a head is long": lambda forger: forger.with_head(forger.store.read("1").commit_at("root", 1), 10**12),
    "a head is short": lambda forger: forger.with_head(forger.store.read("1").commit_at("root", 1), -3),
    "no root": lambda forger: forger.log(heads={"count": 0, "heads": []}),
    "a run with a strange name": lambda forger: forger.log(
        heads={**forger.heads(), "heads": [["\x1b[2Jroot\n", *head[1:]] for head in forger.heads()["heads"]]}
    ),
    "a run that is a list": lambda forger: forger.log(
        heads={**forger.heads(), "heads": [[["root"], *head[1:]] for head in forger.heads()["heads"]]}
    ),
    "info is a list": lambda forger: forger.log(info=[1]),
    "info holds numbers": lambda forger: forger.log(info={"source": 5, "forked": {}}),
    "info is deep": lambda forger: forger.log(info=DEEP),
    "info is no text": lambda forger: forger.log(info=b"\xff\xfe"),
    "info steers the terminal": lambda forger: forger.log(
        info={"source": "\x1b]0;owned\x07\x1b[2J", "forked": "\x1b[31m\nerror"}
    ),
    "the program is no text": lambda forger: forger.log(program=b"\xff"),
    "the program is no program": lambda forger: forger.log(program={"version": 1}),
    "the program is deep": lambda forger: forger.log(program=DEEP),
    "the program is missing": lambda forger: forger.log(program=None),
    "a segment is a bomb": lambda forger: forger.log(
        segments=forger.segment({"from": 0, "runs": ["root"], "order": [[0, 10**12]], "times": [0]})
    ),
    "a segment counts below zero": lambda forger: forger.log(
        segments=forger.segment({"from": 0, "runs": ["root"], "order": [[0, -5]], "times": []})
    ),
    "a segment is deep": lambda forger: forger.log(segments=forger.segment(DEEP)),
    "a segment has numbers for runs": lambda forger: forger.log(
        segments=forger.segment({"from": 0, "runs": [[1]], "order": [[0, 6]], "times": [0] * 6})
    ),
    "a segment has words for times": lambda forger: forger.log(
        segments=forger.segment({"from": 0, "runs": ["root"], "order": [[0, 1]], "times": ["x"]})
    ),
    "a segment has a time far off": lambda forger: forger.log(
        segments=forger.segment({"from": 0, "runs": ["root"], "order": [[0, 6]], "times": [10**30] * 6})
    ),
    "notes are words": lambda forger: forger.log(
        segments=forger.segment({"from": 0, "runs": ["root"], "order": [[0, 6]], "times": [0] * 6, "notes": ["x"]})
    ),
    "notes are lists": lambda forger: forger.log(
        segments=forger.segment(
            {"from": 0, "runs": ["root"], "order": [[0, 6]], "times": [0] * 6, "notes": [["root", 5, {}, []]]}
        )
    ),
    "a note steers the terminal": lambda forger: forger.log(
        segments=forger.segment(notes(("\x1b[2J\r\n\x1b]0;owned\x07", "\x1b[2J\x9b31m\r\nx")))
    ),
    "a late answer is no value": lambda forger: forger.log(
        segments=forger.segment(notes((LATE, "\x1b[2J{"), (MARK, "\x1b[2J")))
    ),
    "a late answer is deep": lambda forger: forger.log(segments=forger.segment(notes((LATE, DEEP.decode())))),
    "a start steers the terminal": lambda forger: forger.with_start(
        event=event({"start": {**START, "agent": "\x1b[2J\r"}})
    ),
    "an event is missing": at_last(event=None),
    "an event is deep": at_last(event=DEEP),
    "an event is no text": at_last(event=b"\xff"),
    "an outcome answers nothing": at_last(event=event({"outcome": {"answer": ERR, "by": "world", "files": []}})),
    "a revert forward": at_last(event=event({"reverted": {"to": 10**9}})),
    "a revert below zero": at_last(event=event({"reverted": {"to": -1}})),
    "a fork of nothing": at_last(event=event({"forked": {"of": "../x", "at": 3}})),
    "an undo of nothing": at_last(event=event({"undo": {"at": 99, "op": "a", "args": []}})),
    "an operation that steers the terminal": at_last(
        event=event({"intent": {"op": "\x1b[2J\r\n.x", "args": ["\x1b]0;owned\x07", "\u202e"]}})
    ),
    "an end that steers the terminal": at_last(event=event({"end": {"kind": "done", "value": "\x1b[2J\x07\x9b31m"}})),
    "a failure that steers the terminal": at_last(
        event=event({"end": {"kind": "failed", "value": {"rec": {"code": "\x1b[2J", "text": "\x1b]0;x\x07\n\x1b[1m"}}}})
    ),
    "files are a file": lambda forger: forger.with_head(forger.event(forger.last(), files=b"x")),
    "a manifest is deep": at_last(manifest=DEEP),
    "a manifest is a list": at_last(manifest=b"[]"),
    "a manifest has a strange mode": at_last(manifest=b'{"plain":"x"}'),
    "a manifest has numbers": at_last(manifest=b'{"empty":5,"modes":[]}'),
    "a manifest leads out": at_last(manifest=b'{"empty":["../../out"]}'),
    "a folder leads up": lambda forger: bad_names(forger, b".."),
    "a folder is absolute": lambda forger: bad_names(forger, b"/etc/passwd"),
    "a folder is a repository": lambda forger: bad_names(forger, b".git"),
    "a name is empty": lambda forger: bad_names(forger, b""),
    "a name is long": lambda forger: bad_names(forger, b"x" * 10_000),
    "a name holds a line": lambda forger: bad_names(forger, b"a\n\x1b[2Jb"),
    "a tree is a bomb": lambda forger: forger.with_head(forger.event(forger.last(), files=bomb(forger))),
    "the first tree is a bomb": lambda forger: forger.with_start(files=bomb(forger)),
    "a submodule": lambda forger: forger.with_head(
        forger.event(forger.last(), files=forger.raw_tree([(b"160000", b"sub", "1" * 40)]))
    ),
}

COMMANDS = (
    ["log", "9"],
    ["log", "--all", "--events", "9"],
    ["log", "--json", "9"],
    ["show", "9@-1"],
    ["show", "9@0"],
    ["show", "--json", "9@-1"],
    ["diff", "--stat", "9@0", "9@-1"],
    ["replay", "9"],
    ["fork", "9@1"],
    ["revert", "--dry-run", "9@1"],
    ["merge", "--dry-run", "9"],
    ["resume", "--keep", "9"],
    ["runs"],
)


def everything_below(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".shepherd" not in path.parts
    }


def test_a_tree_that_stands_for_more_files_than_any_disk_holds_is_refused(
    workspace: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    FORGERIES["a tree is a bomb"](Forger(open_store(workspace)))
    for command, why in (
        (["diff", "9@0", "9@-1"], "it stands for more than 4194304 files"),
        (["merge", "9"], "[trace.diverges]"),
        (["merge", "--dry-run", "9"], "[trace.diverges]"),
    ):
        capfd.readouterr()
        assert run_main(command) == 1, command
        assert why in capfd.readouterr().err


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_trace_gives_errors_and_does_nothing(
    workspace: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    FORGERIES[name](Forger(open_store(workspace)))
    before = everything_below(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, hard))
    capfd.readouterr()
    try:
        for command in COMMANDS:
            status = run_main(command)
            out, err = capfd.readouterr()
            assert status in (0, 1, 2), command
            assert "internal" not in err, (command, err)
            for text in (out, err):
                assert not [char for char in text if char != "\n" and not char.isprintable()], (command, text)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    assert everything_below(tmp_path) == before
    assert os.listdir(tmp_path) == ["w"]
