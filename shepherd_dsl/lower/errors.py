"""Errors that only lowering can find."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shepherd_dsl.errors import ProgramError
from shepherd_dsl.syntax.diagnostics import Diagnostic, program_error
from shepherd_dsl.syntax.span import Span

if TYPE_CHECKING:
    from shepherd_dsl.lower.frame import Frame


def lowering_error(code: str, span: Span, message: str, frame: Frame, *, hint: str = "") -> ProgramError:
    """An error of lowering at a place of the file that declares the agent being lowered."""
    module = frame.module
    return program_error([Diagnostic(code, span, module.file, message, hint=hint)], {module.file: module.source})
