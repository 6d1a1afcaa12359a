"""What the dashboard shows of validation: progress while it runs, then tables and pictures."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from prefect.artifacts import (
    acreate_markdown_artifact,
    acreate_progress_artifact,
    acreate_table_artifact,
    aupdate_progress_artifact,
)

from flows.runtime import platform
from governance.validation.nights import Night
from governance.validation.runs import ValidationRun, counted

_log = logging.getLogger("gatehouse.flows")
_BETWEEN = 2.0  # seconds between two updates of a progress bar
_ROWS = 200  # of a table; the rest is at the address that the page names
_ENTERPRISE = "/api/models/enterprise/validation"


class Progress:
    """A progress artifact that is no burden: written at most every other second, and never a reason to fail."""

    def __init__(self, artifact: UUID | None, total: int) -> None:
        self._artifact = artifact
        self._total = total
        self._told = time.monotonic()

    @classmethod
    async def begin(cls, key: str, title: str, total: int) -> Progress:
        try:
            made = await acreate_progress_artifact(progress=0.0, key=key, description=f"{title}: {total} versions")
        except Exception:  # the record is in our tables; the dashboard is a view of it
            _log.warning("the progress cannot be shown", exc_info=True)
            return cls(None, total)
        return cls(made, total)

    async def at(self, done: int) -> None:
        if self._artifact is None or (done < self._total and time.monotonic() - self._told < _BETWEEN):
            return
        self._told = time.monotonic()
        try:
            await aupdate_progress_artifact(self._artifact, progress=100.0 * done / max(self._total, 1))
        except Exception:
            _log.warning("the progress cannot be shown", exc_info=True)


def headline(run: ValidationRun) -> str:
    """One line about a run."""
    counts = counted(run.tests)
    text = f"{counts['passed']} of {counts['total']} tests passed"
    for name, word in (("failed", "failed"), ("error", "in error"), ("undecided", "undecided")):
        if counts[name]:
            text += f", {counts[name]} {word}"
    found = [name for name, one in _judged_suites(run).items() if one["detected"]]
    return f"{text}; worse than the baseline on {', '.join(sorted(found))}" if found else text


async def publish_run(run: ValidationRun) -> None:
    """A page with pictures and the numbers behind them, and the table of tests."""
    key = f"validation-{run.id[-12:]}"
    tests = [
        {"suite": test["suite"], "test": test["title"], "outcome": test["outcome"], "why": test["reason"] or ""}
        for test in run.tests[:_ROWS]
    ]
    try:
        await asyncio.gather(
            acreate_markdown_artifact(run_page(run, platform().settings.api_url), key=key, description=headline(run)),
            acreate_table_artifact(tests, key=f"{key}-tests", description="Tests"),
        )
    except Exception:
        _log.warning("the run page could not be written", exc_info=True)


def run_page(run: ValidationRun, api_url: str) -> str:
    """Markdown. Names of models and suites are written as code, so that they mean nothing to Markdown."""
    address = f"{api_url}{_ENTERPRISE}/runs/{run.run_id}"
    lines = [f"# Validation: {run.status.value.replace('_', ' ')}", "", headline(run) + ".", ""]
    compared = _judged_suites(run)
    if compared:
        lines += [
            "| Suite | Evidence | n | Drop | 95 % interval | q | Severity | Conclusion |",
            "|---|---|---|---|---|---|---|---|",
        ]
        lines += [f"| {_code(name)} | {_row(one)} |" for name, one in compared.items()]
        lines.append("")
    lines += _pictures(run, address)
    for suite in (run.measured or {}).get("suites", ()):
        if suite["not_compared"]:
            lines.append(f"- {_code(suite['suite'])} was not compared: {suite['not_compared']}")
    return "\n".join([*lines, "", f"[Everything about this run]({address})"])


def _pictures(run: ValidationRun, address: str) -> list[str]:
    suites = (run.measured or {}).get("suites", ())
    shown = []
    if any(suite["score"] is not None for suite in suites):
        shown.append(("Score of each run with the pinned baseline", "series"))
    if any(one["slices"] for one in _judged_suites(run).values()):
        shown.append(("Difference from the baseline by slice", "slices"))
    if any((suite["results"] or {}).get("calibration") for suite in suites):
        shown.append(("Reliability of the predicted probabilities", "reliability"))
    return [line for title, chart in shown for line in (f"![{title}]({address}/charts/{chart}.png)", "")]


def _row(one: Mapping[str, Any]) -> str:
    return " | ".join(
        (
            one["evidence"],
            str(one["n"]),
            f"{one['drop']:+.4f}",
            f"{one['lower']:+.4f} to {one['upper']:+.4f}",
            f"{one['q']:.3g}",
            one["severity"],
            one["conclusion"].replace("_", " "),
        )
    )


def _judged_suites(run: ValidationRun) -> dict[str, Mapping[str, Any]]:
    """Judgements by the suite's name."""
    judged = (run.judged or {}).get("suites") or {}
    suites: Sequence[Mapping[str, Any]] = (run.measured or {}).get("suites", ())
    return {suite["suite"]: judged[suite["suite_id"]] for suite in suites if suite["suite_id"] in judged}


def _code(text: str) -> str:
    return "`" + text.replace("`", "'").replace("|", "/").replace("\n", " ") + "`"


async def publish_night(night_id: str) -> None:
    """How the night ended, and the versions that need somebody."""
    parts = platform()
    with parts.new_unit() as uow:
        night = uow.nights.get(night_id)
        troubled = uow.nights.troubled(night_id, _ROWS)
    rows = [
        {
            "model": row["model"],
            "version": row["version"],
            "status": row["status"],
            "severity": row["severity"],
            "why": row["reason"] or "",
        }
        for row in troubled
    ]
    try:
        await asyncio.gather(
            acreate_markdown_artifact(
                night_page(night, parts.settings.api_url), key=f"night-{night.night}", description="The night"
            ),
            acreate_table_artifact(rows, key=f"night-{night.night}-troubled", description="Who needs somebody"),
        )
    except Exception:
        _log.warning("the night's page could not be written", exc_info=True)


def night_page(night: Night, api_url: str) -> str:
    summary = night.summary
    address = f"{api_url}{_ENTERPRISE}/nights/{night.night}"
    rows = (
        ("Validated", summary.get("models_processed", 0)),
        ("Passed", summary.get("passed", 0)),
        ("Failed", summary.get("failed", 0)),
        ("Could not be executed", summary.get("errors", 0)),
        ("Too few examples to tell", summary.get("insufficient_evidence", 0)),
        ("Regressions", summary.get("regressions_detected", 0)),
        ("Not reached", summary.get("not_reached", 0)),
    )
    return "\n".join(
        [
            f"# Night of {night.night}: {night.status.value}",
            "",
            "| | Versions |",
            "|---|---|",
            *(f"| {name} | {count} |" for name, count in rows),
            "",
            f"![The last nights]({address}/charts/overview.png)",
            "",
            f"[Everything about this night]({address})",
        ]
    )
