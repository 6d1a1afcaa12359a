"""Headers beyond measure are refused, also before they are complete; bodies, whatever they say they are."""

from __future__ import annotations

import gzip
import socket
import zlib

import httpx
import pytest

from api.limits import HEADER_BYTES, HEADER_COUNT
from api.protocol import HEAD_LIMIT
from tests.api.served import ServedApi, refusal


def test_too_many_headers_and_too_large_ones(api: ServedApi) -> None:
    many = {f"x-{number}": "1" for number in range(HEADER_COUNT)}
    refusal(api.dev.get("/api/v1/models", headers=many), 431, "HEADERS_TOO_LARGE")
    refusal(api.dev.get("/api/v1/models", headers={"x": "1" * HEADER_BYTES}), 431, "HEADERS_TOO_LARGE")
    refusal(api.anonymous.get("/nothing", params={"x": "1" * HEADER_BYTES}), 431, "HEADERS_TOO_LARGE")
    half = {f"x-{number}": "1" * 400 for number in range(HEADER_COUNT // 2)}
    assert api.dev.get("/api/v1/models", headers=half).status_code == 200


def raw(api: ServedApi, *parts: bytes) -> bytes:
    """What a connection answers until it is closed."""
    with socket.create_connection(api.address, timeout=20) as connection:
        try:
            for part in parts:
                connection.sendall(part)
        except OSError:
            pass  # it was closed while we still spoke
        answer = b""
        try:
            while part := connection.recv(65536):
                answer += part
        except ConnectionResetError:
            pass
        return answer


@pytest.mark.parametrize("unit", [b"x-a: " + b"1" * 1000 + b"\r\n", b"1" * 1000])
def test_a_head_without_end_is_cut_off(api: ServedApi, unit: bytes) -> None:
    start = b"GET /health HTTP/1.1\r\nhost: x\r\nx-endless: "
    answer = raw(api, start, *[unit] * (3 * HEAD_LIMIT // len(unit)))
    assert answer.startswith(b"HTTP/1.1 431 ") or answer == b""  # reset before it could be read
    assert api.anonymous.get("/health").status_code == 200


def test_connections_that_go_on_are_counted_per_head(api: ServedApi) -> None:
    """Large bodies and several calls in one packet are no large head."""
    body = b"x" * (3 * HEAD_LIMIT)
    post = b"POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    get = b"GET /health HTTP/1.1\r\nhost: x\r\nx-a: " + b"1" * 20_000 + b"\r\n\r\n"
    last = b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    answer = raw(api, post + get * 8 + post, get * 8 + last)
    assert answer.count(b"HTTP/1.1 400 ") == 2
    assert answer.count(b"HTTP/1.1 200 ") == 17


def test_headers_after_a_body_are_not_read(api: ServedApi) -> None:
    trailers = b"".join(b"x-%d: 1\r\n" % number for number in range(5_000))
    head = b"POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    answer = raw(api, head + b"2\r\n{}\r\n0\r\n" + trailers + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity", "x"])
def test_bodies_are_never_unpacked(api: ServedApi, encoding: str) -> None:
    """A bomb stays what it is: bytes that are no JSON."""
    body = b'{"username": "' + b"x" * 500_000 + b'", "password": "x"}'
    bomb = {"gzip": gzip.compress(body), "deflate": zlib.compress(body)}.get(encoding, body)
    answer: httpx.Response = api.anonymous.post(
        "/api/v1/auth/login",
        content=bomb,
        headers={"content-encoding": encoding, "content-type": "application/json"},
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] in ("INVALID_INPUT", "BAD_REQUEST")  # a name too long; or no UTF-8 even
