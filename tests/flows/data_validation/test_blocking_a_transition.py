"""Great Expectations on a broken dataset blocks a transition, with the failing expectations as reasons."""

from __future__ import annotations

from typing import Any

from flows.data_validation.flow import run_validation
from flows.gathering.evidence import gather_evidence
from governance.evaluations import Dataset
from governance.evidence import Evidence
from governance.operations import data_validation, evaluations
from governance.operations.settling import Settlement
from governance.requests import RequestStatus, TransitionRequest
from tests.fixtures.registry import RegistryUnderTest
from tests.fixtures.small_model import onnx_model
from tests.flows.data_validation.batches import EXPECTATIONS, REASONS, broken, good, parquet
from tests.flows.data_validation.conftest import Data
from tests.governance.operations.situations import events, query, results


def model_on(data: Data, dataset_id: str, **changes: object) -> str:
    """A model whose version 1.0.0 was evaluated on this dataset, well, and may ask for staging."""
    r = data.registry
    model = r.model()
    suite = {
        "model_id": model,
        "name": "holdout",
        "dataset_id": dataset_id,
        "task_type": "binary_classification",
        "target": "target",
        "features": None,
        "metrics": ["accuracy"],
        "thresholds": {"accuracy": {"min": 0.9}},
        "margin": 0.02,
        "positive_label": None,
        **changes,
    }
    evaluations.create_suite(r.unit(), r.call(r.dev), evaluations.NewSuite(**suite))  # type: ignore[arg-type]
    r.version(model, weights=onnx_model())
    for step in ("submit", "evaluate"):
        request = r.open(model, "1.0.0", step)
        evidence = gather_evidence(r.platform, request)
        done = r.settle(request, evidence, evaluations=results(r, request) if step == "evaluate" else ())
        assert done.status is RequestStatus.APPLIED, done
    return model


def asked_for_staging(r: RegistryUnderTest, model: str) -> tuple[TransitionRequest, Evidence]:
    request = r.open(model, "1.0.0", "approve_staging")
    return request, gather_evidence(r.platform, request)


def decided(r: RegistryUnderTest, request: TransitionRequest, evidence: Evidence) -> Settlement:
    r.approve(request, r.grace, evidence=evidence)
    return r.settle(request, evidence)


def test_a_broken_dataset_blocks_and_says_what_is_wrong(data: Data) -> None:
    r = data.registry
    dataset = data.dataset(parquet(broken()))
    data.expect(dataset, EXPECTATIONS)
    model = model_on(data, dataset.id)
    request, evidence = asked_for_staging(r, model)
    settlement = r.settle(request, evidence)
    assert settlement.status is RequestStatus.DENIED
    assert settlement.outcome["reasons"] == [
        f"Are the data what is expected of them? Suite 'holdout': {reason}." for reason in REASONS
    ]
    assert r.state(model, "1.0.0") == "submitted"
    (found,) = evidence.subject["dataValidations"]
    assert (found["status"], found["datasetSha256"], found["expectations"]["number"]) == ("failed", dataset.sha256, 1)
    (validated,) = [event for event in events(r, dataset.id) if event.action == "dataset:validated"]
    assert validated.request_id == request.id
    assert validated.after["status"] == "failed"


def test_the_same_version_passes_once_the_data_hold_what_is_expected(data: Data) -> None:
    r = data.registry
    dataset = validated_before(data, good())
    model = model_on(data, dataset.id)
    request, evidence = asked_for_staging(r, model)
    assert decided(r, request, evidence).status is RequestStatus.APPLIED
    assert r.state(model, "1.0.0") == "approved_staging"
    (verdict,) = [v for v in verdicts(r, request) if v["policy"] == "data-validation"]
    assert verdict["reasons"] == ["1 dataset(s) met 7 expectations."]


def test_new_expectations_void_what_was_gathered_before_them(data: Data) -> None:
    r = data.registry
    dataset = validated_before(data, good())
    model = model_on(data, dataset.id)
    request, evidence = asked_for_staging(r, model)
    r.approve(request, r.grace, evidence=evidence)
    data.expect(dataset, [{"type": "expect_column_to_exist", "kwargs": {"column": "height"}}])
    data.validated(dataset)
    assert r.settle(request, evidence).kind == "changed"
    again = gather_evidence(r.platform, request)
    settlement = r.settle(request, again)
    assert settlement.status is RequestStatus.DENIED
    assert "column 'height': the data have no such column." in settlement.outcome["reasons"][0]


