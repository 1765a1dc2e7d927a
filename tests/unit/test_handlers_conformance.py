"""The built-in handlers pass the public suite, and the suite fails handlers that break a rule."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anyio
import attrs
import pytest

from shepherd_dsl.conformance.handler import CHECKS, SECRET, SECRET_NAME, Check, HandlerCase, Sample
from shepherd_dsl.core.program import EffectClass
from shepherd_dsl.core.value import Con, Value, err, ok, record
from shepherd_dsl.errors import HandlerError
from shepherd_dsl.handlers import clock, http, human, model, random, shell, text, tracker
from shepherd_dsl.handlers.context import HandlerContext
from shepherd_dsl.handlers.protocol import Handler, OperationSpec, Request

SHELL = HandlerCase(
    "shell",
    shell.open_handler,
    config='[shell]\nsecrets = ["{secret}"]\ngrace = 0.3\noutput_limit = 200',
    samples=(
        Sample(op="shell.run", args=("echo hello",)),
        Sample(op="shell.run", args=("cat file",), files=(("file", b"\xff\0text"),)),
        Sample(op="shell.run", args=("no-such-program",), outcome="Err", code="not_found"),
        Sample(op="shell.run", args=("'",), outcome="Err", code="command"),
        Sample(op="shell.run", args=("printenv",)),
        Sample(op="shell.online", args=("echo hello",)),
        Sample(op="shell.script_online", args=("echo hello; exit 3",)),
        Sample(
            op="shell.script",
            args=(f"for i in 1 2 3; do echo ${SECRET_NAME}; printf %s ${SECRET_NAME} | xxd -p; done",),
        ),
        Sample(
            op="shell.script",
            args=("trap '' TERM; (sleep 300 & sleep 300) & sleep 300 & touch begun; wait; sleep 300",),
            long=True,
            begun=lambda folder: (folder / "begun").exists(),
        ),
    ),
)
CLOCK = HandlerCase(
    "clock",
    clock.open_handler,
    samples=(
        Sample(op="clock.now"),
        Sample(op="clock.sleep", args=(1,)),
        Sample(op="clock.sleep", args=(-1,), outcome="Err", code="range"),
        Sample(op="clock.sleep", args=(600_000,), long=True),
    ),
)
RANDOM = HandlerCase(
    "random",
    random.open_handler,
    samples=(
        Sample(op="random.int", args=(1, 6)),
        Sample(op="random.int", args=(6, 1), outcome="Err", code="range"),
    ),
)
TEXT = HandlerCase(
    "text",
    text.open_handler,
    samples=(
        Sample(op="text.merge", args=("a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n")),
        Sample(op="text.merge", args=("a\n", f"{SECRET}\n", "c\n")),
        Sample(op="text.merge", args=("a\n", "\n" * 200_001, "c\n"), outcome="Err", code="size"),
    ),
)
HUMAN = HandlerCase(
    "human",
    human.open_handler,
    config='[human]\nanswers = "../answers"',
    samples=(
        Sample(op="human.approve", args=("Deploy?",), outcome="Err", code="answers"),
        Sample(op="human.approve", args=(SECRET,), outcome="Err"),
    ),
)
YES = HandlerCase(
    "human",
    human.open_handler,
    config='[human]\napprove = "yes"',
    samples=(Sample(op="human.approve", args=("Deploy?",)),),
)
TRACKER = HandlerCase(
    "tracker",
    tracker.open_handler,
    samples=(
        Sample(op="tracker.comment", args=(42, "done")),
        Sample(op="tracker.retract", args=(record(id=1),)),
        Sample(op="tracker.retract", args=(record(id=99),), outcome="Err", code="not_found"),
    ),
)


def open_cassette(context: HandlerContext) -> Handler:
    """A model that plays recorded answers; the recording is made here."""
    answers = ['{"cassette":1}', *['{"any":true,"reply":{"text":"hello"}}'] * 9]
    (context.workspace / "answers.jsonl").write_text("\n".join(answers) + "\n")
    return model.model_handler(context)


MODEL = HandlerCase(
    "model",
    open_cassette,
    config='[model]\ndefault = "cassette:answers.jsonl"',
    samples=(
        Sample(
            op="model.chat",
            args=(record(system="", messages=(Con("User", ("Hello?",)),), tools=(), schema=Con("None"), max_tokens=0),),
        ),
    ),
)


class _Server(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path == "/slow":
            assert isinstance(self.server, _Waiting)
            self.server.reached.set()
            self.server.leave.wait(30)
        body = str(self.headers).encode()
        self.send_response_only(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Waiting(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Server)
        self.reached = threading.Event()
        self.leave = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@pytest.fixture
def http_case() -> Iterator[HandlerCase]:
    server = _Waiting()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    origin = f"http://127.0.0.1:{server.server_port}"

    def get(path: str, *headers: tuple[str, str]) -> Value:
        lines = tuple(record(name=name, value=value) for name, value in headers)
        return record(method="GET", url=origin + path, headers=lines, body="")

    secret = get("/", ("Authorization", f"Bearer ${{secret:{SECRET_NAME}}}"))
    yield HandlerCase(
        "http",
        http.open_handler,
        config=f'[http.secrets]\n{{secret}} = ["{origin}"]',
        samples=(
            Sample(op="http.request", args=(secret,), harmless=True),
            Sample(op="http.request", args=(get("/", ("Bad Name", "x")),), outcome="Err", code="http.request"),
            Sample(op="http.request", args=(get("/slow"),), long=True, begun=lambda _: server.reached.is_set()),
        ),
    )
    server.leave.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", [SHELL, CLOCK, RANDOM, TEXT, HUMAN, YES, TRACKER, MODEL], ids=lambda case: case.name)
def test_conforms(case: HandlerCase, check: Check, tmp_path: Path) -> None:
    check(case, tmp_path)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_http_conforms(http_case: HandlerCase, check: Check, tmp_path: Path) -> None:
    check(http_case, tmp_path)


def _specs(op: str, effect_class: EffectClass, kind: str = "Text") -> Mapping[str, OperationSpec]:
    return {op: OperationSpec(effect_class=effect_class, params=(("text", kind),), result="Text", about="say it")}


@attrs.frozen(slots=True)
class _Good:
    """A handler that keeps all rules; the tests below break one each."""

    context: HandlerContext
    operations = _specs("good.say", "pure")

    async def perform(self, request: Request) -> Con:
        (text,) = request.args
        if text == "wait":
            await anyio.sleep(60)
        return ok(self.context.redactor.value(text))

    async def probe(self, request: Request) -> Con | None:
        return None

    async def aclose(self) -> None:
        pass


class _WrongAnswer(_Good):
    async def perform(self, request: Request) -> Con:
        return ok(1)


class _NoOutcome(_Good):
    async def perform(self, request: Request) -> Con:
        return Con("Yes")


class _Raises(_Good):
    async def perform(self, request: Request) -> Con:
        raise HandlerError("handler.broken", "no")


class _Leaks(_Good):
    async def perform(self, request: Request) -> Con:
        request.show(f"the secret is {SECRET}")
        return ok("")


class _LeaksInNotes(_Good):
    async def perform(self, request: Request) -> Con:
        request.note("debug", SECRET.encode().hex())
        return ok("")


class _Traceback(_Good):
    async def perform(self, request: Request) -> Con:
        return err("bug", "Traceback (most recent call last):\n  File x")


class _EmptyError(_Good):
    async def perform(self, request: Request) -> Con:
        return err("bug", "")


class _LeavesProcesses(_Good):
    async def perform(self, request: Request) -> Con:
        subprocess.Popen(  # noqa: ASYNC220
            ["sleep", "3"], cwd=request.folder, start_new_session=True
        )
        await anyio.sleep(60 if request.args == ("wait",) else 0)
        return ok("")


class _LeavesFiles(_Good):
    async def perform(self, request: Request) -> Con:
        _KEPT.append(open("/dev/null"))  # noqa: ASYNC230, SIM115
        return ok("")


class _IgnoresCancelling(_Good):
    async def perform(self, request: Request) -> Con:
        if request.args == ("wait",):
            with anyio.CancelScope(shield=True):
                await anyio.sleep(1.5)
        return ok("")


class _ProbePerforms(_Good):
    async def probe(self, request: Request) -> Con | None:
        return ok("done now")


class _ProbeDenies(_Good):
    operations = _specs("good.say", "irreversible")

    async def probe(self, request: Request) -> Con | None:
        return err("not_done", "it never happened")


class _Undeclared(_Good):
    operations = _specs("bad.say", "pure")


class _NoType(_Good):
    operations = _specs("good.say", "pure", "String")


class _NoUndo(_Good):
    operations = _specs("good.say", "compensable")


class _ClosesOnce(_Good):
    async def aclose(self) -> None:
        if id(self) in _CLOSED:
            raise RuntimeError("closed twice")
        _CLOSED.add(id(self))
        _KEPT.append(self)


_KEPT: list[object] = []
_CLOSED: set[int] = set()


def failing(open_handler: Callable[[HandlerContext], _Good], folder: Path) -> set[str]:
    """The names of the checks that fail a handler."""
    case = HandlerCase(
        "good",
        open_handler,
        samples=(Sample(op="good.say", args=("hello",)), Sample(op="good.say", args=("wait",), long=True)),
        patience=1.0,
    )
    found: set[str] = set()
    for check in CHECKS:
        place = folder / check.__name__
        place.mkdir()
        try:
            check(case, place)
        except Exception:
            found.add(check.__name__)
    return found


def test_a_good_handler_passes(tmp_path: Path) -> None:
    assert failing(_Good, tmp_path) == set()


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (_WrongAnswer, "answers_fit"),
        (_NoOutcome, "answers_fit"),
        (_Raises, "answers_fit"),
        (_Leaks, "no_secret_gets_out"),
        (_LeaksInNotes, "no_secret_gets_out"),
        (_Traceback, "errors_are_for_people"),
        (_EmptyError, "errors_are_for_people"),
        (_LeavesProcesses, "cancelling_leaves_nothing"),
        (_LeavesFiles, "closing_is_enough_and_repeatable"),
        (_IgnoresCancelling, "cancelling_leaves_nothing"),
        (_ProbePerforms, "probe_answers"),
        (_ProbeDenies, "probe_answers"),
        (_Undeclared, "declares_sound_operations"),
        (_NoType, "declares_sound_operations"),
        (_NoUndo, "declares_sound_operations"),
        (_ClosesOnce, "closing_is_enough_and_repeatable"),
    ],
    ids=lambda item: item if isinstance(item, str) else item.__name__.strip("_"),
)
def test_a_broken_handler_fails(broken: type[_Good], check: str, tmp_path: Path) -> None:
    assert check in failing(broken, tmp_path)


def test_every_check_can_fail() -> None:
    covered = {mark.args[1][i][1] for mark in test_a_broken_handler_fails.pytestmark for i in range(len(mark.args[1]))}  # type: ignore[attr-defined]
    assert {check.__name__ for check in CHECKS} - covered == {"samples_cover_every_operation"}


def test_a_missing_sample_fails(tmp_path: Path) -> None:
    case = HandlerCase("clock", clock.open_handler, samples=(Sample(op="clock.now"),))
    with pytest.raises(AssertionError, match=r"no sample of clock\.sleep"):
        CHECKS[1](case, tmp_path)
