"""The conformance suite for handlers: what every handler must do, checked with sample requests.

A package that brings a handler runs it from its own tests:

    CASE = HandlerCase("chat", open_handler, samples=(Sample("chat.post", ("hello",)),))

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_conforms(check: Check, tmp_path: Path) -> None:
        check(CASE, tmp_path)

Each check raises AssertionError that says what the handler did wrong.
"""

from __future__ import annotations

import contextlib
import inspect
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Literal, TypeAlias

import anyio
import attrs

from shepherd_dsl.config import parse_config
from shepherd_dsl.core.value import Con, Record, Value, equal
from shepherd_dsl.handlers.context import HandlerContext, open_context
from shepherd_dsl.handlers.protocol import Handler, Request
from shepherd_dsl.handlers.registry import args_misfit, handler_problem, outcome_misfit
from shepherd_dsl.testing.requests import Recorder, make_request

SECRET_NAME = "SHEPHERD_CONFORMANCE_TOKEN"
SECRET = "conf-7f3a9c51d2e84b60"
"""The secret that handlers of the suite are opened with; `{secret}` in a case's configuration stands for its name."""

_LIMIT_S = 60.0


@attrs.frozen(slots=True, kw_only=True)
class Sample:
    """A request to try: an operation with arguments that fit, and the kind of outcome it must have.

    `files` are laid into the run's folder first. `long` marks a request that would go on for at least ten seconds: it
    is only used to cancel it, after `begun` (given the run's folder) says that it is under way. `harmless` marks a
    request that changes nothing although its operation may, so that a probe may say that its answer was lost.
    """

    op: str
    args: tuple[Value, ...] = ()
    outcome: Literal["Ok", "Err", "Unknown", "any"] = "Ok"
    code: str | None = None
    files: tuple[tuple[str, bytes], ...] = ()
    long: bool = False
    harmless: bool = False
    begun: Callable[[Path], bool] = lambda folder: True


@attrs.frozen(slots=True)
class HandlerCase:
    """A handler under test: the name of its entry point, its factory, its configuration text and samples.

    Every operation it declares needs a sample. `patience` is how many seconds a cancelled request may take to end.
    """

    name: str
    open: Callable[[HandlerContext], Handler]
    samples: tuple[Sample, ...] = attrs.field(kw_only=True)
    config: str = attrs.field(default="", kw_only=True)
    patience: float = attrs.field(default=10.0, kw_only=True)


Check: TypeAlias = Callable[[HandlerCase, Path], None]


def declares_sound_operations(case: HandlerCase, folder: Path) -> None:
    """The declarations are complete and sound, inside the handler's name, and the same for each instance."""

    async def check(handler: Handler, context: HandlerContext) -> None:
        problem = handler_problem(case.name, handler)
        assert problem is None, f"{case.name}: {problem}"
        for op, spec in handler.operations.items():
            assert spec.undo is None or spec.undo in handler.operations, f"{op} is undone by {spec.undo}: not declared"
            assert spec.about, f"{op} says nothing about itself"
            assert all(name.isidentifier() for name, _ in spec.params), f"{op}: a parameter's name is not a name"
        again = case.open(context)
        assert dict(again.operations) == dict(handler.operations), "two instances declare different operations"
        await again.aclose()

    _with_handler(case, folder, check)


def samples_cover_every_operation(case: HandlerCase, folder: Path) -> None:
    """Each declared operation has a sample, and the samples' arguments fit."""

    async def check(handler: Handler, context: HandlerContext) -> None:
        missing = sorted(set(handler.operations) - {sample.op for sample in case.samples})
        assert not missing, f"no sample of {', '.join(missing)}"
        for sample in case.samples:
            assert sample.op in handler.operations, f"{sample.op} is not declared"
            problem = args_misfit(handler.operations[sample.op], sample.args)
            assert problem is None, f"sample of {sample.op}: {problem}"

    _with_handler(case, folder, check)


