"""What a Python agent asks of the world. Each call is one effect, recorded before it is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn, TypeVar, overload

from shepherd_dsl.agents.convert import from_value, to_value
from shepherd_dsl.agents.data import Error, Exit, Outcome
from shepherd_dsl.agents.session import Session, session, unwrap
from shepherd_dsl.check.env import EffectSig
from shepherd_dsl.core.value import Con, Record
from shepherd_dsl.errors import EffectError, UserError

T = TypeVar("T")

CLASSES: dict[str, object] = {
    **dict.fromkeys(("shell.run", "shell.script", "shell.online", "shell.script_online"), Exit),
    "file.list": list[str],
}
"""What the answers of well-known operations are built as."""


def do(op: str, *args: Any) -> Any:
    """Ask for `op(args…)`, and its answer. Raises EffectError where it is refused or fails, as `do` ends a run.

    A run that does not catch the EffectError fails with its code. Raises UserError for an operation that the program
    does not know, or arguments that do not fit it.
    """
    asking = session(op)
    sig = signature(asking, op)
    return from_value(unwrap(op, _ask(asking, sig, args)), sig.result, CLASSES.get(op), asking.held)


def try_do(op: str, *args: Any) -> Outcome:
    """As `do`, with the outcome as it is."""
    asking = session(op)
    sig = signature(asking, op)
    return outcome_of(_ask(asking, sig, args), sig, asking)


def _ask(asking: Session, sig: EffectSig, args: tuple[Any, ...]) -> Con:
    if len(args) != len(sig.params):
        names = ", ".join(label for label, _ in sig.params)
        raise UserError("python.arguments", f"`{sig.name}({names})` takes {len(sig.params)} arguments, not {len(args)}")
    pairs = zip(args, sig.params, strict=True)
    values = [to_value(given, found, f"`{sig.name}({label})`", asking.hold) for given, (label, found) in pairs]
    return asking.ask(sig.name, tuple(values))


def signature(asking: Session, op: str) -> EffectSig:
    """What the operation takes and gives. Raises UserError `python.operation` where the program has none such."""
    found = asking.built.effects.get(op)
    if found is not None:
        return found
    if op.startswith("run."):
        raise UserError(
            "python.operation",
            f"`{op}` is not asked for with `do`",
            hint="Runs have functions of their own: observe, next_stop, pass_, revert, fork, merge, discard …",
        )
    import difflib

    close = difflib.get_close_matches(op, asking.built.effects, n=1)
    raise UserError(
        "python.operation",
        f"no operation is called `{op}`",
        hint=f"Did you mean `{close[0]}`?" if close else 'Declare it: @agent(using=[Declarations("effect …")]).',
    )


def outcome_of(found: Con, sig: EffectSig | None, asking: Session) -> Outcome:
    """An outcome as Python data; `sig` is the operation's, where it is known."""
    from shepherd_dsl.check.types import VALUE

    if found.name == "Ok":
        result, hint = (VALUE, None) if sig is None else (sig.result, CLASSES.get(sig.name))
        return Outcome("ok", from_value(found.args[0], result, hint, asking.held))
    if found.name == "Err" and isinstance(found.args[0], Record):
        return Outcome("error", error=Error(str(found.args[0].get("code")), str(found.args[0].get("text"))))
    return Outcome("unknown")


# ── by name ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def shell(command: str | Sequence[str]) -> Exit:
    """Run a program with arguments, without a shell: a command line, or its words."""
    found: Exit = do("shell.run", command)
    return found


def script(text: str) -> Exit:
    """Run a shell script."""
    found: Exit = do("shell.script", text)
    return found


def read(path: str) -> str:
    """The text in a file of the run."""
    found: str = do("file.read", path)
    return found


def write(path: str, content: str) -> None:
    """Write a file of the run; folders are made as needed."""
    do("file.write", path, content)


def remove(path: str) -> None:
    """Remove a file of the run."""
    do("file.remove", path)


def files(glob: str = "**") -> list[str]:
    """The paths of the run's files that fit a glob, sorted."""
    found: list[str] = do("file.list", glob)
    return found


def approve(question: str) -> bool:
    """Ask the person in charge."""
    found: bool = do("human.approve", question)
    return found


