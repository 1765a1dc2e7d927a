"""A Hypothesis state machine over a scope backend: processes, `sync`, `changes`, forks and restarts in any order.

    TestCopy = scope_machine(CASE).TestCase

The model is a plain map from paths to modes and bytes for each run. Needs the package `hypothesis`.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shepherd_dsl.conformance.scope import Lab, ScopeCase
from shepherd_dsl.conformance.scope_lab import rename
from shepherd_dsl.core.event import Entry
from shepherd_dsl.core.files import EMPTY_FOLDER, LINK, Files, os_name
from shepherd_dsl.scope.protocol import Scope

REACHED: Counter[str] = Counter()
"""How often each rule did something, over all machines of the process."""

RULES = (
    "write",
    "touch_up",
    "chmod",
    "link",
    "hard_link",
    "mkdir",
    "rename",
    "rename_refused",
    "remove",
    "changes",
    "sync",
    "fork",
    "restart",
)
"""The names in `REACHED` of the rules."""

_names = st.sampled_from(["a", "b", ".git", "\uefff", "n\n"])
_paths = st.lists(_names, min_size=1, max_size=3).map("/".join)
_data = st.sampled_from([b"", b"1", b"2", b"long" * 9])
_modes = st.sampled_from([0o644, 0o755, 0o600, 0o640])


def scope_machine(case: ScopeCase, *, folder: Path | None = None) -> Any:
    """A state machine class for `case`, which works in temporary folders below `folder`."""

    class ScopeMachine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.home = Path(tempfile.mkdtemp(prefix="shepherd-scope-", dir=folder))
            self.lab = Lab(case, self.home)
            self.scopes: dict[str, Scope] = {}
            self.states: list[Files] = []
            self.killed: list[Scope] = []
            self.backends = [self.lab.backend]
            self.count = 0

        def teardown(self) -> None:
            for scope in [*self.killed, *self.scopes.values()]:
                scope.close()
            for backend in self.backends:
                backend.close()
            shutil.rmtree(self.home)

        @initialize()
        def begin(self) -> None:
            self.scopes["root"] = self.lab.start({"a": b"1", "b/a": b"2", "b/b": (LINK, b"a"), ".git/b": None})
            self.states.append(self.scopes["root"].files)

        def pick(self, data: st.DataObject) -> Scope:
            return self.scopes[data.draw(st.sampled_from(sorted(self.scopes)))]

        def place(self, scope: Scope, path: str) -> Path | None:
            """Where a process would work; None where a component on the way is no folder."""
            found = scope.folder / os.fsdecode(os_name(path))
            above = found.parent
            while above != scope.folder:
                if above.is_symlink() or (above.exists() and not above.is_dir()):
                    return None
                above = above.parent
            found.parent.mkdir(parents=True, exist_ok=True)
            return found

        @rule(data=st.data(), path=_paths, content=_data)
        def write(self, data: st.DataObject, path: str, content: bytes) -> None:
            at = self.place(self.pick(data), path)
            if at is not None and not at.is_symlink() and not at.is_dir():
                at.write_bytes(content)
                REACHED["write"] += 1

        @rule(data=st.data())
        def touch_up(self, data: st.DataObject) -> None:
            """Other bytes of the same length, and the old time put back."""
            there = [path for path in _regular_files(self.pick(data).folder) if path.stat().st_size]
            if there:
                at = data.draw(st.sampled_from(there))
                before = at.stat()
                old = at.read_bytes()
                at.write_bytes(bytes([old[0] ^ 1]) + old[1:])
                os.utime(at, ns=(before.st_atime_ns, before.st_mtime_ns))
                REACHED["touch_up"] += 1

        @rule(data=st.data(), mode=_modes)
        def chmod(self, data: st.DataObject, mode: int) -> None:
            there = _regular_files(self.pick(data).folder)
            if there:
                data.draw(st.sampled_from(there)).chmod(mode)
                REACHED["chmod"] += 1

        @rule(data=st.data(), path=_paths, to=st.sampled_from(["a", "b", "nowhere", "/etc", ".."]))
        def link(self, data: st.DataObject, path: str, to: str) -> None:
            at = self.place(self.pick(data), path)
            if at is not None and not at.is_symlink() and not at.exists():
                at.symlink_to(to)
                REACHED["link"] += 1

        @rule(data=st.data(), path=_paths)
        def hard_link(self, data: st.DataObject, path: str) -> None:
            """A second name for one of the files there are."""
            scope = self.pick(data)
            there = _regular_files(scope.folder)
            at = self.place(scope, path)
            if there and at is not None and not os.path.lexists(at):
                os.link(data.draw(st.sampled_from(there)), at)
                REACHED["hard_link"] += 1

        @rule(data=st.data(), path=_paths)
        def mkdir(self, data: st.DataObject, path: str) -> None:
            at = self.place(self.pick(data), path)
            if at is not None and not at.is_symlink() and not at.exists():
                at.mkdir()
                REACHED["mkdir"] += 1

        @rule(data=st.data(), path=_paths, other=_paths)
        def rename(self, data: st.DataObject, path: str, other: str) -> None:
            scope = self.pick(data)
            one, two = self.place(scope, path), self.place(scope, other)
            if one is None or two is None or not os.path.lexists(one):
                return
            expected = _rename_answers(one, two)
            if "folder moves" in case.lacks and one.is_dir() and not one.is_symlink():
                expected.add(errno.EXDEV)
            said = rename(one, two)
            assert said in expected, f"{path!r} to {other!r}: {said} instead of one of {expected}"
            REACHED["rename_refused" if said else "rename"] += 1

        @rule(data=st.data(), path=_paths)
        def remove(self, data: st.DataObject, path: str) -> None:
            at = self.place(self.pick(data), path)
            if at is None or not os.path.lexists(at):
                return
            if at.is_dir() and not at.is_symlink():
                shutil.rmtree(at)
            else:
                at.unlink()
            REACHED["remove"] += 1

        @rule(data=st.data())
        def changes(self, data: st.DataObject) -> None:
            scope = self.pick(data)
            REACHED["changes"] += bool(self.lab.changes(scope))
            self.states.append(scope.files)

        @rule(data=st.data())
        def sync(self, data: st.DataObject) -> None:
            """To an earlier state, perhaps changed by the machine itself."""
            scope = self.pick(data)
            self.lab.changes(scope)
            files = data.draw(st.sampled_from(self.states))
            if data.draw(st.booleans()):
                path, content = data.draw(_paths), data.draw(_data)
                files = files.apply(
                    ((path, data.draw(st.sampled_from([self.lab.entry(content), EMPTY_FOLDER, None]))),)
                )
            REACHED["sync"] += scope.files != files
            scope.sync(files)
            self.lab.expect(scope, files)

        @precondition(lambda self: len(self.scopes) < 4)
        @rule(data=st.data())
        def fork(self, data: st.DataObject) -> None:
            of = data.draw(st.sampled_from(sorted(self.scopes)))
            self.lab.changes(self.scopes[of])
            self.count += 1
            run = f"{of}.{self.count}"
            self.lab.backend.fork(of, run)
            self.scopes[run] = self.lab.backend.open(run, self.scopes[of].files)
            self.lab.expect(self.scopes[run], self.scopes[of].files)
            REACHED["fork"] += 1

        @rule(killed=st.booleans())
        def restart(self, killed: bool) -> None:
            """Another process goes on. What was not reported before is gone."""
            before = {run: scope.files for run, scope in self.scopes.items()}
            if killed:
                self.killed.extend(self.scopes.values())
            else:
                for scope in self.scopes.values():
                    scope.close()
            self.lab.backend = case.make(self.lab.home, self.lab.read)
            self.backends.append(self.lab.backend)
            for run, files in before.items():
                self.scopes[run] = self.lab.backend.open(run, files)
                self.lab.expect(self.scopes[run], files)
            REACHED["restart"] += 1

        @invariant()
        def files_are_well_formed(self) -> None:
            for scope in self.scopes.values():
                assert all(isinstance(entry, Entry) for _, entry in scope.files.items())
                assert Files.of(scope.files.items()) == scope.files

    return ScopeMachine


def _rename_answers(of: Path, to: Path) -> set[int]:
    """The errors, or 0, of which one is the answer to a rename of what is there."""
    if of in to.parents:
        return {errno.EINVAL}
    if of == to or not os.path.lexists(to):
        return {0}
    is_folder, over_folder = (path.is_dir() and not path.is_symlink() for path in (of, to))
    if is_folder != over_folder:
        # A folder that holds what is to be renamed is not empty, which may be said first.
        return {errno.ENOTDIR} if is_folder else {errno.EISDIR, errno.ENOTEMPTY}
    return {errno.ENOTEMPTY, errno.EEXIST} if over_folder and any(to.iterdir()) else {0}


def _regular_files(folder: Path) -> list[Path]:
    """The regular files below `folder`, links not followed, in the order of their paths."""
    found = [Path(at) / name for at, _, names in os.walk(folder) for name in names]
    return sorted(path for path in found if path.is_file() and not path.is_symlink())
