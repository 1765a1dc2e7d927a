"""Mutants of the rules against the differential suite: `python -m bench.rule_mutants`, into `spec/rule-mutants.md`.

Each mutant changes one line of the Python core: a mistake that somebody could have made in the rule it is named for
(`mutants.toml`). It is killed when the changed core answers a request of the suite otherwise than Lean did, raises, or
takes too long.

- The requests (`requests.py`) are those of `spec/corpus/`, the aimed cases and fresh ones: runs, checks of logs that
  were cut or tampered with, and logs followed by another program. Lean is asked once for each; its answers are kept
  under `build/rule-mutants/` by content. The unchanged core must give them all.
- One process imports the core and forks for each mutant (`bench/mutants/forks.py`); the checkout is never changed. In
  a fork, the stored requests come first, of these the ones that reach the rule, the shortest first.
"""