def now() -> int:
    """Milliseconds since 1970."""
    found: int = do("clock.now")
    return found


def sleep(ms: int) -> None:
    """Wait that many milliseconds."""
    do("clock.sleep", ms)


def random_int(low: int, high: int) -> int:
    """An integer from `low` to `high`, both included."""
    found: int = do("random.int", low, high)
    return found


def message() -> str | None:
    """The oldest message that the run's owner put in and nobody read yet."""
    found: str | None = do("inbox.take")
    return found


def messages() -> list[str]:
    """All messages that nobody read yet, oldest first."""
    found = []
    while (one := message()) is not None:
        found.append(one)
    return found


def fail(text: str) -> NoReturn:
    """End the run: it failed, with code `fail`."""
    raise EffectError("fail", text)


# ── models ───────────────────────────────────────────────────────────────────────────────────────────────────────────

TRIES = 3
"""How often a model is asked for an answer that fits, as in the standard library's `ask`."""


@overload
def ask(prompt: str, *, system: str = ...) -> str: ...


@overload
def ask(prompt: str, returns: type[T], *, system: str = ...) -> T: ...


def ask(prompt: str, returns: Any = str, *, system: str = "") -> Any:
    """Ask the model; its answer as a `returns`, which is any annotation that an agent's result may have.

    The same as `ask` in the language: what the owner put in is told along, the answer is checked against the type, and
    a wrong one is sent back with the error, three tries in all. Raises EffectError `fail` where no answer fits.
    """
    from shepherd_dsl.agents.kinds import type_of
    from shepherd_dsl.check.schema import answer_schema, plain
    from shepherd_dsl.check.types import show

    asking = session("ask")
    found = type_of(returns, "ask")
    if not plain(found):
        raise UserError("python.annotation", f"a model cannot answer with a value of type {show(found)}")
    schema = answer_schema(found)
    said: list[Any] = [_said("User", "\n\n".join([prompt, *messages()]))]
    for left in reversed(range(TRIES)):
        request = {"system": system, "messages": said, "tools": [], "schema": schema, "max_tokens": 0}
        text = do("model.chat", request).text
        answer = read_answer(text, found)
        if answer.name == "Ok":
            return from_value(answer.args[0], found, returns, asking.held)
        why = answer.args[0]
        if not left:
            fail(f"the model's answer does not fit: {why}")
        repair = f"This answer does not fit: {why}. Answer again, with JSON that fits the schema and nothing else."
        said += [_said("Said", text, []), _said("User", repair)]
    raise AssertionError("the last try returns or fails")


def _said(who: str, *args: Any) -> Any:
    from shepherd_dsl.agents.data import Variant

    return Variant(who, args)


def read_answer(text: str, found: Any) -> Con:
    """A model's text as a value of the type: `Ok(value)`, or `Err(text)` saying why it does not fit."""
    from shepherd_dsl.check.schema import ANSWER, answer_schema, type_value
    from shepherd_dsl.check.types import Rec, resolve
    from shepherd_dsl.core.fault import Fault
    from shepherd_dsl.core.prim import PRIMITIVES

    if answer_schema(found) is None:
        return Con("Ok", (text,))
    try:
        parsed = PRIMITIVES["json_parse"].apply(_bare_json(text))
        if not isinstance(parsed, Con) or parsed.name != "Ok":
            return Con("Err", (f"it is not JSON: {parsed.args[0] if isinstance(parsed, Con) else ''}",))
        value = parsed.args[0]
        if not isinstance(resolve(found), Rec) and isinstance(value, Record):
            inner = value.get(ANSWER)
            value = inner if inner is not None and len(value.fields) == 1 else value
        decoded = PRIMITIVES["decode"].apply(type_value(found), value)
    except Fault as why:
        return Con("Err", (why.text,))
    assert isinstance(decoded, Con)
    return decoded


def _bare_json(text: str) -> str:
    """What is inside a fence, if there is one."""
    trimmed = text.strip()
    if not trimmed.startswith("```") or "\n" not in trimmed:
        return trimmed
    return trimmed[trimmed.index("\n") :].replace("```", "").strip()
