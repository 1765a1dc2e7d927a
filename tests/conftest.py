"""Property tests draw the same examples everywhere, so that a change fails for its own reasons.

`SHEPHERD_EXPLORE=1` lets them draw new ones; Hypothesis then prints how to repeat a failure.
"""

from __future__ import annotations

import os
import signal

from hypothesis import settings

settings.register_profile("steady", derandomize=True, database=None, deadline=None)
settings.register_profile("explore", derandomize=False, database=None, deadline=None, print_blob=True)
settings.load_profile("explore" if os.environ.get("SHEPHERD_EXPLORE") else "steady")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts background jobs so, and the processes that tests interrupt would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
