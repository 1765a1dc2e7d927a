"""Names of files: reversible, and never such that Git refuses a tree."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shepherd_dsl.core.event import Entry
from shepherd_dsl.core.files import Files, git_blob_hash, git_name, normal_path, os_name, path_of_os, text_name

STEADY = settings(deadline=None, derandomize=True, database=None)

HOSTILE = [
    ".git", ".GIT", ".Git", ".git ", ".git.", ".git...", ".git. .", ".git:stream", ".git::$INDEX_ALLOCATION",
    "git~1", "GIT~1", "git~1 .", "git~2",
    ".g\u200cit", "\ufeff.git", ".gi\u206ft", ".git\u200c", "x\\.git", "x\\.git\\config",
    "\\.git", "x\\git~1", "x\\.GIT ", ".gitmodules", ".GITMODULES", "gitmod~1", "gi7eba~1", "~1234567", "g~123456",
    ".gitattributes", "gitatt~1", "gi7d29~1", ".gitmodules ", ".gitmodules:x", "x\\.gitmodules", "x\\.gitmodules ",
    "%", "%41", "%2Egit", "%25", "%\\.git", "..git", ".gitx", ".gi", "...", "con", "a\nb", "a\tb", '"', "\x01", "\x7f",
    "\uef80", "\uefff\uef80", "n" * 255, "é" * 127,
]  # fmt: skip

components = (
    st.lists(st.sampled_from([*".gitGIT~1:% \\\u200c\uef80\uefff", "modules", "attributes", "é"]), min_size=1).map(
        "".join
    )
    | st.text(min_size=1)
).filter(lambda name: normal_path(name) == name and "/" not in name)


@STEADY
@given(st.binary(min_size=1, max_size=40))
@example(b"\xee\xbe\x80")
@example(b"\xee\xbf\xbf\xff")
@example(b"\xed\xa0\x80")
def test_bytes_come_back(raw: bytes) -> None:
    text = path_of_os(raw)
    assert os_name(text) == raw
    text.encode("utf-8")  # no surrogates


@STEADY
@given(components)
def test_git_names_come_back(name: str) -> None:
    raw = git_name(name)
    assert text_name(raw) == name
    assert b"/" not in raw
    assert b"\0" not in raw


@STEADY
@given(st.binary(min_size=1, max_size=12))
def test_every_git_name_has_one_meaning(raw: bytes) -> None:
    try:
        name = text_name(raw)
    except ValueError:
        return
    assert git_name(name) == raw


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_come_back(name: str) -> None:
    assert normal_path(name) == name
    assert text_name(git_name(name)) == name
    assert path_of_os(os_name(name)) == name


def test_a_second_spelling_is_not_normal() -> None:
    assert normal_path("\uefc3\uefa9") is None  # the bytes of é
    assert normal_path("\uefc3") == "\uefc3"
    assert normal_path("\uefee\uefbe\uef80") == "\uefee\uefbe\uef80"  # the one spelling of a real U+EF80


def test_ordinary_names_stay() -> None:
    for name in ["a", "gh", "git", "github.com", "~", "~a", "a~1", "x%41", "a b", ".gitignore", ".github", "é", "日本"]:
        assert git_name(name) == name.encode()


@pytest.mark.parametrize("size", [4095, 4096, 4097])
def test_longest_path(size: int) -> None:
    path = ("n" * 254 + "/") * 16 + "n" * (size - 255 * 16)
    assert (normal_path(path) == path) == (size <= 4096)


def test_git_accepts_every_name(tmp_path: Path) -> None:
    chance = random.Random(7)
    pool = [*".gitGIT~1:%. \\\u200c\ufeff", "modules", "attributes", ".git", "git~1"]
    made = {"".join(chance.choices(pool, k=chance.randint(1, 6))) for _ in range(3000)} | set(HOSTILE)
    blob = git_blob_hash(b"[submodule")  # fsck would parse this in a .gitmodules
    value = Files.of((f"d/{name}", Entry(0o120000, blob)) for name in made if normal_path(name))
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    subprocess.run(["git", "init", "-q", "--bare", "."], cwd=tmp_path, check=True, env=environment)
    objects = [(b"blob", b"[submodule"), *((b"tree", body) for _, body in value.tree_objects(lambda oid: False))]
    for kind, body in objects:
        subprocess.run(
            ["git", "hash-object", "-w", "--literally", "-t", kind.decode(), "--stdin"],
            cwd=tmp_path, input=body, capture_output=True, check=True, env=environment,
        )  # fmt: skip
    done = subprocess.run(
        ["git", "fsck", "--strict", "--no-dangling"], cwd=tmp_path, capture_output=True, env=environment
    )
    assert done.returncode == 0
    assert [line for line in done.stderr.splitlines() if not line.startswith(b"notice: ")] == []
    assert len(list(value.items())) > 2000
