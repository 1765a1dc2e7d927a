"""What the driver makes of handlers: several at work at once, late answers, bugs, and handlers that are missing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import anyio
import pytest

from shepherd_dsl.core.event import Intent, Outcome, Reverted
from shepherd_dsl.core.run import ROOT
from shepherd_dsl.core.value import UNIT, Con, Handle, Value, err, ok, record
from shepherd_dsl.errors import HandlerError, ShepherdError
from shepherd_dsl.handlers.protocol import OperationSpec, Request
from shepherd_dsl.runtime.actions import replay_run, take_back
from shepherd_dsl.runtime.attempts import LATE
from shepherd_dsl.runtime.workspace import Workspace
from shepherd_dsl.trace.protocol import Recorded
from shepherd_dsl.trace.store import open_store
from tests.faults.world import Watch, context_of, resume, run, spec, task_of
from tests.support.scopes import needs_fuse, needs_overlay


class Scripted:
    """A handler made of functions; it counts how often each call was begun, and never ends before it is told to."""

    def __init__(self, **acts: tuple[OperationSpec, Callable[[Request], object]]) -> None:
        self.operations: Mapping[str, OperationSpec] = {f"job.{name}": pair[0] for name, pair in acts.items()}
        self._acts = {f"job.{name}": pair[1] for name, pair in acts.items()}
        self.begun: list[str] = []
        self.cancelled: list[str] = []

    async def perform(self, request: Request) -> Con:
        """Does what the function says; awaits what it gives."""
        name = f"{request.op}({request.args[0]})"
        self.begun.append(name)
        try:
            found = self._acts[request.op](request)
            return await found if hasattr(found, "__await__") else found  # type: ignore[return-value]
        except anyio.get_cancelled_exc_class():
            self.cancelled.append(name)
            raise

    async def probe(self, request: Request) -> Con | None:
        """Nobody knows."""
        return None

    async def aclose(self) -> None:
        """Nothing to close."""


def entries(root: Path, name: str = "1") -> list[Recorded]:
    return list(open_store(root).read(name).entries())


def outcomes(root: Path, op: str, name: str = "1") -> list[tuple[str, Con]]:
    """(run, answer) of each outcome of `op`, in the order of the log."""
    asked: dict[str, str] = {}
    found = []
    for entry in entries(root, name):
        if isinstance(entry.event, Intent):
            asked[entry.run] = entry.event.op
        elif isinstance(entry.event, Outcome) and asked.get(entry.run) == op:
            found.append((entry.run, entry.event.answer))
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "w"
    folder.mkdir()
    Workspace.init(folder)
    return folder


WORKERS = """
effect job.meet(name: Text) -> Int {kind}
agent worker(name: Text) -> Int grants job.meet {{ return do job.meet(name) }}
agent main() -> List[Int] grants run, all(worker) {{
  return await all [spawn worker("a"), spawn worker("b"), spawn worker("c")]
}}
"""


def barrier(parties: int, order: list[str]) -> Callable[[Request], object]:
    """Nobody gets through before all are there; then they leave in `order`."""
    there: set[str] = set()
    left: list[str] = []

    async def meet(request: Request) -> Con:
        name = str(request.args[0])
        there.add(name)
        with anyio.fail_after(20):
            while len(there) < parties or left != order[: order.index(name)]:  # noqa: ASYNC110
                await anyio.sleep(0.001)
        left.append(name)
        return ok(order.index(name))

    return meet


@pytest.mark.parametrize("kind", ["pure", "reversible"])
@pytest.mark.parametrize("order", [["a", "b", "c"], ["c", "a", "b"]])
def test_handlers_of_several_workers_overlap(root: Path, kind: str, order: list[str]) -> None:
    handler = Scripted(meet=(spec(kind, "name"), barrier(3, order)))  # type: ignore[arg-type]
    ended = run(root, task_of(root, WORKERS.format(kind=kind)), {"job": handler})
    assert ended.value == tuple(order.index(name) for name in "abc")
    # The order that was met is the one that `run.pick` recorded, and a replay follows it to the same hashes.
    picked = [answer.args[0] for _, answer in outcomes(root, "run.pick")]
    assert picked == [Handle("abc".index(name)) for name in order[:2]]
    assert replay_run(Workspace(root), "1").identical


def test_what_cannot_be_taken_back_begins_only_in_its_turn(root: Path) -> None:
    """Two irreversible effects never overlap: what the first one's owner does may take the second one back."""
    at_work: list[str] = []

    async def alone(request: Request) -> Con:
        assert not at_work
        at_work.append("x")
        await anyio.sleep(0.01)
        at_work.clear()
        return ok(1)

    handler = Scripted(meet=(spec("irreversible", "name"), alone))
    ended = run(root, task_of(root, WORKERS.format(kind="irreversible")), {"job": handler})
    assert ended.value == (1, 1, 1)
    assert handler.begun == ["job.meet(a)", "job.meet(b)", "job.meet(c)"]


