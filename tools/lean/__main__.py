"""`make lean`: builds every Lean module and audits the theorems.

    python -m tools.lean [--lean auto|lake|portable] [--jobs N] [build]    all modules, then the audit
    python -m tools.lean install                                           the portable Lean only
    python -m tools.lean run MODULE [ARGUMENT …]                           `main` of a module, after the build
    python -m tools.lean lean [ARGUMENT …]                                 the portable `lean`, after the build

Exit status: 0 done, 1 something failed, 2 a mistake in the command, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from .build import Built, Result, build, default_jobs
from .install import Toolchain, install
from .modules import left_out, load
from .native import native, wanted
from .places import ROOT, ROOTS, SOURCES, LeanError

HOW = ("auto", "lake", "portable")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.lean", description="Builds and audits the Lean sources.")
    how = os.environ.get("SHEPHERD_LEAN", "auto")
    parser.add_argument("--lean", choices=HOW, default=how, help="also SHEPHERD_LEAN; auto: lake if it works")
    parser.add_argument("--jobs", type=int, default=default_jobs(), help="processes, of up to 2 GB each")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("build", help="all modules, then the audit (without a command, too)")
    commands.add_parser("install", help="the portable Lean only")
    for name, text in (("run", "main of a module, after the build"), ("lean", "the portable `lean`")):
        command = commands.add_parser(name, help=text)
        command.add_argument("arguments", nargs=argparse.REMAINDER)
    args = parser.parse_args(arguments)
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
        case "lean":
            built, lean = portable_build(args.jobs, show=False)
            os.execve(lean.node, lean.command(*args.arguments), _environment(built, lean))
        case "run":
            module, *rest = args.arguments
            built, lean = portable_build(args.jobs, show=False)
            file = SOURCES.joinpath(*module.split(".")).with_suffix(".lean")
            os.execve(lean.node, lean.command("--run", file, *rest), _environment(built, lean))
    complaints = left_out(load(SOURCES, ROOTS))
    if complaints:
        print("\n".join(complaints))
        return 1
    version = native() if args.lean != "portable" else None
    if version is None and args.lean == "lake":
        raise LeanError(f"No usable lake for Lean {wanted()}. Install elan, or leave out --lean lake.")
    if version is not None:
        print(f"Lean: native, {version}", file=sys.stderr)
        return subprocess.run(["lake", "build"], cwd=ROOT).returncode
    built, _ = portable_build(args.jobs)
    return 0 if built.tree else 1


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
    file = result.module.file
    if file.is_relative_to(Path.cwd()):
        file = file.relative_to(Path.cwd())
    for message in result.messages:
        if show or message.fails:
            print(message.shown(file), flush=True)
    if show and result.fresh:
        failed = "" if result.ok else "  FAILED"
        print(f"  {result.module.name}  {result.seconds:.1f} s{failed}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
