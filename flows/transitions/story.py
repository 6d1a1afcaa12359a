"""What a run shows to people: a page to decide from, and the table of gates. Pure text, then two artifacts."""

from __future__ import annotations

import asyncio
import logging
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact

from flows.runtime import platform
from governance.canonical import difference
from governance.evidence import Evidence
from governance.gates import GateResult, overridable
from governance.lifecycle import TRANSITIONS
from governance.operations import reviewing
from governance.operations.settling import Settlement
from governance.requests import RequestStatus, TransitionRequest
from governance.suites.results import shown_metrics

_MARKS = {"passed": "✓ passed", "failed": "✗ refused", "unknown": "… open"}


async def publish(
    request: TransitionRequest, evidence: Evidence, results: Sequence[GateResult], settlement: Settlement | None
) -> None:
    """Two artifacts on the run page. A page that cannot be written must not stop a transition."""
    incumbent = await asyncio.to_thread(_incumbent_subject, evidence)
    since = await asyncio.to_thread(_since_last_review, request, evidence)
    page = decision_page(request, evidence, results, settlement, incumbent, platform().settings.api_url, since)
    key = artifact_key(request, evidence)
    try:
        await asyncio.gather(
            acreate_markdown_artifact(page, key=key, description=headline(request, evidence, settlement)),
            acreate_table_artifact(gate_rows(results), key=f"gates-{key}", description="What the gates said"),
        )
    except Exception:  # the record is in our tables; the dashboard is a view of it
        logging.getLogger("gatehouse.flows").warning("the run page could not be written", exc_info=True)


def _since_last_review(request: TransitionRequest, evidence: Evidence) -> dict[str, Any] | None:
    with platform().new_unit() as uow:
        return reviewing.delta(uow, request, evidence.to_json())


def _incumbent_subject(evidence: Evidence) -> Mapping[str, Any] | None:
    """What is in production, in the shape of a subject, to show the difference."""
    incumbent = evidence.subject.get("incumbent")
    if incumbent is None:
        return None
    with platform().new_unit() as uow:
        version = uow.versions.get(evidence.subject["model"]["id"], incumbent["version"])
        artifacts = uow.artifacts.of_version(version.id)
    return {
        "version": version.version,
        "commitSha": version.commit_sha,
        "metadata": dict(version.metadata),
        "artifacts": [{"name": a.name, "type": a.type.value, "sha256": a.sha256, "size": a.size} for a in artifacts],
    }


def artifact_key(request: TransitionRequest, evidence: Evidence) -> str:
    """What the card on the run page is called: lower case, digits and dashes, as Prefect wants it."""
    model, version = evidence.subject["model"]["name"], evidence.subject["version"]["version"]
    words = f"{request.transition.value} {model} {version} {request.id[-6:]}".lower()
    return re.sub(r"[^a-z0-9]+", "-", words)


def headline(request: TransitionRequest, evidence: Evidence, settlement: Settlement | None) -> str:
    subject = evidence.subject
    what = f"{request.transition.value.replace('_', ' ')}: {subject['model']['name']} {subject['version']['version']}"
    if settlement is None:
        waits = "people" if TRANSITIONS[request.transition].needs_approval else "its time"
        return f"{what} – waiting for {waits}"
    return f"{what} – {settlement.outcome.get('name', settlement.status.value)}"


def gate_rows(results: Sequence[GateResult]) -> list[dict[str, Any]]:
    return [
        {
            "gate": result.title,
            "verdict": _MARKS[result.verdict.outcome],
            "reasons": "\n".join(result.verdict.reasons),
            "policy": f"{result.policy} v{result.policy_version}",
        }
        for result in results
    ]


