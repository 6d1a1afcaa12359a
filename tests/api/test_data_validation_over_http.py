"""What is expected of datasets, as programs meet it. What the library finds: tests/flows/data_validation."""

from __future__ import annotations

from typing import Any

import pytest

from flows.data_validation.flow import run_profile, run_validation
from governance.operations import evaluations
from storage.composition import new_id
from tests.api.served import ServedApi, data, refusal
from tests.governance.operations.situations import events, query

CONTENT = b"age,name\n" + b"".join(b"%d,n%d\n" % (20 + number % 50, number) for number in range(100))
AGES: dict[str, Any] = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "age", "max_value": 50}}
NAMES: dict[str, Any] = {
    "type": "expect_column_values_to_be_unique",
    "kwargs": {"column": "name"},
    "severity": "warning",
}


@pytest.fixture
def path(api: ServedApi) -> str:
    """Of a new dataset of Dana's."""
    asked = f"/api/v1/datasets?name=d-{new_id()}&group=lab&format=csv"
    return f"/api/v1/datasets/{data(api.dev.post(asked, content=CONTENT), 201)['id']}"


def test_expectations_are_versions_that_never_change(api: ServedApi, path: str) -> None:
    refusal(api.dev.get(f"{path}/expectations"), 404, "EXPECTATION_SUITE_NOT_FOUND")
    body = {"expectations": [AGES, NAMES]}
    made = api.dev.post(f"{path}/expectations", json=body, headers={"Idempotency-Key": path, "If-Match": '"0"'})
    first = data(made, 201)
    assert (made.headers["Location"], made.headers["ETag"]) == (f"{path}/expectations/1", '"1"')
    assert first["expectations"] == [{**AGES, "severity": "critical"}, NAMES]
    assert first["source"] == {"kind": "artifact"}
    repeated = api.dev.post(f"{path}/expectations", json=body, headers={"Idempotency-Key": path, "If-Match": '"0"'})
    assert data(repeated, 201) == first
    other = {"expectations": [AGES], "source": {"kind": "postgresql", "connection": "w", "schema": "s", "table": "t"}}
    refusal(api.dev.post(f"{path}/expectations", json=other, headers={"If-Match": '"0"'}), 412, "REVISION_MISMATCH")
    second = data(api.dev.post(f"{path}/expectations", json=other, headers={"If-Match": '"1"'}), 201)
    assert (second["number"], second["source"]) == (2, other["source"])
    assert data(api.dev.get(f"{path}/expectations")) == second
    assert data(api.dev.get(f"{path}/expectations/1")) == first
    refusal(api.dev.get(f"{path}/expectations/3"), 404, "EXPECTATION_SUITE_NOT_FOUND")
    told = [event for event in events(api.registry, path[-36:]) if event.action == "dataset:expectations:created"]
    assert [(event.actor.name, event.after["number"], event.digest) for event in told] == [
        ("dana", 1, first["digest"]),
        ("dana", 2, second["digest"]),
    ]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"expectations": []},
        {"expectations": [{"type": "unexpected_rows_expectation", "kwargs": {"unexpected_rows_query": "select 1"}}]},
        {"expectations": [{**AGES, "kwargs": {"column": "age", "max_value": 1, "row_condition": "1"}}]},
        {"expectations": [{**AGES, "kwargs": {"column": "age\x00", "max_value": 1}}]},
        {"expectations": [AGES], "source": {"kind": "postgresql", "connection": "../x", "schema": "s", "table": "t"}},
        {"expectations": [AGES], "source": {"kind": "postgresql", "connection": "w"}},
        {"expectations": [AGES], "source": {"kind": "mysql"}},
    ],
)
def test_bad_expectations_leave_nothing_behind(api: ServedApi, path: str, body: dict[str, Any]) -> None:
    refusal(api.dev.post(f"{path}/expectations", json=body), 400, "INVALID_INPUT")
    assert query(api.registry, "select count(*) from expectation_suites where dataset_id = %s", path[-36:]) == [(0,)]


def test_a_validation_from_asking_to_reading(api: ServedApi, path: str) -> None:
    refusal(api.dev.post(f"{path}/validations", json={}), 404, "EXPECTATION_SUITE_NOT_FOUND")
    data(api.dev.post(f"{path}/expectations", json={"expectations": [AGES, NAMES]}), 201)
    headers = {"Idempotency-Key": f"v-{path}"}
    api.registry.launcher.available = False
    refusal(api.dev.post(f"{path}/validations", json={}, headers=headers), 503, "DEPENDENCY_UNAVAILABLE")
    api.registry.launcher.available = True
    answer = api.dev.post(f"{path}/validations", json={}, headers=headers)
    asked = data(answer, 202)
    assert answer.headers["Location"] == f"{path}/validations/{asked['id']}"
    assert (asked["status"], asked["checked"], asked["failures"], asked["executedAt"]) == ("queued", 2, [], None)
    assert api.registry.launcher.started[asked["id"]][:2] == ("validate-data", {"validation_id": asked["id"]})
    assert run_validation(api.registry.platform, asked["id"]) == "failed"
    found = data(api.dev.get(answer.headers["Location"]))
    (failure,) = found["failures"]
    assert failure["sentence"] == "column 'age': 38 of 100 values are not at most 50; at most 0 % allowed"
    assert (failure["elements"], failure["unexpected"], len(failure["examples"])) == (100, 38, 5)
    assert (found["status"], found["rows"], found["correlation"]) == ("failed", 100, asked["correlation"])
    assert data(api.dev.get(f"{path}/validations")) == [found]
    refusal(api.dev.post(f"{path}/validations", json={"number": 2}), 404, "EXPECTATION_SUITE_NOT_FOUND")
    assert data(api.dev.get(f"{path}/validations?pageSize=1"))[0]["id"] == asked["id"]


def test_a_draft_is_made_from_the_data(api: ServedApi, path: str) -> None:
    answer = api.dev.post(f"{path}/expectations/profile")
    asked = data(answer, 202)
    assert (asked["status"], asked["expectations"]) == ("queued", [])
    assert api.registry.launcher.started[asked["id"]][:2] == ("profile-data", {"profile_id": asked["id"]})
    assert run_profile(api.registry.platform, asked["id"]) == "done"
    draft = data(api.dev.get(answer.headers["Location"]))
    assert (draft["status"], draft["rows"], draft["datasetId"]) == ("done", 100, path[-36:])
    made = data(api.dev.post(f"{path}/expectations", json={"expectations": draft["expectations"]}), 201)
    assert made["expectations"] == draft["expectations"]
    refusal(api.dev.get(f"{path}/expectations/profile/{new_id()}"), 404, "PROFILE_NOT_FOUND")


def test_what_belongs_to_another_dataset_is_not_found_under_this_one(api: ServedApi, path: str) -> None:
    r = api.registry
    other = evaluations.create_dataset(
        r.unit(), r.call(r.dev), name=new_id(), group="lab", kind="csv", sha256="a" * 64, size=1
    )
    data(api.dev.post(f"{path}/expectations", json={"expectations": [AGES]}), 201)
    validation = data(api.dev.post(f"{path}/validations", json={}), 202)["id"]
    profile = data(api.dev.post(f"{path}/expectations/profile"), 202)["id"]
    elsewhere = f"/api/v1/datasets/{other}"
    refusal(api.dev.get(f"{elsewhere}/validations/{validation}"), 404, "DATA_VALIDATION_NOT_FOUND")
    refusal(api.dev.get(f"{elsewhere}/expectations/profile/{profile}"), 404, "PROFILE_NOT_FOUND")
    assert data(api.dev.get(f"{elsewhere}/validations")) == []
