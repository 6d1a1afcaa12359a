"""Models, versions, artifacts, datasets, suites, people and policies: what operations take and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from governance.errors import (
    Duplicate,
    Forbidden,
    InvalidInput,
    NotFound,
    RevisionMismatch,
    VersionFrozen,
)
from governance.lifecycle import VersionState
from governance.operations import evaluations, people, policies, registry, tokens
from governance.operations.transitions import OpenRequest, open_request
from storage.composition import new_id
from tests.fixtures.registries import shared_registry
from tests.fixtures.registry import DEVELOPER, METADATA, RegistryUnderTest
from tests.governance.operations.situations import (
    REASON,
    bring,
    events,
    in_production,
    model_with_version,
    query,
    step,
    suite,
)

__all__ = ["shared_registry"]


def test_names_are_unique_within_a_group(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    r.model(name="twin", group="lab")
    r.model(name="twin", group="data-science")
    with pytest.raises(Duplicate) as refusal:
        r.model(name="twin", group="lab")
    assert refusal.value.details == {"group": "lab", "name": "twin"}


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "../up"},
        {"group": "a b"},
        {"description": "a\x00b"},
        {"description": "x" * 10_001},
        {"risk_tier": "low"},
        {"owners": [""]},
        {"owners": ["x" * 201]},
        {"tags": ["\ud800"]},
        {"tags": [str(n) for n in range(101)]},
    ],
)
def test_models_that_are_refused(shared_registry: RegistryUnderTest, changes: dict[str, Any]) -> None:
    before = query(shared_registry, "select count(*) from models")
    with pytest.raises(InvalidInput):
        shared_registry.model(**changes)
    assert query(shared_registry, "select count(*) from models") == before


def test_labels_are_cleaned(shared_registry: RegistryUnderTest) -> None:
    model = shared_registry.model(tags=[" a", "a", "b "])
    assert query(shared_registry, "select tags from models where id = %s", model) == [(["a", "b"],)]


def test_approvers_do_not_write_and_developers_do_not_administer(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = model_with_version(r)
    by_grace, by_dana = r.call(r.grace), r.call(r.dev)
    refused: list[Callable[[], object]] = [
        lambda: registry.create_model(r.unit(), by_grace, registry.NewModel("x", "lab", "", [], "Low", [])),
        lambda: registry.create_version(r.unit(), by_grace, registry.NewVersion(model, "3.0.0", "0" * 40, None, {})),
        lambda: registry.update_metadata(r.unit(), by_grace, model, "1.0.0", {}, None),
        lambda: registry.attach_artifact(
            r.unit(), by_grace, registry.NewArtifact(model, "1.0.0", "config", "c", "x/y", "a" * 64, 1, "", None)
        ),
        lambda: registry.check_can_attach(r.unit(), by_grace, model, "1.0.0", "config", "c", "x/y", None),
        lambda: policies.change(r.unit(), by_dana, "completeness", parameters={}),
        lambda: policies.change(r.unit(), by_grace, "completeness", parameters={}),
        lambda: people.create_user(r.unit(), by_dana, people.NewUser("x", roles=["catalog_admin"])),
        lambda: people.change_access(r.unit(), by_grace, r.grace.id, people.Access(roles=["catalog_admin"])),
    ]
    recorded = len(events(r))
    for attempt in refused:
        with pytest.raises(Forbidden):
            attempt()
    assert len(events(r)) == recorded


def test_versions_differ_by_more_than_build_metadata(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = r.model()
    r.version(model, "1.0.0", weights=None)
    r.version(model, "1.0.0-rc.1", weights=None)
    for same in ("1.0.0", "1.0.0+build"):
        with pytest.raises(Duplicate):
            r.version(model, same, weights=None)
    with pytest.raises(NotFound):
        r.version(new_id(), "1.0.0", weights=None)


def test_content_changes_until_production_and_never_again(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry

    def change(model: str) -> None:
        registry.update_metadata(r.unit(), r.call(r.dev), model, "1.0.0", {**METADATA, "n": 1}, None)
        r.attach(model, "1.0.0", b"other", replace=True)
        registry.check_can_attach(r.unit(), r.call(r.dev), model, "1.0.0", "weights", "model.onnx", "x/y", None)

    for until in ("submit", "approve_staging", "deploy_staging", "approve_production"):
        model = model_with_version(r)
        bring(r, model, "1.0.0", until)
        change(model)
    model = in_production(r, "1.0.0")
    for transition, state in ((None, "production"), ("deprecate", "deprecated"), ("retire", "retired")):
        if transition:
            step(r, model, "1.0.0", transition, REASON)
        assert r.state(model, "1.0.0") is VersionState(state)
        before = query(r, "select v::text from model_versions v where model_id = %s", model)
        for attempt in (
            lambda: registry.update_metadata(r.unit(), r.call(r.dev), model, "1.0.0", {}, None),
            lambda: r.attach(model, "1.0.0", b"other", replace=True),
            lambda: r.attach(model, "1.0.0", b"other"),
            lambda: registry.check_can_attach(r.unit(), r.call(r.dev), model, "1.0.0", "weights", "w", "x/y", None),
        ):
            with pytest.raises(VersionFrozen):
                attempt()
        assert query(r, "select v::text from model_versions v where model_id = %s", model) == before


def test_every_change_is_a_revision(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = r.model()
    version = r.version(model, weights=None)

    def revision() -> int:
        return int(query(r, "select revision from model_versions where id = %s", version)[0][0])

    assert revision() == 1
    r.attach(model, "1.0.0", b"w")
    assert revision() == 2
    changed = registry.update_metadata(r.unit(), r.call(r.dev), model, "1.0.0", METADATA, 2)
    assert changed.revision == revision() == 3
    with pytest.raises(RevisionMismatch) as refusal:
        registry.update_metadata(r.unit(), r.call(r.dev), model, "1.0.0", {}, 2)
    assert refusal.value.details == {"expected": 2, "current": 3}
    r.settle(r.open(model, "1.0.0", "submit"))
    assert revision() == 4


def test_an_artifact_is_replaced_only_when_asked_for(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = r.model()
    version = r.version(model)
    with pytest.raises(Duplicate):
        r.attach(model, "1.0.0", b"other")
    r.attach(model, "1.0.0", b"other", replace=True)
    replaced = [event for event in events(r, version) if event.action == "artifact:replaced"]
    assert len(replaced) == 1
    assert replaced[0].before["sha256"] != replaced[0].after["sha256"]
    assert replaced[0].digest == f"sha256:{replaced[0].after['sha256']}"


def new_artifact(model: str, **changes: Any) -> registry.NewArtifact:
    values: dict[str, Any] = {
        "model_id": model,
        "version": "1.0.0",
        "type": "config",
        "name": "c.json",
        "media_type": "application/json",
        "sha256": "a" * 64,
        "size": 1,
        "uri": "",
        "license": None,
    }
    return registry.NewArtifact(**{**values, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "malware"},
        {"name": "../../etc/passwd"},
        {"sha256": "a" * 63},
        {"sha256": "A" * 64},
        {"media_type": "x" * 201},
        {"license": "MIT\x00"},
        {"type": "container", "uri": "registry/name:latest"},
        {"type": "container", "uri": ""},
    ],
)
def test_artifacts_that_are_refused(shared_registry: RegistryUnderTest, changes: dict[str, Any]) -> None:
    r = shared_registry
    model = r.model()
    version = r.version(model, weights=None)
    with pytest.raises(InvalidInput):
        registry.attach_artifact(r.unit(), r.call(r.dev), new_artifact(model, **changes))
    assert query(r, "select revision from model_versions where id = %s", version) == [(1,)]


def test_a_container_is_recorded_by_the_digest_in_its_name(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = r.model()
    version = r.version(model, weights=None)
    uri = f"registry.example.org/team/credit@sha256:{'b' * 64}"
    registry.attach_artifact(r.unit(), r.call(r.dev), new_artifact(model, type="container", uri=uri, sha256="", size=0))
    assert query(r, "select uri, sha256, size from artifacts where version_id = %s", version) == [(uri, "b" * 64, 0)]


@pytest.mark.parametrize(
    "changes",
    [
        {"task_type": "magic"},
        {"metrics": []},
        {"metrics": ["accuracy", "r2"]},
        {"thresholds": {}},
        {"thresholds": {"recall": {"min": 0.5}}},
        {"thresholds": {"accuracy": {}}},
        {"thresholds": {"accuracy": {"least": 0.5}}},
        {"thresholds": {"accuracy": {"min": float("nan")}}},
        {"thresholds": {"accuracy": {"min": 0.9, "max": 0.1}}},
        {"margin": 0.0},
        {"margin": 1.1},
        {"margin": float("nan")},
        {"name": "a/b"},
        {"target": "a\x00"},
        {"features": ["a\x00"]},
        {"positive_label": "x" * 201},
    ],
)
def test_suites_that_are_refused(shared_registry: RegistryUnderTest, changes: dict[str, Any]) -> None:
    r = shared_registry
    model = r.model()
    suite(r, model)
    dataset = query(r, "select dataset_id::text from evaluation_suites where model_id = %s", model)[0][0]
    values: dict[str, Any] = {
        "model_id": model,
        "name": "another",
        "dataset_id": dataset,
        "task_type": "binary_classification",
        "target": "y",
        "features": None,
        "metrics": ["accuracy"],
        "thresholds": {"accuracy": {"min": 0.9}},
        "margin": 0.02,
        "positive_label": None,
    }
    with pytest.raises(InvalidInput):
        evaluations.create_suite(r.unit(), r.call(r.dev), evaluations.NewSuite(**{**values, **changes}))
    for missing in ({"model_id": new_id()}, {"dataset_id": new_id()}):
        with pytest.raises(NotFound):
            evaluations.create_suite(r.unit(), r.call(r.dev), evaluations.NewSuite(**{**values, **missing}))
    with pytest.raises(Duplicate):
        evaluations.create_suite(r.unit(), r.call(r.dev), evaluations.NewSuite(**{**values, "name": "holdout"}))
    assert query(r, "select count(*) from evaluation_suites where model_id = %s", model) == [(1,)]


def test_an_evaluation_names_suites_of_its_model(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model, other = model_with_version(r), model_with_version(r)
    bare = r.model()
    r.version(bare)
    own, foreign = (
        query(r, "select id::text from evaluation_suites where model_id = %s", each)[0][0] for each in (model, other)
    )

    def ask(model: str, *suites: str) -> str:
        return open_request(r.unit(), r.call(r.dev), OpenRequest(model, "1.0.0", "evaluate", "", suites)).id

    for wrong in ((foreign,), (own, foreign), (new_id(),)):
        with pytest.raises(InvalidInput):
            ask(model, *wrong)
    with pytest.raises(InvalidInput, match="no evaluation suite"):
        ask(bare)
    twice = ask(model, own, own)
    assert query(r, "select count(*) from evaluations where request_id = %s", twice) == [(1,)]


# --- people -----------------------------------------------------------------------------------------------


def test_users_that_are_refused(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    for changes in (
        {"name": "a b"},
        {"roles": ["superuser"]},
        {"permissions": ["everything"]},
        {"kind": "robot"},
        {"kind": "service"},
        {"owner": "dana"},
        {"kind": "service", "owner": "nobody-there"},
        {"groups": ["no-such-group"]},
        {"attributes": {"clearanceLevel": -1}},
        {"groups": ["a/b"]},
        {"groups": [f"g{n}" for n in range(51)]},
    ):
        values: dict[str, Any] = {"name": "fresh", "roles": ["viewer"], "groups": [], "password_hash": None, **changes}
        with pytest.raises(InvalidInput):
            people.create_user(r.unit(), r.call(r.admin), people.NewUser(**values))
    with pytest.raises(Duplicate):
        r.person("grace", DEVELOPER)


def test_administrators_cannot_lock_themselves_out(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    for loss in ({"roles": ["viewer"]}, {"roles": [], "active": True}, {"active": False}):
        with pytest.raises(InvalidInput):
            r.change(r.admin.id, **loss)
    with pytest.raises(NotFound):
        r.change(new_id(), roles=["viewer"], active=True)


def test_a_token_is_revoked_by_its_owner_once(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    _, token = r.token(r.dev)
    with pytest.raises(NotFound):
        tokens.revoke_token(r.unit(), r.call(r.grace), token)
    tokens.revoke_token(r.unit(), r.call(r.dev), token)
    with pytest.raises(NotFound):
        tokens.revoke_token(r.unit(), r.call(r.dev), token)


# --- policies ---------------------------------------------------------------------------------------------


def test_two_people_make_a_new_version_that_is_in_force_at_once(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry

    def active(name: str) -> tuple[int, dict[str, Any]]:
        with r.unit() as uow:
            found = next(a for a in uow.policies.active() if a.policy.name == name)
            return found.version, found.policy.parameters()

    version, parameters = active("evaluation")
    published = r.publish("evaluation", {"maximum_age_days": 7})
    assert published == version + 1
    assert active("evaluation") == (published, {"maximum_age_days": 7})
    back = r.publish("evaluation", parameters)
    assert active("evaluation") == (back, parameters)
    kept = query(r, "select count(*) from policies where name = 'evaluation'")
    assert kept == [(back,)], "earlier versions are kept, since verdicts name them"


def test_policies_that_are_refused(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    with pytest.raises(NotFound):
        policies.change(r.unit(), r.call(r.admin), "laxness", parameters={})
    for parameters in ({"unknown": 1}, {"minimum_description": "long"}):
        with pytest.raises(InvalidInput):
            policies.change(r.unit(), r.call(r.admin), "completeness", parameters=parameters)
