"""Compliance over HTTP: what stood in production on a date, judged by the evidence of its decision."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from governance.signing import IN_TOTO, Envelope, opened
from tests.api.served import ServedApi, data, refusal
from tests.fixtures.registry import NOON, RegistryUnderTest
from tests.governance.operations.situations import in_production, step

BASE = "/api/v1/compliance"


def day(**later: float) -> str:
    return (NOON + timedelta(**later)).date().isoformat()


@pytest.fixture(autouse=True)
def its_own_time(api: ServedApi) -> Iterator[None]:
    """The registry is everybody's; its clock goes back to where it was."""
    before = api.registry.at
    yield
    api.registry.at = before


@pytest.fixture
def history(api: ServedApi) -> tuple[str, RegistryUnderTest]:
    """A model whose 1.0.0 came on the day, 1.1.0 ten days later, and was rolled back ten days after that."""
    r = api.registry
    r.at = NOON
    model = in_production(r, "1.0.0")
    r.later(days=10)
    r.version(model, "1.1.0", weights=b"other weights")
    for transition in ("submit", "evaluate", "approve_staging", "deploy_staging", "approve_production"):
        step(r, model, "1.1.0", transition)
    step(r, model, "1.1.0", "promote_production")
    r.later(days=10)
    step(r, model, "1.1.0", "rollback", "Latency doubled since the release.")
    return model, r


def test_what_was_in_production_on_a_date(api: ServedApi, history: tuple[str, RegistryUnderTest]) -> None:
    model, _ = history

    def version_on(**later: float) -> list[str]:
        found = data(api.admin.get(f"{BASE}/reports", params={"modelId": model, "asOf": day(**later)}))
        return [one["version"] for one in found]

    assert version_on(days=-1) == []
    assert version_on(days=0) == ["1.0.0"]
    assert version_on(days=10) == ["1.1.0"]
    assert version_on(days=21) == ["1.0.0"]


def test_a_report_rests_on_the_decision_of_then(api: ServedApi, history: tuple[str, RegistryUnderTest]) -> None:
    model, r = history
    params = {"modelId": model, "asOf": day(days=11), "framework": "iso-42001"}
    (found,) = data(api.admin.get(f"{BASE}/reports", params=params))
    with r.unit() as uow:
        version = uow.versions.get(model, "1.1.0")
    assert (found["framework"], found["edition"], found["versionId"]) == ("iso-42001", "2023", version.id)
    by_id = {one["id"]: one for one in found["requirements"]}
    assert by_id["A.6.2.4"]["status"] == "met"
    assert found["evidence"]["requestId"] in by_id["A.6.2.4"]["because"][0]
    assert by_id["A.5.2"]["status"] == "met"
    assert "grace" in " ".join(by_id["A.5.2"]["because"])


def test_status_counts_what_the_caller_may_see(api: ServedApi, history: tuple[str, RegistryUnderTest]) -> None:
    found = data(api.admin.get(f"{BASE}/status", params={"asOf": day(days=21)}))
    assert "not legal advice" in found["disclaimer"]
    by_id = {one["framework"]: one for one in found["frameworks"]}
    assert set(by_id) == {"eu-ai-act", "nist-ai-rmf", "iso-42001", "sr-model-risk"}
    total = api.admin.get(f"{BASE}/reports", params={"asOf": day(days=21)}).json()["pagination"]["total"]
    assert total >= 1
    assert all(sum(one["versions"].values()) == total for one in by_id.values())
    assert by_id["eu-ai-act"]["edition"] == "2024"
    assert by_id["sr-model-risk"]["edition"] == "SR 11-7"
    later = data(api.admin.get(f"{BASE}/status", params={"asOf": "2027-12-02", "framework": "eu-ai-act"}))
    assert later["frameworks"][0]["bindsFrom"]["annex_iii"] == "2027-12-02"


def test_validating_one_version(api: ServedApi, history: tuple[str, RegistryUnderTest]) -> None:
    model, _ = history
    body = {"modelId": model, "version": "1.1.0", "frameworks": ["nist-ai-rmf"], "asOf": day(days=21)}
    found = data(api.admin.post(f"{BASE}/validate", json=body))
    (assessment,) = found["assessments"]
    assert (assessment["state"], found["status"]) == ("changes_requested", assessment["status"])
    everything = data(api.admin.post(f"{BASE}/validate", json={"modelId": model, "version": "1.1.0"}))
    assert len(everything["assessments"]) == 4


def test_attestations_are_signed_and_only_of_what_is_met(
    api: ServedApi, history: tuple[str, RegistryUnderTest]
) -> None:
    model, r = history
    found = data(api.admin.get(f"{BASE}/certifications", params={"modelId": model, "asOf": day(days=21)}))
    met = {
        name
        for name in ("eu-ai-act", "nist-ai-rmf", "iso-42001", "sr-model-risk")
        for one in data(
            api.admin.get(f"{BASE}/reports", params={"modelId": model, "asOf": day(days=21), "framework": name})
        )
        if one["status"] == "met"
    }
    assert {one["framework"] for one in found} == met
    for one in found:
        assert one["kind"] == "self-attestation"
        payload = opened(Envelope.from_json(one["statement"]), IN_TOTO, r.platform.believed_keys)
        assert one["version"].encode() in payload


@pytest.mark.parametrize(
    ("path", "params", "status", "code"),
    [
        ("reports", {"asOf": "soon"}, 400, "INVALID_INPUT"),
        ("reports", {"framework": "hipaa"}, 404, "COMPLIANCE_FRAMEWORK_NOT_FOUND"),
        ("reports", {"page": 2}, 400, "INVALID_INPUT"),
        ("status", {"framework": "x" * 500}, 404, "COMPLIANCE_FRAMEWORK_NOT_FOUND"),
        ("certifications", {"nextToken": "%%%"}, 400, "INVALID_INPUT"),
    ],
)
def test_bad_questions(api: ServedApi, path: str, params: dict[str, str], status: int, code: str) -> None:
    refusal(api.admin.get(f"{BASE}/{path}", params=params), status, code)


def test_who_may_not(api: ServedApi) -> None:
    refusal(api.dev.get(f"{BASE}/status"), 403, "FORBIDDEN")
    refusal(api.admin.post(f"{BASE}/validate", json={"modelId": "x", "version": "1"}), 404, "MODEL_NOT_FOUND")


def test_pages_continue(api: ServedApi) -> None:
    r = api.registry
    r.at = NOON
    models = {in_production(r, "1.0.0") for _ in range(3)}
    seen: list[str] = []
    token = None
    for _ in range(3):
        params: dict[str, str | int] = {"pageSize": 1, "asOf": day(days=1), **({"nextToken": token} if token else {})}
        answer = api.admin.get(f"{BASE}/reports", params=params)
        seen += [one["modelId"] for one in data(answer)]
        assert answer.json()["pagination"]["total"] >= 3
        token = answer.json()["pagination"]["nextToken"]
    assert set(seen) <= models
    assert len(set(seen)) == 3