def test_gathering_again_validates_nothing_again_and_gives_the_same_evidence(data: Data) -> None:
    r = data.registry
    dataset = validated_before(data, good())
    request, evidence = asked_for_staging(r, model_on(data, dataset.id))
    ran = "select count(*) from data_validations where dataset_id = %s"
    assert query(r, ran, dataset.id) == [(1,)]
    assert gather_evidence(r.platform, request).digest == evidence.digest
    assert query(r, ran, dataset.id) == [(1,)]
    data.validated(dataset)
    assert gather_evidence(r.platform, request).digest == evidence.digest, "the same outcome, later"


def test_what_cannot_be_validated_is_unknown_and_blocks(data: Data) -> None:
    r = data.registry
    dataset = data.dataset(b"this is no Parquet")
    data.expect(dataset, EXPECTATIONS)
    request, evidence = asked_for_staging(r, model_on(data, dataset.id))
    settlement = r.settle(request, evidence)
    assert settlement.status is RequestStatus.DENIED
    assert settlement.outcome["reasons"] == [
        "Are the data what is expected of them? Suite 'holdout': the data could not be validated: "
        "The dataset is not readable as parquet."
    ]


def test_a_dataset_without_expectations_changes_nothing(data: Data) -> None:
    r = data.registry
    request, evidence = asked_for_staging(r, model_on(data, data.dataset(parquet(broken())).id))
    assert "dataValidations" not in evidence.subject
    assert decided(r, request, evidence).status is RequestStatus.APPLIED
    (verdict,) = [v for v in verdicts(r, request) if v["policy"] == "data-validation"]
    assert (verdict["outcome"], verdict["reasons"]) == (
        "passed",
        ["No dataset of its evaluation suites has expectations."],
    )


def test_of_a_dataset_that_is_closed_to_readers_of_the_model_only_counts_are_told(data: Data) -> None:
    """The model's readers know the columns that its suite names, as before; no others, no figures and no limits."""
    r = data.registry
    hidden = {"type": "expect_column_to_exist", "kwargs": {"column": "secret_score"}}
    dataset = validated_before(data, broken(), hidden, restrictedGroups=["clinical"])
    model = model_on(data, dataset.id, features=["age"])
    request, evidence = asked_for_staging(r, model)
    assert r.settle(request, evidence).status is RequestStatus.DENIED
    told = [failure["sentence"] for failure in evidence.subject["dataValidations"][0]["failures"]]
    assert told == [
        "column 'age': 40 of 400 values are against expect_column_values_to_not_be_null",
        "a column: 10 of 400 values are against expect_column_values_to_be_between",
        "a column: 5 of 400 values are against expect_column_values_to_be_in_set",
        "a column: expect_column_to_exist does not hold",
    ]
    whole = str(evidence.to_json())
    assert not [word for word in ("income", "country", "secret_score", "XX", "NL") if word in whole]


def test_a_validation_that_was_asked_for_serves_the_gate(data: Data) -> None:
    """The flow of `POST /validations` and the gate share what they find."""
    r = data.registry
    dataset = data.dataset(parquet(broken()))
    data.expect(dataset, EXPECTATIONS)
    validation = data_validation.request_validation(r.unit(), r.call(r.dev), dataset.id)
    assert run_validation(r.platform, validation.id) == "failed"
    assert run_validation(r.platform, validation.id) == "failed", "a repeated run changes nothing"
    _, evidence = asked_for_staging(r, model_on(data, dataset.id))
    assert evidence.subject["dataValidations"][0]["status"] == "failed"
    assert query(r, "select id::text from data_validations where dataset_id = %s", dataset.id) == [(validation.id,)]


def validated_before(data: Data, columns: dict[str, Any], *expectations: dict[str, Any], **access: Any) -> Dataset:
    """A dataset that the gate need not validate itself, which would load the library once more."""
    dataset = data.dataset(parquet(columns), **access)
    data.expect(dataset, [*EXPECTATIONS, *expectations])
    data.validated(dataset)
    return dataset


def verdicts(r: RegistryUnderTest, request: TransitionRequest) -> list[dict[str, object]]:
    ((found,),) = query(r, "select verdicts from transition_requests where id = %s", request.id)
    return list(found)
