"""What is there at the end: the versions, and where to look."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from api.cli.demo.catalogue import Registered, major
from api.cli.demo.client import Caller
from api.cli.demo.faces import columns
from api.cli.demo.story import Step

SHOWN = 10  # versions of a model, newest first
HEADING = ("model", "version", "state", "accuracy", "approved by")


@dataclass(frozen=True)
class VersionRow:
    """`accuracy`: a share of the held-out examples. `approved_by`: for production, or else for staging."""

    model: str
    version: str
    state: str
    accuracy: float | None
    approved_by: tuple[str, ...]
    this_run: bool

    @property
    def cells(self) -> tuple[str, ...]:
        accuracy = "–" if self.accuracy is None else f"{self.accuracy:.3f}"
        return (self.model, self.version, self.state, accuracy, ", ".join(self.approved_by) or "–")

    def to_json(self) -> dict[str, Any]:
        row = asdict(self)
        return {
            "approvedBy": list(row.pop("approved_by")),
            "thisRun": row.pop("this_run"),
            **row,
        }


@dataclass(frozen=True)
class Addresses:
    docs: str
    dashboard: str
    runs: tuple[tuple[str, str], ...]  # (what, address)

    def to_json(self) -> dict[str, Any]:
        runs = [{"name": name, "dashboard": address} for name, address in self.runs]
        return {"docs": self.docs, "dashboard": self.dashboard, "runs": runs}


def version_rows(caller: Caller, model: Registered) -> list[VersionRow]:
    """The newest versions as the registry has them now. Raises Refused, PlatformGone, Stopped."""
    newest = islice(caller.every(f"{model.path}/versions"), SHOWN)
    return sorted((_row(caller, model, item) for item in newest), key=lambda row: major(row.version), reverse=True)


def _row(caller: Caller, model: Registered, item: dict[str, Any]) -> VersionRow:
    version = str(item["version"])
    requests = list(caller.every(f"{model.path}/versions/{version}/transitions"))
    return VersionRow(
        model.plan.name,
        version,
        str(item["state"]),
        _accuracy(caller, requests),
        _approvers(caller, requests),
        major(version) >= model.next_major,
    )


def _accuracy(caller: Caller, requests: Sequence[dict[str, Any]]) -> float | None:
    for request in requests:
        if request["transition"] == "evaluate" and request["status"] == "applied":
            evaluation = request["outcome"]["evaluations"][0]["evaluationId"]
            results = caller.get(f"/api/v1/evaluations/{evaluation}/results").data["results"] or {}
            accuracy = results.get("taskMetrics", {}).get("accuracy")
            return None if accuracy is None else float(accuracy)
    return None


def _approvers(caller: Caller, requests: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """Who approved the furthest step that was applied."""
    for transition in ("approve_production", "approve_staging"):
        for request in requests:
            if request["transition"] == transition and request["status"] == "applied":
                approvals = caller.get(f"/api/v1/transition-requests/{request['id']}").data["approvals"]
                counted = (a for a in approvals if a["counts"] and a["decision"] == "approve")
                return tuple(str(approval["approver"]) for approval in counted)
    return ()


def addresses(api_url: str, dashboard_url: str, steps: Iterable[Step]) -> Addresses:
    """Each flow run once, under the name of the step that opened it."""
    runs: dict[str, str] = {}
    for step in sorted(steps, key=lambda step: (step.about, step.started)):
        if step.dashboard:
            runs.setdefault(step.dashboard, step.title)
    listed = tuple((name, address) for address, name in runs.items())
    return Addresses(f"{api_url.rstrip('/')}/docs", dashboard_url.rstrip("/"), listed)


def print_versions(console: Console, rows: Sequence[VersionRow]) -> None:
    """Without a terminal there is no width to respect, and a cut name helps nobody."""
    if not console.is_terminal:
        for line in columns([HEADING, *(row.cells for row in rows)]):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        return
    table = Table(*HEADING, show_edge=False)
    for row in rows:
        style = "bold green" if row.state == "production" else "" if row.this_run else "dim"
        table.add_row(*(Text(cell, style) for cell in row.cells))
    console.print(table)


def print_addresses(console: Console, found: Addresses, state_file: Path | None = None) -> None:
    width = max((len(name) for name, _ in found.runs), default=0)
    lines = [
        f"API docs      {found.docs}",
        f"Dashboard     {found.dashboard}",
        *([f"Sign in with  names and passwords of {state_file}: ravi approves, dana builds"] if state_file else []),
        "Flow runs:",
        *(f"  {name.ljust(width)}  {address}" for name, address in found.runs),
    ]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