def decision_page(
    request: TransitionRequest,
    evidence: Evidence,
    results: Sequence[GateResult],
    settlement: Settlement | None,
    incumbent: Mapping[str, Any] | None,
    api_url: str,
    since: Mapping[str, Any] | None = None,
) -> str:
    """Markdown: what is asked, what the gates say, what differs from production, and how to decide."""
    subject = evidence.subject
    model, version = subject["model"], subject["version"]
    parts = [
        f"# {headline(request, evidence, settlement)}",
        _facts(request, evidence),
        "## Gates\n\n" + _gates(results),
        *_evaluations(subject),
        *_comparisons(evidence),
        "## Artifacts\n\n" + _artifacts(evidence),
        *_against(incumbent, subject),
        *_since(since),
    ]
    if request.reason:
        parts.insert(2, f"> {_plain(request.reason)}")
    if settlement is None:
        if TRANSITIONS[request.transition].needs_approval:
            parts.append(_how_to_decide(request, evidence, api_url))
        parts += _how_to_override(request, results, api_url)
    elif settlement.status is RequestStatus.DENIED:
        reasons = "\n".join(f"- {_plain(str(reason))}" for reason in settlement.outcome.get("reasons", []))
        parts.insert(2, f"## Refused\n\n{reasons}")
    else:
        parts.insert(2, f"**{_plain(_moved(settlement.outcome, model, version))}**")
    return "\n\n".join(parts) + "\n"


def _facts(request: TransitionRequest, evidence: Evidence) -> str:
    model, version = evidence.subject["model"], evidence.subject["version"]
    rows = [
        ("Model", f"{model['group']} / {model['name']}"),
        ("Version", f"{version['version']} (commit `{version['commitSha'][:12]}`)"),
        ("Risk tier", model["riskTier"]),
        ("Owners", ", ".join(model["owners"]) or "–"),
        ("Transition", TRANSITIONS[request.transition].name.value),
        ("Request", f"`{request.id}`, attempt {request.attempt}"),
        ("Evidence digest", f"`{evidence.digest}`"),
    ]
    target = evidence.subject.get("target")
    if target:
        rows.append(("Target", f"{target['endpoint']} ({target['environment']})"))
    return _table(("Fact", "Value"), rows)


def _gates(results: Sequence[GateResult]) -> str:
    rows = [
        (result.title, _MARKS[result.verdict.outcome], "<br>".join(_wrapped(r) for r in result.verdict.reasons))
        for result in results
    ]
    return _table(("Gate", "Verdict", "Why"), rows, plain=False)


def _evaluations(subject: Mapping[str, Any]) -> list[str]:
    rows: list[tuple[str, ...]] = []
    for item in subject["evaluations"]:
        if item["evaluationId"] is None:
            rows.append((item["suiteName"], "–", "–", "not evaluated"))
        for metric, value in shown_metrics(item):
            limits = item["thresholds"].get(metric, {})
            wanted = ", ".join(f"{side} {limit:g}" for side, limit in sorted(limits.items())) or "–"
            rows.append((item["suiteName"], metric, f"{value:.4g}" if value is not None else "–", wanted))
    return ["## Evaluation\n\n" + _table(("Suite", "Metric", "Value", "Threshold"), rows)] if rows else []


def _comparisons(evidence: Evidence) -> list[str]:
    rows = []
    for item in evidence.measured["comparisons"]:
        if item["conclusion"] == "unavailable":
            rows.append((item["suiteName"], "–", "–", "–", item["reason"]))
            continue
        rows.append(
            (
                item["suiteName"],
                f"{item['drop'] * 100:+.2f}",
                f"{item['lower'] * 100:+.2f} … {item['upper'] * 100:+.2f}",
                f"{item['margin'] * 100:.2f}",
                f"{item['conclusion'].replace('_', ' ')} ({item['n']} examples, {item['discordant']} differ)",
            )
        )
    if not rows:
        return []
    title = f"## Against version {evidence.subject['incumbent']['version']} in production, on the same examples\n\n"
    return [title + _table(("Suite", "Drop (points or %)", "90 % interval", "Margin", "Conclusion"), rows)]


