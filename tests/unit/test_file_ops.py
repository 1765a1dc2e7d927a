"""`file.*`: what stands above a path, and the folder that no run reaches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shepherd_dsl.core.event import Change, Entry
from shepherd_dsl.core.file_ops import STATE, perform
from shepherd_dsl.core.files import EMPTY_FOLDER, LINK, Files, git_blob_hash
from shepherd_dsl.core.value import UNIT, Con, Record, Value, equal, ok

CONTENTS = {git_blob_hash(data): data for data in (b"text\n", b"/etc")}
FILE = Entry(0o100644, git_blob_hash(b"text\n"))
FILES = Files.of(
    [
        ("hollow", EMPTY_FOLDER),
        ("link", Entry(LINK, git_blob_hash(b"/etc"))),
        ("src/a.py", FILE),
        ("src/deep/link", Entry(LINK, git_blob_hash(b"/etc"))),
    ]
)
OPS = ["file.read", "file.write", "file.remove"]


def asked(op: str, path: str) -> tuple[Con, Change]:
    args: tuple[Value, ...] = (path, "new") if op == "file.write" else (path,)
    return perform(FILES, CONTENTS.__getitem__, op, args)


def code(op: str, path: str) -> Value | None:
    """The code of the error that the operation answers; nothing changes."""
    answer, change = asked(op, path)
    assert answer.name == "Err"
    assert change == ()
    (error,) = answer.args
    assert isinstance(error, Record)
    return error.get("code")


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize(
    ("path", "want"),
    [
        ("link/passwd", "link"),
        ("link/ssl/certs", "link"),
        ("src/deep/link/passwd", "link"),
        ("src/a.py/below", "not_folder"),
        ("src/a.py/far/below", "not_folder"),
        ("src", "is_folder"),
    ],
)
def test_what_stands_above_a_path_is_named_by_all_alike(op: str, path: str, want: str) -> None:
    assert code(op, path) == want


def test_what_is_above_is_named_in_the_text() -> None:
    answer, _ = asked("file.read", "src/deep/link/a/b")
    (error,) = answer.args
    assert isinstance(error, Record)
    assert error.get("text") == "src/deep/link is a symbolic link, which is not followed"


@pytest.mark.parametrize("op", ["file.read", "file.remove"])
@pytest.mark.parametrize("path", ["missing", "missing/below", "hollow/below", "src/missing/below"])
def test_folders_above_a_path_are_in_nobodys_way(op: str, path: str) -> None:
    assert code(op, path) == "not_found"


def test_a_path_with_folders_above_is_reached() -> None:
    assert equal(asked("file.read", "src/a.py")[0], ok("text\n"))
    assert asked("file.remove", "src/a.py") == (ok(UNIT), (("src/a.py", None),))
    assert asked("file.remove", "link") == (ok(UNIT), (("link", None),))
    assert asked("file.remove", "hollow") == (ok(UNIT), (("hollow", None),))
    assert asked("file.write", "hollow/a")[1] == (("hollow/a", Entry(0o100644, git_blob_hash(b"new"))),)


cased = st.lists(st.booleans(), min_size=len(STATE), max_size=len(STATE)).map(
    lambda upper: "".join(char.upper() if up else char for char, up in zip(STATE, upper, strict=True))
)


@given(cased, st.sampled_from(["", "/config.toml", "/trace.git/HEAD", "/a/b"]), st.sampled_from(OPS))
def test_the_state_is_out_of_reach_in_any_letter_case(folder: str, below: str, op: str) -> None:
    assert code(op, folder + below) == "path"


@pytest.mark.parametrize("path", [".\u017fhepherd", ".\u017fhepherd/config.toml"])
@pytest.mark.parametrize("op", OPS)
def test_the_long_s_is_an_s_to_file_systems_that_fold_case(path: str, op: str) -> None:
    assert code(op, path) == "path"


@pytest.mark.parametrize("path", [".shepherdignore", "shepherd/a", ".shepherd2/a", ".shep"])
def test_other_names_are_files_like_any(path: str) -> None:
    assert code("file.read", path) == "not_found"
    assert asked("file.write", path)[0] == ok(UNIT)
