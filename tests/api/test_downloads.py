"""Downloads by an address that expires, in whole and in ranges (RFC 9110, section 14)."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

from storage.artifacts.signed_urls import sign
from storage.composition import new_id, now
from tests.api.served import ServedApi, refusal

CONTENT = bytes(range(100))
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(scope="module")
def download(api: ServedApi) -> str:
    """The path of an artifact's download."""
    path = api.version(api.model()) + "/artifacts"
    answer = api.dev.post(path, content=CONTENT, params={"type": "weights", "name": "model.onnx"})
    assert answer.status_code == 201
    return str(answer.headers["location"])


@pytest.fixture
def address(api: ServedApi, download: str) -> str:
    """A fresh signed address of 100 bytes: 0, 1, ... 99."""
    answer = api.dev.get(download)
    assert answer.status_code == 307
    return str(answer.headers["location"])


def test_the_way_of_a_download(api: ServedApi, address: str) -> None:
    answer = api.anonymous.get(address)
    assert answer.status_code == 200
    assert answer.content == CONTENT
    assert answer.headers["content-length"] == "100"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["etag"] == f'"{DIGEST}"'
    assert answer.headers["content-disposition"] == 'attachment; filename="model.onnx"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "content-range" not in answer.headers


def test_the_redirect_needs_a_token_and_the_address_does_not(api: ServedApi, download: str, address: str) -> None:
    refusal(api.anonymous.get(download), 401, "UNAUTHENTICATED")
    assert api.anonymous.get(address).status_code == 200
    followed = api.grace.get(download, follow_redirects=True)
    assert followed.content == CONTENT


def test_an_artifact_of_another_version_is_not_found(api: ServedApi, download: str) -> None:
    other = api.version(api.model())
    refusal(api.dev.get(f"{other}/artifacts/{download.split('/')[-2]}/download"), 404, "ARTIFACT_NOT_FOUND")


RANGES = {
    "bytes=0-0": (0, 1),
    "bytes=0-9": (0, 10),
    "bytes=90-": (90, 100),
    "bytes=99-": (99, 100),
    "bytes=-1": (99, 100),
    "bytes=-100": (0, 100),
    "bytes=-1000": (0, 100),
    "bytes=0-": (0, 100),
    "bytes=50-1000": (50, 100),
    "bytes=0-99": (0, 100),
    "bytes=007-0010": (7, 11),
}


@pytest.mark.parametrize("header", list(RANGES))
def test_a_range(api: ServedApi, address: str, header: str) -> None:
    first, end = RANGES[header]
    answer = api.anonymous.get(address, headers={"Range": header})
    assert answer.status_code == 206
    assert answer.content == CONTENT[first:end]
    assert answer.headers["content-range"] == f"bytes {first}-{end - 1}/100"
    assert answer.headers["content-length"] == str(end - first)


@pytest.mark.parametrize(
    "header", ["bytes=100-", "bytes=100-200", "bytes=1000-1001", "bytes=-0", "bytes=999999999999-"]
)
def test_a_range_beyond_the_content(api: ServedApi, address: str, header: str) -> None:
    answer = api.anonymous.get(address, headers={"Range": header})
    refusal(answer, 416, "RANGE_NOT_SATISFIABLE")
    assert answer.headers["content-range"] == "bytes */100"


@pytest.mark.parametrize(
    "header",
    ["bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=1", "bytes 0-1", "lines=0-1", "bytes=0-1,3-4", "bytes=--5",
     "bytes=0x1-0x2", "bytes=+1-2", "bytes=" + "9" * 400 + "-", "", "0-1"],
)  # fmt: skip
def test_what_is_no_single_range_of_bytes_is_ignored(api: ServedApi, address: str, header: str) -> None:
    answer = api.anonymous.get(address, headers={"Range": header})
    assert answer.status_code == 200
    assert answer.content == CONTENT


def test_a_range_that_ends_before_it_begins(api: ServedApi, address: str) -> None:
    assert api.anonymous.get(address, headers={"Range": "bytes=5-2"}).status_code in (200, 416)


