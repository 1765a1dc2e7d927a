"""An event of a trace is found by its number, in a number of hops that grows with the logarithm of the length."""

from __future__ import annotations

from typing import Any

import pytest

from shepherd_dsl.core.run import jump_of, nth


class Link:
    """What `nth` looks at of a commit; counts how often the number is looked at."""

    def __init__(self, index: int, parent: Any, jump: Any) -> None:
        self._index, self.parent, self.jump = index, parent, jump

    looks = 0

    @property
    def index(self) -> int:
        Link.looks += 1
        return self._index


def chain(size: int) -> list[Any]:
    links: list[Any] = []
    for index in range(size):
        parent = links[-1] if links else None
        links.append(Link(index, parent, jump_of(parent)))
    return links


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 8, 20, 64])
def test_every_event_is_found(size: int) -> None:
    links = chain(size)
    for head in links:
        for index in range(head.index + 1):
            assert nth(head, index) is links[index]


def test_there_is_no_event_before_the_first_or_after_the_last() -> None:
    links = chain(5)
    assert nth(links[3], -1) is None
    assert nth(links[3], 4) is None
    assert nth(None, 0) is None


def test_a_jump_leads_back_along_the_trace() -> None:
    links = chain(16)
    assert [link.jump and link.jump.index for link in links] == [
        None, 0, 1, 0, 3, 4, 3, 0, 7, 8, 7, 10, 11, 10, 7, 0,
    ]  # fmt: skip


def test_the_hops_are_few_in_a_long_trace() -> None:
    """Along the parents alone it would be 20,000."""
    links = chain(20_000)
    for index in (0, 1, 2, 777, 9_999, 10_000, 16_383, 19_000, 19_999):
        Link.looks = 0
        assert nth(links[-1], index) is links[index]
        assert Link.looks <= 130, index
