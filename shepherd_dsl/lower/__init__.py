"""Lowering: from a checked program to a core program.

lower(loaded) -> Lowered(program, agents, tests)
"""

from __future__ import annotations

from shepherd_dsl.lower.program import AgentInfo, Lowered, ScriptRule, TestInfo, lower

__all__ = ["AgentInfo", "Lowered", "ScriptRule", "TestInfo", "lower"]
