"""The limits of names of files: which characters are looked through, which names are taken, how long a name may be."""

from __future__ import annotations

import pytest

from shepherd_dsl.core.files import git_name, normal_path, os_name, path_of_os, text_name
from shepherd_dsl.core.names import MAX_NAME, MAX_PATH

IGNORED = [
    *range(0x200C, 0x2010),  # joiners and marks of direction
    *range(0x202A, 0x202F),  # embeddings
    *range(0x206A, 0x2070),  # deprecated
    0xFEFF,
]
BESIDE = [0x200B, 0x2010, 0x2029, 0x202F, 0x2069, 0x2070, 0xFEFE, 0xFF00]


@pytest.mark.parametrize("code", IGNORED, ids=hex)
@pytest.mark.parametrize("name", [".git", ".gitmodules", ".gitattributes", "git~1"])
def test_what_hfs_ignores_hides_no_name(name: str, code: int) -> None:
    for at in range(len(name) + 1):
        hidden = f"{name[:at]}{chr(code)}{name[at:]}"
        assert git_name(hidden) != os_name(hidden)
        assert text_name(git_name(hidden)) == hidden


@pytest.mark.parametrize("code", BESIDE, ids=hex)
def test_the_characters_beside_those_stand_for_themselves(code: int) -> None:
    name = f".g{chr(code)}it"
    assert git_name(name) == os_name(name) == name.encode()


@pytest.mark.parametrize(
    ("name", "written"),
    [
        (".git", b"%2Egit"),
        (".GIT", b"%2EGIT"),
        ("git~1", b"%67it~1"),
        ("G~9", b"%47~9"),
        ("~1", b"%7E1"),
        ("a\\.git", b"%61%5C.git"),
        ("é\\.git", b"%C3\xa9%5C.git"),
        ("%", b"%25"),
        ("%a%\\", b"%25a%25%5C"),
        (".git:%", b"%2Egit:%25"),
    ],
)
def test_a_name_that_git_reads_is_written_otherwise(name: str, written: bytes) -> None:
    assert git_name(name) == written
    assert text_name(written) == name


@pytest.mark.parametrize(
    "name",
    [
        ".gi", ".gitx", ".gitmodule", ".gitmodulesx", "..git", "git", "gitmodules", "g", "~", "~a", "g~a", "git~", "a%",
        "h~1", "gabcdef~1", "g-~1", "a\\b", "a\\.gi", "x.git", " .git", "x", "xgit~1",
    ],
)  # fmt: skip
def test_other_names_stand_for_themselves(name: str) -> None:
    assert git_name(name) == name.encode()
    assert text_name(name.encode()) == name


def test_a_component_has_at_most_255_bytes() -> None:
    assert MAX_NAME == 255
    for name in ("n" * 255, "é" * 127 + "n", "\uef80" * 255):
        assert normal_path(name) == name
        assert normal_path(f"a/{name}/b") == f"a/{name}/b"
    for name in ("n" * 256, "é" * 128, "\uef80" * 256):
        assert normal_path(name) is None
        assert normal_path(f"a/{name}/b") is None


def test_a_path_has_at_most_4096_bytes() -> None:
    assert MAX_PATH == 4096
    path = "/".join(["n" * 255] * 16)
    assert len(path) == 4095
    assert normal_path(path) == path
    assert normal_path(f"m{path[:254]}/{'/'.join(['n' * 255] * 15)}") is not None
    full = "/".join(["n" * 255] * 15 + ["n" * 254, "m"])
    assert len(full) == 4096
    assert normal_path(full) == full
    assert normal_path(f"{full}m") is None


@pytest.mark.parametrize("byte", [0x80, 0x81, 0xC3, 0xFE, 0xFF])
def test_a_byte_that_is_no_text_has_a_character_of_its_own(byte: int) -> None:
    raw = b"a" + bytes([byte])
    assert path_of_os(raw) == f"a{chr(0xEF00 + byte)}"
    assert os_name(path_of_os(raw)) == raw
    assert normal_path(path_of_os(raw)) is not None


@pytest.mark.parametrize("text", ["a\uef7f", "a\uf000", "aé", "a"])
def test_the_characters_beside_those_are_written_as_they_are(text: str) -> None:
    assert os_name(text) == text.encode()
    assert path_of_os(text.encode()) == text
    assert normal_path(text) == text


def test_a_second_spelling_of_a_name_is_not_normal() -> None:
    assert os_name("\uefc3\uefa9") == "é".encode()
    assert normal_path("\uefc3\uefa9") is None
    assert normal_path("é") == "é"
    assert normal_path("\uefa9\uefc3") is not None


@pytest.mark.parametrize(
    "text",
    [
        "", "\0", "a\0", "\0x", "a/\0", "\ud800", "a\udfff", "a/\udc80/b",
        "/", "/a", "a/", "a//b", ".", "..", "./a", "a/.", "../a", "a/..", "a/./b", "a/../b",
    ],
)  # fmt: skip
def test_what_names_no_file_is_not_normal(text: str) -> None:
    assert normal_path(text) is None


@pytest.mark.parametrize(
    "text", ["a", "a/b", "...", ".a", "a.", "..a", "a..", "a/.../b", " ", "~", "\x01", "\ud7ff", "\ue000", "a\\b"]
)
def test_what_names_a_file_is_normal(text: str) -> None:
    assert normal_path(text) == text
