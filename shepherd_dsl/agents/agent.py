"""`@agent`: a Python function becomes an agent."""

from __future__ import annotations

import ast
import dis
import inspect
import textwrap
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

import attrs

from shepherd_dsl.agents.run import Planned, Run
from shepherd_dsl.errors import UserError

if TYPE_CHECKING:
    from shepherd_dsl.check.types import Type

P = ParamSpec("P")
R = TypeVar("R")

_TABLE = 100
"""Lists and dictionaries up to this size are looked through for agents."""

_KINDS = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@attrs.frozen(slots=True, eq=False)
class Declarations:
    """Effects and types in the language, for Python agents that use operations beyond the standard handlers'."""

    text: str


@attrs.frozen(slots=True, eq=False)
class Signature:
    """What an agent takes and gives: types of the language beside the annotations they come from."""

    params: tuple[tuple[str, Type, object], ...]
    result: Type
    hint: object


class Agent(Generic[P, R]):
    """An agent made of a Python function. Calling it gives a `Run`.

    `name` is its name in the program, `grants` what it may ask for, `performed` says that a model performs it: the
    function has a docstring and nothing else. `reference` (`module:function`) is how a recorded run finds it again.
    """

    def __init__(
        self,
        function: Callable[P, R],
        *,
        grants: Sequence[str | Agent[..., Any]] = (),
        using: Sequence[Declarations] = (),
        name: str | None = None,
    ) -> None:
        self.function = function
        self.name = function.__name__ if name is None else name
        self.grants = _grants(grants, self.name)
        self.using = tuple(using)
        self.reference = f"{function.__module__}:{function.__qualname__}"
        self.doc = inspect.getdoc(function) or ""
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__
        self.__qualname__ = function.__qualname__
        self.__module__ = function.__module__
        self.__wrapped__ = function
        self._signature: Signature | None = None
        _check_function(function, self.name)
        self.performed = _is_empty(function)
        if self.performed and not self.doc:
            raise UserError(
                "python.empty",
                f"`{self.name}` has neither a body nor a docstring",
                where=_place(function),
                hint="Write a docstring that tells a model what to do, or a body.",
            )

    @property
    def file(self) -> str:
        """The name of the file that the function is in, without its folder."""
        return _place(self.function).rpartition(":")[0]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Run[R]:
        """A run of the agent: planned outside of any agent, spawned inside of one."""
        from shepherd_dsl.agents.session import current

        given = self.bind(args, kwargs)
        session = current()
        if session is None:
            return Run(Planned(self, given))
        found: Run[R] = session.spawn(self, given)
        return found

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[object, ...]:
        """The arguments in the order of the parameters, defaults filled in. Raises UserError `python.arguments`."""
        try:
            bound = inspect.signature(self.function).bind(*args, **kwargs)
        except TypeError as why:
            raise UserError("python.arguments", f"`{self.name}`: {why}", where=_place(self.function)) from None
        bound.apply_defaults()
        return tuple(bound.arguments.values())

    def signature(self) -> Signature:
        """The types of parameters and result. Raises UserError `python.annotation` where one is missing or unknown."""
        if self._signature is None:
            self._signature = self._read_signature()
        return self._signature

    def _read_signature(self) -> Signature:
        from shepherd_dsl.agents.kinds import type_of

        where = _place(self.function)
        try:
            closure = inspect.getclosurevars(self.function).nonlocals
            hints = typing.get_type_hints(self.function, localns=dict(closure), include_extras=True)
        except NameError as why:
            raise UserError(
                "python.annotation",
                f"the annotations of `{self.name}` cannot be read: {why}",
                where=where,
                hint="Names in annotations must be visible in the module of the function.",
            ) from None
        params = []
        for param in inspect.signature(self.function).parameters:
            if param not in hints:
                raise _unannotated(f"the parameter `{param}` of `{self.name}`", where)
            params.append((param, type_of(hints[param], f"{where}, `{self.name}({param})`"), hints[param]))
        if "return" not in hints:
            raise _unannotated(f"the result of `{self.name}`", where)
        result = type_of(hints["return"], f"{where}, result of `{self.name}`")
        return Signature(tuple(params), result, hints["return"])

    def mentions(self) -> list[Agent[..., Any]]:
        """The agents that this one names: in its grants, and in its code and that of the functions it calls."""
        found: dict[int, Agent[..., Any]] = {}
        for grant in self.grants:
            if isinstance(grant, Agent):
                found[id(grant)] = grant
        for one in _named_in(self.function):
            found.setdefault(id(one), one)
        return sorted(found.values(), key=lambda one: (one.name, one.reference))

    def __get__(self, instance: object, owner: type | None = None) -> Agent[P, R]:
        if instance is not None:
            raise UserError(
                "python.method", f"`{self.name}` is a method; an agent is a function", where=_place(self.function)
            )
        return self

    def __repr__(self) -> str:
        return f"<agent {self.name}>"


@overload
def agent(function: Callable[P, R], /) -> Agent[P, R]: ...


@overload
def agent(
    *,
    grants: Sequence[str | Agent[..., Any]] = ...,
    using: Sequence[Declarations] = ...,
    name: str | None = ...,
) -> Callable[[Callable[P, R]], Agent[P, R]]: ...


