"""No change without its entry, and no entry without its change: both are one transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from governance.errors import Conflict, DependencyUnavailable
from governance.operations import (
    data_validation,
    evaluations,
    inspections,
    launching,
    policies,
    registry,
    settling,
    tokens,
)
from governance.operations.transitions import decide, withdraw
from storage.composition import new_id
from tests.fixtures.registries import shared_registry
from tests.fixtures.registry import APPROVER, DEVELOPER, METADATA, RegistryUnderTest
from tests.governance.operations.situations import (
    REASON,
    bring,
    carry_out,
    events,
    evidence_of,
    in_production,
    model_with_version,
    parked,
    query,
    results,
    suite,
)

__all__ = ["shared_registry"]

Act = Callable[[], object]
EXPECTED = {"type": "expect_column_to_exist", "kwargs": {"column": "x"}}


def contents(r: RegistryUnderTest) -> dict[str, Any]:
    """A digest of every table but the audit log's."""
    names = query(
        r,
        """select tablename from pg_tables where schemaname = 'public'
           and tablename not like 'audit%%' and tablename <> 'alembic_version'""",
    )
    return {
        name: query(r, f"select count(*), md5(string_agg(t::text, ';' order by t::text)) from {name} t")
        for (name,) in names
    }


def create_model(r: RegistryUnderTest) -> Act:
    return r.model


def create_version(r: RegistryUnderTest) -> Act:
    return partial(r.version, r.model(), weights=None)


def attach(r: RegistryUnderTest) -> Act:
    model = r.model()
    r.version(model, weights=None)
    return partial(r.attach, model, "1.0.0", b"w")


def replace_artifact(r: RegistryUnderTest) -> Act:
    model = r.model()
    r.version(model)
    return partial(r.attach, model, "1.0.0", b"other", replace=True)


def update_metadata(r: RegistryUnderTest) -> Act:
    model = r.model()
    r.version(model, weights=None)
    return lambda: registry.update_metadata(r.unit(), r.call(r.dev), model, "1.0.0", {**METADATA, "n": 1}, None)


def create_dataset(r: RegistryUnderTest) -> Act:
    return lambda: evaluations.create_dataset(
        r.unit(), r.call(r.dev), name=new_id(), group="lab", kind="csv", sha256="a" * 64, size=1
    )


def create_suite(r: RegistryUnderTest) -> Act:
    model = r.model()
    suite(r, model)
    (dataset,) = query(r, "select id::text from datasets")[0]
    new = evaluations.NewSuite(
        model, "other", dataset, "regression", "y", None, ["r2"], {"r2": {"min": 0.5}}, 0.1, None
    )
    return lambda: evaluations.create_suite(r.unit(), r.call(r.dev), new)


def _expected(r: RegistryUnderTest) -> str:
    """The id of a dataset of which something is expected."""
    suite(r, r.model())
    dataset = str(query(r, "select id from datasets order by id desc limit 1")[0][0])
    data_validation.create_expectations(r.unit(), r.call(r.dev), dataset, [EXPECTED])
    return dataset


def create_expectations(r: RegistryUnderTest) -> Act:
    dataset = _expected(r)
    return lambda: data_validation.create_expectations(r.unit(), r.call(r.dev), dataset, [EXPECTED])


def request_validation(r: RegistryUnderTest) -> Act:
    dataset = _expected(r)
    return lambda: data_validation.request_validation(r.unit(), r.call(r.dev), dataset)


def keep_validation(r: RegistryUnderTest) -> Act:
    asked = data_validation.request_validation(r.unit(), r.call(r.dev), _expected(r))
    found = replace(asked, status="passed", executed_at=r.at)
    return lambda: data_validation.keep_validation(r.unit(), r.call(None), found, asked=True)


def request_profile(r: RegistryUnderTest) -> Act:
    dataset = _expected(r)
    return lambda: data_validation.request_profile(r.unit(), r.call(r.dev), dataset)


