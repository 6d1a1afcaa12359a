"""Provenance records and lineage graphs in the shapes of the catalog (Provenance Entity, Lineage Tracking).

What the platform does not know is null or empty: nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from governance.audit.sentences import Names, sentence


def record(event: Mapping[str, Any], known: Mapping[str, Any], names: Names) -> dict[str, Any]:
    """The record of an event.

    known: modelId, datasetId, compliance, upstream, downstream, services, riskTier of what the event is about, each
    None where it is about no such thing.
    """
    model, dataset, subject = known["modelId"], known["datasetId"], event["subject"]
    told = sentence(event, names)
    about_version = names.version is not None
    return {
        "id": event["id"],
        "timestamp": event["at"],
        "type": "model" if model else "dataset" if dataset else subject["kind"],
        "action": event["action"],
        "artifact": model or dataset or subject["id"],
        "artifactVersion": names.version,
        "user": event["actor"]["name"],
        "role": None,  # the log names who acted; in which of their roles it does not
        "description": told,
        "metadata": {"subjectKind": subject["kind"], "subjectId": subject["id"], **event["details"]},
        "lineage": {"upstream": known["upstream"] or [], "downstream": known["downstream"] or []}
        if about_version
        else None,
        "changes": changes(event["before"], event["after"]),
        "compliance": known["compliance"],
        "impact": {
            "services": known["services"] or [],
            "users": None,
            "criticality": str(known["riskTier"]).lower() if known["riskTier"] else None,
        }
        if model
        else None,
        "audit": {"sessionId": None, "ipAddress": None, "userAgent": None, "requestId": event["requestId"]},
    }


def changes(before: Any, after: Any) -> dict[str, Any]:
    """What is different, by name: {"state": {"before": "draft", "after": "submitted"}}. A plain value is "value"."""
    if before is None and after is None:
        return {}
    if not all(isinstance(side, Mapping | None) for side in (before, after)):
        return {"value": {"before": before, "after": after}}
    old, new = before or {}, after or {}
    return {
        name: {"before": old.get(name), "after": new.get(name)}
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    }


@dataclass(frozen=True, slots=True)
class Node:
    id: str
    type: str
    label: str


@dataclass(frozen=True, slots=True)
class Edge:
    """From what is used to what comes of it."""

    source: str
    target: str
    relationship: str


def lineage(
    asked: Node, version: str | None, nodes: Iterable[Node], edges: Iterable[Edge], critical: Iterable[str]
) -> dict[str, Any]:
    """The graph around `asked`. critical: ids of nodes that serve in production."""
    shown = {node.id: node for node in [asked, *nodes]}
    kept = [edge for edge in dict.fromkeys(edges) if edge.source in shown and edge.target in shown]
    upstream = _reached(asked.id, [(edge.target, edge.source) for edge in kept])
    downstream = _reached(asked.id, [(edge.source, edge.target) for edge in kept])
    return {
        "lineage": {
            "artifact": {"id": asked.id, "type": asked.type, "version": version},
            "graph": {
                "nodes": [{"id": node.id, "type": node.type, "label": node.label} for node in shown.values()],
                "edges": [
                    {"source": edge.source, "target": edge.target, "relationship": edge.relationship} for edge in kept
                ],
            },
            "impact": {
                "upstream": upstream,
                "downstream": downstream,
                "critical": [one for one in dict.fromkeys(critical) if one in downstream],
            },
        }
    }


def _reached(start: str, steps: list[tuple[str, str]]) -> list[str]:
    """In the order of reaching, without the start; a cycle is walked once."""
    by_source: dict[str, list[str]] = {}
    for source, target in steps:
        by_source.setdefault(source, []).append(target)
    found: dict[str, None] = {}
    waiting = [start]
    while waiting:
        for target in by_source.get(waiting.pop(0), ()):
            if target != start and target not in found:
                found[target] = None
                waiting.append(target)
    return list(found)
