"""What the page of a request shows, in the order in which people ask: the shapes that `run.html` draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from api.pages.charts import interval, level
from governance.canonical import difference
from governance.lifecycle import TRANSITIONS
from governance.suites.results import shown_metrics
from governance.time_zones import DEFAULT, in_words
from storage.queries.run_page import RunPage

_STATES = {
    "open": ("Waiting for its run", "waiting"),
    "judging": ("The gates are at work", "waiting"),
    "awaiting_approval": ("Waiting for people", "waiting"),
    "applied": ("Done", "good"),
    "denied": ("Refused", "bad"),
    "withdrawn": ("Withdrawn", "neutral"),
}
_MARKS = {"passed": ("Passed", "good"), "failed": ("Refused", "bad"), "unknown": ("Open", "waiting")}
_HELD_NOTHING = {"soft": ("Overridden", "waiting"), "advisory": ("Advice", "waiting")}
_DECIDED = {
    "approve": ("approved", "good"),
    "reject": ("rejected", "bad"),
    "request_changes": ("asked for changes", "bad"),
}
_MOST_DIFFERENCES = 60


def story_of(found: RunPage, review: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that the template names; lists are empty where there is nothing yet.

    review: as `api.reviewing.review_of` gives it.
    """
    request, around = found.request, found.around
    evidence = request["evidence"] or {}
    subject, measured = evidence.get("subject") or {}, evidence.get("measured") or {}
    outcome = request["outcome"] or {}
    label, tone = _STATES[request["status"]]
    parked = request["status"] == "awaiting_approval"
    asks_people = parked and TRANSITIONS[request["transition"]].needs_approval
    if parked and not asks_people:
        label = "Waiting for its time"
    return {
        "request": request,
        "model": around["model"],
        "state": {
            "label": label,
            "tone": tone,
            "undecided": request["status"] in _undecided(),
            "asks_people": asks_people,
        },
        "sentence": _sentence(request, outcome),
        "refusals": [str(reason) for reason in outcome.get("reasons", [])],
        "facts": _facts(request, around, subject),
        "gates": [_gate(gate, around["timeZone"], applied=request["status"] == "applied") for gate in request["gates"]],
        "metrics": _metrics(subject),
        "comparisons": [_comparison(item) for item in measured.get("comparisons", [])],
        "incumbent": (subject.get("incumbent") or {}).get("version"),
        "artifacts": _artifacts(subject, measured),
        "differences": _differences(around["incumbent"], subject),
        "timeline": _timeline(request, around),
        "unchanged": review["unchanged"],
        "changed": _lines(review["difference"]),
        "not_counted": review["notCounted"],
        "since": _since(review["sinceLastReview"]),
    }