SUPERVISED = """
effect job.quick(name: Text) -> Int reversible
effect job.slow(name: Text) -> Int reversible
agent quick() -> Int grants job.quick { return do job.quick("q") }
agent slow() -> Int grants job.slow {
  let first = do job.slow("one")
  return do job.slow("two")
}
agent main() -> Int grants run, all(quick), all(slow) {
  let a = spawn quick()
  let b = spawn slow()
  supervise a, b { CLAUSES }
  return await a
}
"""


def test_a_denied_intent_never_reaches_its_handler(root: Path) -> None:
    """A supervisor of several runs picks first and judges then: nothing may be begun before the verdict."""
    clauses = 'intent job.slow(_) => deny "no"'
    handler = Scripted(
        quick=(spec("reversible", "name"), lambda _: ok(1)), slow=(spec("reversible", "name"), lambda _: ok(2))
    )
    ended = run(root, task_of(root, SUPERVISED.replace("CLAUSES", clauses)), {"job": handler})
    assert ended.value == 1
    assert handler.begun == ["job.quick(q)"]


def slow_and_quick(*, stubborn: bool) -> Scripted:
    """`slow` is at work until it is cancelled, and `quick` is done when `slow` is at work. A stubborn `slow` answers
    nevertheless."""
    begun: list[str] = []

    async def slow(request: Request) -> Con:
        begun.append("slow")
        if len(begun) > 1:
            return ok(len(begun))
        if not stubborn:
            await anyio.sleep(20)
        with anyio.CancelScope(shield=True):
            while "cancel" not in begun:  # noqa: ASYNC110
                await anyio.sleep(0.001)
        return ok(77)

    async def quick(request: Request) -> Con:
        with anyio.fail_after(20):
            while not begun:  # noqa: ASYNC110
                await anyio.sleep(0.001)
        if stubborn:
            # Let go of it only when the driver has gone on.
            asyncio.get_running_loop().call_later(0.05, lambda: begun.append("cancel"))
        return ok(1)

    return Scripted(quick=(spec("reversible", "name"), quick), slow=(spec("reversible", "name"), slow))


@pytest.mark.parametrize("stubborn", [False, True])
@pytest.mark.parametrize("act", ["discard b", "revert b to 1"])
def test_an_early_handler_is_cancelled_when_its_run_is_taken_back(root: Path, act: str, stubborn: bool) -> None:
    clauses = f"outcome job.quick(_) -> _ => {{ {act} }}"
    handler = slow_and_quick(stubborn=stubborn)
    watch = Watch()
    ended = run(root, task_of(root, SUPERVISED.replace("CLAUSES", clauses)), {"job": handler}, watch=watch)
    assert ended.kind == "done", ended.value
    assert ended.value == 1
    reader = open_store(root).read("1")
    worker = "root.1"
    answers = [answer for run_, answer in outcomes(root, "job.slow") if run_ == worker]
    assert answers[0].name == "Err"
    assert ok(77) not in answers
    notes = [reader.notes(worker, entry.index).get(LATE) for entry in entries(root) if entry.run == worker]
    if stubborn:
        assert '{"con":["Ok",77]}' in notes
        assert any("late answer" in remark for remark in watch.remarks)
    else:
        assert handler.cancelled == ["job.slow(one)"]
        assert set(notes) == {None}
    if act.startswith("revert"):
        # Taken back to the open intent itself, it is asked anew, and its first handler's answer is not taken for it.
        assert any(isinstance(entry.event, Reverted) for entry in entries(root) if entry.run == worker)
        assert handler.begun.count("job.slow(one)") == 2
    assert replay_run(Workspace(root), "1").identical


