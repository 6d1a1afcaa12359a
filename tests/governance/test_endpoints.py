"""Which addresses may be asked, in whatever spelling, and what a version's endpoint is bound to."""

from __future__ import annotations

from typing import Any

import pytest

from governance.endpoints import Location, Prefix, covering, endpoint_digest, endpoint_of, refused_address
from governance.errors import InvalidInput
from governance.models import checked_metadata

GOOD: dict[str, Any] = {"protocol": "open_inference", "url": "https://models.example.org/a", "model": "credit"}
INWARD = [
    "127.0.0.1",
    "127.1.2.3",
    "0.0.0.0",
    "169.254.169.254",
    "192.0.0.8",
    "192.0.2.1",
    "198.18.0.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fd00:ec2::254",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::",
    "2001:db8::1",
    "2001:0:7f00:1::",
    "fec0::1",
    "192.88.99.1",
    "5f00::1",
    "100.100.100.200",
    "192.0.0.192",
    "fe80::1%eth0",
]


@pytest.mark.parametrize(
    ("url", "spelling"),
    [
        ("https://models.example.org", "https://models.example.org"),
        ("HTTPS://Models.Example.ORG:443/A/b/", "https://models.example.org/A/b"),
        ("http://10.0.0.7:8000/x", "http://10.0.0.7:8000/x"),
        ("http://[0:0:0:0:0:0:0:1]:80", "http://[::1]"),
        ("http://triton:8000", "http://triton:8000"),
    ],
)
def test_an_address_has_one_spelling(url: str, spelling: str) -> None:
    assert str(Location.parsed(url)) == spelling
    assert Location.parsed(spelling) == Location.parsed(url)


@pytest.mark.parametrize(
    "url",
    [
        "", "models.example.org", "ftp://h/", "file:///etc/passwd", "http://", "http:///x", "http://u:hunter2@h/",
        "http://h/?a=hunter2", "http://h/#a", "http://h/a/../b", "http://h/./b", "http://h/a//b", "http://h/%2e%2e/b",
        "http://h\\@evil/", "http://h /", " http://h", "http://h\n", "http://h:0", "http://h:65536", "http://h:",
        "http://①②⑦.⓪.⓪.①/", "http://[::1/", "http://[1.2.3.4]/", "http://ſ/", "http://h..x/", "http://" + "a" * 1000,
    ],
)  # fmt: skip
def test_what_is_no_plain_address_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Location.parsed(url)
    assert "hunter2" not in refused.value.message


@pytest.mark.parametrize(
    ("prefix", "url", "covered"),
    [
        ("https://h/a", "https://h/a", True),
        ("https://h/a/", "https://h/a/b", True),
        ("https://h", "https://h/anything/at/all", True),
        ("https://h/a", "https://h/ab", False),
        ("https://h/a", "https://h", False),
        ("https://h/a", "http://h/a", False),
        ("https://h/a", "https://h:8443/a", False),
        ("https://h", "https://h.evil", False),
        ("https://h", "https://evil.h", False),
        ("http://127.0.0.1", "http://127.1", False),
        ("http://127.0.0.1", "http://2130706433", False),
    ],
)
def test_a_prefix_covers_whole_segments_of_one_origin(prefix: str, url: str, covered: bool) -> None:
    assert Prefix(Location.parsed(prefix)).covers(Location.parsed(url)) is covered


def test_the_longest_prefix_counts() -> None:
    prefixes = tuple(Prefix(Location.parsed(url)) for url in ("https://h", "https://h/a/b", "https://h/a"))
    assert covering(prefixes, Location.parsed("https://h/a/b/c")) == prefixes[1]
    assert covering(prefixes, Location.parsed("https://g")) is None


@pytest.mark.parametrize("address", INWARD)
def test_a_name_leads_nowhere_it_should_not(address: str) -> None:
    assert refused_address(address, "models.example.org") is not None


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "10.1.1.1", "172.16.0.1", "192.168.1.1", "fc00::1"])
def test_a_name_leads_to_the_internet_and_into_private_networks(address: str) -> None:
    assert refused_address(address, "models.example.org") is None


@pytest.mark.parametrize(
    ("host", "address", "allowed"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("169.254.169.254", "169.254.169.254", True),  # somebody wrote that number into the settings
        ("127.0.0.1", "127.0.0.2", False),
        ("0.0.0.0", "0.0.0.0", False),
        ("localhost", "127.0.0.1", True),
        ("localhost", "::1", True),
        ("localhost", "10.0.0.1", False),
        ("127.1", "127.0.0.1", False),
        ("2130706433", "127.0.0.1", False),
    ],
)
def test_this_machine_is_asked_only_by_number_or_as_localhost(host: str, address: str, allowed: bool) -> None:
    assert (refused_address(address, host) is None) is allowed


def test_what_evaluations_are_bound_to() -> None:
    endpoint = endpoint_of({"endpoint": GOOD})
    assert endpoint is not None
    assert endpoint_digest({"endpoint": GOOD, "license": "MIT"}) == endpoint.digest
    assert endpoint_digest({"endpoint": {**GOOD, "url": "https://MODELS.example.org:443/a/"}}) == endpoint.digest
    others = [{"protocol": "openai"}, {"url": "https://models.example.org/b"}, {"model": "Credit"}]
    digests = {endpoint_digest({"endpoint": {**GOOD, **change}}) for change in others}
    assert len(digests | {endpoint.digest}) == 4


@pytest.mark.parametrize(
    "metadata", [{}, {"endpoint": None}, {"endpoint": "https://x"}, {"endpoint": {"region": "eu"}}]
)
def test_metadata_may_say_other_things_under_that_name(metadata: dict[str, Any]) -> None:
    assert endpoint_of(metadata) is None
    assert endpoint_digest(metadata) is None
    assert checked_metadata(metadata) == metadata


@pytest.mark.parametrize(
    "change",
    [
        {"protocol": "grpc"},
        {"protocol": ["openai"]},
        {"url": 5},
        {"url": "http://u:hunter2@h"},
        {"model": ""},
        {"model": "../admin"},
        {"model": "a?b"},
        {"model": None},
        {"token": "hunter2"},
    ],
)
def test_an_endpoint_that_is_none_is_refused_when_it_is_written(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as refused:
        checked_metadata({"endpoint": {**GOOD, **change}})
    assert "hunter2" not in refused.value.message
    assert endpoint_digest({"endpoint": {**GOOD, **change}}) is None
