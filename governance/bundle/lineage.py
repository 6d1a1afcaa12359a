"""What a version came from, was measured with, and replaced: a graph (catalog, Lineage Tracking)."""

from __future__ import annotations

from typing import Any

from governance.bundle.facts import Facts


def lineage(facts: Facts) -> dict[str, Any]:
    """{"artifact", "graph": {"nodes": [{"id", "type", "label"}], "edges": [{"source", "target", "relationship"}]}}.

    Only what the registry's own tables say: a training run or a data set that nobody recorded is not guessed.
    """
    subject, version_id = facts.subject, facts.request["versionId"]
    nodes: dict[str, dict[str, str]] = {}
    edges: list[dict[str, str]] = []

    def node(identifier: str, kind: str, label: str) -> str:
        nodes.setdefault(identifier, {"id": identifier, "type": kind, "label": label})
        return identifier

    def edge(source: str, target: str, relationship: str) -> None:
        edges.append({"source": source, "target": target, "relationship": relationship})

    version = node(version_id, "model", f"{facts.request['modelName']} {facts.request['version']}")
    if commit := subject["version"]["commitSha"]:
        edge(node(f"commit:{commit}", "commit", commit), version, "source-of")
    if job := subject["version"]["trainingJobId"]:
        edge(node(f"training:{job}", "experiment", f"Training run {job}"), version, "produces")
    for item in subject["artifacts"]:
        edge(version, node(f"sha256:{item['sha256']}", item["type"], item["name"]), "consists-of")
    names = {one["id"]: one for one in facts.datasets}
    for suite in facts.suites:
        evaluated = node(suite["id"], "evaluation-suite", suite["name"])
        if suite["datasetId"] is not None:
            dataset = names[suite["datasetId"]]
            edge(node(dataset["id"], "dataset", dataset["name"]), evaluated, "used-by")
        edge(evaluated, version, "evaluates")
    if incumbent := subject.get("incumbent"):
        replaced = node(incumbent["versionId"], "model", f"{facts.request['modelName']} {incumbent['version']}")
        edge(version, replaced, "compared-with")
    if target := subject.get("target"):
        edge(
            version, node(target["endpoint"], "endpoint", f"{target['environment']} {target['endpoint']}"), "deploys-to"
        )
    artifact = {"id": version_id, "type": "model", "version": facts.request["version"]}
    return {"artifact": artifact, "graph": {"nodes": list(nodes.values()), "edges": edges}}
