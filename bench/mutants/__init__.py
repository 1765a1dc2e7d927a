"""Mutation testing of the core: `python -m bench.mutants`, written to `spec/mutants.md`.

Each mutant changes one place of a module of `shepherd_dsl/core/` by one operator (`operators.py`); it is killed when a
test fails or does not end. A driver of its own over `ast`:

- One process imports pytest, the libraries and the package, and forks for each mutant. The fork forgets the changed
  module, what imports it, and the tests, and imports them again with the change (`forks.py`, `child.py`). The checkout
  is never changed.
- Which tests reach which line is measured once with `coverage` (`tests.py`); a mutant meets only those, the cheapest
  first: in a first stage with a small part of the cases that the laws draw, then with a larger part.
- The unchanged core takes the same way first, in both stages, and must pass.
- What was found is kept under `build/mutants/` by the contents of the mutant and of the tests, so that a run goes on
  where another was interrupted, and a new test meets only what survived.
"""