def answers_fit(case: HandlerCase, folder: Path) -> None:
    """Every sample gets an outcome of the declared type, and of the kind the sample expects."""

    async def check(handler: Handler, context: HandlerContext) -> None:
        for number, sample in _short(case):
            outcome = await _perform(handler, _request(sample, number, folder, Recorder()))
            problem = outcome_misfit(handler.operations[sample.op], outcome)
            assert problem is None, f"{sample.op}: {problem}"
            assert sample.outcome in ("any", outcome.name), f"{sample.op}: expected {sample.outcome}, got {outcome}"
            if sample.code is not None:
                found = _code(outcome)
                assert found == sample.code, f"{sample.op}: expected the code {sample.code}, got {found}"

    _with_handler(case, folder, check)


def errors_are_for_people(case: HandlerCase, folder: Path) -> None:
    """Errors have a stable code and a text; no outcome holds a traceback or an object's address."""

    async def check(handler: Handler, context: HandlerContext) -> None:
        for number, sample in _short(case):
            recorder = Recorder()
            outcome = await _perform(handler, _request(sample, number, folder, recorder))
            if outcome.name == "Err":
                (value,) = outcome.args
                assert isinstance(value, Record)
                code, text = value.get("code"), value.get("text")
                assert isinstance(code, str)
                assert code, f"{sample.op}: an error without a code"
                assert code.replace(".", "_").isidentifier(), f"{sample.op}: not a code: {code!r}"
                assert text, f"{sample.op}: the error {code} says nothing"
            for said in _texts(outcome, recorder):
                assert "Traceback (most recent call last)" not in said, f"{sample.op} shows a traceback"
                assert " object at 0x" not in said, f"{sample.op} shows an object's address: {said}"

    _with_handler(case, folder, check)


def no_secret_gets_out(case: HandlerCase, folder: Path) -> None:
    """No outcome, shown output, note or blob holds the value of a secret, not even where a sample provokes it."""

    async def check(handler: Handler, context: HandlerContext) -> None:
        for number, sample in enumerate(case.samples):
            if sample.long:
                continue
            recorder = Recorder()
            outcome = await _perform(handler, _request(sample, number, folder, recorder))
            for said in _texts(outcome, recorder):
                assert SECRET not in said, f"{sample.op} lets a secret out: {said}"
                assert SECRET.encode().hex() not in said, f"{sample.op} lets a secret out: {said}"

    _with_handler(case, folder, check)


def cancelling_leaves_nothing(case: HandlerCase, folder: Path) -> None:
    """A cancelled request ends soon, and no process started for it is left; the handler still answers afterwards."""

    async def check(handler: Handler, context: HandlerContext) -> None:
        for number, sample in enumerate(case.samples):
            if not sample.long:
                continue
            request = _request(sample, number, folder, Recorder())
            place = request.folder
            assert place is not None
            before = processes(place)
            with anyio.fail_after(_LIMIT_S):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(_perform, handler, request)
                    await anyio.sleep(0.05)
                    while not sample.begun(place):  # noqa: ASYNC110  (the sample may look at anything)
                        await anyio.sleep(0.02)
                    cancelled = anyio.current_time()
                    tasks.cancel_scope.cancel()
            took = anyio.current_time() - cancelled
            assert took < case.patience, f"{sample.op} went on for {took:.1f} s after it was cancelled"
            left = processes(place) - before
            assert not left, f"{sample.op} left processes running: {sorted(left)}"
        for number, sample in _short(case):
            outcome = await _perform(handler, _request(sample, number + 1000, folder, Recorder()))
            assert sample.outcome in ("any", outcome.name), (
                f"{sample.op} does not answer after a cancellation: {outcome}"
            )

    _with_handler(case, folder, check)


def probe_answers(case: HandlerCase, folder: Path) -> None:
    """`probe` says nothing, or gives a fitting outcome; after `perform` it gives the very outcome or nothing.

    Probing an intent that was never performed must not perform it: it is never `Ok`.
    """

    async def check(handler: Handler, context: HandlerContext) -> None:
        for number, sample in enumerate(case.samples):
            spec = handler.operations[sample.op]
            found = await handler.probe(_request(sample, number, folder, Recorder()))
            if found is not None:
                problem = outcome_misfit(spec, found)
                assert problem is None, f"{sample.op}: the probe's {problem}"
                assert found.name != "Ok", f"{sample.op}: the probe says Ok of what was never done"
            if sample.long:
                continue
            outcome = await _perform(handler, _request(sample, number, folder, Recorder()))
            found = await handler.probe(_request(sample, number, folder, Recorder()))
            if found is None or outcome.name != "Ok" or found.name == "Unknown":
                continue
            if found.name == "Ok":
                assert equal(found, outcome), f"{sample.op}: the probe gives another outcome than there was"
            else:
                assert spec.effect_class == "pure" or sample.harmless, f"{sample.op}: the probe denies what was done"

    _with_handler(case, folder, check)


