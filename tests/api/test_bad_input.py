"""What cannot be understood or would do harm: a documented 4xx that says why, and nothing stored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from governance.operations import people
from storage.composition import new_id
from storage.credentials import hash_password
from tests.api.served import MIB, ServedApi, refusal

MODEL = {"name": "fine", "group": "lab", "riskTier": "Low"}
VERSION = {"version": "1.0.0", "commitSha": "0" * 40}


@pytest.fixture
def nothing_stored(api: ServedApi) -> Iterator[None]:
    before = api.stored()
    yield
    assert api.stored() == before


@pytest.fixture(scope="module")
def draft(api: ServedApi) -> tuple[str, str]:
    """(model id, path of its draft)."""
    model = api.model()
    return model, api.version(model)


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "text",
        1,
        None,
        {**MODEL, "name": None},
        {**MODEL, "name": 7},
        {**MODEL, "name": ["fine"]},
        {**MODEL, "name": ""},
        {**MODEL, "name": "../../etc/passwd"},
        {**MODEL, "name": "a/b"},
        {**MODEL, "name": "a\x00b"},
        {**MODEL, "name": "a\r\nSet-Cookie: b"},
        {**MODEL, "name": "мodel"},
        {**MODEL, "name": "a" * 129},
        {**MODEL, "name": "a" * 100_000},
        {**MODEL, "group": ".."},
        {**MODEL, "description": "a\x00b"},
        {**MODEL, "description": 5},
        {**MODEL, "description": "x" * 10_001},
        {**MODEL, "owners": "ada"},
        {**MODEL, "owners": [1]},
        {**MODEL, "owners": [None]},
        {**MODEL, "owners": {"a": 1}},
        {**MODEL, "riskTier": "low"},
        {**MODEL, "riskTier": 1},
        {**MODEL, "tags": [["x"]]},
        {**MODEL, "tags": ["\x00"]},
        {**MODEL, "id": "mine"},
        {**MODEL, "risk_tier": "Low", "riskTier": "High"},
        {**MODEL, "createdAt": "2020-01-01T00:00:00Z"},
        {**MODEL, "__proto__": {}},
        {**MODEL, "": 1},
    ],
    ids=lambda body: json.dumps(body)[-40:],
)
@pytest.mark.usefixtures("nothing_stored")
def test_models(api: ServedApi, body: Any) -> None:
    refusal(api.dev.post("/api/v1/models", json=body), 400, "INVALID_INPUT")


@pytest.mark.parametrize(
    "body",
    [
        {**VERSION, "version": 1.0},
        {**VERSION, "version": "1"},
        {**VERSION, "version": "v1.0.0"},
        {**VERSION, "version": "1.0.0\n"},
        {**VERSION, "version": "1.0.0\x00"},
        {**VERSION, "version": "01.0.0"},
        {**VERSION, "version": "1.0.0-01"},
        {**VERSION, "version": "1.0.0/../../2.0.0"},
        {**VERSION, "version": "１.0.0"},
        {**VERSION, "version": "1.0.0-" + "a" * 1000},
        {**VERSION, "version": "9" * 5000 + ".0.0"},
        {**VERSION, "commitSha": "main"},
        {**VERSION, "commitSha": "0" * 65},
        {**VERSION, "trainingJobId": "a\x00"},
        {**VERSION, "trainingJobId": 5},
        {**VERSION, "state": "production"},
        {**VERSION, "metadata": []},
        {**VERSION, "metadata": "{}"},
        {**VERSION, "metadata": None},
        {**VERSION, "metadata": {"a": "\x00"}},
        {**VERSION, "metadata": {"\x00": 1}},
        {**VERSION, "metadata": {"n": 2**53}},
        {**VERSION, "metadata": {"n": 1e300}},
        {**VERSION, "metadata": {"blob": "x" * 300_000}},
    ],
    ids=lambda body: json.dumps(body)[-40:],
)
@pytest.mark.usefixtures("nothing_stored")
def test_versions(api: ServedApi, draft: tuple[str, str], body: Any) -> None:
    refusal(api.dev.post(f"/api/v1/models/{draft[0]}/versions", json=body), 400, "INVALID_INPUT")


RAW = {
    "not JSON": b"{",
    "nothing": b"",
    "NaN": b'{"metadata": {"a": NaN}}',
    "Infinity": b'{"metadata": {"a": -Infinity}}',
    "too many digits": b'{"metadata": {"a": ' + b"9" * 5000 + b"}}",
    "lone surrogate": b'{"metadata": {"a": "\\ud800"}}',
    "lone surrogate in a name": b'{"metadata": {"\\ud800": 1}}',
    "unknown field with a surrogate": b'{"metadata": {}, "\\udfff": 1}',
    "not UTF-8": b'{"metadata": {"a": "\xff"}}',
    "UTF-16": '{"metadata": {}'.encode("utf-16"),
    "two values": b'{"metadata": {}}{}',
    "escaped NUL": b'{"metadata": {"a": "\\u0000"}}',
    **{f"{depth} levels": b'{"metadata":' + b'{"a":' * depth + b"1" + b"}" * (depth + 1) for depth in (60, 400, 900)},
    **{
        f"{depth} arrays": b'{"metadata":{"a":' + b"[" * depth + b"]" * depth + b"}}" for depth in (980, 2_000, 100_000)
    },
}


@pytest.mark.parametrize("body", RAW.values(), ids=list(RAW))
@pytest.mark.usefixtures("nothing_stored")
def test_bodies_that_are_no_metadata(api: ServedApi, draft: tuple[str, str], body: bytes) -> None:
    answer = api.dev.put(
        f"{draft[1]}/metadata", content=body, headers={"Content-Type": "application/json", "If-Match": '"1"'}
    )
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["code"] in ("INVALID_INPUT", "BAD_REQUEST")


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "application/merge-patch+json",
     "text/plain", "application/octet-stream", "multipart/form-data", None],
)  # fmt: skip
@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.usefixtures("nothing_stored")
def test_bodies_beyond_the_limit(api: ServedApi, content_type: str | None, announced: bool) -> None:
    """Whatever they call themselves: a body that is read into memory is bounded."""
    body = b'{"name": "' + b"x" * (2 * MIB) + b'"}'
    headers = {"Content-Type": content_type} if content_type else {}
    content: Any = body if announced else (body[at : at + 65_536] for at in range(0, len(body), 65_536))
    answer = api.dev.post("/api/v1/models", content=content, headers=headers)
    refusal(answer, 413, "PAYLOAD_TOO_LARGE")


def test_a_body_at_the_limit_is_read(api: ServedApi) -> None:
    padding = " " * (MIB - 200)
    body = json.dumps({**MODEL, "name": new_id()}) + padding
    answer = api.dev.post("/api/v1/models", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 201


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", None])
@pytest.mark.usefixtures("nothing_stored")
def test_json_that_does_not_say_so_is_refused(api: ServedApi, content_type: str | None) -> None:
    """A form of another site can send these types with a person's cookies; JSON it cannot."""
    headers = {"Content-Type": content_type} if content_type else {}
    answer = api.dev.post("/api/v1/models", content=json.dumps(MODEL).encode(), headers=headers)
    refusal(answer, 400, "INVALID_INPUT")


