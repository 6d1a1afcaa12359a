"""Who is calling, as an address to count by: the socket's peer, or what a proxy that we trust says of it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

from starlette.types import Scope

from storage.settings import SettingsError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
UNKNOWN = "unknown"


def networks(text: str) -> tuple[Network, ...]:
    """The networks of a comma-separated setting. Raises SettingsError."""
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise SettingsError(f"GATEHOUSE_TRUSTED_PROXIES holds networks such as 10.0.0.0/8: {error}") from None


def client_address(scope: Scope, trusted: tuple[Network, ...]) -> str:
    """An IPv4 address, or the /64 of an IPv6 address, since whoever has one address of it has them all.

    Of `X-Forwarded-For`, read only when the peer is trusted, the rightmost address that is not trusted itself
    counts: everything left of it was written by the client.
    """
    peer = scope.get("client")
    if peer is None:
        return UNKNOWN
    if trusted and _is_trusted(peer[0], trusted):
        for hop in reversed(list(_hops(scope["headers"]))):
            if not _is_trusted(hop, trusted):
                return counted_as(hop)
    return counted_as(peer[0])


@lru_cache(maxsize=4096)
def counted_as(text: str) -> str:
    address = _parsed(text)
    if address is None:
        return UNKNOWN
    if isinstance(address, ipaddress.IPv6Address):
        return f"{ipaddress.IPv6Address(int(address) >> 64 << 64)}/64"
    return str(address)


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_trusted(text: str, trusted: tuple[Network, ...]) -> bool:
    address = _parsed(text)
    return address is not None and any(address in network for network in trusted)


def _hops(headers: Iterable[tuple[bytes, bytes]]) -> Iterable[str]:
    for name, value in headers:
        if name == b"x-forwarded-for":
            yield from (_without_port(part.strip()) for part in value.decode("latin-1").split(","))


def _without_port(hop: str) -> str:
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
