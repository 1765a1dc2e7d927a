"""The failing examples of the diagnostics, each with its rendering beside it.

`errors/CODE_name.shep` is a program in which CODE is found, `errors/CODE_name.txt` everything that is said about it.
Files whose names begin with `_` are imported by others. Write the renderings again, and read the difference, with

    python -m tests.examples.error_examples
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shepherd_dsl.errors import ProgramError
from shepherd_dsl.syntax import Diagnostic, decode, parse, render

FOLDER = Path(__file__).parent / "errors"


def examples() -> list[Path]:
    """The examples, sorted by name."""
    return sorted(path for path in FOLDER.glob("*.shep") if not path.name.startswith("_"))


def code_of(path: Path) -> str:
    """The code that an example is for."""
    return path.name.split("_")[0]


def diagnosed(path: Path) -> tuple[Sequence[str], str]:
    """The codes found in a file, and the rendering of all its diagnostics; the folder is left out of it."""
    source, found = decode(path.read_bytes(), file=path.name)
    if not found:
        _, found = parse(source, file=path.name)
    if found or code_of(path) < "E100":
        return [diagnostic.code for diagnostic in found], render({path.name: source}, found)
    return _checked(path)


def _checked(path: Path) -> tuple[Sequence[str], str]:
    from shepherd_dsl.check import load
    from shepherd_dsl.lower import lower

    try:
        lower(load(path))
    except ProgramError as error:
        codes = [found.code for found in error.diagnostics if isinstance(found, Diagnostic)]
        return codes, error.rendered.replace(f"{FOLDER}/", "").replace("tests/examples/errors/", "")
    return [], ""


def main() -> None:
    """Store the rendering of every example."""
    for path in examples():
        path.with_suffix(".txt").write_text(diagnosed(path)[1], "utf-8")


if __name__ == "__main__":
    main()
