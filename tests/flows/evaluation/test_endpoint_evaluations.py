"""A version that is served elsewhere, from draft to production, by real evaluations and without a secret showing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import skops.io
from sklearn.linear_model import LogisticRegression

from flows.gathering.evidence import gather_evidence
from flows.gathering.runners import runner_for
from flows.gathering.suites import run_evaluation
from governance.endpoints import endpoint_digest
from governance.evaluations import Evaluation, EvaluationStatus
from governance.evidence import Case
from governance.operations import evaluations as suites
from governance.operations import registry as versions
from governance.operations.settling import Settlement
from governance.policies.completeness import Completeness
from governance.policies.evaluation import EvaluationPassed
from governance.policies.samples import sample_case, sample_evaluation
from governance.requests import RequestStatus
from governance.verdicts import Failed
from storage.composition import Platform
from tests.fixtures.model_servers import InferenceServer, serving
from tests.fixtures.registry import METADATA, RegistryUnderTest, RememberingLauncher
from tests.fixtures.small_model import dataset_csv, onnx_model

WAY = ("submit", "evaluate", "approve_staging", "deploy_staging", "approve_production", "promote_production")
SECRET = "s3cret-of-the-endpoint"


def estimator() -> LogisticRegression:
    rows = [line.split(",") for line in dataset_csv().decode().splitlines()[1:]]
    return LogisticRegression().fit([[float(x), float(y)] for x, y, _ in rows], [int(t) for _, _, t in rows])


@dataclass
class Served:
    """A registry with a model whose versions are served by `server` at `url`, which the settings allow."""

    registry: RegistryUnderTest
    server: InferenceServer
    url: str
    model_id: str

    def endpoint(self, **changes: Any) -> dict[str, Any]:
        return {**METADATA, "endpoint": {"protocol": "open_inference", "url": self.url, "model": "m", **changes}}

    def version(self, number: str, **changes: Any) -> None:
        new = versions.NewVersion(self.model_id, number, "0" * 40, None, self.endpoint(**changes))
        versions.create_version(self.registry.unit(), self.registry.call(self.registry.dev), new)

    def take(self, number: str, step: str) -> tuple[Settlement, list[Evaluation]]:
        """One transition with what a flow would gather."""
        registry = self.registry
        request = registry.open(self.model_id, number, step)
        evidence = gather_evidence(registry.platform, request)
        found: list[Evaluation] = []
        if step == "evaluate":
            with registry.unit() as uow:
                queued = uow.evaluations.of_request(request.id)
            found = [run_evaluation(registry.platform, one, evidence) for one in queued]
        if step.startswith("approve"):
            registry.approve(request, registry.grace, registry.alan, evidence=evidence)
        return registry.settle(request, evidence, evaluations=found), found

    def evaluated(self, number: str) -> Evaluation:
        _, (found,) = self.take(number, "evaluate")
        return found


@pytest.fixture
def served(registry_under_test: RegistryUnderTest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    registry = registry_under_test
    registry.at = registry.platform.system_call().at
    server = InferenceServer(estimator(), 2, token=SECRET)
    monkeypatch.setenv("TOKEN_OF_THE_ENDPOINT", SECRET)
    with serving(server.application()) as port:
        url = f"http://127.0.0.1:{port}/base"
        first = registry.platform
        settings = replace(
            registry.settings,
            model_endpoints=f"http://127.0.0.1:{port} http://127.0.0.1:1/closed",
            model_endpoint_secrets=f"{url}=env:TOKEN_OF_THE_ENDPOINT",
            model_endpoint_failures=2,
        )
        registry.platform = Platform(settings)
        registry.platform.__dict__["launcher"] = RememberingLauncher()
        try:
            model_id = registry.model()
            _add_suite(registry, model_id)
            yield Served(registry, server, url, model_id)
        finally:
            registry.platform.close()
            registry.platform = first


def _add_suite(registry: RegistryUnderTest, model_id: str) -> None:
    content = dataset_csv()
    upload = registry.platform.store.open_upload(limit=len(content))
    upload.write(content)
    blob = upload.finish()
    call = registry.call(registry.dev)
    dataset_id = suites.create_dataset(
        registry.unit(), call, name="clouds", group="lab", kind="csv", sha256=blob.sha256, size=blob.size
    )
    new = suites.NewSuite(
        model_id, "holdout", dataset_id, "binary_classification", "target", None, ["accuracy"],
        {"accuracy": {"min": 0.8}}, 0.02, None,
    )  # fmt: skip
    suites.create_suite(registry.unit(), call, new)


def test_it_reaches_production_on_what_its_endpoint_answers(served: Served) -> None:
    served.version("1.0.0")
    for step in WAY:
        settled, found = served.take("1.0.0", step)
        assert settled.status is RequestStatus.APPLIED, settled.outcome
        for one in found:
            assert one.status is EvaluationStatus.COMPLETED
            assert one.weights_sha256 is None
            assert one.endpoint_digest == endpoint_digest(served.endpoint())
            assert one.passed
    assert served.registry.state(served.model_id, "1.0.0") == "production"
    assert len(served.server.rows) == 1

    served.version("2.0.0")
    for step in WAY:
        settled, _ = served.take("2.0.0", step)
        assert settled.status is RequestStatus.APPLIED, settled.outcome
    registry = served.registry
    request = registry.open(served.model_id, "2.0.0", "rollback", by=registry.grace, reason="It answers too slowly.")
    evidence = gather_evidence(registry.platform, request)
    settled = registry.settle(request, evidence)
    assert settled.status is RequestStatus.APPLIED, settled.outcome
    assert registry.state(served.model_id, "1.0.0") == "production", "it is returned to without weights"


def test_the_secret_is_nowhere(served: Served) -> None:
    served.version("1.0.0")
    assert served.evaluated("1.0.0").passed
    served.server.token = "another"
    refused = served.evaluated("1.0.0")
    assert "status 401" in (refused.reason or "")
    registry = served.registry
    with registry.platform.engine.connect() as connection:
        tables = connection.exec_driver_sql("select tablename from pg_tables where schemaname = 'public'").fetchall()
        for (name,) in tables:
            rows = connection.exec_driver_sql(f'select t::text from "{name}" t').fetchall()
            assert not [row for row in rows if SECRET in row[0]], name
    files = [path for path in registry.settings.home.rglob("*") if path.is_file()]
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]


def test_another_endpoint_needs_another_evaluation(served: Served) -> None:
    served.version("1.0.0")
    served.take("1.0.0", "submit")
    assert served.evaluated("1.0.0").passed
    registry = served.registry
    changed = {**served.endpoint(url=f"{served.url}/elsewhere"), "note": "moved"}
    with registry.unit() as uow:
        revision = uow.versions.get(served.model_id, "1.0.0").revision
    versions.update_metadata(registry.unit(), registry.call(registry.dev), served.model_id, "1.0.0", changed, revision)
    request = registry.open(served.model_id, "1.0.0", "approve_staging")
    settled = registry.settle(request, gather_evidence(registry.platform, request))
    assert settled.status is RequestStatus.DENIED
    assert "through another endpoint" in json.dumps(settled.outcome)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"url": "https://models.example.org"}, "not among the addresses"),
        ({"url": "http://127.0.0.1:2"}, "not among the addresses"),
        ({"model": "unknown"}, "knows no such model"),
        ({"protocol": "openai"}, "takes prompts"),
    ],
)
def test_why_it_cannot_be_evaluated(served: Served, change: dict[str, Any], words: str) -> None:
    served.version("1.0.0", **change)
    failed = served.evaluated("1.0.0")
    assert failed.status is EvaluationStatus.FAILED
    assert words in (failed.reason or "")
    assert failed.endpoint_digest is None


def test_a_secret_that_is_away_is_told(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOKEN_OF_THE_ENDPOINT")
    served.version("1.0.0")
    assert "TOKEN_OF_THE_ENDPOINT there is no secret" in (served.evaluated("1.0.0").reason or "")
    assert served.server.calls == []


def test_an_endpoint_that_is_down_is_left_alone(served: Served) -> None:
    served.version("1.0.0", url="http://127.0.0.1:1/closed")
    reasons = [served.evaluated("1.0.0").reason or "" for _ in range(3)]
    assert all("closes the connection" in reason for reason in reasons[:2])
    assert "failed 2 times in a row and is left alone until" in reasons[2]
    assert "Evaluate again then" in reasons[2]
    served.version("2.0.0")
    assert served.evaluated("2.0.0").passed, "another endpoint is none of its business"


def test_weights_come_first_and_may_be_skops(served: Served) -> None:
    for number, content in (("1.0.0", onnx_model()), ("2.0.0", bytes(skops.io.dumps(estimator())))):
        served.version(number)
        served.registry.attach(served.model_id, number, content)
        found = served.evaluated(number)
        assert found.passed, found.reason
        assert found.weights_sha256 is not None
        assert found.endpoint_digest is None
    assert served.server.calls == []


def test_what_there_is_no_runner_for(served: Served) -> None:
    weights = {"id": "w", "type": "weights", "sha256": "a" * 64}
    platform = served.registry.platform
    cases: list[tuple[list[dict[str, Any]], dict[str, Any], str]] = [
        ([], {}, "exactly one weights artifact or an endpoint"),
        ([weights, weights], served.endpoint(), "the version has 2"),
        ([{**weights, "format": "safetensors"}], {}, "in ONNX or skops"),
        ([weights], {}, "in ONNX or skops"),
        ([], served.endpoint(model=""), "the model's name on the server"),
    ]
    for artifacts, metadata, words in cases:
        found = runner_for(platform, artifacts, metadata)
        assert isinstance(found, str)
        assert words in found


def test_what_was_decided_before_endpoints_is_judged_as_before() -> None:
    """Records from then have no digest of an endpoint, even where their metadata hold something of that name."""
    step = next(iter(EvaluationPassed.transitions))
    metadata = {"endpoint": {"protocol": "openai", "url": "https://h", "model": "m"}}
    old = sample_case(step, metadata=metadata, subject={"artifacts": [], "evaluations": [_without_weights()]})
    old = Case.from_json(old.to_json())
    verdict = EvaluationPassed().judge(old)
    assert isinstance(verdict, Failed)
    assert verdict.reasons == ("Suite 'holdout': evaluated with other weights than the version has now.",)
    assert "The version has neither weights nor a container." in Completeness().judge(old).reasons


def _without_weights() -> dict[str, Any]:
    return sample_evaluation(weightsSha256=None)
