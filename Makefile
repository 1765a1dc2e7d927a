# `make demo` and `make test` do all set-up themselves. Targets are described by `make help`.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

.PHONY: help setup demo test lint lean verified unit difftest fuzz bench bench-scopes mutants pythons clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

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

verified: $(STAMP)  ## spec/verified.md: which theorem proves what
	$(BIN)/python -m tools.verified

unit: $(STAMP)  ## all tests; those that count processes or fill disks alone
	$(BIN)/python -m pytest -n 2 --dist loadfile --ignore=tests/security
	$(BIN)/python -m pytest tests/security

difftest: $(STAMP)  ## 20,000 generated cases, Python against Lean
	$(BIN)/python -m tests.differential.run_cases --cases 20000

fuzz: $(STAMP)  ## 1,000,000 generated cases, Python against Lean
	$(BIN)/python -m tests.differential.run_cases --cases 1000000

bench: $(STAMP)  ## the benchmarks, as a table and in bench/results.json
	$(BIN)/python -m bench

bench-scopes: $(STAMP)  ## forks, reverts and merges of whole workspaces, beside other ways to do it
	$(BIN)/python -m bench.scopes

mutants: $(STAMP)  ## mutation testing of the core, into spec/mutants.md and spec/rule-mutants.md
	$(BIN)/python -m bench.mutants
	$(BIN)/python -m bench.rule_mutants

OTHER := $(VENV)/other-python
pythons: $(STAMP)  ## the same hashes under another Python (CPython 3.14 in WebAssembly; needs node and npm)
	npm install --silent --no-audit --no-fund --prefix $(OTHER) pyodide@314.0.7
	$(BIN)/python tools/other_python.py >$(OTHER)/here.txt
	node tools/other_python.mjs $(OTHER)/node_modules/pyodide \
	  "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" >$(OTHER)/there.txt
	diff $(OTHER)/here.txt $(OTHER)/there.txt
	@echo "the same $$(wc -l <$(OTHER)/here.txt) digests"

clean:  ## remove what was built here
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build
	find . -name __pycache__ -prune -exec rm -rf {} +
