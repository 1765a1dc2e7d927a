"""A workspace: the user's folder with its `.shepherd`, and what hangs on it."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from shepherd_dsl.core.content import Content, ReadBlob
from shepherd_dsl.core.files import Files, git_blob_hash, path_of_os
from shepherd_dsl.errors import ScopeError, UserError
from shepherd_dsl.path_text import path_text, shortened
from shepherd_dsl.scope.limits import MEMORY
from shepherd_dsl.scope.protocol import ScopeBackend

if TYPE_CHECKING:
    from shepherd_dsl.config import Config
    from shepherd_dsl.handlers.secrets import Redactor
    from shepherd_dsl.scope.ignore import Ignored
    from shepherd_dsl.scope.policy import Policies
    from shepherd_dsl.scope.tidy import Unused
    from shepherd_dsl.trace.protocol import TraceStore, TreeWriter

STATE = ".shepherd"


def wanted_backend(config: Config) -> str | None:
    """The scope backend that the configuration asks for, None where the best one is to be chosen.

    Without the jail it is the plain copy, or reflinks where they are asked for: only the jail takes a command to where
    the others are. Raises UserError where the configuration asks for both.
    """
    if not config.jail.off:
        return config.scope.backend
    if config.scope.backend not in (None, "copy", "reflink"):
        raise UserError(
            "scope.backend",
            f"the scope backend {config.scope.backend} cannot be used without the jail",
            where="[scope] backend, [jail] off",
            hint='Take one of them out, or say backend = "copy".',
        )
    return config.scope.backend or "copy"


@attrs.frozen(slots=True, eq=False)
class TakenIn:
    """The files of a workspace as a run takes them in, and in words what was `left_out`.

    Looking at `count` files and links with `size` bytes took so many `seconds`.
    """

    files: Files
    left_out: tuple[str, ...]
    count: int
    size: int
    seconds: float


class Workspace:
    """The user's folder `root`; its state is in `root/.shepherd`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = root / STATE
        self._store: TraceStore | None = None

    @staticmethod
    def find(start: Path) -> Workspace:
        """The workspace that `start` lies in: the nearest folder upwards with a `.shepherd` that holds runs.

        Raises UserError `workspace.none` where there is none.
        """
        start = start.absolute()
        for folder in (start, *start.parents):
            if any((folder / STATE / part).exists() for part in ("trace.git", "runs")):
                return Workspace(folder)
        raise UserError(
            "workspace.none",
            "not in a workspace: no folder from here upwards has a .shepherd/",
            where=str(start),
            hint="`shepherd init` makes one here.",
        )

    @staticmethod
    def init(root: Path) -> Workspace:
        """Make `root` a workspace; one that is one already stays as it is."""
        from shepherd_dsl.trace.store import init_store

        root = root.absolute()
        if not root.is_dir():
            raise UserError("workspace.folder", "there is no such folder", where=str(root))
        init_store(root)
        ignore = root / STATE / ".gitignore"
        if not ignore.exists():
            # The user's own repository, if there is one, does not see the state.
            ignore.write_text("*\n", "utf-8")
        return Workspace(root)

    def store(self) -> TraceStore:
        """The trace store."""
        if self._store is None:
            from shepherd_dsl.trace.store import open_store

            self._store = open_store(self.root)
        return self._store

    def scopes(
        self,
        name: str,
        *,
        read_blob: ReadBlob,
        redactor: Redactor,
        wanted: str | None = None,
        said: Callable[[str], None] = lambda text: None,
        memory: int = MEMORY,
    ) -> ScopeBackend:
        """The scopes of the tree `name`, by the backend that is `wanted`, else the best that the machine can use; a
        server of files takes at most `memory` bytes for what commands make.

        What a command writes under a name that contains a secret is ignored. Where the best one turns out not to do,
        the next takes its place, and that is `said`. Raises UserError where the backend that is wanted cannot be used.
        """
        from shepherd_dsl.scope.probe import open_backend

        ignored = self._ignored(redactor, set())
        place = self.state / "scopes" / name
        return open_backend(place, read_blob=read_blob, ignored=ignored, wanted=wanted, said=said, memory=memory)

    def policies(self, environ: Mapping[str, str] = os.environ) -> Policies:
        """What of the workspace decides about runs, by the configuration and the PATH of `environ`: no merge may change
        it. Raises UserError where the configuration is wrong.

        That are the file of answers, the tracker's, the cassette that models are played from, and what makes the jail
        readable for commands: `[jail] read`, and the folders of PATH with the software beside them.
        """
        from shepherd_dsl.config import CONFIG_FILE, read_config
        from shepherd_dsl.scope.policy import Policies
        from shepherd_dsl.scope.software import beside_programs

        config = read_config(self.state / CONFIG_FILE)
        api, _, rest = (config.model.default or "").partition(":")
        cassette = rest if api == "cassette" else rest.partition("=")[0] if api == "record" else None
        files = [config.human.answers, config.tracker.path, cassette]
        places = [os.path.expanduser(item) for item in config.jail.read]
        user = [item for item in environ.get("PATH", "").split(os.pathsep) if os.path.isabs(item)]
        for folder in (*config.environment.path, *(item for item in user if any(self._inside(item)))):
            settings, parts = beside_programs(os.path.join(self.root, folder))
            files += settings
            places += [folder, *parts]
        return Policies(
            files=frozenset(path for item in files if item for path in self._inside(item)),
            places=frozenset(path for item in places for path in self._inside(item)),
        )

    def _inside(self, path: str) -> Iterator[str]:
        """How `path` is called in the workspace, as it is written and where it leads; nothing where it is elsewhere."""
        full = os.path.join(self.root, path)
        for found, top in ((os.path.normpath(full), self.root), (os.path.realpath(full), os.path.realpath(self.root))):
            inside = os.path.relpath(found, top)
            if inside != os.curdir and inside.partition(os.sep)[0] != os.pardir:
                yield path_of_os(os.fsencode(inside))

    def unused_scopes(self) -> Unused:
        """The copies of files that no process uses: neither a driver nor a command that has outlived its own."""
        from shepherd_dsl.handlers.leftover import left_running
        from shepherd_dsl.scope.tidy import unused
        from shepherd_dsl.trace.store import open_store

        is_locked = open_store(self.root).is_locked
        left = {noted.tree for noted in left_running(self.state)}
        return unused(self.state / "scopes", lambda name: name in left or is_locked(name))

    def remove_unused_scopes(self, found: Unused) -> None:
        """Remove them. Raises ScopeError."""
        from shepherd_dsl.scope.tidy import remove_unused
        from shepherd_dsl.trace.store import open_store

        try:
            remove_unused(self.state / "scopes", found, open_store(self.root).locked)
        except OSError as error:
            raise ScopeError(
                "scope.io",
                f"cannot remove what is not used: {error.strerror or error}",
                where=str(error.filename or ""),
            ) from error

    def _ignored(self, redactor: Redactor, found: set[str]) -> Ignored:
        """What of a folder is left out; paths that contain a secret go to `found`, without it."""
        from shepherd_dsl.scope.ignore import load_ignored

        ignored = load_ignored(self.root)
        if not redactor.has_secrets:
            return ignored
        known: dict[str, bool] = {}

        def tells(path: str) -> bool:
            if path not in known:
                clean = redactor.text(path)
                known[path] = clean is not path
                if known[path]:
                    found.add(clean)
            return known[path]

        return lambda path, folder: ignored(path, folder) or tells(path)

    def import_files(self, writer: TreeWriter, *, redactor: Redactor) -> TakenIn:
        """The workspace's files as they are now.

        A file that contains the value of a secret is left out: whatever enters the trace stays there.
        """
        from shepherd_dsl.scope.importer import import_workspace

        began = time.monotonic()
        known = _Tainted.load(self.state / "cache" / "tainted.json", redactor)

        def put_blob(data: Content) -> str:
            if redactor.content(data) is data:
                return writer.put_blob(data)
            name = git_blob_hash(data)
            known.names.add(name)
            return name

        named: set[str] = set()
        imported = import_workspace(
            self.root,
            put_blob=put_blob,
            ignored=self._ignored(redactor, named),
            has_blob=(lambda name: name in known.names or writer.has_blob(name)) if known.current else _nothing,
        )
        known.save()
        files = imported.files
        if known.names:
            secret = [path for path, entry in files.items() if entry.hash in known.names]
            files = files.apply(tuple((path, None) for path in secret))
        else:
            secret = []
        left_out = [(path, "contains a secret") for path in secret]
        left_out += [(path, "its name contains a secret") for path in sorted(named)]
        left_out += list(imported.skipped.items())
        left_out += [(path, "changed while it was read; taken as it was last") for path in imported.unstable]
        said = tuple(f"{path_text(shortened(path))} ({why})" for path, why in left_out)
        return TakenIn(files, said, imported.count, imported.size, time.monotonic() - began)