# --- paths, queries, headers ------------------------------------------------------------------------------

UNREADABLE = ["not-an-id", "%00", "..%2f..", "%ff", "%F0%9F%98%80", "1", "x" * 3000, "'; drop table models; --", "null"]


@pytest.mark.parametrize("part", UNREADABLE)
@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/models/{}",
        "/api/v1/models/{}/versions",
        "/api/v1/models/{}/deployments",
        "/api/v1/models/{}/versions/1.0.0",
        "/api/v1/models/{}/versions/1.0.0/transitions",
        "/api/v1/models/{}/versions/1.0.0/artifacts/x/download",
        "/api/v1/transition-requests/{}",
        "/api/v1/evaluation-suites/{}",
        "/api/v1/evaluations/{}/status",
        "/api/v1/evaluations/{}/results",
        "/api/v1/datasets/{}",
    ],
)
def test_ids_that_cannot_be_ids_name_nothing(api: ServedApi, path: str, part: str) -> None:
    answer = api.dev.get(path.format(part))
    assert answer.status_code == 404, answer.text
    assert answer.json()["error"]["code"].endswith("NOT_FOUND")


@pytest.mark.parametrize("part", [*UNREADABLE, "9.9.9", "1.0.0%00", "1.0.0%0a"])
@pytest.mark.usefixtures("nothing_stored")
def test_versions_that_cannot_be_versions_name_nothing(api: ServedApi, draft: tuple[str, str], part: str) -> None:
    path = f"/api/v1/models/{draft[0]}/versions/{part}"
    answers = [
        api.dev.get(path),
        api.dev.get(f"{path}/transitions"),
        api.dev.get(f"{path}/artifacts/{new_id()}/download"),
        api.dev.put(f"{path}/metadata", json={"metadata": {}}, headers={"If-Match": '"1"'}),
        api.dev.post(f"{path}/transitions", json={"transition": "submit"}),
        api.dev.post(f"{path}/artifacts", params={"type": "config", "name": "c"}, content=b"x"),
    ]
    expected = 400 if "%00" in part else 404
    assert [answer.status_code for answer in answers] == [expected] * len(answers)


