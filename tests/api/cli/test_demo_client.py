"""What the demo shows of a good client: repeatable writes, patience, digests, conditions."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from api.cli.demo.client import Caller, PlatformGone, Refused, Stopped, Wire, retry_after
from tests.api.cli.demo_server import Answering, Asked, Reply, data, error, serving


@contextmanager
def caller_of(answering: Answering, *, patience: float = 20.0) -> Iterator[tuple[Caller, list[Asked]]]:
    with serving(answering) as (address, asked):
        wire = Wire(address, patience=patience)
        try:
            yield Caller(wire, "ada", "secret-token"), asked
        finally:
            wire.close()


def test_a_busy_platform_is_asked_again_under_the_same_key() -> None:
    replies = iter([error(503, "DEPENDENCY_UNAVAILABLE"), error(429, "SLOW_DOWN"), data({"id": "r1"}, 202)])

    def answering(asked: Asked) -> Reply:
        reply = next(replies)
        return Reply(reply.status, reply.body, {"Retry-After": "0"})

    with caller_of(answering) as (caller, asked):
        assert caller.post("/transitions", {"transition": "submit"}).data == {"id": "r1"}
    keys = [request.headers["idempotency-key"] for request in asked]
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert {request.content for request in asked} == {asked[0].content}


def test_every_write_has_a_key_of_its_own_and_reads_have_none() -> None:
    with caller_of(lambda asked: data(None)) as (caller, asked):
        caller.post("/a", {})
        caller.put("/a", {}, etag='"1"')
        caller.upload("/a", b"bytes")
        caller.get("/a")
    writes, read = asked[:3], asked[3]
    assert len({request.headers["idempotency-key"] for request in writes}) == 3
    assert "idempotency-key" not in read.headers
    assert {request.headers["authorization"] for request in asked} == {"Bearer secret-token"}


def test_a_platform_that_stays_busy_counts_as_gone() -> None:
    busy = error(503, "DEPENDENCY_UNAVAILABLE", "The database does not answer.")
    with (
        caller_of(lambda asked: Reply(503, busy.body, {"Retry-After": "1"}), patience=0.2) as (caller, _),
        pytest.raises(PlatformGone, match="The database does not answer"),
    ):
        caller.get("/a")


def test_a_platform_that_is_not_there_counts_as_gone() -> None:
    with serving(lambda asked: data(None)) as (address, _):
        pass  # nobody listens there any more
    wire = Wire(address, patience=0.1)
    with pytest.raises(PlatformGone, match="ConnectError"):
        wire.call("GET", "/a")
    wire.close()


def test_a_lost_connection_is_tried_again() -> None:
    """The answer to the first write is lost; the second carries the same key, so nothing is made twice."""
    lost = threading.Event()

    def answering(asked: Asked) -> Reply:
        if lost.is_set():
            return data("made")
        lost.set()
        return Reply(200, b"{", {"Content-Length": "100"})  # breaks off

    with caller_of(answering) as (caller, asked):
        assert caller.post("/a", {}).data == "made"
    assert asked[0].headers["idempotency-key"] == asked[1].headers["idempotency-key"]


def test_waiting_ends_when_the_demo_is_stopped() -> None:
    def answering(asked: Asked) -> Reply:
        caller.wire.stopping.set()
        return Reply(503, {}, {"Retry-After": "5"})

    with caller_of(answering) as (caller, asked), pytest.raises(Stopped):
        caller.get("/a")
    assert len(asked) == 1


def test_an_upload_announces_its_digest() -> None:
    with caller_of(lambda asked: data(None, 201)) as (caller, asked):
        caller.upload("/artifacts", b"weights", type="weights", name="model.onnx")
    assert asked[0].headers["x-content-sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert asked[0].content == b"weights"
    assert asked[0].query == {"type": "weights", "name": "model.onnx"}


def test_a_change_is_conditional_on_what_was_read() -> None:
    with caller_of(lambda asked: Reply(200, {"data": 1}, {"ETag": '"8"'})) as (caller, asked):
        assert caller.put("/metadata", {"metadata": {}}, etag='"7"').etag == '"8"'
    assert asked[0].headers["if-match"] == '"7"'


def test_a_refusal_is_an_answer_until_its_data_is_needed() -> None:
    refusal = error(409, "ILLEGAL_TRANSITION", "No.", possible=["submit"])
    with caller_of(lambda asked: refusal) as (caller, asked):
        answer = caller.post("/a", {})
        assert (answer.status, answer.code, answer.details["possible"]) == (409, "ILLEGAL_TRANSITION", ["submit"])
        with pytest.raises(Refused, match="409 ILLEGAL_TRANSITION: No\\."):
            _ = answer.data
    assert len(asked) == 1


@pytest.mark.parametrize("content", [b"<html>oops</html>", b"[1]", b""])
def test_an_answer_that_is_no_envelope_is_a_refusal_and_no_crash(content: bytes) -> None:
    with caller_of(lambda asked: Reply(500, content)) as (caller, _), pytest.raises(Refused, match="500"):
        _ = caller.get("/a").data


def test_a_list_is_read_to_its_last_page() -> None:
    def answering(asked: Asked) -> Reply:
        if asked.query.get("nextToken") == "n2":
            return data([3])
        return data([1, 2], links={"next": f"{asked.path}?group={asked.query['group']}&nextToken=n2"})

    with caller_of(answering) as (caller, asked):
        assert list(caller.every("/api/v1/models", group="demo")) == [1, 2, 3]
    assert asked[1].query == {"group": "demo", "nextToken": "n2"}


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, 1.0), ("2", 2.0), ("0", 0.1), ("3600", 5.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 1.0), ("-1", 0.1)],
)
def test_how_long_to_wait(header: str | None, seconds: float) -> None:
    assert retry_after(header) == seconds
