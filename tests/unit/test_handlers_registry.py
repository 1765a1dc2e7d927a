"""Which handler performs what, what it is asked, and what comes of handlers that do wrong."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path

import anyio
import pytest

from shepherd_dsl.core.program import EffectClass, Operation
from shepherd_dsl.core.value import UNKNOWN, Con, Record, Value, equal, err, ok
from shepherd_dsl.errors import HandlerError, MissingExtraError, ShepherdError
from shepherd_dsl.handlers.clock import ClockHandler
from shepherd_dsl.handlers.context import HandlerContext
from shepherd_dsl.handlers.protocol import Handler, OperationSpec, Request
from shepherd_dsl.handlers.registry import GROUP, Registry
from shepherd_dsl.testing.clock import FakeClock
from shepherd_dsl.testing.requests import Recorder, make_context, make_request

ROOT = Path(__file__).parents[2]
SECRET = "0123456789-abcdef"


class Toy:
    """Performs the operations it is made with by a function."""

    def __init__(self, operations: Mapping[str, OperationSpec], act: Callable[[Request], object]) -> None:
        self.operations = operations
        self.act = act
        self.closed = 0

    async def perform(self, request: Request) -> Con:
        return self.act(request)  # type: ignore[return-value]

    async def probe(self, request: Request) -> Con | None:
        return self.act(request)  # type: ignore[return-value]

    async def aclose(self) -> None:
        self.closed += 1
        if self.act(make_request("close")) == "raise":
            raise RuntimeError(f"cannot close {SECRET}")


def spec(effect_class: EffectClass = "pure", undo: str | None = None, result: Value = "Int") -> OperationSpec:
    return OperationSpec(effect_class=effect_class, params=(("n", "Int"),), result=result, undo=undo)


def open_toy(context: HandlerContext) -> Handler:
    return Toy({"toy.one": spec()}, lambda request: ok(1))


def open_toy_too(context: HandlerContext) -> Handler:
    return Toy({"toy.one": spec(), "toy.two": spec()}, lambda request: ok(2))


def open_single(context: HandlerContext) -> Handler:
    return Toy({"toy.three": spec()}, lambda request: ok(3))


def open_outside(context: HandlerContext) -> Handler:
    return Toy({"other.one": spec()}, lambda request: ok(1))


def open_without_undo(context: HandlerContext) -> Handler:
    return Toy({"toy.one": spec("compensable")}, lambda request: ok(1))


def open_without_type(context: HandlerContext) -> Handler:
    return Toy({"toy.one": spec(result="Integer")}, lambda request: ok(1))


def open_nothing(context: HandlerContext) -> Handler:
    return Toy({}, lambda request: ok(1))


def open_no_handler(context: HandlerContext) -> object:
    return object()


def open_raising(context: HandlerContext) -> Handler:
    raise ZeroDivisionError(f"by {SECRET}")


def open_missing(context: HandlerContext) -> Handler:
    raise MissingExtraError("toy", needed_for="toys")


not_callable = 1


def points(**names: str) -> list[EntryPoint]:
    return [
        EntryPoint(name.replace("__", "."), target if ":" in target else f"{__name__}:{target}", GROUP)
        for name, targets in names.items()
        for target in targets.split()
    ]


def registry(tmp_path: Path, *, config: str = "", **names: str) -> Registry:
    context = make_context(tmp_path, config=config, environ={"PATH": "/bin", "MY_TOKEN": SECRET})
    return Registry(context, entry_points=points(**names))


def with_toy(tmp_path: Path, toy: Toy) -> Registry:
    return Registry(make_context(tmp_path, environ={"MY_TOKEN": SECRET}), handlers={"toy": toy}, entry_points=[])


def failure(found: Registry, op: str) -> ShepherdError:
    with pytest.raises(HandlerError) as caught:
        found.handler(op)
    return caught.value


class TestFinding:
    def test_by_family(self, tmp_path: Path) -> None:
        found = registry(tmp_path, toy="open_toy_too")
        assert found.spec("toy.one") == spec()
        assert found.handler("toy.one") is found.handler("toy.two")

    def test_by_operation_beside_a_family(self, tmp_path: Path) -> None:
        found = registry(tmp_path, toy="open_toy", toy__three="open_single")
        assert equal(anyio.run(found.perform, make_request("toy.one", 0)), ok(1))
        assert equal(anyio.run(found.perform, make_request("toy.three", 0)), ok(3))

    def test_given_handlers_come_first(self, tmp_path: Path) -> None:
        given = ClockHandler(FakeClock(start_ms=5))
        context = make_context(tmp_path)
        found = Registry(context, handlers={"clock": given}, entry_points=points(clock="open_toy"))
        assert equal(anyio.run(found.perform, make_request("clock.now")), ok(5))

    def test_nothing_handles_it(self, tmp_path: Path) -> None:
        error = failure(registry(tmp_path, toy="open_toy"), "toy.nine")
        assert error.code == "handler.none"
        assert "does not know it" in error.hint
        error = failure(registry(tmp_path, toy="open_toy"), "nosuch.op")
        assert error.code == "handler.none"
        assert "there are handlers for: toy" in error.hint
        with pytest.raises(HandlerError):
            registry(tmp_path).spec("toy.one")

    def test_two_claim_a_family(self, tmp_path: Path) -> None:
        error = failure(registry(tmp_path, toy="open_toy open_toy_too"), "toy.one")
        assert error.code == "handler.claimed"
        assert "open_toy_too" in error.what
        assert "[handlers] toy" in error.hint

    def test_the_configuration_chooses(self, tmp_path: Path) -> None:
        config = f'[handlers]\ntoy = "{__name__}:open_toy_too"'
        found = registry(tmp_path, config=config, toy="open_toy open_toy_too")
        assert equal(anyio.run(found.perform, make_request("toy.one", 0)), ok(2))
        found = registry(tmp_path, config='[handlers]\ntoy = "x:y"', toy="open_toy")
        assert failure(found, "toy.one").code == "handler.none"

    def test_two_claim_an_operation(self, tmp_path: Path) -> None:
        error = failure(registry(tmp_path, toy="open_toy", toy__one="open_toy"), "toy.one")
        assert error.code == "handler.claimed"
        assert "`toy.one`" in error.what

    def test_the_same_one_twice_on_the_path_is_one(self, tmp_path: Path) -> None:
        found = registry(tmp_path, toy="open_toy open_toy")
        assert len(found.installed()) == 1
        assert found.spec("toy.one") == spec()

    @pytest.mark.parametrize(
        ("target", "part"),
        [
            ("no.such.module:x", "ModuleNotFoundError"),
            ("missing", "AttributeError"),
            ("not_callable", "TypeError"),
            ("open_raising", "ZeroDivisionError"),
            ("open_outside", "outside `toy`"),
            ("open_without_undo", "compensation"),
            ("open_without_type", "not a type"),
            ("open_nothing", "declares no operation"),
            ("open_no_handler", "no method `perform`"),
        ],
    )
    def test_a_broken_one(self, tmp_path: Path, target: str, part: str) -> None:
        error = failure(registry(tmp_path, toy=target), "toy.one")
        assert error.code == "handler.broken"
        assert part in error.what
        assert SECRET not in str(error)

    def test_a_missing_package_is_named(self, tmp_path: Path) -> None:
        assert isinstance(failure(registry(tmp_path, toy="open_missing"), "toy.one"), MissingExtraError)

    def test_a_broken_one_does_not_stand_in_the_way(self, tmp_path: Path) -> None:
        found = registry(tmp_path, toy="open_toy", bad="open_raising")
        assert [item.name for item in found.installed()] == ["bad", "toy"]
        assert found.spec("toy.one") == spec()

    def test_only_what_is_asked_for_is_imported(self) -> None:
        script = (
            "import sys, pathlib, tempfile\n"
            "from shepherd_dsl.handlers.context import open_context\n"
            "from shepherd_dsl.handlers.registry import Registry\n"
            "found = Registry(open_context(pathlib.Path(tempfile.gettempdir())))\n"
            "found.installed(); found.handler('clock.now')\n"
            "print(sorted(m for m in sys.modules if m.startswith('shepherd_dsl.handlers.')))\n"
            "print([m for m in ('httpx', 'openai', 'anthropic', 'pygit2', 'lark', 'rich', 'trio') if m in sys.modules])"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
        handlers, heavy = done.stdout.splitlines()
        assert "shepherd_dsl.handlers.clock" in handlers
        assert "shepherd_dsl.handlers.http" not in handlers
        assert "shepherd_dsl.handlers.shell" not in handlers
        assert heavy == "[]"


class TestRequire:
    def test_agrees(self, tmp_path: Path) -> None:
        found = registry(tmp_path, toy="open_toy")
        found.require({"toy.one": Operation("pure")})

    @pytest.mark.parametrize("declared", [Operation("reversible"), Operation("compensable", "toy.two")])
    def test_another_class_is_refused(self, tmp_path: Path, declared: Operation) -> None:
        with pytest.raises(HandlerError) as caught:
            registry(tmp_path, toy="open_toy").require({"toy.one": declared})
        assert caught.value.code == "handler.class"
        assert "its handler says pure" in caught.value.what

    def test_the_compensation_needs_a_handler_too(self, tmp_path: Path) -> None:
        found = with_toy(tmp_path, Toy({"toy.one": spec("compensable", "toy.two")}, lambda request: ok(1)))
        with pytest.raises(HandlerError) as caught:
            found.require({"toy.one": Operation("compensable", "toy.two")})
        assert "`toy.two`" in caught.value.what


class TestPerform:
    @pytest.mark.parametrize("args", [(), (1, 2), ("x",), (True,)])
    def test_arguments_that_do_not_fit_do_nothing(self, tmp_path: Path, args: tuple[Value, ...]) -> None:
        asked: list[Request] = []

        def act(request: Request) -> object:
            asked.append(request)
            return ok(1)

        outcome = anyio.run(with_toy(tmp_path, Toy({"toy.one": spec()}, act)).perform, make_request("toy.one", *args))
        (value,) = outcome.args
        assert isinstance(value, Record)
        assert value.get("code") == "type"
        assert asked == []

    @pytest.mark.parametrize("outcome", [ok(1), err("full", "no room"), UNKNOWN])
    def test_outcomes_are_handed_on(self, tmp_path: Path, outcome: Con) -> None:
        found = with_toy(tmp_path, Toy({"toy.one": spec()}, lambda request: outcome))
        assert equal(anyio.run(found.perform, make_request("toy.one", 1)), outcome)

    @pytest.mark.parametrize("effect_class", ["pure", "reversible", "irreversible", "compensable"])
    @pytest.mark.parametrize("answer", [ok("text"), ok(True), Con("Ok"), Con("Err", ("x",)), Con("Fine"), None, "ok"])
    def test_answers_that_do_not_fit(self, tmp_path: Path, effect_class: EffectClass, answer: object) -> None:
        undo = "toy.two" if effect_class == "compensable" else None
        found = with_toy(tmp_path, Toy({"toy.one": spec(effect_class, undo)}, lambda request: answer))
        recorder = Recorder()
        outcome = anyio.run(found.perform, make_request("toy.one", 1, recorder=recorder))
        assert outcome.name == ("Err" if effect_class in ("pure", "reversible") else "Unknown")
        ((name, text),) = recorder.notes
        assert name == "handler"
        assert "toy.one" in text

    def test_a_bug_is_no_traceback(self, tmp_path: Path) -> None:
        def act(request: Request) -> object:
            raise KeyError(f"lost {SECRET}")

        recorder = Recorder()
        found = with_toy(tmp_path, Toy({"toy.one": spec()}, act))
        outcome = anyio.run(found.perform, make_request("toy.one", 1, recorder=recorder))
        assert equal(outcome, err("handler", "the handler of toy.one failed: KeyError: 'lost ‹secret MY_TOKEN›'"))
        assert SECRET not in str(recorder.notes)

    def test_an_error_for_people_keeps_its_code(self, tmp_path: Path) -> None:
        def act(request: Request) -> object:
            raise HandlerError("toy.full", "the box is full", hint="empty it")

        outcome = anyio.run(with_toy(tmp_path, Toy({"toy.one": spec()}, act)).perform, make_request("toy.one", 1))
        (value,) = outcome.args
        assert isinstance(value, Record)
        assert value.get("code") == "toy.full"

    def test_secrets_are_taken_out(self, tmp_path: Path) -> None:
        found = with_toy(tmp_path, Toy({"toy.one": spec(result="Text")}, lambda request: ok(f"<{SECRET}>")))
        assert equal(anyio.run(found.perform, make_request("toy.one", 1)), ok("<‹secret MY_TOKEN›>"))

    def test_cancelling_goes_through(self, tmp_path: Path) -> None:
        found = Registry(make_context(tmp_path), handlers={"clock": ClockHandler()}, entry_points=[])

        async def main() -> bool:
            with anyio.move_on_after(0.05) as scope:
                await found.perform(make_request("clock.sleep", 60_000))
            return scope.cancelled_caught

        assert anyio.run(main)


class TestProbe:
    def test_what_the_handler_says(self, tmp_path: Path) -> None:
        found = with_toy(tmp_path, Toy({"toy.one": spec()}, lambda request: ok(1)))
        assert anyio.run(found.probe, make_request("toy.one", 1)) == ok(1)
        found = with_toy(tmp_path, Toy({"toy.one": spec()}, lambda request: None))
        assert anyio.run(found.probe, make_request("toy.one", 1)) is None

    def test_a_probe_that_fails_knows_nothing(self, tmp_path: Path) -> None:
        def act(request: Request) -> object:
            raise OSError("gone")

        recorder = Recorder()
        found = with_toy(tmp_path, Toy({"toy.one": spec()}, act))
        assert anyio.run(found.probe, make_request("toy.one", 1, recorder=recorder)) is None
        assert recorder.notes == [("handler", "the probe failed: OSError: gone")]


class TestClosing:
    def test_all_are_closed_though_one_fails(self, tmp_path: Path) -> None:
        found = registry(tmp_path, one="open_toy", two="open_toy")
        toys = [Toy({}, lambda request: None), Toy({}, lambda request: "raise"), Toy({}, lambda request: None)]
        for number, toy in enumerate(toys):
            found._open[str(number)] = toy
            found._order.append(str(number))
        with pytest.raises(HandlerError) as caught:
            anyio.run(found.aclose)
        assert caught.value.code == "handler.close"
        assert SECRET not in str(caught.value)
        assert [toy.closed for toy in toys] == [1, 1, 1]
        anyio.run(found.aclose)


class TestBuiltIn:
    def entry_points(self) -> list[EntryPoint]:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        return [EntryPoint(name, target, GROUP) for name, target in project["entry-points"][GROUP].items()]

    def test_they_are_what_the_contract_says(self, tmp_path: Path) -> None:
        text = (ROOT / "spec" / "contract.md").read_text()
        lines = re.findall(
            r"^    effect ([\w.]+)\(([^)]*)\) -> \S+.*?(pure|reversible|irreversible|compensable)", text, re.MULTILINE
        )
        assert len(lines) >= 10
        found = Registry(make_context(tmp_path), entry_points=self.entry_points())
        for op, params, effect_class in lines:
            if op.startswith("file."):
                continue
            declared = found.spec(op)
            assert declared.effect_class == effect_class, op
            names = [param.split(":")[0].strip() for param in params.split(",") if param.strip()]
            assert [name for name, _ in declared.params] == names, op

    def test_they_are_installed(self, tmp_path: Path) -> None:
        declared = {(point.name, point.value) for point in self.entry_points()}
        installed = {(item.name, item.target) for item in Registry(make_context(tmp_path)).installed()}
        assert declared <= installed