@pytest.mark.parametrize(
    "backend", ["copy", pytest.param("overlay", marks=needs_overlay), pytest.param("fuse", marks=needs_fuse)]
)
def test_what_a_cancelled_handler_wrote_is_gone(root: Path, backend: str) -> None:
    """The run goes on with the files of its trace, whatever an intent that was taken back had begun to do to them."""
    (root / ".shepherd").mkdir(exist_ok=True)
    (root / ".shepherd" / "config.toml").write_text(f'[scope]\nbackend = "{backend}"\n')
    found: list[set[str]] = []

    async def slow(request: Request) -> Con:
        assert request.folder is not None
        found.append({path.name for path in request.folder.iterdir()})
        (request.folder / f"half-{len(found)}").write_bytes(b"half")
        if len(found) == 1:
            await anyio.sleep(20)
        return ok(len(found))

    async def quick(_: Request) -> Con:
        with anyio.fail_after(20):
            while not found:  # noqa: ASYNC110
                await anyio.sleep(0.001)
        return ok(1)

    handler = Scripted(quick=(spec("reversible", "name"), quick), slow=(spec("reversible", "name", files=True), slow))
    source = SUPERVISED.replace("CLAUSES", "outcome job.quick(_) -> _ => { revert b to 1 }")
    assert run(root, task_of(root, source), {"job": handler}).value == 1
    assert handler.cancelled == ["job.slow(one)"]
    before, again, after = found
    assert again == before
    assert after == {*before, "half-2"}
    recorded = [entry for entry in entries(root) if entry.run == "root.1"]
    assert recorded[-1].files.get("half-1") is None
    assert recorded[-1].files.get("half-3") is not None
    assert replay_run(Workspace(root), "1").identical


# ── the oracle's contract ────────────────────────────────────────────────────────────────────────────────────────────

ONE = """
effect job.one(name: Text) -> Int {kind}
agent main() -> Text grants job.one {{
  match try do job.one("x") {{
    Ok(n) => return "ok ${{n}}"
    Err(e) => return e.code
    Unknown => return "unknown"
  }}
}}
"""


def raises(_: Request) -> Con:
    raise RuntimeError("boom")


DEEP: Value = ()
for _ in range(300):
    DEEP = (DEEP,)

NONSENSE: dict[str, Callable[[Request], object]] = {
    "raises": raises,
    "not an outcome": lambda _: 7,
    "nothing": lambda _: None,
    "wrong type": lambda _: ok("text"),
    "a run": lambda _: ok(Handle(0)),
    "no arguments": lambda _: Con("Ok", ()),
    "half an error": lambda _: Con("Err", ("text",)),
    "too deep": lambda _: ok(DEEP),
    "surprising error": lambda _: Con("Err", (record(code="c"),)),
}


@pytest.mark.parametrize("kind", ["pure", "reversible", "irreversible"])
@pytest.mark.parametrize("what", sorted(NONSENSE))
def test_a_handler_with_a_bug_is_an_outcome(root: Path, kind: str, what: str) -> None:
    handler = Scripted(one=(spec(kind, "name"), NONSENSE[what]))  # type: ignore[arg-type]
    ended = run(root, task_of(root, ONE.format(kind=kind)), {"job": handler})
    assert ended.value == ("unknown" if kind == "irreversible" else "handler")
    assert "failed" in open_store(root).read("1").notes(ROOT, 1)["handler"]


def test_an_answer_that_no_trace_can_hold_is_a_bug_of_the_handler(root: Path) -> None:
    """Too large, although of the declared type."""
    wide = OperationSpec(effect_class="pure", params=(("name", "Text"),), result=Con("List", ("Int",)))
    handler = Scripted(one=(wide, lambda _: ok(tuple(range(2**20 + 1)))))
    source = ONE.format(kind="pure").replace("-> Int", "-> List[Int]").replace("ok ${n}", "ok")
    ended = run(root, task_of(root, source), {"job": handler})
    assert ended.value == "handler"
    assert "cannot be recorded" in open_store(root).read("1").notes(ROOT, 1)["handler"]


