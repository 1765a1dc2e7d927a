"""`make lean`: builds every Lean module and audits the theorems.

    python -m tools.lean [--lean auto|lake|portable] [--jobs N] [build]    all modules, then the audit
    python -m tools.lean install                                           the portable Lean only
    python -m tools.lean run MODULE [ARGUMENT …]                           `main` of a module, after the build
    python -m tools.lean lean [ARGUMENT …]                                 the portable `lean`, after the build
    python -m tools.lean shepref                                           the reference interpreter, if it is built

Exit status: 0 done, 1 something failed, 2 a mistake in the command, 3 not built (`shepref`), 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from .audit import Report, audit, headline_theorems
from .build import Built, Result, build, built_tree, default_jobs, keys_of
from .install import Toolchain, install, installed
from .modules import left_out, load
from .native import Native, native, wanted
from .places import ROOT, ROOTS, SOURCES, LeanError

HOW = ("auto", "lake", "portable")

NOT_BUILT: Final = 3
"""`shepherd_dsl/reference/find.py` knows it too."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.lean", description="Builds and audits the Lean sources.")
    how = os.environ.get("SHEPHERD_LEAN", "auto")
    parser.add_argument("--lean", choices=HOW, default=how, help="also SHEPHERD_LEAN; auto: lake if it works")
    parser.add_argument("--jobs", type=int, default=default_jobs(), help="processes, of up to 2 GB each")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("build", help="all modules, then the audit (without a command, too)")
    commands.add_parser("install", help="the portable Lean only")
    commands.add_parser("shepref", help="the reference interpreter, if it is built; nothing is built or fetched")
    for name, text in (("run", "main of a module, after the build"), ("lean", "the portable `lean`")):
        commands.add_parser(name, help=text, add_help=False)
    given = list(sys.argv[1:] if arguments is None else arguments)
    passed_on = next((at + 1 for at, word in enumerate(given) if word in ("run", "lean")), len(given))
    args = parser.parse_args(given[:passed_on])
    args.arguments = given[passed_on:]
    if args.lean not in HOW:
        parser.error(f"SHEPHERD_LEAN is {args.lean!r}; it may be one of {', '.join(HOW)}")
    if args.jobs < 1:
        parser.error("--jobs: at least 1")
    if args.command == "run" and not args.arguments:
        parser.error("run: name a module, as `run Shepref`")
    try:
        return _command(args)
    except LeanError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; what was compiled is kept", file=sys.stderr)
        return 130


def _command(args: argparse.Namespace) -> int:
    match args.command:
        case "install":
            print(install().version())
            return 0
        case "shepref":
            return _shepref()
        case "lean":
            built, lean = portable_build(args.jobs, show=False)
            os.execve(lean.node, lean.command(*args.arguments), _environment(built, lean))
        case "run":
            module, *rest = args.arguments
            built, lean = portable_build(args.jobs, show=False)
            file = SOURCES.joinpath(*module.split(".")).with_suffix(".lean")
            os.execve(lean.node, lean.command("--run", file, *rest), _environment(built, lean))
    return 0 if checked(args.lean, args.jobs).ok else 1


def _shepref() -> int:
    lean = installed()
    tree = built_tree(keys_of(load(SOURCES, ROOTS), lean.key)) if lean is not None else None
    if lean is None or tree is None:
        print("not built: run `make lean`", file=sys.stderr)
        return NOT_BUILT
    os.execve(lean.node, lean.command("--run", SOURCES / "Shepref.lean"), lean.environment(tree))


def checked(how: str = "auto", jobs: int | None = None, show: bool = True) -> Report:
    """Builds everything, audits it and prints what is wrong. A build that fails is an error."""
    modules = load(SOURCES, ROOTS)
    if complaints := left_out(modules):
        raise LeanError("\n".join(complaints))
    version = native() if how != "portable" else None
    if version is None and how == "lake":
        raise LeanError(f"No usable lake for Lean {wanted()}. Install elan, or leave out --lean lake.")
    started = time.monotonic()
    if version is not None:
        if show:
            print(f"Lean: native, {version}", file=sys.stderr)
        done = subprocess.run(["lake", "build"], cwd=ROOT, stdout=sys.stderr)
        if done.returncode:
            raise LeanError(f"lake build failed with status {done.returncode}")
        report = audit(Native(), modules, headline_theorems(), None, {})
    else:
        built, lean = portable_build(jobs or default_jobs(), show)
        if built.tree is None:
            raise LeanError("Lean: the build failed, and nothing was audited.")
        started = time.monotonic()
        report = audit(lean, modules, headline_theorems(), built.tree, built.keys)
    for problem in report.problems:
        print(problem.shown(_near(modules[problem.module].file)))
    if show:
        theorems = headline_theorems()
        print(
            f"audit: {report.declarations} declarations, {len(report.problems)} problems; {len(report.theorems)} of "
            f"{len(theorems)} headline theorems, in {time.monotonic() - started:.1f} s",
            file=sys.stderr,
        )
    return report


def _environment(built: Built, lean: Toolchain) -> dict[str, str]:
    if built.tree is None:
        raise LeanError("not run: the build failed")
    return lean.environment(built.tree)


def portable_build(jobs: int, show: bool = True) -> tuple[Built, Toolchain]:
    """Builds all modules with the portable Lean and prints what it says about them; quiet: only what fails."""
    lean = install()
    started = time.monotonic()
    modules = load(SOURCES, ROOTS)
    if show:
        print(f"Lean: portable, {lean.version()}", file=sys.stderr)
    built = build(modules, lean, jobs, lambda result: _print(result, show))
    for name, because in built.waiting.items():
        print(f"not compiled: {name}, which imports {', '.join(because)}")
    if show:
        fresh = sum(one.fresh for one in built.compiled.values())
        print(
            f"Lean: {len(modules)} modules: {fresh} compiled, {len(built.compiled) - fresh} unchanged, "
            f"{len(built.failed)} failed, {len(built.waiting)} not reached, in {time.monotonic() - started:.1f} s",
            file=sys.stderr,
        )
    return built, lean


def _print(result: Result, show: bool) -> None:
    file = _near(result.module.file)
    for message in result.messages:
        if show or message.fails:
            print(message.shown(file), flush=True)
    if show and result.fresh:
        failed = "" if result.ok else "  FAILED"
        print(f"  {result.module.name}  {result.seconds:.1f} s{failed}", file=sys.stderr, flush=True)


def _near(file: Path) -> Path:
    return file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file


if __name__ == "__main__":
    sys.exit(main())
