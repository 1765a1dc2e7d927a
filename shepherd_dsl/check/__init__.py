"""The checker: types, grants and effects of a program.

load(path) -> Loaded                 raises ProgramError with all diagnostics rendered
load_source(text, file=…) -> Loaded
analyse(path, source=…) -> Analysis  for editors: never raises for what the program says
"""

from __future__ import annotations

from shepherd_dsl.check.load import Analysis, Loaded, analyse, load, load_source

__all__ = ["Analysis", "Loaded", "analyse", "load", "load_source"]
