"""A recorded run before the checker in Lean: could its program have produced it?

The checker is the function `check` of `lean/Shepherd/Check.lean`, run by the reference interpreter; what is claimed of
it are `check_sound`, `check_complete` and `check_decides` (spec/verified.md says how far they are proved): it is asked
once, and there is always a verdict. What it is told is the recorded program, the base files, the log, and the contents
that `file.read` gives in the run.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from shepherd_dsl.core.content import ReadBlob, whole
from shepherd_dsl.core.event import Event
from shepherd_dsl.core.files import Files
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.replay import follow
from shepherd_dsl.core.wire import WireError
from shepherd_dsl.core.wire_event import event_from
from shepherd_dsl.core.wire_log import log_text
from shepherd_dsl.errors import CheckerError
from shepherd_dsl.reference.process import Reference
from shepherd_dsl.reference.requests import request
from shepherd_dsl.runtime.trees import recorded
from shepherd_dsl.trace.protocol import TreeReader

Log = Sequence[tuple[str, Event]]


@attrs.frozen(slots=True, eq=False)
class Verified:
    """What the checker says of a log of `events` entries.

    `accepted`, or else `followed` is the first entry that the program cannot have produced, and `expected` what it does
    there, None where it waits or has ended. `problem` says why in words where the Python core finds the same; `agrees`
    is False where the Python core gives another verdict.
    """

    accepted: bool
    events: int
    followed: int
    expected: tuple[str, Event] | None
    problem: str
    agrees: bool


def verify_tree(reader: TreeReader, checker: Reference, *, until: int | None = None) -> Verified:
    """The checker on the log of a recorded tree, or on its first `until` entries.

    Raises CheckerError where it gives no verdict, RevisionError where the tree has no event, CorruptError where
    something of it cannot be read.
    """
    program, log, base = recorded(reader)
    return verify_log(program, log[:until], base, read_blob=reader.content, checker=checker)


def verify_log(program: Program, log: Log, base: Files, *, read_blob: ReadBlob, checker: Reference) -> Verified:
    """The checker on a log."""
    contents: dict[str, bytes] = {}

    def remembering(name: str) -> bytes:
        contents[name] = data = whole(read_blob(name))
        return data

    ours = follow(program, log, base, read_blob=remembering)
    answer = checker.ask(request("check", program, base, contents, log=log_text(log)))
    if "error" in answer:
        raise CheckerError("checker.refused", f"the checker does not take the run: {answer['error']}")
    accepted, followed = answer.get("accepted"), answer.get("followed")
    if not isinstance(accepted, bool) or not isinstance(followed, int) or not 0 <= followed <= len(log):
        raise CheckerError("checker.answer", f"the checker gave no verdict, but: {str(answer)[:200]}")
    agrees = (accepted, followed) == (not ours.problem, ours.followed)
    return Verified(
        accepted=accepted,
        events=len(log),
        followed=followed,
        expected=_entry(answer.get("expected")),
        problem=ours.problem if agrees else "",
        agrees=agrees,
    )


def _entry(data: object) -> tuple[str, Event] | None:
    if not isinstance(data, dict):
        return None
    try:
        return str(data["run"]), event_from(data["event"])
    except (WireError, KeyError, RecursionError) as why:
        raise CheckerError("checker.answer", f"the checker names an event that is none: {why}") from why