@pytest.mark.parametrize(
    "query",
    [
        "page=0",
        "page=-1",
        "page=x",
        "page=99999999999999999999",
        "page=51&pageSize=200",
        "pageSize=0",
        "pageSize=201",
        "limit=0",
        "limit=1e2",
        "nextToken=x",
        "nextToken=%00",
        "nextToken=" + "A" * 21,
        "nextToken=" + "A" * 5000,
        "nextToken=%F0%9F%98%80",
        "search=%00",
        "search=" + "x" * 201,
        "owner=%00",
        "tag=%00",
        "group=%00",
        "riskTier=low",
        "riskTier=",
        "state=alive",
    ],
)
def test_queries_of_lists(api: ServedApi, query: str) -> None:
    refusal(api.dev.get(f"/api/v1/models?{query}"), 400, "INVALID_INPUT")


@pytest.mark.parametrize(
    "address",
    [
        "/api/v1/transition-requests?status=done",
        "/api/v1/transition-requests?modelId=x",
        "/api/v1/transition-requests?transition=force",
        "/api/v1/findings?status=x",
        "/api/v1/findings?modelId=%00",
        "/api/v1/evaluation-suites?modelId=1",
        "/api/v1/datasets?group=%00",
    ],
)
def test_queries_of_other_lists(api: ServedApi, address: str) -> None:
    refusal(api.dev.get(address), 400, "INVALID_INPUT")


@pytest.mark.parametrize("key", ["", "x" * 201, "a\tb", "\u00a0"])
@pytest.mark.usefixtures("nothing_stored")
def test_idempotency_keys(api: ServedApi, key: str) -> None:
    answer = api.dev.post("/api/v1/models", json=MODEL, headers={b"Idempotency-Key": key.encode("latin-1")})
    refusal(answer, 400, "INVALID_INPUT")


@pytest.mark.parametrize("correlation", ["a" * 129, "a b", "<script>", "é"])
def test_a_correlation_id_that_is_unfit_is_replaced(api: ServedApi, correlation: str) -> None:
    answer = api.dev.get("/api/v1/models", headers={b"X-Correlation-Id": correlation.encode("latin-1")})
    metadata = answer.json()["metadata"]
    assert metadata["correlationId"] == metadata["requestId"] == answer.headers["x-request-id"]


