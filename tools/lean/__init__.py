"""Builds and audits the Lean sources: `python -m tools.lean`, which is `make lean`; see `lean/README.md`."""
