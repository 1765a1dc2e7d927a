"""Ids of runs: written and taken apart."""

from __future__ import annotations

import pytest

from shepherd_dsl.core.run import copy_id, made, maker_of, split_copy


@pytest.mark.parametrize("maker", ["root", "root.0", "root.1(root.0)", "root.10"])
def test_a_run_that_was_made_names_its_maker(maker: str) -> None:
    for count in (0, 7, 10):
        assert made(maker, count) == f"{maker}.{count}"
        assert maker_of(made(maker, count)) == maker
        assert split_copy(made(maker, count)) is None


@pytest.mark.parametrize("fork", ["root.1", "root.1(root.0).2", "a.1(b.0)", "a(b(c))"])
@pytest.mark.parametrize("old", ["root.0", "root.10", "root.1(root.0)", "root.2(root.1(root.0))", "x"])
def test_a_copy_names_its_fork_and_its_original(fork: str, old: str) -> None:
    assert copy_id(fork, old) == f"{fork}({old})"
    assert split_copy(copy_id(fork, old)) == (fork, old)


@pytest.mark.parametrize("run", ["root", "world", "root.0", "root.1(root.0).2", ""])
def test_what_is_no_copy_has_no_original(run: str) -> None:
    assert split_copy(run) is None
