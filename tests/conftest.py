"""Property tests draw the same examples everywhere, so that a change fails for its own reasons.

`SHEPHERD_EXPLORE=1` lets them draw new ones; Hypothesis then prints how to repeat a failure.
"""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import settings

settings.register_profile("steady", derandomize=True, database=None, deadline=None)
settings.register_profile("explore", derandomize=False, database=None, deadline=None, print_blob=True)
settings.load_profile("explore" if os.environ.get("SHEPHERD_EXPLORE") else "steady")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts background jobs so, and the processes that tests interrupt would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at which scale the large checks of scopes were made, where they were."""
    passed = terminalreporter.getreports("passed")
    if any(report.nodeid.startswith("tests/unit/test_scope_large.py") for report in passed):
        from tests.unit.test_scope_large import IN_FULL, SCALE

        what = "in full" if IN_FULL else "a sample, SHEPHERD_LARGE=1 for all"
        terminalreporter.write_line(f"scopes at scale: {SCALE} ({what})")
