"""The programs of `examples/`, each with the report of its tests beside it.

Write the reports again, and read the difference, with

    python -m tests.examples.programs
"""

from __future__ import annotations

from pathlib import Path

from shepherd_dsl.check import load
from shepherd_dsl.lower import lower
from shepherd_dsl.testing.scripted import report, run_tests

FOLDER = Path(__file__).parents[2] / "examples"


def programs() -> list[Path]:
    """The programs, sorted by name."""
    return sorted(FOLDER.glob("*.shep"))


def output(path: Path) -> str:
    """What the tests of a program report; the folder is left out of it."""
    return report(run_tests(lower(load(path)))).replace(f"{FOLDER}/", "")


def main() -> None:
    """Store the output of every program."""
    for path in programs():
        path.with_suffix(".txt").write_text(output(path), "utf-8")


if __name__ == "__main__":
    main()
