"""What a fork does: forget, import with the change, run the chosen tests, say what became of them."""

from __future__ import annotations

import gc
import os
import resource
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import attrs
import pytest

from bench.mutants.forks import change, forget, is_test, say
from bench.mutants.operators import CORE, ROOT, modules
from bench.mutants.tests import importers

OPTIONS = ("-q", "-p", "no:cacheprovider", "--no-header", "--tb=no", "--assert=plain", "-p", "no:xdist")


@attrs.frozen(slots=True)
class Order:
    """What a fork has to do: the changed texts of modules, the tests in their order, the part of the cases."""

    texts: Mapping[str, str]
    tests: Sequence[str]
    cases: str
    seconds: Mapping[str, float]
    """Processor time after which a test counts as one that does not end."""
    full: frozenset[str] = frozenset()
    """Tests that draw all cases none the less."""
    stop: bool = True
    """Whether to stop at the first failure."""
    measure: bool = False
    """Whether to measure which lines each test reaches."""
    fresh: Sequence[str] = ()
    """Modules of the core to import again although nothing is changed in them."""


def forget_caches() -> None:
    """Empty what tests keep for each other, so that each of them reaches what it needs."""
    for module in list(sys.modules.values()):
        if is_test(module):
            for value in list(vars(module).values()):
                clear = getattr(value, "cache_clear", None)
                if clear is not None:
                    clear()


class Watcher:
    """The plugin: chooses and orders the tests, limits their time, notes how they end."""

    def __init__(self, order: Order, coverage: Any = None) -> None:
        self.order = order
        self.coverage = coverage
        self.failed: list[str] = []
        self.seconds: dict[str, float] = {}
        self.collected = 0
        self.current = ""
        self.began = 0.0

    def pytest_configure(self) -> None:
        from hypothesis import HealthCheck, Phase, settings

        settings.register_profile(
            "mutants",
            parent=settings.default,
            phases=(Phase.explicit, Phase.generate),
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        )
        settings.load_profile("mutants")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """A test whose name a change has changed is found by the name of its function."""
        if self.order.measure:
            self.collected = len(items)
            return
        by = {item.nodeid: item for item in items}
        lost = {name.partition("[")[0] for name in self.order.tests if name not in by}
        chosen = [by[name] for name in self.order.tests if name in by]
        wanted = set(self.order.tests)
        chosen += [item for item in items if item.nodeid not in wanted and item.nodeid.partition("[")[0] in lost]
        items[:] = chosen
        self.collected = len(items)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failed.append(f"{report.nodeid} (import)")

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.current = nodeid
        os.environ["SHEPHERD_CASES"] = "1" if nodeid in self.order.full else self.order.cases
        self.began = _spent()
        if self.coverage is not None:
            forget_caches()
            self.coverage.switch_context(nodeid)
        limit = self.order.seconds.get(nodeid, self.order.seconds.get("", 0))
        if limit:
            signal.setitimer(signal.ITIMER_PROF, limit)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        self.seconds[nodeid] = _spent() - self.began
        if self.coverage is not None:
            self.coverage.switch_context("")


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def run(order: Order, out: int) -> NoReturn:
    """In a fork. Writes what was found to `out`, as JSON."""
    os.environ["SHEPHERD_CASES"] = order.cases
    change(order.texts, order.fresh)
    coverage = None
    if order.measure:
        from coverage import Coverage

        coverage = Coverage(data_file=None, config_file=False, include=[f"{CORE}/*"])
        coverage.start()
    watcher = Watcher(order, coverage)

    def late(*_: object) -> None:
        say(out, {"end": "late", "at": watcher.current})

    signal.signal(signal.SIGPROF, late)
    options = [*OPTIONS, *(["-x"] if order.stop else [])]
    files = list(dict.fromkeys(name.partition("::")[0] for name in order.tests))
    gc.disable()
    code = int(pytest.main([*options, *files], plugins=[watcher]))
    found: dict[str, Any] = {"failed": watcher.failed, "seconds": watcher.seconds, "collected": watcher.collected}
    if coverage is not None:
        coverage.stop()
        data = coverage.get_data()
        found["reached"] = {
            os.path.basename(file)[:-3]: data.contexts_by_lineno(file) for file in data.measured_files()
        }
    found["end"] = {0: "passed", 1: "failed", 2: "failed"}.get(code, f"broken: pytest ended with {code}")
    if code == 2 and not watcher.failed:
        found["end"] = "broken: pytest was interrupted"
    if code == 0 and len(watcher.seconds) < len(order.tests) and not order.measure:
        found["end"] = f"broken: {len(watcher.seconds)} of {len(order.tests)} tests ran"
    say(out, found)


def warm(files: Sequence[str]) -> None:
    """Import everything once, in the process that forks."""
    os.chdir(ROOT)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    import coverage  # noqa: F401
    import hypothesis.strategies as st
    from hypothesis import given, settings

    @settings(max_examples=5, database=None, derandomize=True)
    @given(st.tuples(st.text(), st.integers(), st.binary(), st.lists(st.floats())))
    def nothing(_: object) -> None:
        """Only so that the tables of characters are there."""

    nothing()
    quiet = os.open(os.devnull, os.O_RDWR)
    kept = os.dup(1)
    os.dup2(quiet, 1)
    code = int(pytest.main([*OPTIONS, "--collect-only", *files]))
    sys.stdout.flush()
    os.dup2(kept, 1)
    os.close(quiet)
    if code:
        raise SystemExit("the tests cannot be collected without any change: nothing can be said")
    forget(frozenset())
    for module in modules():
        importers(module)
    gc.collect()
    gc.freeze()
