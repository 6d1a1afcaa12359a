"""Artifacts and datasets as streams: whole, as announced, within the limit, or not at all."""

from __future__ import annotations

import base64
import hashlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from storage.composition import new_id
from tests.api.served import MIB, UPLOAD_LIMIT, ServedApi, data, refusal

CONTENT = b"weights" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def digest_field(content: bytes) -> str:
    """RFC 9530."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


@pytest.fixture
def artifacts(api: ServedApi) -> str:
    """The path under which a draft's artifacts are attached."""
    return api.version(api.model()) + "/artifacts"


@pytest.fixture
def nothing_stored(api: ServedApi, artifacts: str) -> Iterator[None]:
    before = api.stored()
    yield
    assert api.stored() == before


def named(name: str = "model.onnx", kind: str = "weights", **more: Any) -> dict[str, Any]:
    return {"params": {"type": kind, "name": name, **more}}


# --- what works -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Content-SHA256": DIGEST},
        {"X-Content-SHA256": DIGEST.upper()},
        {"Content-Digest": digest_field(CONTENT)},
        {"Content-Digest": f"sha-512=:AAAA:, {digest_field(CONTENT)}"},
        {"X-Content-SHA256": DIGEST, "Content-Digest": digest_field(CONTENT)},
    ],
)
def test_an_upload(api: ServedApi, artifacts: str, headers: dict[str, str]) -> None:
    answer = api.dev.post(artifacts, content=CONTENT, headers=headers, **named(license="Apache-2.0"))
    artifact = data(answer, 201)
    assert (artifact["sha256"], artifact["size"], artifact["type"]) == (DIGEST, len(CONTENT), "weights")
    assert (artifact["name"], artifact["license"], artifact["uri"]) == ("model.onnx", "Apache-2.0", f"sha256:{DIGEST}")
    stored = api.registry.platform.store
    assert stored.digest(DIGEST) == DIGEST
    version = data(api.dev.get(artifacts.removesuffix("/artifacts")))
    assert version["artifacts"] == [artifact]
    assert version["revision"] == 2
    assert answer.headers["location"] == answer.json()["links"]["download"]


def test_an_upload_of_unknown_length_in_many_pieces(api: ServedApi, artifacts: str) -> None:
    content = bytes(range(256)) * 8192  # 2 MiB
    pieces = (content[at : at + 9_999] for at in range(0, len(content), 9_999))
    artifact = data(api.dev.post(artifacts, content=pieces, **named()), 201)
    assert artifact["size"] == len(content)
    assert artifact["sha256"] == hashlib.sha256(content).hexdigest()


def test_json_files_may_be_larger_than_json_bodies(api: ServedApi, artifacts: str) -> None:
    content = b"[" + b"1," * MIB + b"1]"
    answer = api.dev.post(
        artifacts, content=content, headers={"Content-Type": "application/json"}, **named("tokenizer.json", "tokenizer")
    )
    assert data(answer, 201)["mediaType"] == "application/json"


def test_exactly_the_limit(api: ServedApi, artifacts: str) -> None:
    assert data(api.dev.post(artifacts, content=b"x" * UPLOAD_LIMIT, **named()), 201)["size"] == UPLOAD_LIMIT


def test_replacing(api: ServedApi, artifacts: str) -> None:
    first = data(api.dev.post(artifacts, content=CONTENT, **named()), 201)
    refusal(api.dev.post(artifacts, content=b"other", **named()), 409, "DUPLICATE")
    second = data(api.dev.post(artifacts, content=b"other", **named(replace="true")), 201)
    assert first["id"] != second["id"]
    version = data(api.dev.get(artifacts.removesuffix("/artifacts")))
    assert [artifact["id"] for artifact in version["artifacts"]] == [second["id"]]


def test_an_upload_can_be_repeated_under_its_key(api: ServedApi, artifacts: str) -> None:
    key = {"Idempotency-Key": new_id()}
    answers = [data(api.dev.post(artifacts, content=CONTENT, headers=key, **named()), 201) for _ in range(3)]
    assert len({answer["id"] for answer in answers}) == 1
    refusal(api.dev.post(artifacts, content=b"other", headers=key, **named()), 422, "IDEMPOTENCY_MISMATCH")
    refusal(api.dev.post(artifacts, content=CONTENT, headers=key, **named("else")), 422, "IDEMPOTENCY_MISMATCH")


def test_a_container_is_a_reference(api: ServedApi, artifacts: str) -> None:
    uri = f"registry.example.org/team/credit@sha256:{DIGEST}"
    artifact = data(api.dev.post(artifacts, json={"uri": uri, "license": "MIT"}, **named("image", "container")), 201)
    assert (artifact["uri"], artifact["sha256"], artifact["size"], artifact["license"]) == (uri, DIGEST, 0, "MIT")
    download = api.dev.get(f"{artifacts}/{artifact['id']}/download")
    assert refusal(download, 400, "INVALID_INPUT")["details"]["uri"] == uri


