"""Names, versions, metadata and references: what is taken, what is refused, and always with InvalidInput."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.errors import InvalidInput
from governance.models import (
    METADATA_LIMIT,
    NAME,
    checked_commit,
    checked_container,
    checked_metadata,
    checked_name,
    checked_sha256,
    checked_text,
    checked_version,
)

DIGEST = "0123456789abcdef" * 4


@pytest.mark.parametrize("name", ["a", "7", "credit-risk", "model.onnx", "A_b-c.d9", "a" * 128])
def test_names(name: str) -> None:
    assert checked_name("name", name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "a ",
        " a",
        ".",
        "..",
        "../etc/passwd",
        "a/b",
        "a\\b",
        "a..b",
        ".hidden",
        "-flag",
        "a-",
        "a\n",
        "a\x00",
        "a\r\nSet-Cookie: x",
        "naïve",
        "ａ",
        "мodel",
        "a%2fb",
        "a?b",
        "a#b",
        "a:b",
        "a\u202eb",
        "\ud800",
        "a" * 129,
    ],
)
def test_names_that_are_unsafe_somewhere(name: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        checked_name("name", name)
    assert refusal.value.details["field"] == "name"


@given(st.text(max_size=140))
def test_every_accepted_name_is_one_harmless_path_segment(name: str) -> None:
    try:
        checked_name("name", name)
    except InvalidInput:
        return
    assert name.isascii()
    assert name.isprintable()
    assert not set(name) & set("/\\ %?#:;'\"")
    assert name[0].isalnum()
    assert name[-1].isalnum()
    assert ".." not in name
    assert NAME.fullmatch(name)


# The examples of semver.org's own regular expression (2.0.0, FAQ).
VALID = """
0.0.4 1.2.3 10.20.30 1.1.2-prerelease+meta 1.1.2+meta 1.1.2+meta-valid 1.0.0-alpha 1.0.0-beta
1.0.0-alpha.beta 1.0.0-alpha.beta.1 1.0.0-alpha.1 1.0.0-alpha0.valid 1.0.0-alpha.0valid
1.0.0-alpha-a.b-c-somethinglong+build.1-aef.1-its-okay 1.0.0-rc.1+build.1 2.0.0-rc.1+build.123 1.2.3-beta
10.2.3-DEV-SNAPSHOT 1.2.3-SNAPSHOT-123 1.0.0 2.0.0 1.1.7 2.0.0+build.1848 2.0.1-alpha.1227
1.0.0-alpha+beta 1.2.3----RC-SNAPSHOT.12.9.1--.12+788 1.2.3----R-S.12.9.1--.12+meta
1.2.3----RC-SNAPSHOT.12.9.1--.12 1.0.0+0.build.1-rc.10000aaa-kk-0.1
99999999999999999999999.999999999999999999.99999999999999999 1.0.0-0A.is.legal
"""
INVALID = """
1 1.2 1.2.3-0123 1.2.3-0123.0123 1.1.2+.123 +invalid -invalid -invalid+invalid -invalid.01 alpha
alpha.beta alpha.beta.1 alpha.1 alpha+beta alpha_beta alpha. alpha.. beta 1.0.0-alpha_beta -alpha.
1.0.0-alpha.. 1.0.0-alpha..1 1.0.0-alpha...1 1.0.0-alpha....1 01.1.1 1.01.1 1.1.01 1.2.3.DEV 1.2-SNAPSHOT
1.2.31.2.3----RC-SNAPSHOT.12.09.1--..12+788 1.2-RC-SNAPSHOT -1.0.3-gamma+b7718 +justmeta 9.8.7+meta+meta
9.8.7-whatever+meta+meta v1.0.0 =1.0.0 ^1.0.0 1.x.0 * latest 1.0.0/../2.0.0 1,0,0 1.0.0%00
"""
ABUSE = ["", " ", "1.0.0\n", "\n1.0.0", "1.0.0 ", "1.0.0\x00", "１.0.0", "1.٠.0", "1.0.0-é", "1.0.0+\ud800"]


@pytest.mark.parametrize("version", VALID.split())
def test_semantic_versions(version: str) -> None:
    assert checked_version(version) == (version, version.split("+")[0])


@pytest.mark.parametrize("version", [*INVALID.split(), *ABUSE, "1.0.0-" + "a" * 200, "1" * 5000 + ".0.0"])
def test_what_is_no_semantic_version(version: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        checked_version(version)
    assert len(refusal.value.message) < 400


def test_build_metadata_does_not_tell_versions_apart() -> None:
    assert checked_version("1.0.0+linux")[1] == checked_version("1.0.0+mac")[1] == "1.0.0"
    assert checked_version("1.0.0-a+b-c")[1] == "1.0.0-a"


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"a": None, "b": [True, 0.5, -1, "x"], "": {"é": "\n\t"}},
        {"text": r"\u0000 is how JSON writes it"},
        {"largest": 2**53 - 1, "smallest": -(2**53) + 1},
        {"blob": "a" * (METADATA_LIMIT - len('{"blob":""}'))},
        nested(50),
    ],
)
def test_metadata(metadata: dict[str, Any]) -> None:
    assert checked_metadata(metadata) == json.loads(json.dumps(metadata))


@pytest.mark.parametrize(
    "metadata",
    [
        {"a": "\x00"},
        {"\x00": 1},
        {"a": [{"b": "x\x00y"}]},
        {"a": "\ud800"},
        {"\ud800": 1},
        {"a": math.nan},
        {"a": [math.inf]},
        {"a": 2**53},
        {"a": -(2**53)},
        {"a": 1e300},
        {"a": {"b": [10**40]}},
        {"a": b"bytes"},
        {1: "a"},
        {"blob": "a" * (METADATA_LIMIT - len('{"blob":""}') + 1)},
        {"blob": "é" * (METADATA_LIMIT // 2)},
    ],
)
def test_metadata_that_would_not_survive(metadata: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        checked_metadata(metadata)


@pytest.mark.parametrize("depth", [51, 65, 500, 900, 950, 990, 5000])
def test_metadata_nested_beyond_what_everybody_can_read(depth: int) -> None:
    with pytest.raises(InvalidInput):
        checked_metadata(nested(depth))


@pytest.mark.parametrize("text", ["", "plain", "line\nline", "日本語", "😀" * 100, "a" * 10_000])
def test_texts(text: str) -> None:
    assert checked_text("description", text) == text


@pytest.mark.parametrize("text", ["\x00", "a\x00b", "\ud800", "a" * 10_001])
def test_texts_that_cannot_be_stored(text: str) -> None:
    with pytest.raises(InvalidInput):
        checked_text("description", text)


@pytest.mark.parametrize(
    "uri", [f"a@sha256:{DIGEST}", f"registry.example.org:5000/team/credit-risk:1.2@sha256:{DIGEST}"]
)
def test_containers_are_named_by_digest(uri: str) -> None:
    assert checked_container(uri) == DIGEST


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "registry/name",
        "registry/name:latest",
        f"@sha256:{DIGEST}",
        f"sha256:{DIGEST}",
        f"name@sha256:{DIGEST[:-1]}",
        f"name@sha256:{DIGEST}0",
        f"name@sha256:{DIGEST.upper()}",
        f"name@sha512:{DIGEST}",
        f"name@sha256:{DIGEST}\n",
        f"../name@sha256:{DIGEST}",
        f"a/../b@sha256:{DIGEST}",
        f"na me@sha256:{DIGEST}",
        f"name\x00@sha256:{DIGEST}",
        f"https://evil@host/name@sha256:{DIGEST}",
        f"{'a' * 500}@sha256:{DIGEST}",
    ],
)
def test_what_names_no_fixed_container(uri: str) -> None:
    with pytest.raises(InvalidInput):
        checked_container(uri)


def test_digests() -> None:
    assert checked_sha256("sha256", DIGEST) == DIGEST
    for wrong in ("", DIGEST[1:], DIGEST.upper(), DIGEST + "\n", "sha256:" + DIGEST, "g" * 64, "０" * 64):
        with pytest.raises(InvalidInput):
            checked_sha256("sha256", wrong)


def test_commits() -> None:
    for commit in ("3f2a9c1", "0" * 40, "a" * 64):
        assert checked_commit(commit) == commit
    for wrong in ("", "3f2a9c", "a" * 65, "A" * 40, "main", "0" * 40 + "\n", "٠" * 40):
        with pytest.raises(InvalidInput):
            checked_commit(wrong)
