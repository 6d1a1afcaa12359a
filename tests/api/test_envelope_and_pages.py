"""The one shape of answers, and lists that are walked without losing or repeating anything."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from governance.operations import registry
from governance.operations.calls import Call
from storage.composition import new_id, now
from tests.api.served import ServedApi, data, refusal

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def test_a_success(api: ServedApi) -> None:
    answer = api.grace.get("/api/v1/models", headers={"X-Correlation-Id": "build-17"})
    body = answer.json()
    assert list(body) == ["success", "data", "pagination", "links", "metadata"]
    metadata = body["metadata"]
    assert UUID7.fullmatch(metadata["requestId"])
    assert metadata["requestId"] == answer.headers["x-request-id"]
    assert metadata["correlationId"] == "build-17"
    assert metadata["userGroups"] == ["risk"]
    assert {"approval:*", "model:read"} <= set(metadata["effectivePermissions"])
    assert "model:create" not in metadata["effectivePermissions"]
    assert metadata["dataAccessLevel"] == "internal"
    assert metadata["latency"] > 0
    moment = datetime.fromisoformat(metadata["timestamp"])
    assert metadata["timestamp"].endswith("Z")
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=5)


def test_a_refusal(api: ServedApi) -> None:
    answer = api.dev.get(f"/api/v1/models/{new_id()}")
    error = refusal(answer, 404, "MODEL_NOT_FOUND")
    assert error["traceId"] == answer.headers["x-request-id"]
    assert error["context"] == {"method": "GET", "path": answer.request.url.path}
    assert error["documentation"].endswith("MODEL_NOT_FOUND")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/api/v1/models/{}", "MODEL_NOT_FOUND"),
        ("/api/v1/models/{}/versions", "MODEL_NOT_FOUND"),
        ("/api/v1/models/{}/versions/1.0.0", "VERSION_NOT_FOUND"),
        ("/api/v1/models/{}/deployments", "MODEL_NOT_FOUND"),
        ("/api/v1/transition-requests/{}", "TRANSITION_REQUEST_NOT_FOUND"),
        ("/api/v1/evaluation-suites/{}", "EVALUATION_SUITE_NOT_FOUND"),
        ("/api/v1/evaluations/{}/status", "EVALUATION_NOT_FOUND"),
        ("/api/v1/evaluations/{}/results", "EVALUATION_NOT_FOUND"),
        ("/api/v1/datasets/{}", "DATASET_NOT_FOUND"),
    ],
)
def test_what_there_is_not(api: ServedApi, path: str, code: str) -> None:
    refusal(api.dev.get(path.format(new_id())), 404, code)


def test_times_and_ids_are_written_one_way(api: ServedApi) -> None:
    model = data(api.dev.get(f"/api/v1/models/{api.model()}"))
    assert UUID7.fullmatch(model["id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", model["createdAt"])
    assert data(api.dev.get(f"/api/v1/models/{model['id'].upper()}"))["id"] == model["id"]


def test_created_things_have_an_address(api: ServedApi) -> None:
    answer = api.dev.post("/api/v1/models", json={"name": new_id(), "group": "lab", "riskTier": "Low"})
    location = answer.headers["location"]
    assert answer.json()["links"]["self"] == location
    assert data(api.dev.get(location)) == data(answer, 201)


# --- lists ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def listed(api: ServedApi) -> str:
    """A group with 25 models."""
    group = new_id()
    for number in range(25):
        add(api, group, f"listed-{number}")
    return group


def add(api: ServedApi, group: str, name: str) -> str:
    r = api.registry
    r.join(group)
    new = registry.NewModel(name, group, "", [], "Low", [])
    return registry.create_model(r.unit(), Call(r.dev, now(), new_id), new)


def page(api: ServedApi, group: str, **query: Any) -> dict[str, Any]:
    answer = api.dev.get("/api/v1/models", params={"group": group, **query})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_the_first_page(api: ServedApi, listed: str) -> None:
    body = page(api, listed, pageSize=10)
    assert [item["name"] for item in body["data"]] == [f"listed-{n}" for n in range(24, 14, -1)], "newest first"
    token = body["pagination"].pop("nextToken")
    assert body["pagination"] == {
        "page": 1,
        "pageSize": 10,
        "limit": 10,
        "totalPages": 3,
        "totalCount": 25,
        "total": 25,
        "totalIsLowerBound": False,
        "hasNext": True,
        "hasPrevious": False,
    }
    assert body["links"]["next"].endswith(f"nextToken={token}")


@pytest.mark.parametrize("size", [1, 7, 12, 13, 24, 25, 26, 200])
def test_walking_by_token_while_others_are_added(api: ServedApi, size: int) -> None:
    """Everything that was there when the walk began is seen exactly once; what comes later does not disturb it."""
    group = new_id()
    there = [add(api, group, f"m-{number}") for number in range(25)]
    seen: list[str] = []
    body = page(api, group, pageSize=size)
    while True:
        seen += [item["id"] for item in body["data"]]
        add(api, group, f"late-{len(seen)}")
        token = body["pagination"]["nextToken"]
        assert body["pagination"]["hasNext"] == (token is not None)
        if token is None:
            break
        assert len(body["data"]) == size
        body = page(api, group, pageSize=size, nextToken=token)
        assert body["pagination"]["hasPrevious"]
        assert body["pagination"]["page"] is None
    assert seen == there[::-1]


def test_following_links_keeps_the_filters(api: ServedApi, listed: str) -> None:
    body, names = page(api, listed, limit=9, search="listed-", riskTier="Low"), []
    while True:
        names += [item["name"] for item in body["data"]]
        if "next" not in body["links"]:
            break
        body = api.dev.get(body["links"]["next"]).json()
    assert sorted(names) == sorted(f"listed-{n}" for n in range(25))


def test_pages_by_number(api: ServedApi, listed: str) -> None:
    pages = [page(api, listed, pageSize=10, page=number) for number in (1, 2, 3, 4)]
    assert [len(body["data"]) for body in pages] == [10, 10, 5, 0]
    assert [body["pagination"]["hasPrevious"] for body in pages] == [False, True, True, True]
    assert [body["pagination"]["hasNext"] for body in pages] == [True, True, False, False]
    assert len({item["id"] for body in pages for item in body["data"]}) == 25
    # a page by number hands over to tokens
    token = pages[1]["pagination"]["nextToken"]
    assert page(api, listed, pageSize=10, nextToken=token)["data"] == pages[2]["data"]


def test_limit_is_another_name_of_page_size(api: ServedApi, listed: str) -> None:
    assert page(api, listed, limit=3)["data"] == page(api, listed, pageSize=3)["data"]
    assert len(page(api, listed)["data"]) == 25
    assert len(page(api, listed, pageSize=200)["data"]) == 25


def test_an_empty_list(api: ServedApi) -> None:
    body = page(api, "nobody")
    assert body["data"] == []
    assert (body["pagination"]["total"], body["pagination"]["totalPages"]) == (0, 0)
    assert not body["pagination"]["hasNext"]


def test_a_token_of_another_list_finds_nothing_that_the_filter_excludes(api: ServedApi, listed: str) -> None:
    token = page(api, listed, pageSize=10)["pagination"]["nextToken"]
    assert page(api, "nobody", nextToken=token)["data"] == []


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/datasets",
        "/api/v1/evaluation-suites",
        "/api/v1/findings",
        "/api/v1/transition-requests",
        "/api/v1/auth/tokens",
        "/api/v1/users",
    ],
)
def test_every_list_is_paged(api: ServedApi, path: str) -> None:
    body = api.admin.get(path, params={"pageSize": 1}).json()
    assert body["pagination"]["pageSize"] == 1
    assert len(body["data"]) <= 1
    assert isinstance(body["pagination"]["total"], int)


# --- filters ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shelf(api: ServedApi) -> str:
    """A group of four models that differ in everything one can filter by."""
    group, r = new_id(), api.registry

    def stand(name: str, description: str, owners: list[str], tier: str, tags: list[str]) -> str:
        return r.model(
            name=f"{group}-{name}", group=group, description=description, owners=owners, risk_tier=tier, tags=tags
        )

    stand("alpha", "Scores loans", ["ada", "grace"], "Low", ["credit", "tabular"])
    beta = stand("beta", "Reads 100% of x-rays", ["ada"], "High", ["vision"])
    stand("gamma", "Finds under_scores", ["alan"], "High", ["credit"])
    stand("delta", r"Finds back\slashes", [], "Medium", [])
    r.version(beta, weights=None)
    r.version(beta, "2.0.0")
    r.settle(r.open(beta, "2.0.0", "submit"))
    return group


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, "alpha beta gamma delta"),
        ({"search": "alpha"}, "alpha"),
        ({"search": "ALPHA"}, "alpha"),
        ({"search": "loan"}, "alpha"),
        ({"search": "finds"}, "gamma delta"),
        ({"search": "0%"}, "beta"),
        ({"search": "%"}, "beta"),
        ({"search": "r_s"}, "gamma"),
        ({"search": "r_scores"}, "gamma"),
        ({"search": "_"}, "gamma"),
        ({"search": "\\"}, "delta"),
        ({"search": "nothing like it"}, ""),
        ({"search": "' or 1=1 --"}, ""),
        ({"owner": "ada"}, "alpha beta"),
        ({"owner": "Ada"}, ""),
        ({"owner": "ad"}, ""),
        ({"riskTier": "High"}, "beta gamma"),
        ({"tag": "credit"}, "alpha gamma"),
        ({"tag": "cred"}, ""),
        ({"state": "draft"}, "beta"),
        ({"state": "submitted"}, "beta"),
        ({"state": "production"}, ""),
        ({"tag": "credit", "riskTier": "High"}, "gamma"),
        ({"owner": "ada", "riskTier": "High", "tag": "vision", "state": "draft", "search": "x-ray"}, "beta"),
        ({"owner": "ada", "riskTier": "High", "tag": "credit"}, ""),
        ({"search": ""}, "alpha beta gamma delta"),
    ],
)
def test_filters_of_models(api: ServedApi, shelf: str, query: dict[str, str], expected: str) -> None:
    body = page(api, shelf, **query)
    assert {item["name"].removeprefix(f"{shelf}-") for item in body["data"]} == set(expected.split())
    assert body["pagination"]["total"] == len(expected.split())


def test_the_group_filter_is_exact(api: ServedApi, shelf: str) -> None:
    assert page(api, shelf[:-1])["data"] == []
    assert page(api, shelf.upper())["data"] == []


def test_a_model_tells_how_many_versions_are_in_each_state(api: ServedApi, shelf: str) -> None:
    beta = page(api, shelf, search="beta")["data"][0]
    assert data(api.dev.get(f"/api/v1/models/{beta['id']}"))["versionsByState"] == {"draft": 1, "submitted": 1}
    versions = f"/api/v1/models/{beta['id']}/versions"
    assert [v["version"] for v in data(api.dev.get(versions))] == ["2.0.0", "1.0.0"]
    assert [v["version"] for v in data(api.dev.get(versions, params={"state": "draft"}))] == ["1.0.0"]
    assert data(api.dev.get(versions, params={"state": "retired"})) == []
