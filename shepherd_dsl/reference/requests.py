"""Requests to the reference interpreter, as `lean/Shepherd/Reference.lean` reads them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping

from shepherd_dsl.core.file_ops import MAX_READ
from shepherd_dsl.core.files import Files
from shepherd_dsl.core.program import Program
from shepherd_dsl.core.wire_print import change_text, program_text


def files_text(files: Files) -> str:
    """Files as the change that makes them from nothing."""
    return change_text(tuple(files.items()))


def contents_text(contents: Mapping[str, bytes]) -> str:
    """What is known of contents: a text, or the number of bytes of what is none, or is too large to be read as one."""
    known: dict[str, str | int] = {}
    for name, data in contents.items():
        known[name] = len(data)
        if len(data) <= MAX_READ:
            with contextlib.suppress(UnicodeDecodeError):
                known[name] = data.decode("utf-8")
    return json.dumps(known, ensure_ascii=False)


def request(do: str, program: Program | str, files: Files, contents: Mapping[str, bytes], **parts: str) -> str:
    """A request; `parts` are JSON texts. A program that `shepref` keeps is given by its name."""
    fields = {
        "do": json.dumps(do),
        "program": json.dumps(program) if isinstance(program, str) else program_text(program),
        "files": files_text(files),
        "contents": contents_text(contents),
        **parts,
    }
    return "{" + ",".join(f"{json.dumps(name)}:{text}" for name, text in fields.items()) + "}"
