"""`python -m tests.benchmarks [--json PATH] [--only name,...] [--quick]`: figures for this machine, against the goals.

Nothing is asserted: the exit code says only whether everything could be measured. Ratios and processor time are taken
within one run and hold on a busy machine too; absolute times hold for a quiet one, so the load is told beside them.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks import machine
from tests.benchmarks.results import Findings
from tests.benchmarks.telling import told

NAMES = {
    "latency": "Transition without approvals",
    "reading": "Reading over HTTP",
    "deciding": "Deciding about a transition",
    "auditing": "Audit log",
    "nightly": "A night of many models",
    "policies": "Policies and the time machine",
    "history": "Reading the audit log",
    "evidence": "Evidence bundles",
    "drift": "Drift",
    "ingest": "Recording inferences",
    "starting": "Starting and idling",
    "regression": "Regression detection",
}
"""The benchmarks, each a module of this package with `measure(telling, quick=...)`, in the order of running."""

WIDTH = 110
"""Of the closing table where there is no terminal to ask."""

Measure = Callable[..., Findings]


def main() -> int:
    options = _parse()
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    report: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": options.quick,
        "machine": machine.described(),
        "benchmarks": {},
    }
    failed = []
    for name in options.only:
        try:
            report["benchmarks"][name] = _run(name, quick=options.quick)
        except Exception:
            failed.append(name)
            console.print_exception()
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    console.print(_table(report))
    if failed:
        console.print(f"[red]could not be measured:[/red] {', '.join(failed)}")
    return 1 if failed else 0


def _run(name: str, *, quick: bool) -> dict[str, Any]:
    measure: Measure = importlib.import_module(f"tests.benchmarks.{name}").measure
    before, started = machine.load_average(), time.perf_counter()
    with told(name) as telling:
        findings = measure(telling, quick=quick)
    return {
        "title": NAMES[name],
        "goals": [goal.to_json() for goal in findings.goals],
        "also": findings.also,
        "figures": findings.figures,
        "loadAverage": {"before": before, "after": machine.load_average()},
        "seconds": round(time.perf_counter() - started, 1),
    }


def _table(report: dict[str, Any]) -> Table:
    about = report["machine"]
    title = f"{about['processors']} x {about['processor']}, {about['memoryBytes'] / 1e9:.0f} GB"
    table = Table("figure", "measured", "goal", "met", title=title, title_justify="left")
    for found in report["benchmarks"].values():
        load = found["loadAverage"]
        table.add_section()
        table.add_row(f"[bold]{found['title']}", f"[dim]load {load['before']} to {load['after']}", "", "")
        for goal in found["goals"]:
            met = "[green]yes" if goal["met"] else "[red]no"
            table.add_row(goal["what"], f"{goal['measured']:,g}", goal["goal"], met)
        for what, measured in found["also"].items():
            table.add_row(what, str(measured), "", "")
    return table


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Measure the platform.")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write everything that was found to this file")
    parser.add_argument("--only", type=_names, default=list(NAMES), metavar="NAME,...", help=", ".join(NAMES))
    parser.add_argument("--quick", action="store_true", help="fewer and shorter measurements")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in NAMES]:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; known: {', '.join(NAMES)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