# --- other bodies -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "{draft}/transitions", {"transition": "force"}),
        ("POST", "{draft}/transitions", {"transition": "x" * 65}),
        ("POST", "{draft}/transitions", {"transition": "submit\x00"}),
        ("POST", "{draft}/transitions", {"transition": "submit", "reason": "a\x00"}),
        ("POST", "{draft}/transitions", {"transition": "submit", "reason": "x" * 2_001}),
        ("POST", "{draft}/transitions", {"transition": "submit", "state": "production"}),
        ("POST", "{draft}/transitions", {"transition": "evaluate"}),
        ("POST", "/api/v1/evaluations/run", {"modelId": "{model}", "version": "1.0.0"}),
        ("POST", "/api/v1/auth/login", {"username": "dana"}),
        ("POST", "/api/v1/auth/login", {"username": "dana", "password": "x" * 1025}),
        ("POST", "/api/v1/auth/login", {"username": "dana", "password": "x", "roles": ["catalog_admin"]}),
        ("POST", "/api/v1/auth/login", {"username": 1, "password": True}),
    ],
)
@pytest.mark.usefixtures("nothing_stored")
def test_other_requests(api: ServedApi, draft: tuple[str, str], method: str, path: str, body: dict[str, Any]) -> None:
    body = {name: value.format(model=draft[0]) if value == "{model}" else value for name, value in body.items()}
    refusal(api.dev.request(method, path.format(draft=draft[1]), json=body), 400, "INVALID_INPUT")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/policies/completeness", {"parameters": {"unknown": 1}}),
        ("/api/v1/policies/completeness", {"parameters": {"model_card_fields": ["a\x00"]}}),
        ("/api/v1/policies/completeness", {"parameters": {"minimum_description": True}}),
        ("/api/v1/policies/completeness", {"parameters": []}),
        ("/api/v1/policies/completeness", {"parameters": {}, "active": False}),
        ("/api/v1/users", {"name": "x y", "roles": ["viewer"], "password": "long enough it is"}),
        ("/api/v1/users", {"name": "short", "roles": ["viewer"], "password": "short"}),
        ("/api/v1/users", {"name": "fresh", "roles": ["root"], "password": "long enough it is"}),
        ("/api/v1/users", {"name": "fresh", "roles": ["viewer"], "groups": ["a/b"], "password": "long enough it is"}),
    ],
)
@pytest.mark.usefixtures("nothing_stored")
def test_requests_of_administrators(api: ServedApi, path: str, body: dict[str, Any]) -> None:
    method = "PUT" if "policies" in path else "POST"
    refusal(api.admin.request(method, path, json=body), 400, "INVALID_INPUT")


@pytest.mark.parametrize(
    "raw",
    [
        b'{"parameters": {"\\ud800": 1}}',
        b'{"parameters": {"model_card_fields": ["\\ud800"]}}',
        b'{"parameters": {"minimum_description": NaN}}',
        b'{"parameters": {"minimum_description": 1e999}}',
    ],
)
@pytest.mark.usefixtures("nothing_stored")
def test_parameters_that_no_text_can_hold(api: ServedApi, raw: bytes) -> None:
    answer = api.admin.put("/api/v1/policies/completeness", content=raw, headers={"Content-Type": "application/json"})
    refusal(answer, 400, "INVALID_INPUT")


@pytest.mark.parametrize("label", ["\x00", "a\x00b"])
def test_text_that_the_database_cannot_hold(api: ServedApi, label: str) -> None:
    """Where no rule of ours looks at a text, the database's refusal is the client's mistake, not ours."""
    registry, name = api.registry, f"user-{new_id()}"
    people.create_user(
        registry.unit(),
        registry.call(None),
        people.NewUser(name, password_hash=hash_password("a password of tests")),
    )
    before = api.stored()
    login = {"username": name, "password": "a password of tests", "label": label}
    refusal(api.anonymous.post("/api/v1/auth/login", json=login), 400, "INVALID_INPUT")
    assert api.stored() == before


def test_a_refusal_says_which_field_and_never_repeats_a_secret(api: ServedApi) -> None:
    secret = "correct horse battery staple " * 50
    answer = api.anonymous.post("/api/v1/auth/login", json={"username": "dana", "password": secret})
    error = refusal(answer, 400, "INVALID_INPUT")
    assert error["details"]["problems"][0]["field"] == "body.password"
    assert "horse" not in answer.text


def test_a_hostile_header_block_is_not_our_fault(api: ServedApi) -> None:
    answer: httpx.Response = api.anonymous.get("/api/v1/models", headers={"Authorization": "Bearer " + "x" * 20_000})
    assert answer.status_code == 401