def _artifacts(evidence: Evidence) -> str:
    measured = {item["id"]: item for item in evidence.measured["artifacts"]}
    rows = [
        (
            a["name"],
            a["type"],
            f"{a['size']:,} bytes",
            f"`{a['sha256'][:16]}…`",
            "intact" if (measured.get(a["id"]) or {}).get("storedSha256") == a["sha256"] else "NOT INTACT",
            (measured.get(a["id"]) or {}).get("format") or "–",
        )
        for a in evidence.subject["artifacts"]
        if measured
    ]
    return _table(("Name", "Type", "Size", "sha256", "In storage", "Content"), rows) if rows else "None were read."


def _against(incumbent: Mapping[str, Any] | None, subject: Mapping[str, Any]) -> list[str]:
    if incumbent is None:
        return []
    shown = {
        "version": subject["version"]["version"],
        "commitSha": subject["version"]["commitSha"],
        "metadata": subject["version"]["metadata"],
        "artifacts": [{k: a[k] for k in ("name", "type", "sha256", "size")} for a in subject["artifacts"]],
    }
    rows = [(c["path"], _short(c["before"]), _short(c["after"])) for c in difference(incumbent, shown)[:40]]
    return ["## What changes in production\n\n" + _table(("Field", "Now", "Then"), rows)] if rows else []


def _since(since: Mapping[str, Any] | None) -> list[str]:
    if since is None:
        return []
    said = f"{_plain(since['by'])} sent it back on {since['at'][:16].replace('T', ' ')} UTC: {_plain(since['comment'])}"
    rows = [(c["path"], _short(c["before"]), _short(c["after"])) for c in since["difference"][:40]]
    table = _table(("Field", "Then", "Now"), rows) if rows else "Nothing has changed since."
    return [f"## Since the last review\n\n{said}\n\n{table}"]


def _how_to_override(request: TransitionRequest, results: Sequence[GateResult], api_url: str) -> list[str]:
    soft = ", ".join(f"`{result.policy}` v{result.policy_version}" for result in results if overridable(result))
    if not soft:
        return []
    address = f"{api_url}/api/v1/transition-requests/{request.id}/overrides"
    return [
        f"## Soft gates\n\nWhat is refused by {soft} can be overridden by two people who may decide about this: one "
        f"proposes with a reason (POST {address}), another one confirms. It opens a finding."
    ]


def _how_to_decide(request: TransitionRequest, evidence: Evidence, api_url: str) -> str:
    address = f"{api_url}/api/v1/transition-requests/{request.id}/approvals"
    return (
        "## How to decide\n\n"
        "Press *Resume* on the page of this run and fill in the form: it records your decision about exactly this "
        "evidence. Anything that changes from here on voids the decisions. A program decides with a token:\n\n"
        "```\n"
        f"curl -X POST {address} \\\n"
        '  -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\\n'
        f'  -d \'{{"decision": "approve", "comment": "…", "evidenceDigest": "{evidence.digest}"}}\'\n'
        "```"
    )


def _moved(outcome: Mapping[str, Any], model: Mapping[str, Any], version: Mapping[str, Any]) -> str:
    name = f"{model['name']} {version['version']}"
    sentence = f"{name}: {outcome.get('from')} → {outcome.get('to')}"
    if beside := outcome.get("alongside"):
        sentence += f"; version {beside['version']} → {beside['to']}"
    return sentence


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], *, plain: bool = True) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(_plain(c) if plain else c for c in row) + " |" for row in rows]
    return "\n".join(lines)


def _wrapped(text: str) -> str:
    """The dashboard never breaks a line of a table by itself."""
    return "<br>".join(_plain(line) for line in textwrap.wrap(text, 76)) or "–"


def _short(value: Any) -> str:
    text = "–" if value is None else str(value)
    return text if len(text) <= 80 else text[:77] + "…"


def _plain(text: str) -> str:
    """Names and reasons come from people: no markup, no links, no broken table."""
    for character in "\\<>[]|*_#":
        text = text.replace(character, {"<": "&lt;", ">": "&gt;", "|": "\\|"}.get(character, "\\" + character))
    return " ".join(text.split())
