"""Which folders of a machine a command may read: the system, the interpreter, and the programs that PATH leads to.

What a user keeps beside programs (`~/.cargo/credentials.toml`, `~/.local/share/keyrings`) is not among them: of a
folder that PATH names, and of what stands beside it, only the parts that hold software are taken; and what installers
keep between the software (addresses of registries with a password, tokens) stays unread.
"""

from __future__ import annotations

import glob
import os
import stat
import sys
from collections.abc import Iterable, Iterator

SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc",
    "/opt",
    "/nix/store",
    "/gnu/store",
    "/var/lib/ca-certificates",
    "/var/cache/fontconfig",
    "/sys/devices/system/cpu",
)
_MANAGERS = (
    ".asdf",
    ".local/pipx/py",
    ".local/pipx/shared",
    ".local/pipx/venvs",
    ".local/share/mise/installs",
    ".local/share/mise/plugins",
    ".local/share/mise/shims",
    ".local/share/pipx/py",
    ".local/share/pipx/shared",
    ".local/share/pipx/venvs",
    ".local/share/uv/python",
    ".local/share/uv/tools",
    ".nvm",
    ".pyenv",
    ".rbenv",
    ".rustup",
    ".volta",
)
"""Where programs that install programs keep them, in a home."""
_CREDENTIALS = (
    ".asdf/.git",
    ".asdf/installs/*/*/etc/gemrc",
    ".asdf/installs/*/*/etc/npmrc",
    ".asdf/installs/*/*/pip.conf",
    ".asdf/plugins/*/.git",
    ".local/pipx/venvs/*/pip.conf",
    ".local/pipx/venvs/*/pipx_metadata.json",
    ".local/share/mise/installs/*/*/etc/gemrc",
    ".local/share/mise/installs/*/*/etc/npmrc",
    ".local/share/mise/installs/*/*/pip.conf",
    ".local/share/mise/plugins/*/.git",
    ".local/share/pipx/venvs/*/pip.conf",
    ".local/share/pipx/venvs/*/pipx_metadata.json",
    ".local/share/uv/python/*/pip.conf",
    ".local/share/uv/tools/*/pip.conf",
    ".local/share/uv/tools/*/uv-receipt.toml",
    ".nvm/.git",
    ".nvm/versions/*/*/etc/npmrc",
    ".pyenv/.git",
    ".pyenv/plugins/*/.git",
    ".pyenv/versions/*/envs/*/pip.conf",
    ".pyenv/versions/*/etc/npmrc",
    ".pyenv/versions/*/pip.conf",
    ".rbenv/.git",
    ".rbenv/plugins/*/.git",
    ".rbenv/versions/*/etc/gemrc",
    ".volta/hooks.json",
    ".volta/log",
    ".volta/tools/image/*/*/etc/npmrc",
)
"""What in them, in a home, may hold passwords or tokens: settings of pip, npm and gem that hold for one installation,
what was asked of pipx and uv, where repositories were cloned from."""
_PARTS = ("bin", "sbin", "lib", "lib64", "libexec", "include", "share", "pyvenv.cfg")


def software_folders(path: Iterable[str], *, home: str | None, workspace: str, more: Iterable[str]) -> tuple[str, ...]:
    """Absolute paths, as they are written, of what may be read; `more` are those of the configuration.

    `path` are the folders where commands are looked up. Nothing of `workspace` is taken but what `path` names in it, a
    virtual environment there included.
    """
    found: dict[str, None] = dict.fromkeys(SYSTEM)
    found.update(dict.fromkeys((sys.base_prefix, sys.base_exec_prefix, sys.prefix, sys.exec_prefix)))
    for folder in path:
        found.update(dict.fromkeys(_around(folder, home=home, workspace=workspace)))
    if home:
        found.update(dict.fromkeys(os.path.join(home, name) for name in _MANAGERS))
    found.update(dict.fromkeys(more))
    return tuple(item for item in found if os.path.isabs(item) and item != "/" and os.path.exists(item))


def credentials(*, home: str | None) -> tuple[str, ...]:
    """Real paths of what lies among the software but may hold passwords or tokens: no command is to read it."""
    found = [os.path.join(prefix, "pip.conf") for prefix in (sys.prefix, sys.base_prefix) if prefix != "/usr"]
    for pattern in _CREDENTIALS if home else ():
        found += glob.glob(os.path.join(glob.escape(str(home)), pattern))
    return tuple(sorted({os.path.realpath(path) for path in found if os.path.lexists(path)}))


def _around(folder: str, *, home: str | None, workspace: str, depth: int = 0) -> Iterator[str]:
    folder = os.path.normpath(folder)
    yield folder
    above, name = os.path.split(folder)
    if name == ".bin" and os.path.basename(above) == "node_modules":
        yield above
    if name not in ("bin", "sbin") or above in ("/", home):
        return
    settings = os.path.join(above, "pyvenv.cfg")
    if not os.path.isfile(settings) and is_below(above, workspace):
        return
    for part in _PARTS:
        if part != "share" or home is None or above != os.path.join(home, ".local"):
            yield os.path.join(above, part)
    if depth == 0 and (base := _base_of(settings)) is not None:
        yield from _around(base, home=home, workspace=workspace, depth=1)


def _base_of(settings: str) -> str | None:
    """The folder of the interpreter that a virtual environment was made from."""
    try:
        with open(settings, encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                key, _, value = line.partition("=")
                if key.strip() == "home" and os.path.isabs(value.strip()):
                    return value.strip()
    except OSError:
        pass
    return None


def beside_programs(folder: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What decides, beside a folder of PATH, what commands may read: the settings of a virtual environment, and the
    folders that are read through where they lead."""
    above, name = os.path.split(os.path.normpath(folder))
    if name not in ("bin", "sbin"):
        return (), ()
    settings = os.path.join(above, "pyvenv.cfg")
    parts = tuple(os.path.join(above, part) for part in _PARTS)
    return (settings,), tuple(part for part in parts if part != settings)


def is_below(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or in it, by name."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def private_parts(folder: str) -> tuple[str, ...]:
    """What lies below `folder` and not everybody may read, but this process can: keys and passwords, for root."""
    found: list[str] = []
    waiting = [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    mode = entry.stat(follow_symlinks=False).st_mode
                    if stat.S_ISDIR(mode):
                        if mode & 0o005 == 0o005:
                            waiting.append(entry.path)
                        else:
                            found.append(entry.path)
                    elif not stat.S_ISLNK(mode) and not mode & 0o004:
                        found.append(entry.path)
        except OSError:
            continue
    return tuple(found)


def without(folder: str, excluded: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Paths that make up `folder` without what is `excluded`; True with those that are whole.

    Symbolic links are left out: reading one needs no right, and what it leads to is another path.
    """
    inside = [item for item in excluded if is_below(item, folder)]
    if not inside:
        yield folder, True
    elif folder not in inside:
        yield folder, False
        try:
            with os.scandir(folder) as entries:
                names = sorted(entry.path for entry in entries if not entry.is_symlink())
        except OSError:
            return
        for path in names:
            yield from without(path, inside)
