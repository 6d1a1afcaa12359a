"""What a provider says about itself (OpenID Connect Discovery 1.0, RFC 8414), as far as it is used here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from storage.oidc.web import fetch_json, unavailable
from storage.settings import is_secure_address

ALLOWED_ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA", "Ed25519")
"""Signatures with a key pair. HMAC is not among them: a client's secret must not be able to sign a sign-in."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """Addresses are https, or http on this machine. `algorithms` are those of both sides, never empty."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    device_authorization_endpoint: str
    algorithms: tuple[str, ...]
    names_itself: bool
    """Whether every authorization response carries `iss` (RFC 9207)."""
    login_in_form: bool
    """Whether the client's secret goes into the form, because Basic authentication is not taken."""


def discovery_address(issuer: str) -> str:
    return issuer.rstrip("/") + "/.well-known/openid-configuration"


def metadata_from(document: Mapping[str, Any], issuer: str) -> Metadata:
    """Raises DependencyUnavailable when it is another issuer's (Discovery 4.3: exactly equal) or not usable."""
    if document.get("issuer") != issuer:
        raise unavailable("names another issuer than the one that is configured")
    advertised = document.get("id_token_signing_alg_values_supported")
    if not isinstance(advertised, list):
        advertised = ["RS256"]  # which every provider must support (Discovery 3)
    algorithms = tuple(name for name in ALLOWED_ALGORITHMS if name in advertised)
    if not algorithms:
        raise unavailable("offers no signature algorithm that is accepted here")
    methods = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    return Metadata(
        issuer=issuer,
        authorization_endpoint=_address(document, "authorization_endpoint"),
        token_endpoint=_address(document, "token_endpoint"),
        jwks_uri=_address(document, "jwks_uri"),
        device_authorization_endpoint=_address(document, "device_authorization_endpoint", optional=True),
        algorithms=algorithms,
        names_itself=document.get("authorization_response_iss_parameter_supported") is True,
        login_in_form=isinstance(methods, list)
        and "client_secret_basic" not in methods
        and "client_secret_post" in methods,
    )


async def discover(issuer: str) -> Metadata:
    """Raises DependencyUnavailable."""
    status, document = await fetch_json("GET", discovery_address(issuer))
    if status != 200:
        raise unavailable(f"answered its discovery with status {status}")
    return metadata_from(document, issuer)


def _address(document: Mapping[str, Any], name: str, *, optional: bool = False) -> str:
    value = document.get(name)
    if value is None and optional:
        return ""
    if not isinstance(value, str) or not is_secure_address(value):
        raise unavailable(f"names no usable {name}")
    return value