def test_a_missing_handler_is_told_before_anything_is_recorded(root: Path) -> None:
    with pytest.raises(HandlerError) as caught:
        run(root, task_of(root, ONE.format(kind="pure")), {})
    assert caught.value.code == "handler.none"
    assert open_store(root).names() == ()


def test_a_handler_missing_at_resume_leaves_the_run_as_it_is(root: Path) -> None:
    async def stopped(_: Request) -> Con:
        raise KeyboardInterrupt

    handler = Scripted(one=(spec("irreversible", "name"), stopped))
    with pytest.raises(KeyboardInterrupt):
        run(root, task_of(root, ONE.format(kind="irreversible")), {"job": handler})
    before = [entry.commit for entry in entries(root)]
    with pytest.raises(HandlerError) as caught:
        resume(root, "1", {})
    assert caught.value.code == "handler.none"
    assert [entry.commit for entry in entries(root)] == before
    fine = Scripted(one=(spec("irreversible", "name"), lambda _: ok(5)))
    watch = Watch()
    assert resume(root, "1", {"job": fine}, watch=watch).value == "unknown"
    assert fine.begun == []
    assert any("its outcome is unknown" in remark for remark in watch.remarks)


def test_again_performs_an_interrupted_operation_once_more(root: Path) -> None:
    async def stopped(_: Request) -> Con:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(
            root,
            task_of(root, ONE.format(kind="irreversible")),
            {"job": Scripted(one=(spec("irreversible", "name"), stopped))},
        )
    watch = Watch()
    fine = Scripted(one=(spec("irreversible", "name"), lambda _: ok(5)))
    assert resume(root, "1", {"job": fine}, watch=watch, again=True).value == "ok 5"
    assert any("once more" in remark for remark in watch.remarks)


def test_a_display_that_fails_changes_nothing(root: Path) -> None:
    class Broken(Watch):
        def started(self, asked: object) -> None:
            raise BrokenPipeError

        def recorded(self, commits: object) -> None:
            raise BrokenPipeError

    handler = Scripted(one=(spec("pure", "name"), lambda _: ok(5)))
    assert run(root, task_of(root, ONE.format(kind="pure")), {"job": handler}, watch=Broken()).value == "ok 5"


# ── taking back from outside ─────────────────────────────────────────────────────────────────────────────────────────

POST = """
effect job.post(name: Text) -> Text compensable by job.drop
effect job.drop(name: Text) -> Unit irreversible
agent main() -> Text grants job.post { return do job.post("x") }
"""


def test_an_interrupted_effect_that_happened_is_compensated(root: Path) -> None:
    """The trace does not know yet that it happened; its handler does."""

    async def stopped(_: Request) -> Con:
        raise KeyboardInterrupt

    dropped: list[str] = []

    def drop(request: Request) -> Con:
        dropped.append(str(request.args[0]))
        return ok(UNIT)

    class Knows(Scripted):
        async def probe(self, request: Request) -> Con | None:
            return ok("posted x")

    acts = {"drop": (spec("irreversible", "name", result="Unit"), drop)}
    post = spec("compensable", "name", result="Text", undo="job.drop")
    with pytest.raises(KeyboardInterrupt):
        run(root, task_of(root, POST), {"job": Scripted(post=(post, stopped), **acts)})
    knows = {"job": Knows(post=(post, stopped), **acts)}
    done = take_back(Workspace(root), "1", 0, context=context_of(root), display=Watch(), handlers=knows)
    assert done.compensated == ("job.drop",)
    assert dropped == ["posted x"]
    assert replay_run(Workspace(root), "1").identical


def test_a_compensation_without_a_handler_is_refused_before_anything_is_done(root: Path) -> None:
    post = spec("compensable", "name", result="Text", undo="job.drop")
    drop = spec("irreversible", "name", result="Unit")
    run(
        root,
        task_of(root, POST),
        {"job": Scripted(post=(post, lambda _: ok("p")), drop=(drop, lambda _: err("x", "y")))},
    )
    before = [entry.commit for entry in entries(root)]
    with pytest.raises(ShepherdError) as caught:
        take_back(Workspace(root), "1", 0, context=context_of(root), display=Watch())
    assert caught.value.code == "handler.none"
    assert [entry.commit for entry in entries(root)] == before
