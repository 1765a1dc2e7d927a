"""Scopes over FUSE after crashes: the driver, or the server, is killed at any step."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from shepherd_dsl.conformance.scope import CHECKS, Check, Lab, ScopeCase
from shepherd_dsl.errors import ScopeError
from shepherd_dsl.scope import fuse_client
from shepherd_dsl.scope.fuse import FuseBackend
from tests.support.killing import count_steps, killed_at, stop_counting
from tests.support.plain_user import as_root, do_as_plain_user, python_for_all
from tests.support.scope_scenes import expect_any_files, points, scenario
from tests.support.scopes import FUSE_LACKS, needs_fuse

pytestmark = needs_fuse

SEED, POINTS = 2026, points(15)
"""Which steps a process is killed at, of some thousands; each way."""
MADE: list[FuseBackend] = []


def make(folder: Path, read_blob: Callable[[str], bytes]) -> FuseBackend:
    MADE.append(FuseBackend(folder, read_blob=read_blob))
    return MADE[-1]


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> Iterator[None]:
    """Let go of what the backends of a test hold."""
    yield
    while MADE:
        MADE.pop().close()


CASE = ScopeCase("fuse", make, lacks=FUSE_LACKS)


def chosen(folder: Path, seed: int) -> list[int]:
    scenario(Lab(CASE, folder / "first"))  # what is loaded on first use is no step
    total = killed_at(-1, lambda: scenario(Lab(CASE, folder / "whole")))
    assert total > POINTS
    return sorted(Random(seed).sample(range(1, total), POINTS))


def test_the_driver_is_killed_at_any_step(tmp_path: Path) -> None:
    for number, step in enumerate(chosen(tmp_path, SEED)):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        # A few steps more or less are made each time.
        assert killed_at(step, lambda folder=folder: scenario(Lab(CASE, folder))) < step
        lab = Lab(CASE, folder)
        expect_any_files(lab, f"step {step}")
        lab.backend.close()
        # The server of the one that was killed ends by itself.
        end = time.monotonic() + 20
        while list((folder / "scopes").glob("data-*")):
            assert time.monotonic() < end
            time.sleep(0.01)
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


def test_the_server_is_killed_at_any_step(tmp_path: Path) -> None:
    """The driver goes on: a step fails with an error that says so, and the runs are opened anew."""
    failed = 0
    for number, step in enumerate(chosen(tmp_path, SEED + 1)):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        lab = Lab(CASE, folder)

        def kill(lab: Lab = lab) -> None:
            assert isinstance(lab.backend, FuseBackend)
            server = lab.backend._server
            if server is not None:
                server._process.kill()

        count_steps(step, kill)
        try:
            scenario(lab)
        except (ScopeError, OSError):  # of the scope, or of the process that worked in its folder
            failed += 1
        finally:
            stop_counting()
        expect_any_files(lab, f"step {step}")
        lab.backend.close()
        assert not list((folder / "scopes").glob("data-*"))
    assert failed > POINTS // 3


@as_root
@pytest.mark.skipif(
    not os.path.exists("/dev/fuse") or os.stat("/dev/fuse").st_mode & 0o006 != 0o006,
    reason="a plain user may not open /dev/fuse here",
)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_conforms_for_a_plain_user(check: Check) -> None:
    """In a user namespace, without a right that root has."""

    def checked(place: Path) -> None:
        check(CASE, place)
        while MADE:
            MADE.pop().close()

    python = python_for_all(f"import pyfuse3, rpds, attrs; open({fuse_client.__file__!r})")
    do_as_plain_user(checked, python=python)
