"""Models that are served elsewhere: how a version names its endpoint, and which addresses may be asked.

A version without weights says in its metadata `endpoint: {"protocol", "url", "model"}`. Approvals bind to the metadata,
evaluations to the digest of this description. What the description names is asked only when the platform's settings
allow it (`Prefix`); an address is judged again after its name was resolved (`refused_address`), so that a name cannot
lead a worker to itself or to the services of its cloud (OWASP API7:2023, server-side request forgery).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from governance.canonical import digest_of
from governance.errors import InvalidInput

PROTOCOLS = ("open_inference", "openai")
_NAME = r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)"
# One spelling of an address: no user, query, fragment, escapes or dot segments, so that what was compared is what is
# asked.
_URL = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{_NAME}(?:\.{_NAME})*|\[[0-9a-f]*:[0-9a-f:.]*\])(?::(?P<port>[0-9]{{1,5}}))?"
    r"(?P<path>(?:/[A-Za-z0-9._~-]+)*)/?",
    re.IGNORECASE | re.ASCII,
)
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,254}")
_PORTS = {"http": 80, "https": 443}
_URL_LIMIT = 1_000  # characters
# Beside the link-local ones: EC2 over IPv6, Oracle, Alibaba.
_METADATA_SERVICES = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "192.0.0.192", "100.100.100.200")))
_PRIVATE = tuple(
    map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"))
)
_TRANSLATED = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")))
_UNUSED = ("::/3", "4000::/2", "8000::/1")  # of IPv6, beside 2000::/3; what is mapped or translated is in there, too
_SPECIAL = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", *_UNUSED)))

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Location:
    """A web address in its one spelling. `host` in lower case, IPv6 without brackets; `path` without final slash."""

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parsed(cls, url: str) -> Location:
        """Raises InvalidInput for anything but plain http and https addresses. The message repeats nothing of it."""
        match = _URL.fullmatch(url) if len(url) <= _URL_LIMIT else None
        if match is None:
            raise InvalidInput(
                "An endpoint's url is http:// or https://, a host, maybe a port and a path; without user, password, "
                "query, fragment or escaped characters.",
                details={"field": "endpoint.url"},
            )
        scheme, host = match["scheme"].lower(), match["host"].lower().strip("[]")
        port = int(match["port"]) if match["port"] else _PORTS[scheme]
        segments = match["path"].split("/")
        literal = _literal(host)
        if not 0 < port < 65_536 or "." in segments or ".." in segments or (":" in host and literal is None):
            raise InvalidInput("The endpoint's url is no address.", details={"field": "endpoint.url"})
        return cls(scheme, str(literal) if literal is not None else host, port, match["path"])

    @property
    def literal(self) -> Address | None:
        """The address itself, where the host is no name."""
        return _literal(self.host)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """protocol: of `PROTOCOLS`. model: the name by which the server knows the model."""

    protocol: str
    location: Location
    model: str

    @property
    def url(self) -> str:
        return str(self.location)

    @property
    def digest(self) -> str:
        """What evaluations of the version are bound to in place of its weights."""
        return digest_of({"protocol": self.protocol, "url": self.url, "model": self.model})


def endpoint_of(metadata: Mapping[str, Any]) -> Endpoint | None:
    """The endpoint that a version's metadata describe; None where they describe none. Raises InvalidInput.

    Metadata are free otherwise, so `endpoint` speaks of this only when it is an object with a `protocol`.
    """
    described = metadata.get("endpoint")
    if not isinstance(described, Mapping) or "protocol" not in described:
        return None
    protocol, url, model = (described.get(name) for name in ("protocol", "url", "model"))
    if set(described) != {"protocol", "url", "model"} or protocol not in PROTOCOLS:
        raise InvalidInput(
            f"metadata.endpoint has protocol ({' or '.join(PROTOCOLS)}), url and model, and nothing else.",
            details={"field": "endpoint"},
        )
    if not isinstance(model, str) or not _MODEL.fullmatch(model) or ".." in model or "//" in model:
        raise InvalidInput(
            "metadata.endpoint.model is the model's name on the server: at most 255 letters, digits, . _ : / @ + -",
            details={"field": "endpoint.model"},
        )
    return Endpoint(str(protocol), Location.parsed(url if isinstance(url, str) else ""), model)


def endpoint_digest(metadata: Mapping[str, Any]) -> str | None:
    """None where no usable endpoint is described; written before there was a rule, it may be anything."""
    try:
        found = endpoint_of(metadata)
    except InvalidInput:
        return None
    return found.digest if found else None


@dataclass(frozen=True, slots=True)
class Prefix:
    """What an administrator allows to be asked: everything at and below one location."""

    location: Location

    def covers(self, asked: Location) -> bool:
        """Whole segments count: `/a` covers `/a` and `/a/b`, not `/ab`."""
        ours = self.location
        same = (asked.scheme, asked.host, asked.port) == (ours.scheme, ours.host, ours.port)
        return same and f"{asked.path}/".startswith(f"{ours.path}/")


def covering(prefixes: tuple[Prefix, ...], asked: Location) -> Prefix | None:
    """The longest of the prefixes that cover it."""
    return max((p for p in prefixes if p.covers(asked)), key=lambda p: len(p.location.path), default=None)


def refused_address(address: str, host: str) -> str | None:
    """Why the address that `host` resolved to may not be connected to; None when it may.

    A host that an administrator allowed by its number is that number and nothing else. "localhost" is this machine.
    Any other name may lead to the internet and into private networks, where model servers are, but neither to this
    machine nor to link-local addresses, metadata services of clouds, multicast or special ranges, in whatever disguise
    of IPv6.
    """
    found, literal = ipaddress.ip_address(address.partition("%")[0]), _literal(host)
    if literal is not None:
        useless = found.is_multicast or found.is_unspecified or found != literal
        return "it is not the address that is allowed" if useless else None
    if host == "localhost":
        return None if found.is_loopback else "localhost is not this machine"
    inner = _inside(found)
    if found.is_loopback or inner.is_loopback:
        return "it is this machine, which is asked only if it is allowed as localhost or by number"
    if any(one.is_link_local or one in _METADATA_SERVICES for one in (found, inner)):
        return "it is a link-local address or a metadata service, which is asked only if it is allowed by number"
    private = any(found in network for network in _PRIVATE if network.version == found.version)
    return None if private or _is_public(found) else "it is in a special range, not the address of one machine"


def _is_public(address: Address) -> bool:
    """`is_global` of Python 3.11 lets 13 of 35 hostile addresses pass; this lets none."""
    if any(address in network for network in _SPECIAL if network.version == address.version):
        return False
    if isinstance(address, ipaddress.IPv6Address) and _inside(address) is not address:
        return _is_public(_inside(address))
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _inside(address: Address) -> Address:
    """The IPv4 address in an IPv6 one: mapped, 6to4, Teredo, or translated by NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    teredo = address.teredo[1] if address.teredo else None
    if inner := address.ipv4_mapped or address.sixtofour or teredo:
        return inner
    if any(address in network for network in _TRANSLATED):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