def _nothing(name: str) -> bool:
    return False


class _Tainted:
    """Which imported contents hold a secret, remembered for as long as the secrets are the same.

    What is remembered of the secrets is a salted, slow hash.
    """

    def __init__(self, path: Path, salt: str, print_: str, names: set[str], *, current: bool) -> None:
        self._path, self._salt, self._print = path, salt, print_
        self.names = names
        self.current = current

    @staticmethod
    def load(path: Path, redactor: Redactor) -> _Tainted:
        found: Mapping[str, object] = {}
        try:
            loaded = json.loads(path.read_text("utf-8"))
            if isinstance(loaded, dict):
                found = loaded
        except (OSError, ValueError):
            pass
        salt = str(found.get("salt") or secrets.token_hex(16))
        print_ = redactor.fingerprint(salt.encode())
        names = found.get("names")
        if found.get("print") == print_ and isinstance(names, list):
            return _Tainted(path, salt, print_, {str(name) for name in names}, current=True)
        return _Tainted(path, salt, print_, set(), current=False)

    def save(self) -> None:
        """Keep it for the next import, if it can be kept: without it, that takes longer."""
        text = json.dumps({"names": sorted(self.names), "print": self._print, "salt": self._salt})
        temporary = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(text, "utf-8")
            temporary.replace(self._path)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
