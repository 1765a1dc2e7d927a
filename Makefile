# `make demo` and `make test` do all set-up themselves. Targets are described by `make help`.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

.PHONY: help setup demo test lint lean unit bench mutants clean

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP)  ## the virtual environment with everything that demo, tests and benchmarks need

$(STAMP): pyproject.toml tools/setup.sh
	PYTHON="$(PYTHON)" sh tools/setup.sh $(VENV)
	touch $(STAMP)

demo: $(STAMP)  ## the main job on a real repository, with a real model and with recorded answers
	PATH="$(CURDIR)/$(BIN):$$PATH" sh examples/demo/demo.sh

test: $(STAMP) lint lean unit  ## lint, types, the Lean proofs and all tests

lint: $(STAMP)  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lean: $(STAMP)  ## the Lean sources: build and audit, with lake or with a Lean that this fetches
	$(BIN)/python -m tools.lean

unit: $(STAMP)  ## all tests
	$(BIN)/python -m pytest

bench: $(STAMP)  ## the benchmarks, as a table and in bench/results.json
	$(BIN)/python -m bench

mutants: $(STAMP)  ## mutation testing of the core, into spec/mutants.md
	$(BIN)/python -m bench.mutants

clean:  ## remove what was built here
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build
	find . -name __pycache__ -prune -exec rm -rf {} +
