"""The limits of values (`spec/contract.md`, "Faults"). A larger value is the fault `size`, a deeper one `depth`."""

from __future__ import annotations

from typing import Final

INT_BITS: Final = 65_536
"""Bits of an integer, and of a decimal's `coef`, without the sign."""

INT_DIGITS: Final = 19_729
"""Decimal digits of the largest integer that fits."""

DEC_SCALE: Final = 16_384
"""Digits of a decimal after the point."""

TEXT_CHARS: Final = 1 << 24
"""Unicode scalar values of a text."""

LIST_ITEMS: Final = 1 << 20
"""Elements of a list."""

VALUE_NODES: Final = 1 << 20
"""Values within a value that is printed, counted as often as they occur."""

VALUE_DEPTH: Final = 100
"""Nesting of arguments of operations and spawns, of values that end a run, and of JSON."""

TRACE_DEPTH: Final = 200
"""Nesting of the events that `run.trace` gives: those events may hold values of `VALUE_DEPTH` within others."""

WIRE_DEPTH: Final = 400
"""Nesting of a value or a program in canonical text: events hold values of `VALUE_DEPTH` within others."""
