"""The pages of `shepherd explain`: diagnostics of programs, errors of commands, error values of runs."""

from __future__ import annotations

from collections.abc import Mapping


def others() -> Mapping[str, tuple[str, str]]:
    """Title and text of each code that is no diagnostic of a program, in order."""
    from shepherd_dsl.cli.pages_commands import COMMANDS
    from shepherd_dsl.cli.pages_python import PYTHON
    from shepherd_dsl.cli.pages_runs import RUNS

    return dict(sorted({**COMMANDS, **PYTHON, **RUNS}.items()))


def titles() -> dict[str, str]:
    """Every code with its title: the diagnostics first, each kind in order."""
    from shepherd_dsl.syntax.diagnostics import pages

    found = {page.code: page.title for page in pages()}
    found.update({code: title for code, (title, _) in others().items()})
    return found


def page_of(code: str) -> str | None:
    """The page of a code (in any case), None where there is none."""
    from shepherd_dsl.syntax.diagnostics import explain

    found = others().get(code.lower())
    if found is not None:
        import textwrap

        title, text = found
        body = textwrap.fill(text, width=100, break_long_words=False, break_on_hyphens=False)
        return f"{code.lower()}: {title}\n\n{body}\n"
    return explain(code)
