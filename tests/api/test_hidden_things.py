"""What a caller may not see answers exactly like what is not there: in every route, page, filter, key and header."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from governance.access.roles import PackagePermission, Role
from governance.access.rules import AccessRule
from governance.operations import data_validation, delegations
from storage.audit_log.running import sequencer_of
from storage.composition import new_id
from storage.postgres_server import PostgresServer
from tests.api.browsing import Browsing
from tests.api.served import ServedApi, data, refusal, served
from tests.fixtures import validation
from tests.fixtures.postgres import fresh_database
from tests.fixtures.registry import APPROVER, DEVELOPER
from tests.fixtures.run_page_story import waiting_story
from tests.governance.operations.situations import query

# What differs between two calls that are otherwise the same.
_OF_THE_CALL = re.compile(r'"(?:requestId|correlationId|traceId|timestamp|latency)":(?:"[^"]*"|[0-9.]+)')
_HEADERS_OF_THE_CALL = {"date", "content-length", "x-request-id", "x-correlation-id"}
# The signed address itself is the permission; policies are everybody's.
_ELSEWHERE = {"/api/v1/content/{sha256}"}
_EVERYBODYS = (
    "/api/v1/policies/{policy_id}",
    "/api/v1/policies/changes/",
    "/api/models/enterprise/validation/nights/",  # that there was a night; whose runs are told is another test
)
_NO_IDS = ("version", "chart", "number")  # say nothing by themselves
EXPECTED = {"type": "expect_column_to_exist", "kwargs": {"column": "Only the lab knows."}}
BODIES: dict[str, Any] = {
    "POST /api/v1/datasets/{dataset_id}/expectations": {"expectations": [EXPECTED]},
    "POST /api/models/enterprise/registry/{model_id}/inference": [{"timing_ms": 12.5}],
    "PATCH /api/v1/findings/{finding_id}": {"title": "Mine."},
    "POST /api/v1/findings/{finding_id}/close": {"resolutionKind": "fixed", "resolution": "It is gone by now."},
    "POST /api/v1/models/{model_id}/versions/{version}/reviews": {"comment": "Everything is as it was."},
    "POST /api/v1/models/{model_id}/versions": {"version": "9.0.0", "commitSha": "0" * 40, "metadata": {}},
    "PUT /api/v1/models/{model_id}/access": {"accessLevel": "public"},
    "PUT /api/v1/models/{model_id}/versions/{version}/metadata": {"metadata": {}},
    "POST /api/v1/models/{model_id}/versions/{version}/transitions": {"transition": "submit"},
    "POST /api/v1/transition-requests/{request_id}/approvals": {
        "decision": "approve", "comment": "", "evidenceDigest": "sha256:" + "0" * 64,
    },
    "POST /api/v1/transition-requests/{request_id}/overrides": {
        "policy": "completeness", "policyVersion": 1, "evidenceDigest": "sha256:0", "reason": "It has to go out today.",
    },
    "POST /api/v1/transition-requests/{request_id}/withdraw": {"reason": "because"},
    "POST /api/v1/groups/{group_id}/members": {"userId": "dana"},
    "PUT /api/v1/groups/{group_id}": {"description": "mine"},
    "PUT /api/v1/users/{user_id}/access": {"active": False},
    "PUT /user/{user_id}/permissions": {"permissions": []},
    "POST /api/v1/evaluation-suites/{suite_id}/samples": {"datasetId": new_id()},
}  # fmt: skip


@dataclass
class Hidden:
    """A registry with a story in the group `lab`, and somebody who is in another group."""

    api: ServedApi
    ids: dict[str, str]
    outsiders: dict[str, httpx.Client]
    words: list[str]
    session: str


@pytest.fixture(scope="module")
def hidden(
    postgres_server: PostgresServer, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Hidden]:
    with (
        fresh_database(postgres_server, template=template_database) as url,
        served(url, tmp_path_factory.mktemp("api") / "home") as api,
    ):
        registry = api.registry
        request = waiting_story(registry)

        def one(statement: str, *values: object) -> str:
            return str(query(registry, statement, *values)[0][0])

        finding = new_id()
        query(
            registry, "insert into findings values (%s, %s, %s, 'low', 'Only the lab knows.', 'open', %s, now())",
            finding, request.model_id, request.version_id, request.id,
        )  # fmt: skip
        night = validation.night(registry, date(2020, 1, 1))
        run = validation.queued(registry, request.version_id, night_id=night)
        validation.settle(registry, run, severity="high", drop=0.05, suite_id=one("select id from evaluation_suites"))
        override = new_id()
        query(
            registry,
            """insert into overrides (id, request_id, policy, policy_version, evidence_digest, reason, proposed_by,
               proposed_at, expires_at, envelope)
               values (%s, %s, 'completeness', 1, '-', 'Only the lab knows.', %s, now(), now() + '1 day', '{}')""",
            *(override, request.id, registry.grace.id),
        )
        dataset = one("select id from datasets")
        data_validation.create_expectations(registry.unit(), registry.call(registry.dev), dataset, [EXPECTED])
        checked = data_validation.request_validation(registry.unit(), registry.call(registry.dev), dataset)
        profile = data_validation.request_profile(registry.unit(), registry.call(registry.dev), dataset)
        sequencer_of(registry.platform).drain()  # until then nobody can read it
        about = "select event_id from audit_index where action = %s and model_id = %s order by seq limit 1"
        ids = {
            "entry_id": one(about, "model:created", request.model_id),
            "record_id": one(about, "version:created", request.model_id),
            "model_id": request.model_id,
            "version": "2.0.0",
            "artifact_id": one("select id from artifacts where version_id = %s", request.version_id),
            "dataset_id": dataset,
            "suite_id": one("select id from evaluation_suites"),
            "evaluation_id": one("select id from evaluations"),
            "request_id": request.id,
            "finding_id": finding,
            "run_id": run,
            "chart": "slices.svg",
            "freeze_id": new_id(),  # whoever may not lift one is told that, whichever it is
            "hold_id": new_id(),
            "group_id": one("select id from groups where name = 'lab'"),
            "user_id": registry.dev.id,
            "delegation_id": delegations.delegate(
                registry.unit(),
                registry.call(registry.grace),
                delegations.NewDelegation("alan", registry.at + timedelta(days=9), reason="Only the lab knows."),
            ),
            "override_id": override,
            "number": "1",
            "profile_id": profile.id,
            "validation_id": checked.id,
            "token_id": one("select id from tokens where user_id = %s", registry.dev.id),
        }
        people = {
            "developer": registry.person("olga", DEVELOPER, "elsewhere"),
            "excluded": registry.person("otto", DEVELOPER, "lab", "barred"),
            "approver": registry.person("peer", APPROVER, "barred"),
            "loader": registry.person(
                "lola", (), "elsewhere", permissions=[one.value for one in PackagePermission if one != "upload"]
            ),
        }
        rule = AccessRule(("lab",), restricted=("barred",))
        with registry.unit() as uow:
            uow.access.set_of_model(request.model_id, rule, registry.at)
            uow.access.set_of_dataset(ids["dataset_id"], rule)
            uow.commit()
        words = [id for name, id in ids.items() if name not in (*_NO_IDS, "group_id", "freeze_id", "hold_id")]
        words += [finding, one("select name from models"), "Only the lab knows"]
        words += [sha for (sha,) in query(registry, "select sha256 from artifacts union select sha256 from datasets")]
        session = registry.token(people["developer"], kind="session")[0]
        yield Hidden(api, ids, {name: api.sign_in(person) for name, person in people.items()}, words, session)


def unknown(ids: Mapping[str, str]) -> dict[str, str]:
    return {name: ids[name] if name in _NO_IDS else new_id() for name in ids}


def told(answer: httpx.Response, ids: Mapping[str, str]) -> tuple[int, dict[str, str], str]:
    """Everything that an answer says, but for the ids that were asked about and what belongs to the call."""

    def plain(text: str) -> str:
        for name, id in ids.items():
            if name not in _NO_IDS:
                text = text.replace(id, f"<{name}>")
        return _OF_THE_CALL.sub("", text)

    headers = {name: plain(value) for name, value in answer.headers.items() if name not in _HEADERS_OF_THE_CALL}
    return answer.status_code, headers, plain(re.sub(r'nonce="[^"]*"|nonce-[^\']*', "", answer.text))


def routes(api: ServedApi, *methods: str) -> list[tuple[str, str]]:
    paths = api.description.openapi["paths"]
    return sorted((method.upper(), path) for path, item in paths.items() for method in item if method in methods)


@pytest.mark.parametrize("who", ["developer", "excluded", "approver", "loader"])
def test_a_hidden_id_answers_like_an_unknown_one_in_every_route(hidden: Hidden, who: str) -> None:
    client, asked = hidden.outsiders[who], 0
    for method, path in routes(hidden.api, "get", "post", "put", "patch", "delete"):
        names = set(re.findall(r"{(\w+)}", path))
        if (
            path in _ELSEWHERE
            or path.startswith(_EVERYBODYS)
            or not names
            or (who == "excluded" and "group_id" in names)
        ):  # that group is theirs
            continue
        assert names <= set(hidden.ids), f"{path}: what is hidden there?"
        answers = []
        for ids in (hidden.ids, unknown(hidden.ids)):
            body = BODIES.get(f"{method} {path}", {}) if method != "GET" else None
            headers = {"If-Match": '"1"'} if method == "PUT" else {}
            query = {"type": "weights", "name": "w.onnx"} if path.endswith("/artifacts") else {}
            answer = client.request(method, path.format(**ids), json=body, headers=headers, params=query)
            answers.append(told(answer, ids))
        assert answers[0] == answers[1], f"{method} {path}: {answers}"
        if path == "/api/v1/activity/user/{user_id}":  # what may be seen of somebody: nothing, as of nobody
            continue
        assert answers[0][0] in (403, 404), f"{method} {path}"
        assert "location" not in answers[0][1]
        asked += 1
    assert asked >= (25 if who != "excluded" else 20)


@pytest.mark.parametrize("who", ["developer", "excluded", "approver", "loader"])
def test_lists_say_nothing_of_what_is_hidden(hidden: Hidden, who: str) -> None:
    client, asked = hidden.outsiders[who], 0
    for _, path in routes(hidden.api, "get"):
        if "{" in path or not path.startswith("/api/v1/") or "oidc" in path or "explain" in path:
            continue
        answer = client.get(path)
        if answer.status_code == 403:
            continue
        asked += 1
        assert answer.status_code == 200, (path, answer.text)
        assert not [word for word in hidden.words if word in answer.text], path
        if "pagination" in answer.json() and answer.json()["pagination"]:
            assert answer.json()["pagination"]["total"] == len(answer.json()["data"]), path
    assert asked >= 5


@pytest.mark.parametrize(
    ("path", "name", "known"),
    [
        ("/api/v1/transition-requests", "modelId", "model_id"),
        ("/api/v1/findings", "modelId", "model_id"),
        ("/api/v1/reviews", "modelId", "model_id"),
        ("/api/v1/events", "modelId", "model_id"),
        ("/api/v1/evaluation-suites", "modelId", "model_id"),
        ("/api/v1/access/explain?permission=model:read&kind=model", "id", "model_id"),
        ("/api/v1/access/explain?permission=dataset:read&kind=dataset", "id", "dataset_id"),
    ],
)
def test_a_filter_by_a_hidden_id_answers_like_one_by_an_unknown_id(
    hidden: Hidden, path: str, name: str, known: str
) -> None:
    answers = []
    for ids in (hidden.ids, unknown(hidden.ids)):
        url = httpx.URL(path).copy_add_param(name, ids[known])
        answers.append(told(hidden.outsiders["developer"].get(url), ids))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("who", ["developer", "excluded", "approver"])
def test_a_night_tells_nothing_of_runs_that_are_hidden(hidden: Hidden, who: str) -> None:
    client, night = hidden.outsiders[who], "/api/models/enterprise/validation/nights/2020-01-01"
    runs = client.get(f"{night}/runs")
    assert (data(runs), runs.json()["pagination"]["total"]) == ([], 0)
    assert not [word for word in hidden.words if word in client.get(night).text]


@pytest.mark.parametrize("by", ["model_id", "version_id"])
def test_validating_what_is_hidden_answers_as_for_an_unknown_entry(hidden: Hidden, by: str) -> None:
    version = query(hidden.api.registry, "select version_id from validation_runs where id = %s", hidden.ids["run_id"])
    known = {"model_id": hidden.ids["model_id"], "version_id": str(version[0][0])}[by]
    for body in ({}, {"test_case_ids": ["no such test"]}):
        answers = []
        for named in (known, new_id()):
            answer = hidden.outsiders["developer"].post(
                "/api/models/enterprise/validation/run", json={**body, "model_id": named}, params={"wait_seconds": 0}
            )
            refusal(answer, 404, "MODEL_NOT_FOUND")
            answers.append(told(answer, {"named": named}))
        assert answers[0] == answers[1]


def test_a_write_that_names_a_hidden_thing_answers_as_for_an_unknown_one(hidden: Hidden) -> None:
    client = hidden.outsiders["developer"]
    mine = {"name": f"m-{new_id()}", "group": "elsewhere", "riskTier": "Low"}
    own = data(client.post("/api/v1/models", json=mine), 201)["id"]
    draft = {"version": "1.0.0", "commitSha": "0" * 40, "metadata": {}}
    data(client.post(f"/api/v1/models/{own}/versions", json=draft), 201)
    suite = {
        "name": "s", "taskType": "regression", "target": "y", "metrics": ["r2"], "thresholds": {"r2": {"min": 0}},
        "margin": 0.1,
    }  # fmt: skip
    answers: list[list[Any]] = []
    for ids in (hidden.ids, unknown(hidden.ids)):
        model, dataset, suites = ids["model_id"], ids["dataset_id"], [ids["suite_id"]]
        asked = [
            client.post("/api/v1/evaluation-suites", json={**suite, "modelId": own, "datasetId": dataset}),
            client.post("/api/v1/evaluation-suites", json={**suite, "modelId": model, "datasetId": dataset}),
            client.post("/api/v1/evaluations/run", json={"modelId": own, "version": "1.0.0", "suiteIds": suites}),
            client.post("/api/v1/evaluations/run", json={"modelId": model, "version": "2.0.0", "suiteIds": suites}),
        ]
        assert all(answer.status_code >= 400 for answer in asked)
        answers.append([told(answer, ids) for answer in asked])
    assert answers[0] == answers[1]


def test_acting_for_a_group_that_is_not_ones_own_says_nothing_about_it(hidden: Hidden) -> None:
    client = hidden.outsiders["developer"]
    answers = []
    for name in ("lab", "bal"):
        answer = client.get("/api/v1/models", headers={"X-Group-Context": name})
        refusal(answer, 403, "FORBIDDEN")
        answers.append(told(answer, {"name": name}))
    assert answers[0] == answers[1]


def test_an_auditor_reads_what_was_asked_for_a_version(hidden: Hidden) -> None:
    """The history of a version is provenance; the version itself is not."""
    auditor = hidden.api.sign_in(hidden.api.registry.person("audrey", (Role.AUDITOR,), "risk"))
    version = "/api/v1/models/{model_id}/versions/{version}".format(**hidden.ids)
    assert len(data(auditor.get(f"{version}/transitions"))) == 5
    refusal(auditor.get(version), 403, "FORBIDDEN")
    refusal(auditor.get(f"/api/v1/models/{new_id()}/versions/2.0.0/transitions"), 404, "VERSION_NOT_FOUND")


def test_pages_of_hidden_requests_look_like_pages_of_unknown_ones(hidden: Hidden) -> None:
    with Browsing(hidden.api, hidden.session) as browsing:
        answers = [told(browsing.get(f"/runs/{ids['request_id']}"), ids) for ids in (hidden.ids, unknown(hidden.ids))]
        assert answers[0] == answers[1]
        assert answers[0][0] == 404
        home = browsing.get("/")
    assert home.status_code == 200
    assert not [word for word in hidden.words if word in home.text]


def test_only_who_may_download_is_given_an_address(hidden: Hidden) -> None:
    registry, ids = hidden.api.registry, hidden.ids
    path = "/api/v1/models/{model_id}/versions/{version}/artifacts/{artifact_id}/download".format(**ids)
    reader = hidden.api.sign_in(registry.person("rita", (Role.MARKETPLACE_USER,), "lab"))
    assert reader.get(f"/api/v1/models/{ids['model_id']}").status_code == 200
    given = [hidden.api.dev.get(path), hidden.api.grace.get(path)]
    assert all(answer.status_code == 307 and "signature" in answer.headers["location"].lower() for answer in given)
    for client in (reader, *hidden.outsiders.values()):
        answer = client.get(path)
        assert answer.status_code in (403, 404)
        assert "location" not in answer.headers
    digest = hidden.api.dev.get(path).headers["location"].split("?")[0]
    refusal(hidden.outsiders["developer"].get(digest), 403, "FORBIDDEN")
    refusal(hidden.outsiders["developer"].get(f"/api/v1/content/{'0' * 64}"), 403, "FORBIDDEN")


def test_the_key_of_somebody_else_answers_like_a_new_key(hidden: Hidden) -> None:
    body = {"name": f"m-{new_id()}", "group": "lab", "riskTier": "Low"}
    used = {"Idempotency-Key": new_id()}
    data(hidden.api.dev.post("/api/v1/models", json=body, headers=used), 201)
    client = hidden.outsiders["developer"]
    with_used = told(client.post("/api/v1/models", json=body, headers=used), {})
    assert with_used == told(client.post("/api/v1/models", json=body, headers={"Idempotency-Key": new_id()}), {})
    assert with_used[0] == 403


@pytest.mark.parametrize("what", ["model", "version", "artifact", "suite", "dataset", "transition"])
def test_a_repeated_call_tells_nothing_to_who_has_lost_access(hidden: Hidden, what: str) -> None:
    """The answer is made anew from what there is now, and that is for readers only."""
    registry = hidden.api.registry
    person = registry.person(f"p-{new_id()}", DEVELOPER, "lab")
    client = hidden.api.sign_in(person)
    model = data(client.post("/api/v1/models", json={"name": f"m-{new_id()}", "group": "lab", "riskTier": "Low"}), 201)
    versions = f"/api/v1/models/{model['id']}/versions"
    draft = {"version": "1.0.0", "commitSha": "0" * 40, "metadata": {}}
    data_path = f"/api/v1/datasets?name=d-{new_id()}&group=lab&format=csv"
    dataset = data(client.post(data_path, content=b"a,b\n3,4\n"), 201)["id"]
    calls: dict[str, tuple[str, dict[str, Any]]] = {
        "model": ("/api/v1/models", {"json": {"name": f"m-{new_id()}", "group": "lab", "riskTier": "Low"}}),
        "version": (versions, {"json": draft}),
        "artifact": (f"{versions}/1.0.0/artifacts?type=weights&name=w.onnx", {"content": b"bytes"}),
        "dataset": (f"/api/v1/datasets?name=d-{new_id()}&group=lab&format=csv", {"content": b"a,b\n1,2\n"}),
        "suite": (
            "/api/v1/evaluation-suites",
            {
                "json": {
                    "modelId": model["id"], "name": "s", "datasetId": dataset, "taskType": "regression", "target": "y",
                    "metrics": ["r2"], "thresholds": {"r2": {"min": 0}}, "margin": 0.1,
                }
            },
        ),
        "transition": (f"{versions}/1.0.0/transitions", {"json": {"transition": "submit"}}),
    }  # fmt: skip
    if what in ("artifact", "transition"):
        data(client.post(versions, json=draft), 201)
    path, options = calls[what]
    key = {"Idempotency-Key": new_id()}
    first = client.post(path, headers=key, **options)
    assert first.status_code in (201, 202), first.text
    assert client.post(path, headers=key, **options).status_code == first.status_code
    registry.change(person.id, in_groups=["elsewhere"])
    after = client.post(path, headers=key, **options)
    assert after.status_code in (403, 404), after.text
    assert "location" not in after.headers
    assert first.json()["data"]["id"] not in after.text