def keep_profile(r: RegistryUnderTest) -> Act:
    asked = data_validation.request_profile(r.unit(), r.call(r.dev), _expected(r))
    done = replace(asked, status="done")
    return lambda: data_validation.keep_profile(r.unit(), r.call(None), done)


def create_user(r: RegistryUnderTest) -> Act:
    return lambda: r.person(new_id(), DEVELOPER, "risk")


def change_access(r: RegistryUnderTest) -> Act:
    person = r.person(new_id(), APPROVER, "risk")
    return lambda: r.change(person.id, roles=["viewer"], in_groups=["risk", "clinical"], active=False)


def issue_token(r: RegistryUnderTest) -> Act:
    return lambda: r.token(r.dev)


def revoke_token(r: RegistryUnderTest) -> Act:
    _, token = r.token(r.dev)
    return lambda: tokens.revoke_token(r.unit(), r.call(r.dev), token)


def propose_policy(r: RegistryUnderTest) -> Act:
    parameters = {"minimum_description": 5}
    return lambda: policies.change(r.unit(), r.call(r.admin), "completeness", parameters=parameters)


def draft_policy(r: RegistryUnderTest) -> Act:
    parameters = {"maximum_age_days": 5}
    return lambda: policies.change(r.unit(), r.call(r.admin), "evaluation", parameters=parameters, draft=True)


def approve_policy(r: RegistryUnderTest) -> Act:
    made = policies.change(r.unit(), r.call(r.admin), "reason-given", parameters={"minimum_characters": 5})
    return lambda: r.confirm(str(made.change_id))


def reject_policy(r: RegistryUnderTest) -> Act:
    made = policies.change(r.unit(), r.call(r.admin), "no-worse-than-incumbent", parameters={"alpha": 0.01})
    with r.unit() as uow:
        digest = uow.policies.change(str(made.change_id)).digest
    return lambda: policies.decide(
        r.unit(), r.call(r.grace), str(made.change_id), decision="reject", digest=digest, comment="No."
    )


def record_inspection(r: RegistryUnderTest) -> Act:
    found = {"format": "onnx", "safe": True, "reason": "valid"}
    return lambda: inspections.record_inspection(r.unit(), r.call(None), "b" * 64, found)


def open_request(r: RegistryUnderTest) -> Act:
    return partial(r.open, model_with_version(r), "1.0.0", "submit")


def open_evaluation(r: RegistryUnderTest) -> Act:
    return partial(r.open, model_with_version(r), "1.0.0", "evaluate")


def begin(r: RegistryUnderTest) -> Act:
    request = r.open(model_with_version(r), "1.0.0", "evaluate")
    return lambda: settling.begin(r.unit(), r.call(None), request.id, new_id())


def park(r: RegistryUnderTest) -> Act:
    model = model_with_version(r)
    bring(r, model, "1.0.0", "evaluate")
    request = r.open(model, "1.0.0", "approve_staging")
    return partial(r.approve, request)


def approve(r: RegistryUnderTest) -> Act:
    request = parked(r)
    digest = evidence_of(r, request).digest
    return lambda: decide(r.unit(), r.call(r.grace), request.id, decision="approve", comment="", evidence_digest=digest)


def reject(r: RegistryUnderTest) -> Act:
    request = parked(r)
    digest = evidence_of(r, request).digest
    return lambda: decide(
        r.unit(), r.call(r.grace), request.id, decision="reject", comment="no", evidence_digest=digest
    )


def take_back(r: RegistryUnderTest) -> Act:
    request = r.open(model_with_version(r), "1.0.0", "evaluate")
    return lambda: withdraw(r.unit(), r.call(r.dev), request.id, "")


def relaunch(r: RegistryUnderTest) -> Act:
    request = r.open(model_with_version(r), "1.0.0", "submit")
    return lambda: launching.relaunch(r.unit, r.launcher, r.call(r.dev), request.id, "asked for")


def apply_submission(r: RegistryUnderTest) -> Act:
    request = r.open(model_with_version(r), "1.0.0", "submit")
    return partial(carry_out, r, request)


