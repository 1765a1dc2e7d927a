"""Merging texts line by line: the laws of a three-way merge, the answers of `git merge-file`, and where it stops."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shepherd_dsl.core.content import LARGE, Large
from shepherd_dsl.scope.lines import MOST_BYTES, MOST_LINES, Labels, merge_lines, texts_of

LABELS = Labels("mine", "base", "theirs")

LINES = st.sampled_from([b"a\n", b"b\n", b"c\r\n", b"\n", b"\r\n", "é\n".encode("latin-1"), b"=======\n", b"x"])
TEXTS = st.lists(LINES, max_size=12).map(b"".join)


def merged(base: bytes, mine: bytes, theirs: bytes) -> bytes | None:
    return merge_lines(base, mine, theirs, LABELS).text


@given(TEXTS, TEXTS)
def test_an_unchanged_side_gives_the_other(base: bytes, changed: bytes) -> None:
    assert merged(base, base, changed) == changed
    assert merged(base, changed, base) == changed
    assert merged(base, changed, changed) == changed


@given(TEXTS, TEXTS, TEXTS)
def test_the_sides_may_be_exchanged(base: bytes, mine: bytes, theirs: bytes) -> None:
    one, other = merge_lines(base, mine, theirs, LABELS), merge_lines(base, theirs, mine, LABELS)
    assert one.text == other.text
    assert [(clash.base, clash.mine, clash.theirs) for clash in one.clashes] == [
        (clash.base, clash.theirs, clash.mine) for clash in other.clashes
    ]


@given(st.data())
@settings(max_examples=200)
def test_changes_apart_from_each_other_both_survive(data: st.DataObject) -> None:
    """Stretches of a base of lines that are all different, at least one line apart, each changed on one side."""
    base = [b"line %d\n" % number for number in range(data.draw(st.integers(3, 40)))]
    mine, theirs, both = list(base), list(base), list(base)
    at = 0
    while at < len(base):
        stop = at + data.draw(st.integers(1, 3))
        new = data.draw(st.sampled_from([b"", b"new %d\n" % at, b"new %d\nmore %d\n" % (at, at)]))
        for side in data.draw(st.sampled_from([(), (mine,), (theirs,), (mine, theirs)])):
            side[at:stop] = [new, *[b""] * (len(base[at:stop]) - 1)]
            both[at:stop] = side[at:stop]
        at = stop + 1
    assert merged(*(b"".join(side) for side in (base, mine, theirs))) == b"".join(both)


@given(TEXTS, TEXTS, TEXTS)
def test_clashes_name_the_lines_of_each_side(base: bytes, mine: bytes, theirs: bytes) -> None:
    found = merge_lines(base, mine, theirs, LABELS)
    assert (found.text is None) == bool(found.clashes)
    olds, ours, others = ([line + b"\n" for line in text.split(b"\n")] for text in (base, mine, theirs))
    marked = found.marked.split(b"\n")
    for clash in found.clashes:
        old, our, other = olds[slice(*clash.base)], ours[slice(*clash.mine)], others[slice(*clash.theirs)]
        assert our != other
        assert old not in (our, other)
        shown = marked[slice(*clash.marked)]
        assert shown[0].rstrip(b"\r").endswith(b" mine")
        assert shown[-1].rstrip(b"\r").endswith(b" theirs")
        assert len(shown) == len(old) + len(our) + len(other) + 4


def test_git_says_the_same(tmp_path: Path) -> None:
    """Result, clashes and markers, byte for byte; Git ends markers otherwise where the base is empty or has no end."""
    chance = random.Random(11)
    kinds = {"merged": 0, "clash": 0}

    def edited(text: bytes) -> bytes:
        lines = text.split(b"\n")
        for _ in range(chance.randrange(4)):
            at = chance.randrange(len(lines) + 1)
            new = chance.choice([b"q", b"w", b"a", b"e\r"])
            lines[at : at + chance.randrange(3)] = [new] * chance.randrange(3)
        return b"\n".join(lines)

    for _ in range(300):
        count = chance.randrange(14)
        base = b"".join(chance.choice([b"a\n", b"b\n", b"c\r\n", b"d\n", b"\n"]) for _ in range(count)) + b"end\n"
        sides = {"mine": edited(base), "base": base, "theirs": edited(base)}
        for name, text in sides.items():
            (tmp_path / name).write_bytes(text)
        labels = [word for name in sides for word in ("-L", name)]
        line = ["git", "merge-file", "-p", "--diff3", *labels, *(str(tmp_path / name) for name in sides)]
        git = subprocess.run(line, capture_output=True, check=False)
        found = merge_lines(base, sides["mine"], sides["theirs"], LABELS)
        assert found.marked == git.stdout, sides
        assert len(found.clashes) == git.returncode, sides
        kinds["clash" if found.clashes else "merged"] += 1
    assert min(kinds.values()) > 50


def test_markers_show_all_three_texts() -> None:
    found = merge_lines(b"1\nold\n3\n4\n", b"1\nmine\n3\n4\n", b"1\ntheirs\n3\nfour", LABELS)
    assert found.text is None
    assert found.marked == (b"1\n<<<<<<< mine\nmine\n||||||| base\nold\n=======\ntheirs\n>>>>>>> theirs\n3\nfour")
    assert [(clash.base, clash.mine, clash.theirs, clash.marked) for clash in found.clashes] == [
        ((1, 2), (1, 2), (1, 2), (1, 8))
    ]


@pytest.mark.parametrize("line", [b"<<<<<<< HEAD", b">>>>>>> x", b"|||||||", b"=======", b"<<<<<<<<<<"])
def test_a_line_like_a_marker_makes_the_markers_wider(line: bytes) -> None:
    found = merge_lines(b"a\n", b"mine\n" + line + b"\n", b"theirs\n", LABELS)
    width = len(line.split(b" ")[0]) + 1
    signs = [sign * width for sign in (b"<", b"|", b"=", b">")]
    assert found.marked == b"%s mine\nmine\n%s\n%s base\na\n%s\ntheirs\n%s theirs\n" % (
        signs[0], line, signs[1], signs[2], signs[3],
    )  # fmt: skip


def test_a_last_line_without_an_end_is_not_glued_to_a_marker() -> None:
    found = merge_lines(b"a\n", b"mine", b"theirs", LABELS)
    assert found.marked == b"<<<<<<< mine\nmine\n||||||| base\na\n=======\ntheirs\n>>>>>>> theirs\n"
    assert merged(b"a\nb\nc", b"A\nb\nc", b"a\nb\nc\n") == b"A\nb\nc\n"
    assert merged(b"a\nb\nc\n", b"A\nb\nc\n", b"a\nb\nc") == b"A\nb\nc"


def test_markers_end_as_the_lines_around_them_do() -> None:
    found = merge_lines(b"a\r\nb\r\n", b"a\r\nmine\r\n", b"a\r\ntheirs\r\n", LABELS)
    assert all(line.endswith(b"\r\n") for line in found.marked.splitlines(keepends=True))


def test_a_change_of_all_line_ends_clashes_with_any_other_change() -> None:
    base = b"a\nb\nc\n"
    assert merged(base, base.replace(b"\n", b"\r\n"), b"a\nB\nc\n") is None
    assert merged(base, base.replace(b"\n", b"\r\n"), base) == b"a\r\nb\r\nc\r\n"


@pytest.mark.parametrize("encoding", ["latin-1", "shift-jis", "gb18030", "utf-8"])
def test_the_encoding_does_not_matter(encoding: str) -> None:
    text = {"latin-1": "é\nü\nß\n"}.get(encoding, "表\n能\n本\n")
    base = text.encode(encoding)
    mine, theirs = base.replace(b"\n", b"!\n", 1), base + "a\n".encode(encoding)
    assert merged(base, mine, theirs) == mine + b"a\n"


def test_what_is_no_text_or_too_large_is_not_merged() -> None:
    assert texts_of(b"a\n", b"b" * 100, b"") == (b"a\n", b"b" * 100, b"")
    assert texts_of(b"a\n", b"a" * 9000 + b"\0", b"") == "binary"
    assert texts_of("text\n".encode("utf-16"), b"", b"") == "binary"
    assert texts_of(b"", b"", b"x" * (MOST_BYTES + 1)) == "large"
    assert texts_of(b"\n" * (MOST_LINES + 1), b"", b"") == "large"
    assert isinstance(texts_of(b"\n" * MOST_LINES, b"", b"x" * MOST_BYTES), tuple)
    assert texts_of(b"a\n", Large(LARGE + 1, iter), b"") == "large"
    assert texts_of(b"a\0", Large(LARGE + 1, iter), b"") == "binary"


def test_hostile_texts_take_seconds_at_worst() -> None:
    chance = random.Random(5)
    numbers = [b"%d\n" % chance.randrange(1 << 30) for _ in range(MOST_LINES)]
    shuffled = list(numbers)
    chance.shuffle(shuffled)
    few = [b"".join(chance.choice([b"a\n", b"b\n"]) for _ in range(MOST_LINES)) for _ in range(3)]
    began = time.process_time()
    assert merged(b"".join(numbers), b"".join(shuffled), b"".join(reversed(numbers))) is None
    assert merged(*few) is None
    assert merged(b"x" * MOST_BYTES, b"y" * MOST_BYTES, b"x" * MOST_BYTES) == b"y" * MOST_BYTES
    assert merged(b"x\n" * MOST_LINES, b"x\n" * 7, b"y\n" + b"x\n" * MOST_LINES) == b"y\n" + b"x\n" * 7
    assert time.process_time() - began < 60
