"""Benchmarks: each module has `measure() -> list[Result]`; `python -m bench` runs them all."""
