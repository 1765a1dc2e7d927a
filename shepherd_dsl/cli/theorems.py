"""What is proved about the commands and the words of the language: `theorems.json`, which `make verified` writes."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, TypeAlias

Claim: TypeAlias = dict[str, Any]
"""A claim as in the file: `number`, `claim`, `words`, `state`, `note`, `theorems`, `tests`."""

_WIDTH = 100


@cache
def _claims() -> tuple[Claim, ...]:
    text = (files("shepherd_dsl.cli") / "theorems.json").read_text("utf-8")
    return tuple(json.loads(text)["claims"])


def words() -> dict[str, str]:
    """Every word behind which a claim stands, in order, with how far it is proved."""
    found = sorted({word for claim in _claims() for word in claim["words"]})
    return {word: _title(claims_of(word)) for word in found}


def claims_of(word: str) -> list[Claim]:
    """The claims about a word (in any case), those first that name it first."""
    word = word.lower()
    found = [claim for claim in _claims() if word in claim["words"]]
    return sorted(found, key=lambda claim: (claim["words"].index(word), claim["number"]))


def _title(claims: Sequence[Claim]) -> str:
    count = sum(claim["state"] == "proved" for claim in claims)
    return f"{count} of {len(claims)} claims about it proved"


def proofs_page(word: str, claims: Sequence[Claim]) -> str:
    """What is claimed about a word, each claim with its theorems."""
    parts = [f"{word}: {_title(claims)}\n"]
    for claim in claims:
        lines = _wrapped(claim["claim"], "")
        lines += _wrapped(_state(claim), "  ")
        for theorem in claim["theorems"]:
            lines += _theorem(theorem, claim["claim"])
        lines.append(f"  tested by {', '.join(claim['tests'])}")
        parts.append("\n".join(lines) + "\n")
    parts.append("The axioms are those that our own proofs name; spec/verified.md lists all claims.\n")
    return "\n".join(parts)


def _state(claim: Claim) -> str:
    note = claim["note"]
    match claim["state"]:
        case "proved":
            return "Proved in Lean."
        case "part":
            return f"Proved in part: {note}."
        case "rejected":
            return f"Not proved: the audit of the proofs rejects {note}."
    return f"Not proved yet: {note}." if note else "Not proved yet."


def _theorem(theorem: Claim, claim: str) -> list[str]:
    if not theorem["proved"]:
        return [f"  theorem {theorem['name']}: not proved yet"]
    lines = [f"  theorem {theorem['name']} in {theorem['file']}"]
    if theorem["says"] and theorem["says"] != claim:
        lines += _wrapped(theorem["says"], "    ")
    lines.append(f"    axioms: {', '.join(theorem['axioms']) or 'none'}")
    return lines


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
