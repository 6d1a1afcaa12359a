"""Repeating a call under its key answers only those who may still see what it made."""

from __future__ import annotations

from typing import Any

import pytest

from storage.composition import new_id
from tests.api.access.world import World
from tests.api.served import data
from tests.fixtures.registry import DEVELOPER


def calls(world: World, number: str) -> dict[str, tuple[str, str, dict[str, Any]]]:
    objects = world.objects[False]
    model = f"/api/v1/models/{objects.model}"
    draft = world.new_draft(objects)
    return {
        "model": ("POST", "/api/v1/models", {"json": {"name": f"m-{number}", "group": "owners", "riskTier": "Low"}}),
        "version": ("POST", f"{model}/versions", {
            "json": {"version": f"5.0.{int(number[:8], 16)}", "commitSha": "0" * 40, "metadata": {}}}),
        "artifact": ("POST", f"{model}/versions/{draft}/artifacts", {
            "params": {"type": "config", "name": "c"}, "content": b"{}"}),
        "access": ("PUT", f"{model}/access", {"json": {
            "ownerGroups": ["owners-giving"], "allowedGroups": ["readers", "readers-giving"],
            "restrictedGroups": ["closed"]}}),
        "dataset": ("POST", "/api/v1/datasets", {
            "params": {"name": f"d-{number}", "group": "owners", "format": "csv"}, "content": b"x,y\n1,0\n"}),
        "suite": ("POST", "/api/v1/evaluation-suites", {"json": {
            "modelId": objects.model, "name": f"s-{number}", "datasetId": objects.dataset,
            "taskType": "binary_classification", "target": "y", "metrics": ["accuracy"],
            "thresholds": {"accuracy": {"min": 0.9}}}}),
        "request": ("POST", f"{model}/versions/{draft}/transitions", {"json": {"transition": "submit"}}),
        "evaluation": ("POST", "/api/v1/evaluations/run", {"json": {"modelId": objects.model, "version": draft}}),
    }  # fmt: skip


@pytest.mark.parametrize("lost", ["the group", "to a restricted group", "nothing"])
@pytest.mark.parametrize(
    "what", ["model", "version", "artifact", "access", "dataset", "suite", "request", "evaluation"]
)
def test_a_repetition_shows_nothing_that_was_taken_away(world: World, what: str, lost: str) -> None:
    r, number = world.registry, new_id()
    person = r.person(f"person-{number}", DEVELOPER, "owners")
    method, path, body = calls(world, number[-12:])[what]
    with world.api.with_token(r.token(person)[0]) as client:
        client.headers["Idempotency-Key"] = number
        first = client.request(method, path, **body)
        made = data(first, first.status_code)
        if lost == "nothing":
            again = client.request(method, path, **body)
            assert data(again, first.status_code) == made
            return
        r.change(person.id, in_groups=[] if lost == "the group" else ["closed"])
        before = world.api.stored()
        again = client.request(method, path, **body)
        assert again.status_code in (403, 404), again.text
        assert world.api.stored() == before
