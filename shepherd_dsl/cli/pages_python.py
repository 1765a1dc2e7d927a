"""The pages of the errors of Python agents."""

from __future__ import annotations

from typing import Final

PYTHON: Final[dict[str, tuple[str, str]]] = {
    "python.agent": (
        "`@agent` used wrongly",
        "Write @agent or @agent(grants=[…]) above a function, and call it with values.",
    ),
    "python.agent_unknown": (
        "an agent that the program does not know",
        "Name the other agent where it is called from, or in the grants of the agent that calls it.",
    ),
    "python.annotation": (
        "a parameter without a usable type",
        "Annotate it with a type that has a counterpart in the language.",
    ),
    "python.arguments": (
        "a Python agent called with wrong arguments",
        "They must fit the parameters of the function.",
    ),
    "python.diverged": (
        "a function did something else than its trace says",
        "The state of a Python agent is its replayed trace, so between effects its function must be "
        "deterministic: time, chance, files and the network are effects. Fork or revert to an event before the "
        "difference to go on with a changed function.",
    ),
    "python.empty": (
        "an agent with neither body nor docstring",
        "Write a body, or a docstring that tells a model what to do.",
    ),
    "python.gone": (
        "a Python agent that is not there any more",
        "Put its function back where the run found it, or hand it over: resume(tree, agents=[…]).",
    ),
    "python.grants": (
        "grants that are no list",
        'Write grants=["shell.run", …], each as in the language.',
    ),
    "python.import": (
        "the module of an agent cannot be imported",
        "The error says why. Its place is recorded with the run.",
    ),
    "python.local": (
        "an agent inside a function",
        "It cannot be imported again. Make it at the top of its module, or hand it over: resume(tree, agents=[…]).",
    ),
    "python.method": (
        "a method as an agent",
        "An agent is a function; what it needs are its arguments.",
    ),
    "python.name": (
        "a name that no agent can have",
        'Names of agents are those of the language, and each stands for one agent: @agent(name="…") gives another.',
    ),
    "python.nested": (
        "a tree inside an agent",
        "Inside an agent, call the other agent and ask for its result().",
    ),
    "python.options": (
        "options below the outermost run",
        "Workspace, model and display are given where the first run starts.",
    ),
    "python.outside": (
        "an effect outside of an agent",
        "Effects are asked for by the function of an agent. Make this function an @agent.",
    ),
    "python.run": (
        "not a run",
        "Take what the call of an agent gives.",
    ),
    "python.thread": (
        "an effect in another thread",
        "The effects of an agent are in one order: ask for them in the thread that runs its function.",
    ),
    "python.unknown": (
        "a run that does not say where its agents are",
        "It was made elsewhere. Hand them over: resume(tree, agents=[…]).",
    ),
    "python.value": (
        "a Python value without a counterpart",
        "The error says what can stand there.",
    ),
    "python.operation": (
        "an operation that `do` does not know",
        "Declare it (@agent(using=[Declarations(…)])), or use the functions for runs: observe, revert, fork, merge.",
    ),
    "python.loop": (
        "an event loop is running already",
        "Start the run outside of it, or in a thread of its own.",
    ),
    "python.signature": (
        "an agent whose parameters or result changed",
        "Its run was recorded with another signature. Put the old one back, or start a new run.",
    ),
}
