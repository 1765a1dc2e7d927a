"""A workspace with a tree on it, whose worker is forked, reverted and merged: what `bench.scopes` times.

python -m bench.scopes.subject FOLDER MB/FILES lays such a workspace in a folder.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import Any, Final

import attrs

from bench.scopes.place import Place
from shepherd_dsl.core.event import Forked
from shepherd_dsl.core.files import Files
from shepherd_dsl.core.grant import Clause
from shepherd_dsl.core.machine import Asked, answer, start
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.value import ok
from shepherd_dsl.core.wire import program_text
from shepherd_dsl.handlers.secrets import Redactor
from shepherd_dsl.runtime.live_tree import LiveTree
from shepherd_dsl.runtime.workspace import Workspace
from shepherd_dsl.scope.apply import merge_into
from shepherd_dsl.scope.probe import CANDIDATES
from shepherd_dsl.scope.protocol import ScopeBackend
from tests.support.build import ALL, call, do, iff, p, program, ret, seq, spawn

_TEXT: Final = b"def f(x):\n    return x + 1  # a comment\n" * 20_000


def lay(folder: Path, megabytes: int, count: int) -> None:
    """A workspace of `count` files, log-normal in size, 8 to 40 in a folder, the same every time."""
    random = Random(1)
    weights = [random.lognormvariate(0, 1.2) for _ in range(count)]
    scale = megabytes * 1e6 / sum(weights)
    source = random.randbytes(1 << 20) + _TEXT
    place, left = folder, 0
    for number, weight in enumerate(weights):
        if not left:
            place, left = folder / f"part{number % 23}" / f"module{number}", random.randint(8, 40)
            place.mkdir(parents=True)
        left -= 1
        begin = random.randrange(len(source) // 2)
        with open(place / f"file{number}.py", "wb") as file:
            size = max(1, int(weight * scale))
            while size > 0:
                size -= file.write(source[begin : begin + size])


def commit_all(root: Path) -> None:
    """Make a folder a Git repository with all of it committed."""
    who = ["-c", "gc.auto=0", "-c", "user.name=bench", "-c", "user.email=bench@example.invalid"]
    for command in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", "all"]):
        subprocess.run(["git", "-C", str(root), *command], check=True)


def forking() -> Program:
    """A worker that asks without end, and a main that passes each question and forks the worker behind its outcome."""
    work = seq(("_", do("write")), call("worker"))
    again = seq(
        ("_", do("run.next", "$w")),
        ("_", do("run.pass", "$w")),
        ("_", do("run.fork", "$w", p("mul", "$n", 2))),
        call("loop", "$w", p("add", "$n", 1)),
    )
    main = seq(("w", spawn("worker")), call("loop", p("con_arg", "$w", 0), 1))
    return program(10**6, worker=((), work), loop=(("w", "n"), iff(True, again, ret(0))), main=((), main))


def usable_backends(folder: Path) -> dict[str, str]:
    """The backends that work at a folder, the fastest first; and of the others, why not, as `!name`."""
    found = {}
    for candidate in CANDIDATES:
        works, why = candidate.usable(folder)
        found[candidate.name if works else f"!{candidate.name}"] = why
    return found


@attrs.define(slots=True, eq=False)
class Subject:
    """A workspace with a tree on it whose worker is at a question, its files in a scope of `backend`.

    `import_s` is how long reading the workspace took, `base_s` how long making the first scope took, in seconds.
    """

    root: Path
    tree: LiveTree
    backend: ScopeBackend
    files: Files
    paths: list[str]
    import_s: float
    base_s: float
    scope: Any = None
    folder: Path = Path()

    @staticmethod
    def on(root: Path, backend: str) -> Subject:
        """A new tree on the workspace at `root`."""
        workspace = Workspace.init(root)
        made = forking()
        writer = workspace.store().create(program=program_text(made), info={})
        began = time.perf_counter()
        files = workspace.import_files(writer, redactor=Redactor()).files
        import_s = time.perf_counter() - began
        machine = start(made, "main", (), (*ALL, Clause("write")), files, read_blob=writer.blob)
        tree = LiveTree(machine, writer, recorded=0)
        stop, _ = tree.to_stop()
        if not isinstance(stop, Asked):
            raise RuntimeError(f"the tree is at {stop}")
        scopes = workspace.scopes(writer.name, read_blob=writer.blob, redactor=Redactor(), wanted=backend)
        began = time.perf_counter()
        scope = scopes.open("root.0", files)
        base_s = time.perf_counter() - began
        paths = [path for path, _ in files.items()]
        folder = workspace.state / "scopes" / writer.name
        return Subject(root, tree, scopes, files, paths, import_s, base_s, scope, folder)

    def close(self) -> None:
        """Let go of the scopes and the tree."""
        self.backend.close(ended=True)
        self.tree.writer.close()

    def mounts(self) -> int:
        """How many mounts there are where the scopes are."""
        return int(Place(self.scope.place, self.scope.namespaces).output("wc -l < /proc/self/mountinfo"))

    def fork(self, dirty: int, random: Random, *, keep: bool = False) -> float:
        """Seconds for a fork of the worker after it wrote to `dirty` files, durable, the copy's files mounted."""
        self._dirty(dirty, random)
        change = self.scope.changes(self.tree.writer.put_blob)
        began = time.perf_counter()
        self.tree.machine = answer(self.tree.machine, ok(()), change)
        _, made = self.tree.to_stop()
        copy = next(commit.run for commit in made if isinstance(commit.event, Forked))
        self.backend.fork("root.0", copy)
        scope = self.backend.open(copy, self.tree.machine.runs[copy].files)
        spent = time.perf_counter() - began
        if self.scope.files != scope.files:
            raise RuntimeError("the copy has other files")
        scope.close()
        if not keep:
            self.backend.remove(copy)
        return spent

    def fork_scope(self, name: str) -> float:
        """Seconds until the files of a copy, which is then removed, can be used: nothing is recorded."""
        began = time.perf_counter()
        self.backend.fork("root.0", name)
        self.backend.open(name, self.scope.files)
        spent = time.perf_counter() - began
        self.backend.remove(name)
        return spent

    def revert(self, random: Random) -> float:
        """Seconds to have the files back as they were before writing to 10 of them."""
        before = self.scope.files
        self._dirty(10, random)
        self.scope.changes(self.tree.writer.put_blob)
        began = time.perf_counter()
        self.scope.sync(before)
        return time.perf_counter() - began

    def merge(self, random: Random) -> float:
        """Seconds to write one changed file into the workspace, durably; it is put back."""
        path = random.choice(self.paths)
        after = self.files.apply(((path, self.files.get(random.choice(self.paths))),))
        began = time.perf_counter()
        merge_into(self.root, self.files, after, read_blob=self.tree.writer.blob)
        spent = time.perf_counter() - began
        merge_into(self.root, after, self.files, read_blob=self.tree.writer.blob)
        return spent

    def bytes_of_a_fork(self) -> tuple[float, float]:
        """What a clean fork takes on the disk, the mean of ten: in files, and in the blocks of folders."""
        random = Random(3)
        self.fork(0, random)  # what was written before becomes a layer, which is not the fork's
        before = _bytes(self.folder)
        while True:  # until nothing is squashed any more
            time.sleep(0.5)
            earlier, before = before, _bytes(self.folder)
            if earlier == before:
                break
        for _ in range(10):
            self.fork(0, random, keep=True)
        after = _bytes(self.folder)
        return (after[0] - before[0]) / 10, (after[1] - before[1]) / 10

    def _dirty(self, count: int, random: Random) -> None:
        for path in random.sample(self.paths, count):
            (self.scope.folder / path).write_bytes(b"%d\n" % random.getrandbits(60))


def memory_mb() -> float:
    """Memory of this process and of the servers it has started, in MB; pages that they share count once."""
    parents: dict[str, list[str]] = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents.setdefault(place.read_text().rpartition(")")[2].split()[1], []).append(place.parent.name)
    todo, kilobytes = [str(os.getpid())], 0
    while todo:
        pid = todo.pop()
        todo += parents.get(pid, ())
        with contextlib.suppress(OSError):
            rollup = Path("/proc", pid, "smaps_rollup").read_text()
            kilobytes += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return kilobytes / 1024


def _bytes(folder: Path) -> tuple[int, int]:
    files = folders = 0
    for at, inside, names in os.walk(folder):
        with contextlib.suppress(FileNotFoundError):
            files += sum(os.lstat(os.path.join(at, name)).st_blocks * 512 for name in names)
            folders += sum(os.lstat(os.path.join(at, name)).st_blocks * 512 for name in inside)
    return files, folders


if __name__ == "__main__":
    _folder, _size = sys.argv[1:]
    lay(Path(_folder), *map(int, _size.split("/")))