def test_a_dataset(api: ServedApi) -> None:
    name = f"data-{new_id()}"
    params = {"name": name, "group": "lab", "format": "csv"}
    answer = api.dev.post("/api/v1/datasets", content=b"a,y\n1,0\n", params=params)
    dataset = data(answer, 201)
    assert (dataset["name"], dataset["format"], dataset["size"]) == (name, "csv", 8)
    assert data(api.dev.get(answer.headers["location"])) == dataset
    refusal(api.dev.post("/api/v1/datasets", content=b"other", params=params), 409, "DUPLICATE")


# --- what is refused --------------------------------------------------------------------------------------


def fresh() -> bytes:
    """Content that nobody stored before, so that it would be seen if it stayed."""
    return new_id().encode() * 100


OTHER = hashlib.sha256(b"other").hexdigest()


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"X-Content-SHA256": OTHER}, "DIGEST_MISMATCH"),
        ({"Content-Digest": digest_field(b"other")}, "DIGEST_MISMATCH"),
        ({"X-Content-SHA256": DIGEST, "Content-Digest": digest_field(b"other")}, "INVALID_INPUT"),
        ({"X-Content-SHA256": OTHER, "Content-Digest": digest_field(CONTENT)}, "INVALID_INPUT"),
        ({"X-Content-SHA256": ""}, "INVALID_INPUT"),
        ({"X-Content-SHA256": DIGEST[1:]}, "INVALID_INPUT"),
        ({"X-Content-SHA256": f"sha256:{DIGEST}"}, "INVALID_INPUT"),
        ({"Content-Digest": DIGEST}, "INVALID_INPUT"),
        ({"Content-Digest": f"sha-256={DIGEST}"}, "INVALID_INPUT"),
        ({"Content-Digest": "sha-256=:AAAA:"}, "INVALID_INPUT"),
        ({"Content-Digest": "md5=:1B2M2Y8AsgTpgAmY7PhCfg==:"}, "INVALID_INPUT"),
    ],
)
def test_digests_that_are_wrong_or_none(api: ServedApi, artifacts: str, headers: dict[str, str], code: str) -> None:
    store = api.registry.platform.store
    store.delete(DIGEST)  # another test may have stored it, and then nobody would see that it stayed
    before = api.stored()
    refusal(api.dev.post(artifacts, content=CONTENT, headers=headers, **named()), 400, code)
    assert api.stored() == before


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.usefixtures("nothing_stored")
def test_more_than_the_limit(api: ServedApi, artifacts: str, announced: bool) -> None:
    content = fresh() + b"x" * UPLOAD_LIMIT
    pieces = (content[at : at + MIB] for at in range(0, len(content), MIB))
    body: Any = content if announced else pieces
    refusal(api.dev.post(artifacts, content=body, **named()), 413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.usefixtures("nothing_stored")
def test_nothing_at_all(api: ServedApi, artifacts: str, announced: bool) -> None:
    body: Any = b"" if announced else iter([b""])
    refusal(api.dev.post(artifacts, content=body, **named()), 400, "INVALID_INPUT")
    params = {"name": new_id(), "group": "lab", "format": "csv"}
    refusal(api.dev.post("/api/v1/datasets", content=body, params=params), 400, "INVALID_INPUT")


NAMES = ["", "..", "../../etc/passwd", "/etc/passwd", "a\\b", "a/b", "a\x00b", "a\nb", "naïve", ".hidden", "x" * 129]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("nothing_stored")
def test_names(api: ServedApi, artifacts: str, name: str) -> None:
    refusal(api.dev.post(artifacts, content=fresh(), **named(name)), 400, "INVALID_INPUT")
    for params in ({"name": name, "group": "lab"}, {"name": "fine", "group": name}):
        answer = api.dev.post("/api/v1/datasets", content=fresh(), params={**params, "format": "csv"})
        refusal(answer, 400, "INVALID_INPUT")


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"type": "weights"},
        {"name": "model.onnx"},
        {"type": "malware", "name": "model.onnx"},
        {"type": "Weights", "name": "model.onnx"},
        {"type": "weights", "name": "model.onnx", "replace": "perhaps"},
        {"type": "weights", "name": "model.onnx", "license": "a\x00b"},
        {"type": "weights", "name": "model.onnx", "license": "x" * 201},
    ],
)
@pytest.mark.usefixtures("nothing_stored")
def test_queries(api: ServedApi, artifacts: str, params: dict[str, str]) -> None:
    refusal(api.dev.post(artifacts, content=fresh(), params=params), 400, "INVALID_INPUT")


@pytest.mark.usefixtures("nothing_stored")
def test_a_media_type_that_nobody_could_store(api: ServedApi, artifacts: str) -> None:
    headers = {"Content-Type": "application/" + "x" * 300}
    refusal(api.dev.post(artifacts, content=fresh(), headers=headers, **named()), 400, "INVALID_INPUT")


