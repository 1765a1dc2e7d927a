"""The handler protocol: what stands between an intent and its outcome at the outermost level."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol

import attrs

from shepherd_dsl.core.program import EffectClass
from shepherd_dsl.core.run import Commit
from shepherd_dsl.core.value import Con, Value


@attrs.frozen(slots=True)
class OperationSpec:
    """A declared operation: its class, its compensation, and its parameter and result types.

    Types are values as in `spec/contract.md` ("Types as values"). `touches_files`: after it, the driver takes the
    change to the run's files from the scope.
    """

    effect_class: EffectClass
    params: tuple[tuple[str, Value], ...]
    result: Value
    undo: str | None = None
    touches_files: bool = False
    about: str = ""


@attrs.frozen(slots=True)
class Request:
    """One intent to perform.

    `run` and `position` name the attempt for good: the pair is a key that a handler may hand to a service for
    idempotence. `position` is the index, in that run's trace, of the event that opened the question: the intent itself,
    or the `reverted` or `forked` that opened it again, for then its effect is to happen anew. `folder` is the run's own
    copy of the files, brought up to date before the call for operations that touch files, else None; a process finds it
    at `place`, once it has entered `namespaces` (`Scope`). `read_blob` and `write_blob` reach the trace's blobs.
    `show` takes pieces of output for display only; `note` keeps a named text beside the trace. What asks a
    person at the terminal does so within `aside()`: until that ends, nobody else writes there. `trace` is the newest
    commit of the run that asks, whose last question this is: an oracle sees the whole trace (`core.md`, "Who answers").
    """

    tree: str
    run: str
    position: int
    op: str
    args: tuple[Value, ...]
    folder: Path | None
    read_blob: Callable[[str], bytes]
    write_blob: Callable[[bytes], Value]
    show: Callable[[str], None]
    note: Callable[[str, str], None]
    trace: Commit | None = None
    aside: Callable[[], AbstractContextManager[None]] = nullcontext
    place: Path | None = None
    namespaces: tuple[int, ...] = ()


class Handler(Protocol):
    """Performs operations. One instance serves a whole driver; calls may overlap.

    `perform` returns `Ok(v)`, `Err({code, text})` or `Unknown`, and raises only for its own bugs, or a UserError or
    HandlerError before anything was done; a DivergenceError or AgentError stops the driver, and nothing is recorded.
    It is cancelled through anyio and must then leave nothing running. `probe` says what became of an intent that a
    crash left open: its outcome, or None where that cannot be known; `Err` with the code `not_done` where it certainly
    was not carried out. Secrets must not appear in what it returns or shows;
    the driver redacts once more.
    """

    operations: Mapping[str, OperationSpec]

    async def perform(self, request: Request) -> Con: ...

    async def probe(self, request: Request) -> Con | None: ...

    async def aclose(self) -> None: ...