def closing_is_enough_and_repeatable(case: HandlerCase, folder: Path) -> None:
    """`aclose` leaves no process and no open file behind, without a request before it too, and twice does no harm."""

    async def check(handler: Handler, context: HandlerContext) -> None:
        before, files = processes(folder), _open_files()
        unused = case.open(context)
        await unused.aclose()
        await unused.aclose()
        for number, sample in _short(case):
            await _perform(handler, _request(sample, number, folder, Recorder()))
        await handler.aclose()
        await handler.aclose()
        left = processes(folder) - before
        assert not left, f"processes left running: {sorted(left)}"
        # A thread of the event loop may be opening and closing files for a moment longer.
        for _ in range(100):
            if _open_files() <= files:
                return
            await anyio.sleep(0.02)
        raise AssertionError(f"files left open: {sorted(_open_files() - files)}")

    _with_handler(case, folder, check)


CHECKS: tuple[Check, ...] = (
    declares_sound_operations,
    samples_cover_every_operation,
    answers_fit,
    errors_are_for_people,
    no_secret_gets_out,
    cancelling_leaves_nothing,
    probe_answers,
    closing_is_enough_and_repeatable,
)
"""The whole suite."""


def processes(folder: Path) -> set[int]:
    """The processes that run below this one, however deep, or anywhere with `folder` or one inside it as current folder
    (an orphan is nobody's descendant). Empty where `/proc` is not there."""
    parents: dict[int, int] = {}
    inside: set[int] = set()
    place = os.path.realpath(folder)
    for entry in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
            if fields[0] in (b"Z", b"X"):
                continue
            parents[int(entry)] = int(fields[1])
            if f"{os.readlink(f'/proc/{entry}/cwd')}/".startswith(f"{place}/"):
                inside.add(int(entry))
        except OSError:
            continue
    found = {os.getpid()}
    grown = True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        found |= more
        grown = bool(more)
    return (found | inside) - {os.getpid()}


def _open_files() -> set[str]:
    """The descriptors of this process and what they are, but for the one that lists them."""
    found: set[str] = set()
    if os.path.isdir("/proc/self/fd"):
        for entry in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                found.add(f"{entry} {os.readlink(f'/proc/self/fd/{entry}')}")
    return found


def _with_handler(case: HandlerCase, folder: Path, check: Callable[[Handler, HandlerContext], Awaitable[None]]) -> None:
    workspace = folder / "workspace"
    (workspace / ".shepherd").mkdir(parents=True)
    context = open_context(
        workspace,
        environ={"PATH": os.environ.get("PATH", os.defpath), SECRET_NAME: SECRET},
        config=parse_config(case.config.replace("{secret}", SECRET_NAME)),
    )

    async def main() -> None:
        handler = case.open(context)
        try:
            await check(handler, context)
        finally:
            await handler.aclose()

    anyio.run(main)


async def _perform(handler: Handler, request: Request) -> Con:
    made = handler.perform(request)
    assert inspect.isawaitable(made), f"perform of {request.op} is not asynchronous"
    with anyio.fail_after(_LIMIT_S):
        return await made


def _request(sample: Sample, number: int, folder: Path, recorder: Recorder) -> Request:
    place = folder / "runs" / str(number)
    place.mkdir(parents=True, exist_ok=True)
    for name, data in sample.files:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
    return make_request(sample.op, *sample.args, folder=place, position=2 * number + 1, recorder=recorder)


def _short(case: HandlerCase) -> Iterator[tuple[int, Sample]]:
    return ((number, sample) for number, sample in enumerate(case.samples) if not sample.long)


def _code(outcome: Con) -> Value | None:
    value = outcome.args[0] if outcome.args else None
    return value.get("code") if isinstance(value, Record) else None


def _texts(outcome: Con, recorder: Recorder) -> Iterator[str]:
    yield repr(outcome)
    yield recorder.shown
    yield from (text for _, text in recorder.notes)
    yield from (data.decode("utf-8", "replace") for data in recorder.blobs.values())
