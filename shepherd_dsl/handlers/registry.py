"""Which handler performs which operation.

Handlers are found by entry points of the group `shepherd_dsl.handlers`. The name of an entry point is what it handles:
a family (`shell`: all of `shell.*`) or one operation (`shell.run`); its object is a factory, called once a driver with
a `HandlerContext`, that returns a `Handler`. Only the handlers of operations that are asked for are imported.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Mapping

import attrs

from shepherd_dsl.core.program import Operation
from shepherd_dsl.core.value import UNKNOWN, Con, Value, err
from shepherd_dsl.errors import AgentError, BrokenHandlerError, DivergenceError, HandlerError, ShepherdError, UserError
from shepherd_dsl.handlers.context import HandlerContext
from shepherd_dsl.handlers.fits import check_type, misfit
from shepherd_dsl.handlers.protocol import Handler, OperationSpec, Request

GROUP = "shepherd_dsl.handlers"


@attrs.frozen(slots=True)
class Found:
    """An installed handler: what it handles, the object its entry point names, and the distribution it came with."""

    name: str
    target: str
    distribution: str


class Registry:
    """The handlers of one driver, each opened when it is first asked for.

    `handlers` (by family or operation) come before all installed ones. Close it with `aclose`.
    """

    def __init__(
        self,
        context: HandlerContext,
        *,
        handlers: Mapping[str, Handler] | None = None,
        entry_points: Iterable[importlib.metadata.EntryPoint] | None = None,
    ) -> None:
        self.context = context
        self._given = dict(handlers or {})
        self._entry_points = entry_points
        self._index: dict[str, tuple[importlib.metadata.EntryPoint, ...]] | None = None
        self._open: dict[str, Handler] = {}
        self._order: list[str] = []

    def installed(self) -> tuple[Found, ...]:
        """All installed handlers, by name, without importing any."""
        return tuple(
            Found(name, point.value, point.dist.name if point.dist else "")
            for name, points in sorted(self._points().items())
            for point in points
        )

    def handler(self, op: str) -> Handler:
        """The handler that performs `op`, opened if it is not yet.

        Raises HandlerError: `handler.none` where nothing handles `op`, `handler.claimed` where two do,
        `handler.broken` where the one that does cannot be loaded; MissingExtraError where a package is missing.
        """
        claims = [name for name in _names(op) if name in self._given]
        if claims:
            return self._given[claims[0]]
        claims = [name for name in _names(op) if name in self._points()]
        holders = [name for name in claims if op in self._opened(name, op).operations]
        if len(holders) > 1:
            raise HandlerError(
                "handler.claimed",
                f"`{op}` is handled twice: by the handlers `{holders[0]}` and `{holders[1]}`",
                hint="uninstall one of the packages that bring them",
            )
        if not holders:
            raise self._none(op, claims)
        return self._opened(holders[0], op)

    def spec(self, op: str) -> OperationSpec:
        """The declaration of `op` by its handler; errors as for `handler`."""
        handler = self.handler(op)
        if op not in handler.operations:
            raise self._none(op, [])
        return handler.operations[op]

    def require(self, ops: Mapping[str, Operation]) -> None:
        """Check before a run that each of `ops`, as a program declares them, has a handler that means the same.

        Raises as `handler` does, and HandlerError `handler.class` where the handler declares another effect class or
        another compensation: a run must not be told that something can be taken back when it cannot.
        """
        for op in sorted(ops):
            spec, declared = self.spec(op), ops[op]
            if (spec.effect_class, spec.undo) != (declared.effect_class, declared.undo):
                raise HandlerError(
                    "handler.class",
                    f"the program declares `{op}` {_words(declared.effect_class, declared.undo)}, "
                    f"its handler says {_words(spec.effect_class, spec.undo)}",
                    hint=f"declare `{op}` as its handler does",
                )
            if spec.undo is not None:
                self.spec(spec.undo)

    async def perform(self, request: Request) -> Con:
        """The outcome of `request`, without secrets.

        Arguments that are not of the declared types give `Err(type)` and nothing is done. A UserError or HandlerError
        says that nothing was done and becomes an error of its code (a missing package, a wrong setting). A handler
        that fails by a bug of its own, or whose answer is not of the declared type, gives `Err(handler)`, or
        `Unknown` where the effect cannot be taken back with the files, because it may have happened; what went wrong
        is then noted as `handler`.
        """
        spec = self.spec(request.op)
        problem = args_misfit(spec, request.args)
        if problem is not None:
            return self._clean(err("type", f"{request.op}: {problem}"))
        handler = self.handler(request.op)
        try:
            outcome: object = await handler.perform(request)
        except (UserError, HandlerError) as error:
            return self._clean(err(error.code, str(error)))
        except (AgentError, DivergenceError):
            raise  # The run cannot go on here; what it is does not change.
        except Exception as bug:
            return self._bug(spec, request, f"{type(bug).__name__}: {bug}")
        return self._checked(spec, request, outcome)

    async def probe(self, request: Request) -> Con | None:
        """What became of an intent that a crash left open, as `Handler.probe`; None where the handler fails to say."""
        spec = self.spec(request.op)
        if args_misfit(spec, request.args) is not None:
            return None
        try:
            outcome: object = await self.handler(request.op).probe(request)
        except Exception as bug:
            self._note(request, f"the probe failed: {type(bug).__name__}: {bug}")
            return None
        return None if outcome is None else self._checked(spec, request, outcome)

    async def aclose(self) -> None:
        """Close the handlers that were opened, the last one first; one that fails does not keep the others open.

        Raises HandlerError `handler.close` with the failures. Handlers given to the registry stay open.
        """
        failed: list[str] = []
        while self._order:
            name = self._order.pop()
            try:
                await self._open.pop(name).aclose()
            except Exception as bug:
                failed.append(f"{name}: {type(bug).__name__}: {bug}")
        if failed:
            raise BrokenHandlerError("handler.close", "a handler did not close: " + self._redact("; ".join(failed)))

    def _points(self) -> dict[str, tuple[importlib.metadata.EntryPoint, ...]]:
        if self._index is None:
            points = self._entry_points
            if points is None:
                points = importlib.metadata.entry_points(group=GROUP)
            index: dict[str, list[importlib.metadata.EntryPoint]] = {}
            for point in sorted(set(points), key=lambda point: (point.name, point.value)):
                # The same distribution is seen twice where it is on the path twice.
                if all(other.value != point.value for other in index.setdefault(point.name, [])):
                    index[point.name].append(point)
            self._index = {name: tuple(found) for name, found in index.items()}
        return self._index

    def _opened(self, name: str, op: str) -> Handler:
        if name not in self._open:
            points = self._points()[name]
            wanted = dict(self.context.config.handlers).get(name)
            chosen = [point for point in points if wanted in (None, point.value)]
            if not chosen:
                raise HandlerError(
                    "handler.none",
                    f"the configuration picks `{wanted}` for `{name}`, which is not installed",
                    hint="installed: " + ", ".join(point.value for point in points),
                )
            if len(chosen) > 1:
                raise HandlerError(
                    "handler.claimed",
                    f"`{name}` is handled twice: by {' and '.join(point.value for point in chosen)}",
                    hint=f'pick one in .shepherd/config.toml: [handlers] {name} = "{chosen[0].value}"',
                )
            self._open[name] = self._load(chosen[0])
            self._order.append(name)
        return self._open[name]

    def _load(self, point: importlib.metadata.EntryPoint) -> Handler:
        try:
            handler: Handler = point.load()(self.context)
            problem = handler_problem(point.name, handler)
        except ShepherdError:
            raise
        except Exception as bug:
            problem = f"{type(bug).__name__}: {bug}"
        if problem is not None:
            origin = f" of {point.dist.name}" if point.dist else ""
            raise BrokenHandlerError(
                "handler.broken",
                self._redact(f"the handler `{point.name}`{origin} cannot be used: {problem}"),
                where=point.value,
                hint="update or uninstall the package that brings it",
            )
        return handler

    def _none(self, op: str, tried: list[str]) -> HandlerError:
        known = [*self._given, *self._points()]
        hint = f"the handler `{tried[0]}` is installed but does not know it" if tried else "install a package that does"
        return HandlerError(
            "handler.none",
            f"nothing handles the operation `{op}`",
            hint=f"{hint}; there are handlers for: {', '.join(sorted(set(known))) or 'nothing at all'}",
        )

    def _checked(self, spec: OperationSpec, request: Request, outcome: object) -> Con:
        problem = outcome_misfit(spec, outcome)
        if problem is not None:
            return self._bug(spec, request, problem)
        assert isinstance(outcome, Con)
        return self._clean(outcome)

    def _bug(self, spec: OperationSpec, request: Request, problem: str) -> Con:
        text = f"the handler of {request.op} failed: {problem}"
        self._note(request, text)
        if spec.effect_class in ("compensable", "irreversible"):
            return UNKNOWN
        return self._clean(err("handler", text))

    def _note(self, request: Request, text: str) -> None:
        request.note("handler", self._redact(text))

    def _clean(self, outcome: Con) -> Con:
        return self.context.redactor.value(outcome)

    def _redact(self, text: str) -> str:
        return self.context.redactor.text(text)


def args_misfit(spec: OperationSpec, args: tuple[Value, ...]) -> str | None:
    """Why `args` are not what `spec` declares, or None where they are."""
    if len(args) != len(spec.params):
        return f"takes {len(spec.params)} arguments, got {len(args)}"
    for (name, kind), value in zip(spec.params, args, strict=True):
        problem = misfit(kind, value)
        if problem is not None:
            return f"argument `{name}`: {problem}"
    return None


def outcome_misfit(spec: OperationSpec, outcome: object) -> str | None:
    """Why `outcome` is not `Ok` of the declared result, `Err({code, text})` or `Unknown`; None where it is."""
    if not isinstance(outcome, Con):
        return f"its answer is no outcome but {type(outcome).__name__}"
    if outcome.name == "Unknown" and not outcome.args:
        return None
    if outcome.name == "Err" and len(outcome.args) == 1:
        problem = misfit(Con("Rec", ((("code", "Text"), ("text", "Text")),)), outcome.args[0])
        return None if problem is None else f"its error does not fit: {problem}"
    if outcome.name == "Ok" and len(outcome.args) == 1:
        problem = misfit(spec.result, outcome.args[0])
        return None if problem is None else f"its answer does not fit: {problem}"
    return f"its answer is no outcome but {outcome.name}"


def handler_problem(name: str, handler: Handler) -> str | None:
    """What is wrong with the declarations of `handler`, found as `name`; None where they are sound."""
    for method in ("perform", "probe", "aclose"):
        if not callable(getattr(handler, method, None)):
            return f"it has no method `{method}`"
    if not handler.operations:
        return "it declares no operation"
    for op, spec in sorted(handler.operations.items()):
        if name not in _names(op):
            return f"it declares `{op}`, which is outside `{name}`"
        if (spec.effect_class == "compensable") != (spec.undo is not None):
            return f"`{op}` must name its compensation exactly where it is compensable"
        if spec.touches_files and spec.effect_class == "pure":
            return f"`{op}` is pure, so it cannot touch files"
        try:
            for _, kind in spec.params:
                check_type(kind)
            check_type(spec.result)
        except ValueError as error:
            return f"`{op}`: {error}"
    return None


def _names(op: str) -> tuple[str, ...]:
    """The names under which an entry point may claim `op`: the operation itself, then its families, closest first."""
    parts = op.split(".")
    return tuple(".".join(parts[:end]) for end in range(len(parts), 0, -1))


def _words(effect_class: str, undo: str | None) -> str:
    return effect_class if undo is None else f"compensable by {undo}"