def store_results(r: RegistryUnderTest) -> Act:
    request = r.open(model_with_version(r), "1.0.0", "evaluate")
    return lambda: r.settle(request, evaluations=results(r, request))


def deny(r: RegistryUnderTest) -> Act:
    model = r.model(owners=[])
    r.version(model)
    return partial(r.settle, r.open(model, "1.0.0", "submit"))


def deploy_staging(r: RegistryUnderTest) -> Act:
    model = model_with_version(r)
    bring(r, model, "1.0.0", "approve_staging")
    return partial(carry_out, r, r.open(model, "1.0.0", "deploy_staging"))


def displace(r: RegistryUnderTest) -> Act:
    model = in_production(r, "1.0.0")
    r.version(model, "2.0.0", weights=b"second")
    bring(r, model, "2.0.0", "approve_production")
    return partial(carry_out, r, r.open(model, "2.0.0", "promote_production"))


def roll_back(r: RegistryUnderTest) -> Act:
    model = in_production(r, "1.0.0", "2.0.0")
    return partial(carry_out, r, r.open(model, "2.0.0", "rollback", by=r.grace, reason=REASON))


def deprecate(r: RegistryUnderTest) -> Act:
    model = in_production(r, "1.0.0")
    return partial(carry_out, r, r.open(model, "1.0.0", "deprecate", by=r.grace, reason=REASON))


MOVED, APPLIED = "version:state:changed", "request:applied"
CASES: dict[Callable[[RegistryUnderTest], Act], list[str]] = {
    create_model: ["model:created"],
    create_version: ["version:created"],
    attach: ["artifact:attached"],
    replace_artifact: ["artifact:replaced"],
    update_metadata: ["version:metadata:changed"],
    create_dataset: ["dataset:created"],
    create_suite: ["suite:created"],
    create_expectations: ["dataset:expectations:created"],
    request_validation: ["dataset:validation:requested"],
    keep_validation: ["dataset:validated"],
    request_profile: ["dataset:profile:requested"],
    keep_profile: ["dataset:profiled"],
    create_user: ["user:created"],
    change_access: ["user:access:changed"],
    issue_token: ["token:issued"],
    revoke_token: ["token:revoked"],
    propose_policy: ["policy:change:proposed"],
    draft_policy: ["policy:drafted"],
    approve_policy: ["policy:change:approved"],
    reject_policy: ["policy:change:rejected"],
    record_inspection: ["content:inspected"],
    open_request: ["request:opened"],
    open_evaluation: ["request:opened"],
    begin: ["request:judging"],
    park: ["request:evidence:frozen"],
    approve: ["request:approved"],
    reject: ["request:rejected"],
    take_back: ["request:withdrawn"],
    relaunch: ["request:relaunched"],
    apply_submission: [MOVED, APPLIED],
    store_results: [APPLIED],
    deny: ["request:denied"],
    deploy_staging: [MOVED, "traffic:changed", APPLIED],
    displace: [MOVED, MOVED, "traffic:changed", "traffic:changed", "baseline:pinned", APPLIED],
    roll_back: [MOVED, MOVED, "traffic:changed", "baseline:pinned", "finding:opened", APPLIED],
    deprecate: [MOVED, "traffic:changed", APPLIED],
}


@pytest.mark.parametrize("prepare", CASES, ids=lambda case: case.__name__)
def test_without_its_entries_nothing_is_committed(
    shared_registry: RegistryUnderTest, prepare: Callable[[RegistryUnderTest], Act]
) -> None:
    """The audit log cannot be written: the operation fails as a whole. Then it can: exactly these entries appear."""
    r = shared_registry
    act = prepare(r)
    before, recorded = contents(r), len(events(r))
    query(r, "alter table audit_outbox rename to audit_outbox_elsewhere")
    with pytest.raises(DependencyUnavailable, match="audit log"):
        act()
    assert contents(r) == before
    query(r, "alter table audit_outbox_elsewhere rename to audit_outbox")
    act()
    assert contents(r) != before
    new = events(r)[recorded:]
    assert [event.action for event in new] == CASES[prepare]
    assert all(event.at == r.at for event in new)


