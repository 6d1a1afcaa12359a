"""Decisions are judged again to the byte, and a draft is held against all of them."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg_pool import AsyncConnectionPool

from governance.access.principal import Principal
from governance.canonical import canonical_bytes
from governance.errors import Conflict, NotFound
from governance.operations import policies
from governance.policies import ActivePolicy
from governance.policy_definitions import draft_of
from governance.requests import RequestStatus
from governance.time_machine import Draft
from storage.queries import decisions
from tests.fixtures.loops import run_async
from tests.fixtures.policies import policy
from tests.fixtures.registries import shared_registry
from tests.fixtures.registry import APPROVER, RegistryUnderTest
from tests.governance.operations.situations import (
    bring,
    evidence_of,
    in_production,
    model_with_version,
    query,
    results,
    step,
)

__all__ = ["shared_registry"]


def run(r: RegistryUnderTest, make: Any) -> Any:
    """What an asynchronous query answers, on a pool of its own."""

    async def answer() -> Any:
        pool = AsyncConnectionPool(r.settings.database_url, min_size=1, max_size=2, open=False)
        async with pool:
            return await make(pool)

    return run_async(answer())


def impact(r: RegistryUnderTest, draft: Draft, by: Principal | None = None) -> dict[str, Any]:
    found: dict[str, Any] = run(r, lambda pool: decisions.impact(pool, by, draft, r.at))
    return found


def draft(name: str, before: ActivePolicy | None = None, **changes: Any) -> Draft:
    return Draft(name, ActivePolicy(draft_of(policy(name, **changes)), 9), before)


def evaluated(r: RegistryUnderTest, accuracy: float, **options: Any) -> str:
    """The id of a model whose version was evaluated so and then asked to staging."""
    model = model_with_version(r, **options)
    step(r, model, "1.0.0", "submit")
    request = r.open(model, "1.0.0", "evaluate")
    r.settle(request, evidence_of(r, request), evaluations=results(r, request, accuracy=accuracy))
    asked = r.open(model, "1.0.0", "approve_staging")
    if accuracy >= 0.9:
        r.approve(asked, r.grace)
    r.settle(asked)
    return model


def test_decisions_are_judged_again_to_the_byte_after_everything_changed(
    registry_under_test: RegistryUnderTest,
) -> None:
    r = registry_under_test
    r.write_policy(policy("bar", least=0.5))
    model = in_production(r, "1.0.0", "2.0.0")
    evaluated(r, 0.6)
    r.confirm(str(policies.change(r.unit(), r.call(r.admin), "bar", definition=policy("bar", least=0.99)).change_id))
    r.publish("evaluation", {"maximum_age_days": 1.0})
    r.change(r.grace.id, roles=[], active=False)
    r.later(days=900)
    query(r, "update models set risk_tier = 'High', description = ''")
    assert r.check_replays() >= 14
    newest = query(r, "select id::text, verdicts from transition_requests where model_id = %s order by id desc", model)
    for request_id, verdicts in newest:
        past, again = run(r, lambda pool, one=request_id: decisions.replayed(pool, r.alan, one))
        assert past.applied
        assert (again.same, again.decision, again.difference) == (True, "allowed", ())
        assert canonical_bytes(list(again.verdicts)) == canonical_bytes(verdicts)
        assert again.digest == again.recorded_digest


def test_a_record_that_was_touched_does_not_replay(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    r.replays = False
    model = model_with_version(r)
    request = step(r, model, "1.0.0", "submit")
    query(r, "alter table transition_requests disable trigger user")
    query(
        r,
        """update transition_requests set evidence = jsonb_set(evidence, '{subject,model,owners}', '[]')
           where id = %s""",
        request.id,
    )
    _, again = run(r, lambda pool: decisions.replayed(pool, r.alan, request.id))
    assert not again.same
    assert again.decision == "denied"
    assert any(line["path"].startswith("[1].") or "outcome" in line["path"] for line in again.difference)


def test_what_is_not_settled_or_not_seen_is_not_replayed(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = model_with_version(r)
    request = r.open(model, "1.0.0", "submit")
    with pytest.raises(Conflict):
        run(r, lambda pool: decisions.replayed(pool, r.dev, request.id))
    r.settle(request)
    outsider = r.person("olga", tuple(r.dev.roles), "elsewhere")
    for who, which in ((outsider, request.id), (r.dev, r.dev.id), (r.dev, "x")):
        with pytest.raises(NotFound):
            run(r, lambda pool, who=who, which=which: decisions.replayed(pool, who, which))


def test_raising_a_threshold_flips_exactly_those_below_it(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    models = {accuracy: evaluated(r, accuracy) for accuracy in (0.91, 0.93, 0.95, 0.97, 0.6)}
    found = impact(r, draft("bar", least=0.95, scope={"transitions": ["approve_staging"]}))
    flips = found["decisions"]["flips"]
    assert {flip["modelId"] for flip in flips} == {models[0.91], models[0.93]}
    assert all((flip["was"], flip["wouldBe"], flip["outcome"]) == ("allowed", "denied", "failed") for flip in flips)
    assert "accuracy is 0.91" in " ".join(reason for flip in flips for reason in flip["reasons"])
    assert (found["decisions"]["looked"], found["decisions"]["denied"], found["decisions"]["allowed"]) == (5, 2, 0)
    assert found["decisions"]["complete"] is True
    nothing = impact(r, draft("bar", least=0.9, scope={"transitions": ["approve_staging"]}))
    assert nothing["decisions"]["flips"] == []


def test_lowering_one_flips_back_what_only_it_denied(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    scope = {"transitions": ["approve_staging"]}
    r.write_policy(policy("bar", least=0.95, scope=scope))
    evaluated(r, 0.6)  # the thresholds of its suite deny it, too
    model = model_with_version(r)
    step(r, model, "1.0.0", "submit")
    request = r.open(model, "1.0.0", "evaluate")
    r.settle(request, evidence_of(r, request), evaluations=results(r, request, accuracy=0.92))
    asked = r.open(model, "1.0.0", "approve_staging")
    assert r.settle(asked).status is RequestStatus.DENIED
    with r.unit() as uow:
        before = next(one for one in uow.policies.active() if one.policy.name == "bar")
    lower = impact(r, draft("bar", before, least=0.9, scope=scope))
    assert [flip["requestId"] for flip in lower["decisions"]["flips"]] == [], "nobody had approved it then"
    gone = impact(r, Draft("bar", None, before))
    assert gone["decisions"]["flips"] == []
    soft = impact(r, draft("bar", before, least=0.99, enforcement="advisory", scope=scope))
    assert soft["decisions"]["flips"] == []


def test_a_draft_that_only_denied_what_needs_no_people_flips_it_back(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    rules = [{"id": "tagged", "expression": "'reviewed' in model.tags", "message": "Not reviewed."}]
    samples = {"allowed": [{"evidence": {"model": {"tags": ["reviewed"]}}}], "denied": [{}]}
    strict: dict[str, Any] = {"rules": rules, "samples": samples, "scope": {"transitions": ["submit"]}}
    r.write_policy(policy("tagged", **strict))
    model = model_with_version(r)
    request = r.open(model, "1.0.0", "submit")
    assert r.settle(request).status is RequestStatus.DENIED
    with r.unit() as uow:
        before = next(one for one in uow.policies.active() if one.policy.name == "tagged")
    for after in (None, draft("tagged", **{**strict, "enforcement": "advisory"}).after):
        found = impact(r, Draft("tagged", after, before))["decisions"]
        assert [(flip["requestId"], flip["was"], flip["wouldBe"]) for flip in found["flips"]] == [
            (request.id, "denied", "allowed")
        ]


def test_versions_that_would_fall_out_and_only_those_one_may_see(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    model = in_production(r, "1.0.0")
    bring(r, other := model_with_version(r), "1.0.0", "deploy_staging")
    found = impact(r, draft("bar", least=0.99))["versions"]
    assert {(one["modelId"], one["state"]) for one in found["fallOut"]} == {(model, "production"), (other, "staging")}
    assert (found["production"], found["staging"]) == (1, 1)
    assert impact(r, draft("bar", least=0.5))["versions"]["fallOut"] == []
    outsider = r.person("olga", tuple(r.dev.roles), "elsewhere")
    blind = impact(r, draft("bar", least=0.99), outsider)
    assert (blind["decisions"]["looked"], blind["versions"]["looked"]) == (0, 0)
    approver = r.person("ophelia", APPROVER, "elsewhere")  # decides across groups
    assert len(impact(r, draft("bar", least=0.99), approver)["versions"]["fallOut"]) == 2


def test_what_falls_out_is_judged_as_of_today(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    in_production(r, "1.0.0")
    fresh = [{"id": "fresh", "expression": "evaluation.ageDays < 10.0", "message": "Too old."}]
    old = {"evidence": {"evaluations": [{"executedAt": "2025-01-01T00:00:00Z"}]}}
    young = draft("fresh", rules=fresh, samples={"allowed": [{}], "denied": [old]})
    assert impact(r, young)["versions"]["production"] == 0
    r.later(days=11)
    found = impact(r, young)
    assert (found["versions"]["production"], found["decisions"]["flips"]) == (1, [])
