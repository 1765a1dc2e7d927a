"""Shepherd DSL: a small effect language for agents with a verified core.

The names of the Python embedding (`docs/python.md`) are imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shepherd_dsl.agents.agent import Declarations as Declarations
    from shepherd_dsl.agents.agent import agent as agent
    from shepherd_dsl.agents.data import Data as Data
    from shepherd_dsl.agents.data import Error as Error
    from shepherd_dsl.agents.data import Event as Event
    from shepherd_dsl.agents.data import Exit as Exit
    from shepherd_dsl.agents.data import Outcome as Outcome
    from shepherd_dsl.agents.data import Report as Report
    from shepherd_dsl.agents.data import Stop as Stop
    from shepherd_dsl.agents.data import Variant as Variant
    from shepherd_dsl.agents.effects import approve as approve
    from shepherd_dsl.agents.effects import ask as ask
    from shepherd_dsl.agents.effects import do as do
    from shepherd_dsl.agents.effects import fail as fail
    from shepherd_dsl.agents.effects import files as files
    from shepherd_dsl.agents.effects import message as message
    from shepherd_dsl.agents.effects import messages as messages
    from shepherd_dsl.agents.effects import now as now
    from shepherd_dsl.agents.effects import random_int as random_int
    from shepherd_dsl.agents.effects import read as read
    from shepherd_dsl.agents.effects import remove as remove
    from shepherd_dsl.agents.effects import script as script
    from shepherd_dsl.agents.effects import shell as shell
    from shepherd_dsl.agents.effects import sleep as sleep
    from shepherd_dsl.agents.effects import try_do as try_do
    from shepherd_dsl.agents.effects import write as write
    from shepherd_dsl.agents.meta import answer as answer
    from shepherd_dsl.agents.meta import deny as deny
    from shepherd_dsl.agents.meta import discard as discard
    from shepherd_dsl.agents.meta import fork as fork
    from shepherd_dsl.agents.meta import gather as gather
    from shepherd_dsl.agents.meta import head as head
    from shepherd_dsl.agents.meta import inject as inject
    from shepherd_dsl.agents.meta import last_green as last_green
    from shepherd_dsl.agents.meta import live as live
    from shepherd_dsl.agents.meta import merge as merge
    from shepherd_dsl.agents.meta import next_stop as next_stop
    from shepherd_dsl.agents.meta import observe as observe
    from shepherd_dsl.agents.meta import pass_ as pass_
    from shepherd_dsl.agents.meta import result as result
    from shepherd_dsl.agents.meta import revert as revert
    from shepherd_dsl.agents.run import Run as Run
    from shepherd_dsl.agents.start import Ran as Ran
    from shepherd_dsl.agents.start import resume as resume
    from shepherd_dsl.agents.start import run as run
    from shepherd_dsl.errors import AgentError as AgentError
    from shepherd_dsl.errors import DivergenceError as DivergenceError
    from shepherd_dsl.errors import EffectError as EffectError

__version__ = "0.1.0"

_ERRORS = ("AgentError", "DivergenceError", "EffectError")


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    if name in _ERRORS:
        from shepherd_dsl import errors

        found = getattr(errors, name)
    else:
        from shepherd_dsl.agents import load

        found = load(name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    from shepherd_dsl.agents import EXPORTS

    return sorted({*globals(), *EXPORTS, *_ERRORS})