def transactions_of(r: RegistryUnderTest, kind: str, identifier: str) -> set[Any]:
    """The ids of the transactions that wrote the newest entries about a subject."""
    return {
        xmin
        for (xmin,) in query(
            r,
            """select xmin::text from audit_outbox where entry::json -> 'subject' ->> 'kind' = %s
               and entry::json -> 'subject' ->> 'id' = %s order by id desc limit 1""",
            kind,
            identifier,
        )
    }


def test_every_move_is_written_by_the_transaction_of_its_entry(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = in_production(r, "1.0.0", "2.0.0")
    roll = r.open(model, "2.0.0", "rollback", by=r.grace, reason=REASON)
    carry_out(r, roll)
    rows = query(r, "select id::text, xmin::text from model_versions where model_id = %s", model)
    assert len(rows) == 2
    for version, written_by in rows:
        assert transactions_of(r, "version", version) == {written_by}
    (settled_by,) = query(r, "select xmin::text from transition_requests where id = %s", roll.id)[0]
    assert transactions_of(r, "request", roll.id) == {settled_by}
    assert len({written_by for _, written_by in rows} | {settled_by}) == 1, "all of it was one transaction"


def test_each_state_that_a_version_has_had_is_entered_once(shared_registry: RegistryUnderTest) -> None:
    """Before and after of the entries form one chain from draft to the present state, by revision too."""
    r = shared_registry
    model = in_production(r, "1.0.0", "2.0.0")
    carry_out(r, r.open(model, "2.0.0", "rollback", by=r.grace, reason=REASON))
    for version, state, revision in query(
        r, "select id::text, state, revision from model_versions where model_id = %s", model
    ):
        moves = [event for event in events(r, version) if event.action == MOVED]
        assert moves[0].before["state"] == "draft"
        assert [m.after["state"] for m in moves[:-1]] == [m.before["state"] for m in moves[1:]]
        assert (moves[-1].after["state"], moves[-1].after["revision"]) == (state, revision)
        assert all(m.after["revision"] == m.before["revision"] + 1 for m in moves)
        assert all(m.digest and m.digest.startswith("sha256:") for m in moves)


def test_entries_say_who_did_it_and_by_which_call(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request = parked(r)
    digest = evidence_of(r, request).digest
    decide(r.unit(), r.call(r.grace), request.id, decision="approve", comment="fine", evidence_digest=digest)
    carry_out(r, request)
    by = {event.action: event.actor for event in events(r, request.id)}
    assert (by["request:opened"].kind, by["request:opened"].name) == ("user", "dana")
    assert (by["request:approved"].kind, by["request:approved"].id) == ("user", r.grace.id)
    assert by["request:applied"].kind == "system"
    approved = next(event for event in events(r, request.id) if event.action == "request:approved")
    assert approved.digest == digest
    assert approved.request_id == "test"
    applied = next(event for event in events(r, request.id) if event.action == "request:applied")
    assert {verdict["policy"] for verdict in applied.details["verdicts"]} >= {"approvals", "evaluation"}


def test_what_changes_nothing_leaves_no_entry(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    r.publish("safe-weight-format", {"formats": ["onnx"]})
    found = {"format": "onnx", "safe": True, "reason": "valid"}
    inspections.record_inspection(r.unit(), r.call(None), "a" * 64, found)
    before = len(events(r))
    with pytest.raises(Conflict):
        policies.change(r.unit(), r.call(r.admin), "safe-weight-format", parameters={"formats": ["onnx"]})
    inspections.record_inspection(r.unit(), r.call(None), "a" * 64, {**found, "safe": False})
    assert query(r, "select safe from content_inspections where sha256 = %s", "a" * 64) == [(True,)]
    assert len(events(r)) == before