def agent(
    function: Callable[..., Any] | None = None,
    /,
    *,
    grants: Sequence[str | Agent[..., Any]] = (),
    using: Sequence[Declarations] = (),
    name: str | None = None,
) -> Any:
    """Make a function an agent. See `Agent`.

    `grants` are what it may ask for, as a program writes it (`shell.run("pytest *") at most 3`, `run`), or an agent,
    which grants all that one may ask for, so that it can be called. `using` declares further operations. `name` is its
    name in the program where the function's own will not do.

    Raises UserError where the function cannot be an agent: it is `async`, a generator, takes `*args`, is a method.
    """
    if function is not None and not callable(function):
        raise UserError("python.agent", "`@agent` takes no positional options", hint="Write @agent(grants=[…]).")

    def wrap(found: Callable[..., Any]) -> Agent[..., Any]:
        return Agent(found, grants=grants, using=using, name=name)

    return wrap if function is None else wrap(function)


def _grants(grants: object, name: str) -> tuple[str | Agent[..., Any], ...]:
    if isinstance(grants, str) or not isinstance(grants, list | tuple):
        raise UserError("python.grants", f"the grants of `{name}` are a list", hint='Write grants=["shell.run"].')
    for grant in grants:
        if not isinstance(grant, str | Agent):
            raise UserError("python.grants", f"a grant of `{name}` is a {type(grant).__name__}, not a text or an agent")
        if isinstance(grant, str) and ("\n" in grant or not grant.strip()):
            raise UserError("python.grants", f"a grant of `{name}` is one line of text, not empty")
    return tuple(grants)


def _check_function(function: Callable[..., Any], name: str) -> None:
    where = _place(function)
    if not isinstance(function, types.FunctionType):
        raise UserError("python.agent", f"`{name}` is no Python function", where=where)
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise UserError(
            "python.agent",
            f"`{name}` is async; an agent is a plain function",
            where=where,
            hint="Effects wait by themselves; several runs go on at once with `gather`.",
        )
    if inspect.isgeneratorfunction(function):
        raise UserError("python.agent", f"`{name}` is a generator; an agent is a plain function", where=where)
    for param in inspect.signature(function).parameters.values():
        if param.kind not in _KINDS:
            raise UserError("python.agent", f"`{name}` takes `{param}`; an agent's parameters are fixed", where=where)


def _is_empty(function: Callable[..., Any]) -> bool:
    """Whether a function has nothing but a docstring, `...`, `pass` or `raise NotImplementedError`."""
    try:
        source = textwrap.dedent(inspect.getsource(function))
        found = next(n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef))
    except (OSError, SyntaxError, StopIteration):
        code = inspect.unwrap(function).__code__
        names = {i.opname for i in dis.get_instructions(code)}
        trivial = {
            "RESUME",
            "NOP",
            "RETURN_CONST",
            "RETURN_VALUE",
            "LOAD_CONST",
            "COPY_FREE_VARS",
            "LOAD_COMMON_CONSTANT",
        }
        return names <= trivial and set(code.co_consts) <= {None, function.__doc__}
    return all(
        isinstance(stmt, ast.Pass)
        or (isinstance(stmt, ast.Raise) and isinstance(stmt.exc, ast.Name) and stmt.exc.id == "NotImplementedError")
        or (isinstance(stmt, ast.Expr) and isinstance(stmt.value, ast.Constant) and _says_nothing(stmt.value.value))
        for stmt in found.body
    )


def _says_nothing(value: object) -> bool:
    return value is Ellipsis or isinstance(value, str)


def _unannotated(what: str, where: str) -> UserError:
    return UserError(
        "python.annotation", f"{what} has no annotation", where=where, hint="Write one; Any takes whatever comes."
    )


def _place(function: Callable[..., Any]) -> str:
    """File and line of a function, without the folder: `fix.py:12`."""
    code = getattr(function, "__code__", None)
    return "" if code is None else f"{code.co_filename.replace(chr(92), '/').rsplit('/', 1)[-1]}:{code.co_firstlineno}"


# ── agents named in code ─────────────────────────────────────────────────────────────────────────────────────────────


def _named_in(function: types.FunctionType | Callable[..., Any]) -> Iterator[Agent[..., Any]]:
    """The agents that the code of a function can reach by global names, closures and attributes of modules."""
    todo: list[object] = [function]
    seen: set[int] = set()
    while todo:
        top = todo.pop()
        if id(top) in seen:
            continue
        seen.add(id(top))
        if isinstance(top, Agent):
            yield top
        elif isinstance(top, types.FunctionType):
            names = _names(top.__code__)
            if not _is_foreign(top):
                todo += [top.__globals__[name] for name in names if name in top.__globals__]
                modules = [m for name in names if isinstance(m := top.__globals__.get(name), types.ModuleType)]
                todo += [vars(m)[name] for m in modules for name in names if isinstance(vars(m).get(name), Agent)]
            for cell in top.__closure__ or ():
                try:
                    todo.append(cell.cell_contents)
                except ValueError:
                    continue  # not bound yet
        elif isinstance(top, list | tuple) and len(top) <= _TABLE:
            todo += top
        elif isinstance(top, dict) and len(top) <= _TABLE:
            todo += top.values()


def _is_foreign(function: types.FunctionType) -> bool:
    """Functions of this package name no agents of the user's; their globals are not looked through."""
    return (function.__module__ or "").startswith("shepherd_dsl.")


def _names(code: types.CodeType) -> list[str]:
    """The global names and attributes that code mentions, inner functions included."""
    found = set(code.co_names)
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            found.update(_names(inner))
    return sorted(found)