@pytest.mark.usefixtures("nothing_stored")
def test_a_key_that_cannot_be_one(api: ServedApi, artifacts: str) -> None:
    headers = {"Idempotency-Key": "x" * 201}
    refusal(api.dev.post(artifacts, content=fresh(), headers=headers, **named()), 400, "INVALID_INPUT")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"uri": "registry/name:latest"},
        {"uri": f"../name@sha256:{DIGEST}"},
        {"uri": f"name@sha256:{DIGEST}\x00"},
        {"uri": 7},
        {"uri": f"name@sha256:{DIGEST}", "license": 1},
        {"uri": f"name@sha256:{DIGEST}", "license": "a\x00"},
        {"uri": f"name@sha256:{DIGEST}", "size": 5},
        [],
    ],
)
@pytest.mark.usefixtures("nothing_stored")
def test_containers(api: ServedApi, artifacts: str, body: Any) -> None:
    refusal(api.dev.post(artifacts, json=body, **named("image", "container")), 400, "INVALID_INPUT")


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"\xff", b"[" * 100_000, b'{"uri": "\\ud800"}', b'{"\\ud800": 1}', CONTENT],
    ids=["empty", "cut", "not UTF-8", "deep", "surrogate", "surrogate name", "bytes"],
)
@pytest.mark.usefixtures("nothing_stored")
def test_containers_that_are_no_json(api: ServedApi, artifacts: str, raw: bytes) -> None:
    for content_type in ("application/json", "application/octet-stream"):
        answer = api.dev.post(
            artifacts, content=raw, headers={"Content-Type": content_type}, **named("image", "container")
        )
        refusal(answer, 400, "INVALID_INPUT")


@pytest.mark.usefixtures("nothing_stored")
def test_a_container_body_beyond_the_limit(api: ServedApi, artifacts: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = api.dev.post(artifacts, content=b" " * (2 * MIB), headers=headers, **named("image", "container"))
    refusal(answer, 413, "PAYLOAD_TOO_LARGE")


def test_a_frozen_version_takes_nothing(api: ServedApi) -> None:
    r = api.registry
    model = api.model()
    path = api.version(model) + "/artifacts"
    for transition in ("retire",):
        r.settle(r.open(model, "1.0.0", transition))
    before = api.stored()
    refusal(api.dev.post(path, content=fresh(), **named()), 409, "VERSION_FROZEN")
    assert api.stored() == before


# --- connections that end too early -----------------------------------------------------------------------


def send(api: ServedApi, path: str, head: list[str], body: bytes) -> None:
    """A request of which only this much is sent; then the connection is closed."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {api.tokens['dana']}", *head, "", ""]
    with socket.create_connection(api.address) as connection:
        connection.sendall("\r\n".join(lines).encode() + body)
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(30)
        while connection.recv(65_536):
            pass


TRUNCATED: dict[str, Callable[[], tuple[list[str], bytes]]] = {
    "half of the announced bytes": lambda: ([f"Content-Length: {MIB}"], b"x" * (MIB // 2)),
    "all but one byte": lambda: ([f"Content-Length: {2 * MIB}"], b"x" * (2 * MIB - 1)),
    "only the head": lambda: (["Content-Length: 100"], b""),
    "no last chunk": lambda: (["Transfer-Encoding: chunked"], b"10\r\n" + b"x" * 16 + b"\r\n"),
    "half a chunk": lambda: (["Transfer-Encoding: chunked"], b"ffff\r\n" + b"x" * 100),
    "a digest that would fit what came": lambda: (
        ["Content-Length: 10", f"X-Content-SHA256: {hashlib.sha256(b'abc').hexdigest()}"],
        b"abc",
    ),
}


@pytest.mark.parametrize("how", list(TRUNCATED))
@pytest.mark.parametrize("target", ["artifact", "dataset"])
@pytest.mark.usefixtures("nothing_stored")
def test_an_upload_that_breaks_off_leaves_nothing(api: ServedApi, artifacts: str, how: str, target: str) -> None:
    head, body = TRUNCATED[how]()
    path = f"{artifacts}?type=weights&name=model.onnx"
    if target == "dataset":
        path = f"/api/v1/datasets?name={new_id()}&group=lab&format=csv"
    send(api, path, head, body)
    api.wait_until_idle()


@pytest.mark.usefixtures("nothing_stored")
def test_chunks_that_are_none(api: ServedApi, artifacts: str) -> None:
    send(api, f"{artifacts}?type=weights&name=m", ["Transfer-Encoding: chunked"], b"zz\r\nabc\r\n0\r\n\r\n")
    send(api, f"{artifacts}?type=weights&name=m", ["Content-Length: -5"], b"abc")
    send(api, f"{artifacts}?type=weights&name=m", ["Content-Length: 3", "Transfer-Encoding: chunked"], b"abc")
    api.wait_until_idle()
