"""The backends against the state machine for scopes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from shepherd_dsl.conformance.scope import ScopeCase
from shepherd_dsl.conformance.scope_machine import REACHED, RULES, scope_machine
from shepherd_dsl.scope.copy import CopyBackend
from shepherd_dsl.scope.fuse import FuseBackend
from shepherd_dsl.scope.overlay import OverlayBackend
from tests.support.scopes import COPY_LACKS, FUSE_LACKS, OVERLAY_LACKS, needs_fuse, needs_overlay

MEMORY = Path("/dev/shm")  # nothing here is about durability, and a busy disk would make it slow
COPY = ScopeCase("copy", lambda folder, read_blob: CopyBackend(folder, read_blob=read_blob), lacks=COPY_LACKS)
OVERLAY = ScopeCase(
    "overlay", lambda folder, read_blob: OverlayBackend(folder, read_blob=read_blob), lacks=OVERLAY_LACKS
)
FUSE = ScopeCase("fuse", lambda folder, read_blob: FuseBackend(folder, read_blob=read_blob), lacks=FUSE_LACKS)
ALL = [COPY, pytest.param(OVERLAY, marks=needs_overlay), pytest.param(FUSE, marks=needs_fuse)]
EXAMPLES = {"fuse": 15}
"""Its every restart is that of a process."""


def check_machine(case: ScopeCase, folder: Path | None, *, examples: int) -> None:
    """Run the state machine for a backend that keeps its copies below `folder`."""
    run_state_machine_as_test(
        scope_machine(case, folder=folder),
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            database=None,
            phases=(Phase.generate,),  # a failure is told as it was met: making it smaller takes minutes
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_any_order_of_steps(case: ScopeCase) -> None:
    REACHED.clear()
    check_machine(case, MEMORY if MEMORY.is_dir() else None, examples=EXAMPLES.get(case.name, 120))
    assert [rule for rule in RULES if not REACHED[rule]] == []
