"""Ask every mutant, write the page.

    python -m bench.rule_mutants [--sample N] [--seed S] [--jobs N] [--cases N] [--stored]

Without options all mutants are asked and `spec/rule-mutants.md` is written. `--stored` asks only the requests of
`spec/corpus/`, for which Lean is not needed.
"""

from __future__ import annotations

import argparse
import gc
import os
from random import Random

from bench.mutants.operators import ROOT
from bench.rule_mutants import page
from bench.rule_mutants.judge import Verdict, judged
from bench.rule_mutants.requests import all_requests
from bench.rule_mutants.table import mutants, problems


def main() -> None:
    """Ask, print, write."""
    parser = argparse.ArgumentParser(prog="python -m bench.rule_mutants", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sample", type=int, default=0, help="so many mutants, drawn; 0 for all")
    parser.add_argument("--seed", type=int, default=2026, help="seed of the sample and of the fresh cases")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="so many at once")
    parser.add_argument("--cases", type=int, default=300, help="so many fresh cases")
    parser.add_argument("--stored", action="store_true", help="only the stored requests, without Lean")
    options = parser.parse_args()
    rows = mutants()
    wrong = list(problems(rows))
    if wrong:
        raise SystemExit("\n".join(wrong))
    requests = all_requests(options.cases, options.seed, stored_only=options.stored)
    chosen = Random(options.seed).sample(rows, options.sample) if options.sample else rows
    print(f"{len(chosen)} of {len(rows)} mutants, {len(requests)} requests, seed {options.seed}", flush=True)
    gc.collect()
    gc.freeze()
    found = [_shown(verdict) for verdict in judged(chosen, requests, options.jobs)]
    killed = sum(verdict.by is not None for verdict in found)
    print(f"{killed} of {len(found)} killed")
    if not options.sample and not options.stored:
        page.write(found, requests, options.cases, options.seed)
        print(f"written to {page.PAGE.relative_to(ROOT)}")
    if not all(_right(verdict) for verdict in found):
        raise SystemExit(1)


def _shown(verdict: Verdict) -> Verdict:
    if not _right(verdict):
        what = "SURVIVED" if verdict.by is None else f"KILLED by {verdict.by.kind} {verdict.by.name}, though explained"
        print(f"{what}: {verdict.mutant.rule}: {verdict.mutant.change}", flush=True)
    return verdict


def _right(verdict: Verdict) -> bool:
    """Whether it is killed, or it survives and the list says why."""
    return (verdict.by is None) == bool(verdict.mutant.survives)


if __name__ == "__main__":
    main()
