"""The LALR(1) table of the grammar, read from table.json (made by generate.py)."""

from __future__ import annotations

import json
import os.path

# Not importlib.resources, which takes longer to import than the table to read.
with open(os.path.join(os.path.dirname(__file__), "table.json"), encoding="utf-8") as _file:
    _data = json.load(_file)


def _rows(flat: list[list[int]], names: list[str]) -> list[dict[str, int]]:
    return [{names[row[i]]: row[i + 1] for i in range(0, len(row), 2)} for row in flat]


FIXED: dict[str, str] = _data["fixed"]
"""How each terminal is written that is always written the same."""

END = "$END"
ACCEPT: int = _data["end"]

_actions = _rows(_data["actions"], _data["terminals"])
_gotos = _rows(_data["gotos"], _data["nonterminals"])

ACTIONS: list[dict[str, int]] = [_actions[row] for row in _data["states"]]
"""For each state: terminal to the state after shifting it, or to `-1 - rule` for a reduction."""

GOTOS: list[dict[str, int]] = [_gotos[row] for row in _data["states"]]

RULES: list[tuple[str, int, str, tuple[int, ...]]] = [
    (_data["nonterminals"][left], length, action, tuple(plan)) for left, length, action, plan in _data["rules"]
]
"""Left side, length, action, plan; generate.py says what they mean."""
