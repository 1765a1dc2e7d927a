"""All benchmarks, as a table and in `bench/results.json`. Exits 0 whatever it finds.

python -m bench [NAME …]        only these modules: core, store, scope, driver, cli, lean
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

MODULES = ("core", "store", "scope", "driver", "cli", "lean")

FAILED = {"name": "failed", "value": 0, "unit": "", "target": None, "direction": "higher", "met": False}
"""The row of a benchmark that could not be measured: it counts as missed."""


def main(wanted: list[str]) -> None:
    """Measure, print, write."""
    console = Console()
    unknown = [name for name in wanted if name not in MODULES]
    if unknown:
        console.print(f"no benchmark {unknown[0]}; there are {', '.join(MODULES)}")
        raise SystemExit(2)
    results: list[dict[str, Any]] = []
    for name in wanted or MODULES:
        began = time.monotonic()
        console.print(f"[dim]{name} …[/dim]")
        try:
            found = importlib.import_module(f"bench.{name}").measure()
        except Exception as failure:
            # One benchmark that fails must not hide the others.
            console.print(f"[red]{name} failed: {type(failure).__name__}: {failure}[/red]")
            found = [FAILED]
        results += [{**item, "name": f"{name}: {item['name']}"} for item in found]
        console.print(f"[dim]{name}: {time.monotonic() - began:.0f} s[/dim]")
    console.print(_table(results))
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    console.print(f"Python {platform.python_version()}, {os.cpu_count()} processors, load {load}")
    path = Path(__file__).with_name("results.json")
    path.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    met = sum(item["met"] is True for item in results)
    missed = sum(item["met"] is False for item in results)
    console.print(f"{met} targets met, {missed} missed; written to {path.name}")


def _table(results: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("", "measured", "unit", "target", "ratio", ""):
        table.add_column(column, justify="left" if column in ("", "unit") else "right")
    for item in results:
        target, value = item["target"], item["value"]
        bound = "" if target is None else f"{'≥' if item['direction'] == 'higher' else '≤'} {target:g}"
        ratio = "" if not target or value is None else f"{value / target:.2f}"
        mark = {True: "[green]met[/green]", False: "[red]missed[/red]", None: ""}[item["met"]]
        table.add_row(item["name"], "" if value is None else f"{value:,.4g}", item["unit"], bound, ratio, mark)
    return table


if __name__ == "__main__":
    main(sys.argv[1:])
