"""A registry with one model in every relation to everybody, and for every route a call that is valid.

What keeps a call from happening is then its authorization and nothing else.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import httpx

from governance.access.principal import Principal
from governance.access.roles import Role
from governance.operations import (
    data_validation,
    delegations,
    evaluations,
    groups,
    history,
    people,
    policies,
    policy_trials,
)
from governance.operations.evaluations import NewSuite
from governance.operations.freezes import NewFreeze, declare_freeze
from storage.audit_log.running import sequencer_of
from storage.composition import new_id
from tests.api.access.expected import ROLES, Asset, Person, Row
from tests.api.served import ServedApi
from tests.fixtures import validation
from tests.fixtures.policies import POLICY
from tests.fixtures.registry import METADATA
from tests.governance.operations.situations import query, step

GIVEN = ("model:*", "dataset:*", "deployment:create", "provenance:read")
GIVING = "-giving"
MANY = {"pageSize": "200"}
EXPECTED = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "x"}}
PASSWORD = "correct horse battery staple"

# Who is asked about: roles, and what else they are.
SUBJECTS = (*ROLES, "nobody", "group-given", "service of a developer", "service of an administrator")
RELATIONS: dict[str, frozenset[str]] = {
    "owner": frozenset({"owners"}),
    "allowed": frozenset({"readers"}),
    "other": frozenset({"others"}),
    "none": frozenset(),
    "restricted": frozenset({"owners", "closed"}),
    "public": frozenset({"others"}),  # somebody else's, open to all
    "public, none": frozenset(),
}


@dataclass(frozen=True, slots=True)
class Objects:
    """Ids of everything that belongs to one model. `parked` waits for people, `settled` has its outcome."""

    asset: Asset
    name: str
    model: str
    dataset: str
    suite: str
    artifact: str
    evaluation: str
    parked: str
    settled: str
    trial: str
    entry: str
    finding: str
    profile: str
    validation: str
    night: str
    run: str


@dataclass(frozen=True, slots=True)
class Ask:
    path: str
    params: dict[str, str] = field(default_factory=dict)
    json: Any = None
    content: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)


def rule(public: bool) -> dict[str, Any]:
    return {
        "accessLevel": "public" if public else "internal",
        "ownerGroups": [f"owners{GIVING}"],
        "allowedGroups": ["readers", f"readers{GIVING}"],
        "restrictedGroups": ["closed"],
    }


def person_of(subject: str, relation: str) -> Person:
    """The subject as the expectation sees it."""
    in_groups = RELATIONS[relation]
    if subject == "nobody":
        return Person((), in_groups)
    if subject == "group-given":
        return Person((), frozenset(name + GIVING * (name != "closed") for name in in_groups), giving=GIVEN)
    if subject == "service of a developer":
        return Person(("data_scientist", "ml_engineer"), in_groups, service=True)
    if subject == "service of an administrator":
        return Person(("catalog_admin", "approver"), in_groups, service=True)
    return Person((subject,), in_groups)


def _trial(o: Objects, transition: str) -> dict[str, str]:
    return {"modelId": o.model, "version": "2.0.0", "transition": transition}


class World:
    def __init__(self, api: ServedApi) -> None:
        self.api = api
        self.registry = r = api.registry
        self._numbers = itertools.count(1)
        r.groups("owners", "readers", "others", "closed")
        for name in ("owners", "readers", "others"):
            new = groups.NewGroup(name + GIVING, permissions=GIVEN)
            groups.create_group(r.unit(), r.call(None), new)
        self.group = str(query(r, "select id from groups where name = 'owners'")[0][0])
        self.stranger = r.person("stranger", (), "others")
        self.delegation = self._delegation()
        self.objects = {False: self._objects(public=False), True: self._objects(public=True)}
        made = policies.change(r.unit(), r.call(r.admin), "completeness", parameters={"minimum_description": 5})
        self.change = str(made.change_id)
        sequencer_of(r.platform).drain()  # evidence is given out when its entries are signed
        self._clients: dict[tuple[str, str], httpx.Client] = {}
        self._ids: dict[tuple[str, str], str] = {}

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def objects_for(self, relation: str) -> Objects:
        return self.objects[relation.startswith("public")]

    def _objects(self, *, public: bool) -> Objects:
        r = self.registry
        name = f"model-{'public' if public else 'internal'}"
        model = r.model(name=name, group="owners", access=rule(public))
        dataset = evaluations.create_dataset(
            r.unit(), r.call(r.dev), name=name, group="owners", kind="csv", sha256="d" * 64, size=9, access=rule(public)
        )
        suite = evaluations.create_suite(r.unit(), r.call(r.dev), self._suite(model, dataset, "first"))
        r.version(model, "1.0.0")
        settled = step(r, model, "1.0.0", "submit")
        step(r, model, "1.0.0", "evaluate")
        parked = r.open(model, "1.0.0", "approve_staging")
        r.approve(parked)
        draft = r.version(model, "2.0.0", weights=None)
        artifact = r.attach(model, "2.0.0", b"weights")
        evaluation = str(query(r, "select id from evaluations where suite_id = %s", suite)[0][0])
        finding = new_id()
        query(
            r,
            """insert into findings (id, model_id, version_id, severity, title, status, request_id, created_at)
               values (%s, %s, %s, 'high', 'It drifted.', 'open', %s, now())""",
            *(finding, model, draft, settled.id),
        )
        query(
            r,
            """insert into reviews (id, model_id, version_id, request_id, status, due_at, created_at)
               select %s, model_id, version_id, id, 'open', now(), now() from transition_requests where id = %s""",
            *(new_id(), settled.id),
        )
        query(
            r,
            """insert into overrides (id, request_id, policy, policy_version, evidence_digest, reason, proposed_by,
               proposed_at, expires_at, envelope)
               values (%s, %s, 'completeness', 1, '-', 'A reason.', %s, now(), now() + interval '1 day', '{}')""",
            *(new_id(), parked.id, r.grace.id),
        )
        asset = Asset(
            owners=frozenset({"owners", f"owners{GIVING}"}),
            allowed=frozenset({"readers", f"readers{GIVING}"}),
            restricted=frozenset({"closed"}),
            public=public,
        )
        trial = policy_trials.try_on_version(
            r.unit(), r.call(r.admin), model_id=model, version="2.0.0", transition="submit"
        )
        sequencer_of(r.platform).drain()  # until then nobody can read it
        about = "select event_id from audit_index where action = 'model:created' and model_id = %s"
        entry = str(query(r, about, model)[0][0])
        night = validation.night(r, date(2020, 1, 2 if public else 1))
        run = validation.queued(r, draft, night_id=night)
        validation.settle(r, run, suite_id=suite, drop=0.001)
        return Objects(
            asset, name, model, dataset, suite, artifact, evaluation, parked.id, settled.id, trial, entry, finding,
            *self._expectations(dataset), night, run,
        )  # fmt: skip

    def _expectations(self, dataset: str) -> tuple[str, str]:
        """(the id of a draft, the id of a validation)."""
        r = self.registry
        data_validation.create_expectations(r.unit(), r.call(r.dev), dataset, [EXPECTED])
        profile = data_validation.request_profile(r.unit(), r.call(r.dev), dataset)
        return profile.id, data_validation.request_validation(r.unit(), r.call(r.dev), dataset).id

    @staticmethod
    def _suite(model: str, dataset: str, name: str) -> NewSuite:
        thresholds = {"accuracy": {"min": 0.9}}
        return NewSuite(model, name, dataset, "binary_classification", "y", None, ["accuracy"], thresholds, 0.02, None)

    def _delegation(self) -> str:
        """Of Grace's, to somebody else: for everybody but administrators it is not there."""
        r = self.registry
        new = delegations.NewDelegation(r.alan.name, r.at + timedelta(days=9))
        return delegations.delegate(r.unit(), r.call(r.grace), new)

    # --- people -------------------------------------------------------------------------------------------

    def principal(self, subject: str, relation: str) -> str:
        """The id of the user who is this, in this relation; made when first asked for."""
        known = self._ids.get((subject, relation))
        if known is None:
            person = person_of(subject, relation)
            roles = [Role(role) for role in person.roles if not role.startswith("package ")]
            permissions = [role.removeprefix("package ") for role in person.roles if role.startswith("package ")]
            more: dict[str, Any] = {"permissions": permissions}
            if person.service:
                more |= {"kind": "service", "owner": self.stranger.name}
            made = self.registry.person(f"user-{next(self._numbers)}", roles, *sorted(person.groups), **more)
            known = self._ids[(subject, relation)] = made.id
        return known

    def client(self, subject: str, relation: str) -> httpx.Client:
        key = (subject, relation)
        if key not in self._clients:
            token, _ = self.registry.token(self.principal(subject, relation))
            self._clients[key] = self.api.with_token(token)
        return self._clients[key]

    def newcomer(self) -> Principal:
        return self.registry.person(f"newcomer-{next(self._numbers)}", ())

    def new_draft(self, objects: Objects) -> str:
        version = f"3.0.{next(self._numbers)}"
        self.registry.version(objects.model, version)
        return version

    # --- calls --------------------------------------------------------------------------------------------

    def ask(self, row: Row, objects: Objects, user_id: str, *, goes_through: bool) -> Ask:
        """A valid call. Where it `goes_through`, on something fresh if the call would use it up."""
        made = self._special(row, objects, user_id, goes_through)
        filled = row.route
        for name, value in {"model_id": objects.model, "version": "2.0.0", "artifact_id": objects.artifact,
                            "suite_id": objects.suite, "dataset_id": objects.dataset, "group_id": self.group,
                            "evaluation_id": objects.evaluation, "request_id": objects.parked,
                            "finding_id": objects.finding, "freeze_id": new_id(), "night": objects.night,
                            "run_id": objects.run, "chart": self._chart(row),
                            "user_id": self.stranger.id, "policy_id": "approvals",
                            "change_id": self.change, "profile_id": objects.profile, "number": "1",
                            "validation_id": objects.validation, **made.pop("in_path", {})}.items():  # fmt: skip
            filled = filled.replace("{" + name + "}", value)
        assert not re.search(r"[{}]", filled), filled
        return Ask(filled, **made)

    def _special(self, row: Row, o: Objects, user_id: str, goes_through: bool) -> dict[str, Any]:
        number = next(self._numbers)
        if row.route.endswith("/transitions") and row.method == "POST":
            fresh = goes_through and row.success == 202
            body = {"transition": row.variant, "reason": "It has to be."}
            return {"json": body, "in_path": {"version": self.new_draft(o)} if fresh else {}}
        makers: dict[str, Callable[[], dict[str, Any]]] = {
            "GET /api/v1/models": lambda: {"params": {"search": o.name}},
            "GET /api/models/enterprise/registry": lambda: {"params": MANY},
            "POST /api/models/enterprise/registry/{model_id}/inference": lambda: {"params": {"timing_ms": "12.5"}},
            "POST /api/v1/models": lambda: {"json": {"name": f"new-{number}", "group": "owners", "riskTier": "Low"}},
            "PUT /api/v1/models/{model_id}/access": lambda: {"json": rule(o.asset.public)},
            "POST /api/v1/models/{model_id}/versions": lambda: {
                "json": {"version": f"4.0.{number}", "commitSha": "0" * 40, "metadata": {}}
            },
            "PUT /api/v1/models/{model_id}/versions/{version}/metadata": lambda: {
                "json": {"metadata": METADATA}, "headers": {"If-Match": f'"{self._revision(o)}"'}
            },
            "POST /api/v1/models/{model_id}/versions/{version}/artifacts": lambda: {
                "params": {"type": "config", "name": f"config-{number}"}, "content": b"{}"
            },
            "GET /api/v1/transition-requests/{request_id}/evidence": lambda: {"in_path": {"request_id": o.settled}},
            "POST /api/v1/transition-requests/{request_id}/approvals": lambda: {
                "json": {"decision": "approve", "evidenceDigest": "sha256:" + "0" * 64}
            },
            "POST /api/v1/transition-requests/{request_id}/withdraw": lambda: {
                "json": {}, "in_path": {"request_id": o.settled}
            },
            "POST /api/v1/transition-requests/{request_id}/retry": lambda: {"in_path": {"request_id": o.settled}},
            "POST /api/v1/evaluation-suites": lambda: {"json": {
                "modelId": o.model, "name": f"suite-{number}", "datasetId": o.dataset,
                "taskType": "binary_classification", "target": "y", "metrics": ["accuracy"],
                "thresholds": {"accuracy": {"min": 0.9}},
            }},
            "GET /api/v1/evaluation-suites": lambda: {"params": {"modelId": o.model, **MANY}},
            "POST /api/v1/evaluation-suites/{suite_id}/samples": lambda: {
                "json": {"datasetId": self._dataset(o) if goes_through else o.dataset}
            },
            "POST /api/models/enterprise/validation/run": lambda: {
                "json": {"model_id": o.model}, "params": {"wait_seconds": "0"}
            },
            "POST /api/models/enterprise/validation/nightly": lambda: {"params": {"wait_seconds": "0"}},
            "GET /api/v1/transition-requests": lambda: {
                "params": {"modelId": o.model, "transition": "approve_staging"}
            },
            "POST /api/v1/transition-requests/{request_id}/overrides": lambda: {"json": {
                "policy": "completeness", "policyVersion": 1, "evidenceDigest": "sha256:" + "0" * 64,
                "reason": "The licence is being cleared.",
            }},
            "POST /api/v1/transition-requests/{request_id}/overrides/{override_id}/confirm": lambda: {
                "in_path": {"override_id": "00000000-0000-7000-8000-000000000001"}
            },
            "GET /api/v1/overrides": lambda: {"params": {"modelId": o.model}},
            "GET /api/v1/approvals": lambda: self._waiting(o),
            "POST /api/v1/approvals/batch": lambda: {"json": {
                "decision": "approve", "items": [{"requestId": o.parked, "evidenceDigest": "sha256:" + "0" * 64}]
            }},
            "POST /api/v1/delegations": lambda: {
                "json": {"delegate": self.stranger.name, "endsAt": (self.registry.at + timedelta(days=9)).isoformat()}
            },
            "DELETE /api/v1/delegations/{delegation_id}": lambda: {"in_path": {"delegation_id": self.delegation}},
            "GET /api/v1/findings": lambda: {"params": {"modelId": o.model}},
            "POST /api/v1/findings": lambda: {
                "json": {"modelId": o.model, "version": "2.0.0", "severity": "low", "title": f"The {number}th."}
            },
            "PATCH /api/v1/findings/{finding_id}": lambda: {"json": {"title": f"The {number}th."}},
            "POST /api/v1/findings/{finding_id}/close": lambda: {
                "json": {"resolutionKind": "fixed", "resolution": "It was a loose cable."},
                "in_path": {"finding_id": self._finding(o)} if goes_through else {},
            },
            "POST /api/v1/freezes": lambda: {"json": {
                "name": "year end", "reason": "The books are closed.", "groups": ["closed"],
                "startsAt": "2030-01-01T00:00:00Z", "endsAt": "2030-01-02T00:00:00Z",
            }},
            "DELETE /api/v1/freezes/{freeze_id}": lambda: {"in_path": {"freeze_id": self._freeze()}},
            "POST /api/v1/models/{model_id}/versions/{version}/reviews": lambda: {
                "json": {"comment": "Everything is as it was."}
            },
            "GET /api/v1/reviews": lambda: {"params": {"modelId": o.model}},
            "GET /api/v1/events": lambda: {"params": {"modelId": o.model}},
            "PUT /api/v1/users/me/time-zone": lambda: {"json": {"timeZone": "Europe/Berlin"}},
            "GET /api/v1/datasets": lambda: {"params": MANY},
            "GET /api/v1/groups": lambda: {"params": MANY},
            "POST /api/v1/evaluations/run": lambda: {
                "json": {"modelId": o.model, "version": self.new_draft(o) if goes_through else "2.0.0"}
            },
            "POST /api/v1/datasets": lambda: {
                "params": {"name": f"data-{number}", "group": "owners", "format": "csv"}, "content": b"x,y\n1,0\n"
            },
            "POST /api/v1/datasets/{dataset_id}/expectations": lambda: {"json": {"expectations": [EXPECTED]}},
            "POST /api/v1/datasets/{dataset_id}/validations": lambda: {"json": {}},
            "POST /api/v1/policies": lambda: {"json": {**POLICY, "rules": [{**POLICY["rules"][0], "expression": "x"}]}},
            "PUT /api/v1/policies/{policy_id}": lambda: {"json": {"parameters": {"nonsense": 1}}},
            "POST /api/v1/policies/{policy_id}/evaluate": lambda: {"json": _trial(o, "approve_staging")},
            "POST /api/v1/policies/evaluate": lambda: {"json": _trial(o, "submit")},
            "GET /api/v1/policies/results/{evaluation_id}": lambda: {"in_path": {"evaluation_id": o.trial}},
            "POST /api/v1/policies/changes/{change_id}/approve": lambda: {"json": {"digest": "sha256:0"}},
            "POST /api/v1/policies/changes/{change_id}/reject": lambda: {
                "json": {"digest": "sha256:0", "comment": "No."}
            },
            "GET /api/v1/audit": lambda: {"params": {"modelId": o.model}},
            "POST /api/v1/audit/search": lambda: {"json": {"filter": {"modelId": o.model}}},
            "GET /api/v1/audit/consistency": lambda: {"params": {"first": "1"}},
            "POST /api/v1/audit/holds": lambda: {"json": {"scope": "log", "reason": "A court asked."}},
            "DELETE /api/v1/audit/holds/{hold_id}": lambda: {"in_path": {"hold_id": self._hold(goes_through)}},
            "GET /api/v1/audit/{entry_id}": lambda: {"in_path": {"entry_id": o.entry}},
            "GET /api/v1/audit/{entry_id}/proof": lambda: {"in_path": {"entry_id": o.entry}},
            "GET /api/v1/activity": lambda: {"params": {"modelId": o.model}},
            "POST /api/v1/activity/subscribe": lambda: {"json": {"filters": {"modelId": o.model}}},
            "GET /api/v1/provenance": lambda: {"params": {"modelId": o.model}},
            "POST /api/v1/provenance/query": lambda: {"json": {"filter": {"modelId": o.model}}},
            "GET /api/v1/provenance/{record_id}": lambda: {"in_path": {"record_id": o.entry}},
            "POST /api/v1/compliance/validate": lambda: {"json": {"modelId": o.model, "version": "2.0.0"}},
            "POST /api/v1/auth/tokens": lambda: {"json": {"label": "matrix"}},
            "DELETE /api/v1/auth/tokens/{token_id}#own": lambda: {"in_path": {"token_id": self._token(user_id)}},
            "DELETE /api/v1/auth/tokens/{token_id}#foreign": lambda: {
                "in_path": {"token_id": self._token(self.stranger.id)}
            },
            "POST /api/v1/users": lambda: {"json": {"name": f"new-{number}", "roles": ["viewer"]}},
            "PUT /api/v1/users/{user_id}/access": lambda: {"json": {"active": True}},
            "DELETE /api/v1/users/{user_id}": lambda: self._gone(goes_through),
            "POST /api/v1/groups": lambda: {"json": {"name": f"new-{number}"}},
            "PUT /api/v1/groups/{group_id}": lambda: {"json": {"description": f"The {number}th."}},
            "POST /api/v1/groups/{group_id}/members": lambda: {"json": {"userId": self.newcomer().id}},
            "DELETE /api/v1/groups/{group_id}/members/{user_id}": self._member,
            "GET /api/v1/access/explain": lambda: {"params": {"permission": "model:read"}},
            "GET /api/v1/access/explain#model": lambda: {
                "params": {"permission": "model:read", "kind": "model", "id": o.model}
            },
            "GET /api/v1/access/explain#dataset": lambda: {
                "params": {"permission": "dataset:read", "kind": "dataset", "id": o.dataset}
            },
            "GET /api/v1/access/explain#user": lambda: {
                "params": {"permission": "model:read", "user": self.stranger.name}
            },
            "POST /user/register": lambda: {"json": {
                "username": f"new-{number}", "password": PASSWORD, "permissions": ["search"]
            }},
            "PUT /user/{user_id}/permissions": lambda: {
                "json": {"permissions": ["search"]}, "in_path": {"user_id": self.newcomer().id}
            },
            "DELETE /user/{user_id}": lambda: self._gone(goes_through),
            "POST /api/models/enterprise/registry/{model_id}/observations": lambda: {
                "content": b'{"inputs": {"x": 1.0}, "prediction": "1"}'
            },
            "POST /sign-out": lambda: {
                "content": b"token=x", "headers": {"Content-Type": "application/x-www-form-urlencoded"}
            },
        }  # fmt: skip
        return makers[row.name]() if row.name in makers else {}

    def _waiting(self, objects: Objects) -> dict[str, Any]:
        """What waits for people; another call may have sent it to be gathered anew, which no flow does here."""
        self.api.wait_until_idle()
        parked = "update transition_requests set status = 'awaiting_approval' where id = %s and status = 'open'"
        query(self.registry, parked, objects.parked)
        return {"params": {"modelId": objects.model, "all": "true"}}

    def _revision(self, objects: Objects) -> int:
        statement = "select revision from model_versions where model_id = %s and version = '2.0.0'"
        return int(query(self.registry, statement, objects.model)[0][0])

    def _token(self, user_id: str) -> str:
        return self.registry.token(user_id)[1]

    def _hold(self, goes_through: bool) -> str:
        if not goes_through:
            return new_id()
        r = self.registry
        return history.place_hold(r.unit(), r.call(r.admin), scope="log", reason="A court asked.")

    @staticmethod
    def _chart(row: Row) -> str:
        return "overview.svg" if "{night}" in row.route else "slices.png"

    def _dataset(self, objects: Objects) -> str:
        """One more of the same rule."""
        r = self.registry
        return evaluations.create_dataset(
            r.unit(), r.call(r.dev), name=f"sample-{next(self._numbers)}", group="owners", kind="csv", sha256="d" * 64,
            size=9, access=rule(objects.asset.public),
        )  # fmt: skip

    def _finding(self, objects: Objects) -> str:
        found = new_id()
        query(
            self.registry,
            """insert into findings (id, model_id, version_id, severity, title, status, created_at)
               select %s, model_id, version_id, 'low', 'It drifted.', 'open', now() from findings where id = %s""",
            *(found, objects.finding),
        )
        return found

    def _freeze(self) -> str:
        r, day = self.registry, timedelta(days=1)
        new = NewFreeze("over soon", "A test.", r.at + day, r.at + 2 * day, groups=["closed"])
        return declare_freeze(r.unit(), r.call(r.admin), new)

    def _gone(self, goes_through: bool) -> dict[str, Any]:
        return {"in_path": {"user_id": self.newcomer().id}} if goes_through else {}

    def _member(self) -> dict[str, Any]:
        someone, r = self.newcomer(), self.registry
        people.change_access(r.unit(), r.call(r.admin), someone.id, people.Access(groups=["owners"]))
        return {"in_path": {"user_id": someone.id}}


def listed_id(row: Row, objects: Objects, group: str) -> str:
    """What a list of this route holds when it holds the asset."""
    return {
        "/api/v1/models": objects.model,
        "/api/models/enterprise/registry": objects.model,
        "/api/v1/transition-requests": objects.parked,
        "/api/v1/evaluation-suites": objects.suite,
        "/api/models/enterprise/validation/nights/{night}/runs": objects.run,
        "/api/v1/datasets": objects.dataset,
        "/api/v1/findings": objects.model,
        "/api/v1/overrides": objects.model,
        "/api/v1/approvals": objects.parked,
        "/api/v1/reviews": objects.model,
        "/api/v1/events": objects.model,
        "/api/v1/groups": group,
        "/api/v1/audit": objects.model,
        "/api/v1/audit/search": objects.model,
        "/api/v1/activity": objects.model,
        "/api/v1/provenance": objects.model,
        "/api/v1/provenance/query": objects.model,
    }[row.route]
