"""What of a folder never becomes part of a run's files: `.shepherdignore`, with defaults.

The file stands at the top of the workspace and has the syntax of `.gitignore`; its lines come after the defaults, so
`!.venv/` takes one back. `.gitignore` itself is not read: what Git ignores (data, built files) is often what a run
needs. `.shepherd/` is always ignored, at any depth. A file that is part of a run's files stays so, ignored or not.

What ignoring means:

- An ignored file is not imported: a run's copy does not have it, and no trace holds it. A command that needs a virtual
  environment or `node_modules` finds the one on its search path, makes one in its copy (ignored there too), or the
  workspace takes the default back.
- What a command writes to an ignored path stays in that run's copy as it is. It is not recorded; `revert` and `undo`
  do not bring back what it was, `fork` and `spawn` begin without it, and a copy that is rebuilt has lost it.
- `merge` leaves the workspace's ignored files alone, and a folder that holds one. A path that the program itself wrote
  with `file.write` is part of the run's files, ignored or not; but the merge of one that is new is refused.
- `.git` is the workspace's own repository: a run that committed or reset there would change it behind the trace.
  `!.git/` takes it in, as plain files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from shepherd_dsl.errors import UserError
from shepherd_dsl.scope.policy import UnfitError, read_policy

Ignored: TypeAlias = Callable[[str, bool], bool]
"""Whether (path, whether it is a folder) is ignored."""

FILE = ".shepherdignore"

DEFAULTS = """\
# Secrets
.env
.env.*
!.env.example
!.env.sample
!.env.template
*.pem
*.key
*.p12
*.pfx
*.jks
*.keystore
*.kdbx
id_rsa*
id_dsa*
id_ecdsa*
id_ed25519*
.ssh/
.gnupg/
.aws/
.azure/
.kube/
.netrc
.pypirc
.npmrc
.htpasswd
.git-credentials
.docker/config.json
credentials
!credentials/
credentials.json
service-account*.json
secrets.json
secrets.toml
secrets.yaml
secrets.yml
# Caches
__pycache__/
*.py[co]
.cache/
.pytest_cache/
.mypy_cache/
.ruff_cache/
.hypothesis/
.ipynb_checkpoints/
.gradle/
.DS_Store
# Dependencies
.venv/
venv/
.tox/
.nox/
*.egg-info/
node_modules/
# Repositories
.git
.hg/
.svn/
.jj/
.bzr/
"""
"""The lines before those of the workspace."""


def nothing_ignored(path: str, folder: bool) -> bool:
    """Ignores only `.shepherd`, that of a workspace further in as well: it holds traces."""
    return ".shepherd" in path and ".shepherd" in path.split("/")


def ignored_by(lines: Iterable[str], *, where: str = FILE) -> Ignored:
    """What `DEFAULTS`, then `lines` ignore. Raises UserError for a line that is no pattern."""
    return _ignored_by(tuple(lines), where)


@lru_cache(maxsize=8)  # a run asks several times, and each of the patterns is compiled to a regular expression
def _ignored_by(lines: tuple[str, ...], where: str) -> Ignored:
    from pathspec import GitIgnoreSpec

    try:
        spec = GitIgnoreSpec.from_lines([*DEFAULTS.splitlines(), *lines], backend="simple")
    except ValueError as error:
        raise UserError(
            "scope.ignore", f"not a pattern: {error}", where=where, hint="The syntax is that of .gitignore."
        ) from error

    @lru_cache(maxsize=1 << 16)
    def ignored(path: str, folder: bool) -> bool:
        if nothing_ignored(path, folder):
            return True
        return spec.match_file(f"{path}/" if folder else path)

    return ignored


def load_ignored(workspace: Path) -> Ignored:
    """What the workspace's `.shepherdignore` says, with the defaults. Raises UserError where it cannot be read."""
    try:
        text = read_policy(workspace / FILE)
    except (FileNotFoundError, NotADirectoryError):
        text = ""
    except UnfitError as error:
        raise UserError(
            "scope.ignore",
            f"cannot be read: {error}",
            where=FILE,
            hint="It must be a UTF-8 text file, not a link, of at most 1 MiB.",
        ) from error
    return ignored_by(text.splitlines())
