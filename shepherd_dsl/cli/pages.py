"""The pages of `shepherd explain`: diagnostics of programs, and the errors of everything else."""

from __future__ import annotations

# Codes that are not diagnostics of programs: a title and what to do. A test finds every code the project raises.
OTHERS: dict[str, tuple[str, str]] = {}


def titles() -> dict[str, str]:
    """Every code with its title, in order."""
    import shepherd_dsl.check.codes
    import shepherd_dsl.lower.codes
    import shepherd_dsl.syntax.codes  # noqa: F401
    from shepherd_dsl.syntax.diagnostics import pages

    found = {page.code: page.title for page in pages()}
    found.update({code: title for code, (title, _) in sorted(OTHERS.items())})
    return found


def page_of(code: str) -> str | None:
    """The page of a code, None where there is none."""
    if code in OTHERS:
        title, text = OTHERS[code]
        return f"{code}: {title}\n\n{text}\n"
    titles()
    from shepherd_dsl.syntax.diagnostics import explain

    return explain(code.upper())
