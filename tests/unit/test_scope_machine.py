"""The plain-copy backend against the state machine for scopes."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from shepherd_dsl.conformance.scope import ScopeCase
from shepherd_dsl.conformance.scope_machine import REACHED, RULES, scope_machine
from shepherd_dsl.scope.copy import CopyBackend

MEMORY = Path("/dev/shm")  # nothing here is about durability, and a busy disk would make it slow
CASE = ScopeCase("copy", lambda folder, read_blob: CopyBackend(folder, read_blob=read_blob))


def test_any_order_of_steps() -> None:
    run_state_machine_as_test(
        scope_machine(CASE, folder=MEMORY if MEMORY.is_dir() else None),
        settings=settings(
            max_examples=120,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert [rule for rule in RULES if not REACHED[rule]] == []
