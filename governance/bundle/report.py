"""The bundle for people: one page of HTML that loads nothing, with its charts drawn into it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, Template

from governance.bundle.facts import Facts, SealedEntries
from governance.suites.results import shown_metrics

WIDTH = 260


def report(facts: Facts, log: SealedEntries, licences: Mapping[str, Any], key: str) -> bytes:
    """UTF-8. `key` is the verifier key line of the key that signs the bundle."""
    events = [(seq, json.loads(text)) for seq, text, _, _ in log.entries]
    page = _template().render(
        request=facts.request,
        subject=facts.subject,
        verdicts=facts.verdicts,
        approvals=facts.approvals,
        metrics=metrics(facts),
        comparisons=[_comparison(one) for one in facts.evidence["measured"].get("comparisons", ())],
        artifacts=_artifacts(facts),
        licences=licences,
        events=events,
        log=log,
        key=key,
    )
    return page.encode()


@cache
def _template() -> Template:
    text = (Path(__file__).parent / "templates" / "report.html").read_text(encoding="utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True).from_string(
        text
    )


def metrics(facts: Facts) -> list[dict[str, Any]]:
    """One row a metric: {"suite", "metric", "value", "low", "high", "limits", "chart"}; figures as they are."""
    runs = {one["id"]: one for one in facts.evaluations}
    rows = []
    for item in facts.subject["evaluations"]:
        results = (runs.get(item["evaluationId"]) or {}).get("results") or {}
        for name, value in shown_metrics(item):
            interval = (results.get("intervals") or {}).get(name) or {}
            limits = item["thresholds"].get(name, {})
            low, high = interval.get("low"), interval.get("high")
            row = {"suite": item["suiteName"], "metric": name, "value": value, "low": low, "high": high}
            chart = _chart(value, low, high, tuple(limits.values())) if value is not None else None
            rows.append({**row, "limits": ", ".join(f"{k} {v:g}" for k, v in sorted(limits.items())), "chart": chart})
    return rows


def _chart(value: float, low: float | None, high: float | None, limits: Sequence[float]) -> dict[str, Any]:
    """Places in a drawing of WIDTH: from 0 to 1 where everything lies there, else as wide as the figures need."""
    known = [number for number in (value, low, high, *limits) if number is not None]
    start, end = min(0.0, *known), max(1.0, *known) if max(known) <= 1 else max(known) * 1.1
    scale = WIDTH / ((end - start) or 1)

    def at(number: float | None) -> float | None:
        return None if number is None else round((number - start) * scale, 1)

    return {"value": at(value), "low": at(low), "high": at(high), "limits": [at(one) for one in limits]}


def _comparison(item: Mapping[str, Any]) -> dict[str, Any]:
    drop, upper, margin = item.get("drop"), item.get("upper"), item.get("margin")
    chart = None
    if isinstance(upper, int | float) and isinstance(margin, int | float) and isinstance(drop, int | float):
        lower = item.get("lower", drop)
        span = max(abs(upper), abs(margin), abs(lower), abs(drop), 1e-9) * 1.2

        def at(number: float) -> float:
            return float(round((number + span) * WIDTH / (2 * span), 1))

        chart = {"low": at(lower), "value": at(drop), "high": at(upper), "margin": at(margin), "zero": at(0.0)}
    conclusion = str(item["conclusion"]).replace("_", " ")
    return {"suite": item["suiteName"], "conclusion": conclusion, "chart": chart, "drop": drop, "margin": margin}


def _artifacts(facts: Facts) -> list[dict[str, Any]]:
    measured = {one["id"]: one for one in facts.evidence["measured"].get("artifacts", ())}
    return [{**item, "measured": measured.get(item["id"])} for item in facts.subject["artifacts"]]