def _since(review: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if review is None else {**review, "difference": _lines(review["difference"])}


def _lines(changes: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    shown = changes[:_MOST_DIFFERENCES]
    return [{"path": c["path"], "before": _short(c["before"]), "after": _short(c["after"])} for c in shown]


def _undecided() -> tuple[str, ...]:
    return tuple(status for status, (_, tone) in _STATES.items() if tone == "waiting")


def _sentence(request: Mapping[str, Any], outcome: Mapping[str, Any]) -> str | None:
    if request["status"] == "applied" and outcome.get("to"):
        moved = f"Version {request['version']} went from {outcome.get('from')} to {outcome['to']}."
        if beside := outcome.get("alongside"):
            moved += f" Version {beside.get('version')} went to {beside.get('to')}."
        return moved.replace("_", " ")
    return None


def _facts(
    request: Mapping[str, Any], around: Mapping[str, Any], subject: Mapping[str, Any]
) -> list[tuple[str, str, bool]]:
    """(what, value, whether it is to be read letter by letter)."""
    model = around["model"]
    rows = [
        ("Model", f"{model['group']} / {model['name']}", False),
        ("Version", request["version"], False),
        ("Commit", around["commitSha"], True),
        ("Risk tier", model["riskTier"], False),
        ("Owners", ", ".join(model["owners"]) or "–", False),
        ("Version is now", around["state"].replace("_", " "), False),
        ("Request", f"{request['id']}", True),
    ]
    if request["breakGlass"]:
        rows.append(("Break-glass", "used: freezes and waits were passed over, and a finding was opened", False))
    if target := subject.get("target"):
        rows.append(("Target", f"{target['endpoint']} ({target['environment']})", False))
    if request["evidenceDigest"]:
        rows.append(("Evidence", request["evidenceDigest"], True))
    return rows


def _gate(gate: Mapping[str, Any], zone: str, *, applied: bool) -> dict[str, Any]:
    """With the time that a gate waits for in the reader's own zone; the reasons tell it in the requester's.

    What said no and yet did not hold the request back was overridden, or was advice.
    """
    label, tone = _MARKS[gate["outcome"]]
    if gate["outcome"] != "passed" and (applied or gate.get("enforcement") == "advisory"):
        label, tone = _HELD_NOTHING.get(gate.get("enforcement", "hard"), (label, tone))
    reasons = list(gate["reasons"])
    if (until := gate["facts"].get("until")) and zone != DEFAULT:
        reasons.append(f"In your time zone: {in_words(datetime.fromisoformat(until), zone)}.")
    policy = f"{gate['policy']} v{gate['policyVersion']}"
    return {"title": gate["title"], "label": label, "tone": tone, "reasons": reasons, "policy": policy}


def _metrics(subject: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for suite in subject.get("evaluations", []):
        if suite["evaluationId"] is None:
            rows.append({"suite": suite["suiteName"], "metric": None, "value": None, "wanted": None, "chart": None})
        for metric, value in shown_metrics(suite):
            limits = suite["thresholds"].get(metric, {})
            rows.append(
                {
                    "suite": suite["suiteName"],
                    "metric": metric.replace("_", " "),
                    "value": f"{value:.4g}" if value is not None else "–",
                    "wanted": ", ".join(f"{side} {limit:g}" for side, limit in sorted(limits.items())) or "–",
                    "chart": level(value, tuple(limits.values())) if value is not None else None,
                }
            )
    return rows


def _comparison(item: Mapping[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {"suite": item["suiteName"], "conclusion": item["conclusion"].replace("_", " ")}
    if item["conclusion"] == "unavailable":
        return {**row, "tone": "waiting", "why": item["reason"], "chart": None}
    lower = item.get("lower")
    tone = {"not_worse": "good", "worse": "bad"}.get(item["conclusion"], "waiting")
    return {
        **row,
        "unit": "points" if item.get("unit") == "points" else "% of its loss",
        "tone": tone,
        "why": f"{item['n']:,} examples" + (f", {item['discordant']:,} differ" if "discordant" in item else ""),
        "drop": f"{item['drop'] * 100:+.2f}",
        "range": f"{lower * 100:+.2f} … {item['upper'] * 100:+.2f}" if lower is not None else "–",
        "margin": f"{item['margin'] * 100:.2f}",
        "chart": interval(lower, item["upper"], item["drop"], item["margin"]) if lower is not None else None,
    }


def _artifacts(subject: Mapping[str, Any], measured: Mapping[str, Any]) -> list[dict[str, Any]]:
    seen = {item["id"]: item for item in measured.get("artifacts", [])}
    rows = []
    for artifact in subject.get("artifacts", []):
        stored = seen.get(artifact["id"])
        intact = stored is not None and stored["storedSha256"] == artifact["sha256"]
        rows.append({**artifact, "read": stored is not None, "intact": intact, "format": (stored or {}).get("format")})
    return rows


def _differences(incumbent: Mapping[str, Any] | None, subject: Mapping[str, Any]) -> list[dict[str, str]]:
    if incumbent is None or not subject:
        return []
    version = subject["version"]
    then = {
        "version": version["version"],
        "commitSha": version["commitSha"],
        "metadata": version["metadata"],
        "artifacts": [{key: a[key] for key in ("name", "type", "sha256", "size")} for a in subject["artifacts"]],
    }
    return _lines(difference(incumbent, then))


def _short(value: Any) -> str:
    text = "–" if value is None else str(value)
    return text if len(text) <= 200 else text[:197] + "…"


def _timeline(request: Mapping[str, Any], around: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What happened, oldest first; ISO times of one form order as text."""
    happened = [{"at": request["createdAt"], "what": f"{request['requestedBy']} asked for it", "tone": "neutral"}]
    if around["launchedAt"]:
        again = f", attempt {request['attempt']}" if request["attempt"] > 1 else ""
        happened.append({"at": around["launchedAt"], "what": f"The run started{again}", "tone": "neutral"})
    for approval in request["approvals"]:
        did, tone = _DECIDED[approval["decision"]]
        void = "" if approval["counts"] else ", which no longer counts"
        who = approval["approver"] + (f" for {approval['onBehalfOf']}" if approval["onBehalfOf"] else "")
        tone = tone if approval["counts"] else "neutral"
        happened.append({"at": approval["at"], "what": f"{who} {did}{void}", "tone": tone})
    if request["settledAt"]:
        label, tone = _STATES[request["status"]]
        happened.append({"at": request["settledAt"], "what": label, "tone": tone})
    return sorted(happened, key=lambda item: item["at"])