def test_if_range(api: ServedApi, address: str) -> None:
    """A part is for who has the rest of this very content; everybody else gets the whole."""
    ranged = {"Range": "bytes=0-9"}
    same = api.anonymous.get(address, headers={**ranged, "If-Range": f'"{DIGEST}"'})
    assert (same.status_code, same.content) == (206, CONTENT[:10])
    for other in (f'"{"0" * 64}"', f'W/"{DIGEST}"', "Sat, 29 Oct 1994 19:43:31 GMT", DIGEST):
        answer = api.anonymous.get(address, headers={**ranged, "If-Range": other})
        assert (answer.status_code, answer.content) == (200, CONTENT), other


def test_head_has_the_headers_and_no_body(api: ServedApi, address: str) -> None:
    answer = api.anonymous.head(address)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == "100"
    assert answer.headers["etag"] == f'"{DIGEST}"'
    ranged = api.anonymous.head(address, headers={"Range": "bytes=0-9"})
    assert (ranged.status_code, ranged.headers["content-length"]) == (200, "100"), "ranges are defined for GET only"


def altered(address: str, **changes: str | None) -> str:
    parts = urlsplit(address)
    query = {**dict(parse_qsl(parts.query)), **changes}
    return f"{parts.path}?{urlencode({name: value for name, value in query.items() if value is not None})}"


@pytest.mark.parametrize(
    "changes",
    [
        {"expires": "99999999999"},
        {"expires": "0"},
        {"expires": "x"},
        {"expires": None},
        {"filename": "other.exe"},
        {"filename": None},
        {"type": "text/html"},
        {"signature": "0" * 64},
        {"signature": ""},
        {"signature": None},
        {"signature": "é"},
        {"extra": "1"},
    ],
)
def test_an_address_that_was_altered(api: ServedApi, address: str, changes: dict[str, str | None]) -> None:
    refusal(api.anonymous.get(altered(address, **changes)), 403, "FORBIDDEN")


def test_an_address_of_other_content(api: ServedApi, address: str) -> None:
    upload = api.registry.platform.store.open_upload(limit=10)
    upload.write(b"secret")
    other = upload.finish().sha256
    for path in (other, "../../etc/passwd", "%2e%2e%2f", DIGEST.upper(), DIGEST[:-1], ""):
        answer = api.anonymous.get(address.replace(DIGEST, path))
        assert answer.status_code in (403, 404), path
        assert b"secret" not in answer.content
    for query in ("", "?", f"?{urlsplit(address).query}&signature=x", f"?{urlsplit(address).query}&expires=1"):
        refusal(api.anonymous.get(f"{urlsplit(address).path}{query}"), 403, "FORBIDDEN")


def signed(api: ServedApi, **changes: Any) -> str:
    values: dict[str, Any] = {
        "filename": "model.onnx",
        "media_type": "application/octet-stream",
        "key": api.registry.platform.download_key,
        "at": now(),
        "ttl_seconds": 60,
    }
    return sign("GET", f"/api/v1/content/{changes.pop('digest', DIGEST)}", **{**values, **changes})


def test_an_address_that_has_expired(api: ServedApi, address: str) -> None:
    answer = api.anonymous.get(signed(api, at=now() - timedelta(minutes=2)))
    assert "expired" in refusal(answer, 403, "FORBIDDEN")["message"]


def test_an_address_of_another_key(api: ServedApi, address: str) -> None:
    refusal(api.anonymous.get(signed(api, key=b"k" * 32)), 403, "FORBIDDEN")


def test_content_that_is_gone(api: ServedApi, address: str) -> None:
    refusal(api.anonymous.get(signed(api, digest="0" * 64)), 404, "CONTENT_NOT_FOUND")


def test_hostile_names_and_types_become_harmless_headers(api: ServedApi, address: str) -> None:
    answer: httpx.Response = api.anonymous.get(
        signed(api, filename='x"\r\nSet-Cookie: a=b;../ü.html', media_type="text/html\r\nX: y")
    )
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.headers["content-type"] == "application/octet-stream"


def test_unknown_artifacts(api: ServedApi, download: str) -> None:
    base = download.rsplit("/", 2)[0]
    refusal(api.dev.get(f"{base}/{new_id()}/download"), 404, "ARTIFACT_NOT_FOUND")
