"""The version as a CycloneDX 1.6 bill of materials with a model card (ECMA-424, 7.5 and 7.10)."""

from __future__ import annotations

from typing import Any

from governance.bundle.facts import Facts
from governance.bundle.licences import recognised
from governance.suites.results import shown_metrics

_TYPES = {"weights": "machine-learning-model", "container": "container"}


def bill_of_materials(facts: Facts) -> dict[str, Any]:
    request, subject = facts.request, facts.subject
    model: dict[str, Any] = {
        "type": "machine-learning-model",
        "bom-ref": f"version:{request['versionId']}",
        "group": request["group"],
        "name": request["modelName"],
        "version": request["version"],
        "description": subject["model"]["description"],
        **_licences(subject["version"]["metadata"].get("license")),
        "modelCard": _model_card(facts),
    }
    components = [_artifact(item) for item in subject["artifacts"]] + [_dataset(item) for item in _open(facts)]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{request['id']}",
        "version": 1,
        "metadata": {"timestamp": request["settledAt"] or request["createdAt"], "component": model},
        "components": components,
        "dependencies": [{"ref": model["bom-ref"], "dependsOn": [item["bom-ref"] for item in components]}],
    }


def _open(facts: Facts) -> list[Any]:
    """Data sets that the exporter may see; of the others nothing is known but that they are."""
    return [item for item in facts.datasets if item["sha256"] is not None]


def _artifact(item: Any) -> dict[str, Any]:
    return {
        "type": _TYPES.get(item["type"], "file"),
        "bom-ref": f"artifact:{item['id']}",
        "name": item["name"],
        "hashes": [{"alg": "SHA-256", "content": item["sha256"]}],
        **_licences(item["license"]),
    }


def _dataset(item: Any) -> dict[str, Any]:
    reference = f"dataset:{item['id']}"
    return {
        "type": "data",
        "bom-ref": reference,
        "group": item["group"],
        "name": item["name"],
        "hashes": [{"alg": "SHA-256", "content": item["sha256"]}],
        "data": [{"bom-ref": f"{reference}:content", "type": "dataset", "name": item["name"]}],
    }


def _licences(stated: Any) -> dict[str, Any]:
    if not isinstance(stated, str) or not stated.strip():
        return {}
    text = stated.strip()
    if not recognised(text):
        return {"licenses": [{"license": {"name": text}}]}
    return {"licenses": [{"expression": text}] if " " in text or "(" in text else [{"license": {"id": text}}]}


def _model_card(facts: Facts) -> dict[str, Any]:
    card = facts.subject["version"]["metadata"].get("modelCard")
    told = card if isinstance(card, dict) else {}
    considerations = {
        name: [value]
        for name, value in (("useCases", told.get("intendedUse")), ("technicalLimitations", told.get("limitations")))
        if isinstance(value, str) and value
    }
    datasets: list[dict[str, Any]] = [{"ref": f"dataset:{item['id']}:content"} for item in _open(facts)]
    parameters: dict[str, Any] = {"datasets": datasets} if datasets else {}
    tasks = sorted({suite["taskType"] for suite in facts.suites})
    if tasks:
        parameters["task"] = ", ".join(tasks)
    metrics = [metric for run in facts.evaluations for metric in _metrics(facts, run)]
    return {
        **({"modelParameters": parameters} if parameters else {}),
        **({"quantitativeAnalysis": {"performanceMetrics": metrics}} if metrics else {}),
        **({"considerations": considerations} if considerations else {}),
    }


def _metrics(facts: Facts, run: Any) -> list[dict[str, Any]]:
    results = run["results"] or {}
    suite = next(one["name"] for one in facts.suites if one["id"] == run["suiteId"])
    found = []
    for name, value in shown_metrics(results):
        metric: dict[str, Any] = {"type": name, "value": repr(value), "slice": suite}
        interval = (results.get("intervals") or {}).get(name)
        if interval:
            metric["confidenceInterval"] = {
                "lowerBound": repr(interval["low"]),
                "upperBound": repr(interval["high"]),
            }
        found.append(metric)
    return found
