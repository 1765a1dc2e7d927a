"""Surface syntax: text to tree and back.

    parse(source, file=…) -> (Module, diagnostics)      never raises for what the file says
    decode(data, file=…) -> (source, diagnostics)       the bytes of a file to its text
    format_source(text) -> text                         raises ProgramError where the text has errors
    render(sources, diagnostics, color=…) -> text
    explain(code) -> text

They are loaded when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shepherd_dsl.syntax.diagnostics import Diagnostic, explain, program_error, render
    from shepherd_dsl.syntax.format import format_source
    from shepherd_dsl.syntax.parser import parse
    from shepherd_dsl.syntax.source import decode

__all__ = ["Diagnostic", "decode", "explain", "format_source", "parse", "program_error", "render"]

_WHERE = {
    "Diagnostic": "diagnostics",
    "decode": "source",
    "explain": "diagnostics",
    "format_source": "format",
    "parse": "parser",
    "program_error": "diagnostics",
    "render": "diagnostics",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
