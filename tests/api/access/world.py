"""A registry with one model in every relation to everybody, and for every route a call that is valid.

What keeps a call from happening is then its authorization and nothing else.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from governance.access.principal import Principal
from governance.access.roles import Role
from governance.operations import evaluations, groups, people
from governance.operations.evaluations import NewSuite
from storage.audit_log.running import sequencer_of
from storage.composition import new_id
from tests.api.access.expected import ROLES, Asset, Person, Row
from tests.api.served import ServedApi
from tests.fixtures.registry import METADATA
from tests.governance.operations.situations import query, step

GIVEN = ("model:*", "dataset:*", "deployment:create", "provenance:read")
GIVING = "-giving"
MANY = {"pageSize": "200"}
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
        self.objects = {False: self._objects(public=False), True: self._objects(public=True)}
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
        query(
            r,
            """insert into findings (id, model_id, version_id, severity, title, status, request_id, created_at)
               values (%s, %s, %s, 'high', 'It drifted.', 'open', %s, now())""",
            *(new_id(), model, draft, settled.id),
        )
        asset = Asset(
            owners=frozenset({"owners", f"owners{GIVING}"}),
            allowed=frozenset({"readers", f"readers{GIVING}"}),
            restricted=frozenset({"closed"}),
            public=public,
        )
        return Objects(asset, name, model, dataset, suite, artifact, evaluation, parked.id, settled.id)

    @staticmethod
    def _suite(model: str, dataset: str, name: str) -> NewSuite:
        thresholds = {"accuracy": {"min": 0.9}}
        return NewSuite(model, name, dataset, "binary_classification", "y", None, ["accuracy"], thresholds, 0.02, None)

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
                            "user_id": self.stranger.id, **made.pop("in_path", {})}.items():  # fmt: skip
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
            "GET /api/v1/transition-requests": lambda: {
                "params": {"modelId": o.model, "transition": "approve_staging"}
            },
            "GET /api/v1/findings": lambda: {"params": {"modelId": o.model}},
            "GET /api/v1/datasets": lambda: {"params": MANY},
            "GET /api/v1/groups": lambda: {"params": MANY},
            "POST /api/v1/evaluations/run": lambda: {
                "json": {"modelId": o.model, "version": self.new_draft(o) if goes_through else "2.0.0"}
            },
            "POST /api/v1/datasets": lambda: {
                "params": {"name": f"data-{number}", "group": "owners", "format": "csv"}, "content": b"x,y\n1,0\n"
            },
            "PUT /api/v1/policies/{name}": lambda: {
                "json": {"parameters": {"nonsense": 1}}, "in_path": {"name": "approvals"}
            },
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
            "POST /sign-out": lambda: {
                "content": b"token=x", "headers": {"Content-Type": "application/x-www-form-urlencoded"}
            },
        }  # fmt: skip
        return makers[row.name]() if row.name in makers else {}

    def _revision(self, objects: Objects) -> int:
        statement = "select revision from model_versions where model_id = %s and version = '2.0.0'"
        return int(query(self.registry, statement, objects.model)[0][0])

    def _token(self, user_id: str) -> str:
        return self.registry.token(user_id)[1]

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
        "/api/v1/transition-requests": objects.parked,
        "/api/v1/evaluation-suites": objects.suite,
        "/api/v1/datasets": objects.dataset,
        "/api/v1/findings": objects.model,
        "/api/v1/groups": group,
    }[row.route]
