"""Merges, reverts and undos where permissions keep things from a plain user."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shepherd_dsl.core.event import Entry
from shepherd_dsl.core.files import Files, git_blob_hash
from shepherd_dsl.scope.apply import Manner, merge_into
from shepherd_dsl.scope.bases import remove_tree
from shepherd_dsl.scope.lines import Labels, merge_lines
from shepherd_dsl.scope.settle import Policy
from tests.support.cli import Printed, shepherd
from tests.support.plain_user import as_root, do_as_plain_user

PROGRAM = """\
agent main() -> Int
  grants file.write("**")
{
  do file.write("nox/x", "from the run\\n")
  do file.write("plain.txt", "from the run\\n")
  return 1
}
"""
BLOBS = {git_blob_hash(data): data for data in (b"old\n", b"new\n")}
OLD, NEW = (
    Files.of((name, Entry(mode, git_blob_hash(data))) for name in ("k", "k2"))
    for mode, data in ((0o100644, b"old\n"), (0o100000, b"new\n"))
)


def merged(folder: Path, base: Files, result: Files, policy: Policy = "refuse") -> None:
    manner = Manner(by_line=True, policy=policy)
    merge_into(folder, base, result, read_blob=BLOBS.__getitem__, manner=manner)


def test_a_file_that_its_owner_may_not_read_is_taken_back_all_the_same(place: Path) -> None:
    def there_and_back(folder: Path) -> None:
        for name in ("k", "k2"):
            (folder / name).write_bytes(b"old\n")
        merged(folder, OLD, NEW)
        assert (folder / "k").stat().st_mode & 0o777 == 0
        merged(folder, NEW, OLD)
        assert (folder / "k").read_bytes() == b"old\n"
        # Where that is refused, the file is as it was.
        merged(folder, OLD, NEW)
        (folder / "k2").unlink()
        (folder / "k2").write_bytes(b"mine\n")
        with pytest.raises(Exception, match=r"k2: .*\[merge.conflict\]"):
            merged(folder, NEW, OLD)
        assert (folder / "k").stat().st_mode & 0o777 == 0
        merged(folder, NEW, OLD, "overwrite")
        assert (folder / "k2").read_bytes() == b"old\n"

    do_as_plain_user(there_and_back, place)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that a plain user can enter. What he will do has been done once: he may not be able to import it."""
    monkeypatch.chdir(tmp_path)
    Path("main.shep").write_text(PROGRAM)
    for line in ("init .", "run main.shep -q --keep", "merge --json", "undo", "merge none", "revert 1@0"):
        shepherd(*line.split())
    merge_lines(b"a\n", b"b\n", b"c\n", Labels("a", "b", "c"))
    folder = Path(tempfile.mkdtemp(prefix="shepherd-plain-"))
    yield folder
    remove_tree(folder)


def closed_folder(place: Path) -> None:
    (place / "nox").mkdir()
    (place / "nox" / "mine").write_text("mine\n")
    (place / "nox").chmod(0o700)


def closed_file(place: Path) -> None:
    (place / "nox").mkdir()
    (place / "nox" / "x").write_text("mine\n")
    (place / "nox" / "x").chmod(0o600)
    (place / "nox").chmod(0o777)


@as_root
@pytest.mark.parametrize(("lay", "named"), [(closed_folder, "nox"), (closed_file, "nox/x")])
def test_what_i_may_not_read_is_named_and_never_overwritten(
    place: Path, lay: Callable[[Path], None], named: str
) -> None:
    lay(place)
    (place / "main.shep").write_text(PROGRAM)

    def merge(folder: Path) -> None:
        os.chdir(folder)
        assert shepherd("init", ".").status == 0
        denied(shepherd("run", "-q", "main.shep"), 1)
        for options in ((), ("--overwrite",), ("--markers",), ("--dry-run",)):
            denied(shepherd("merge", *options), 2)
        assert not (folder / "plain.txt").exists()
        kept = shepherd("merge", "--keep-mine")
        assert kept.status == 0, kept.err
        assert "left as you have it, you may not read it: nox/x\n" in kept.out
        assert (folder / "plain.txt").exists()
        assert shepherd("revert", "1@0").status == 0
        assert not (folder / "plain.txt").exists()

    def denied(printed: Printed, status: int) -> None:
        assert printed.status == status, printed.err
        said = printed.err + printed.out
        assert f"\n  {named}: you may not read it" in said
        assert "[merge.denied]" in said or status == 1
        assert "b'" not in said

    do_as_plain_user(merge, place)


@as_root
def test_a_workspace_that_may_not_be_written_is_denied_by_name(place: Path) -> None:
    (place / "main.shep").write_text(PROGRAM)
    (place / "nox").mkdir(mode=0o755)

    def merge(folder: Path) -> None:
        os.chdir(folder)
        assert shepherd("init", ".").status == 0
        printed = shepherd("run", "-q", "main.shep")
        assert printed.status == 1
        assert "nox: the folder may not be written" in printed.err + printed.out

    do_as_plain_user(merge, place)
