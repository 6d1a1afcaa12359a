"""Which addresses models may be asked at, and with which secrets: the texts of two settings, read.

GATEHOUSE_MODEL_ENDPOINTS: addresses, separated by spaces or commas. Each allows itself and what is below it:

    https://models.example.org/v2-cluster http://triton:8000 http://127.0.0.1:9000

A host that is a name may lead into private networks, but to this machine only as `localhost`, and to link-local
addresses never; a host that is a number is that number, whatever it is. Empty: no endpoint is asked.

GATEHOUSE_MODEL_ENDPOINT_SECRETS: `<address>=file:<path>` or `<address>=env:<variable>`, separated likewise. What is in
the file or the variable of the worker is sent as a bearer token to addresses at and below that one, which is among the
allowed ones and reached by https or on this machine. The longest address that fits counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from governance.endpoints import Location, Prefix, covering
from governance.errors import InvalidInput

SECRET_LIMIT = 4_096  # characters


class SecretMissing(Exception):
    """The secret of an endpoint cannot be read; says where it was looked for and nothing of what is there."""


def read_prefixes(text: str) -> tuple[Prefix, ...]:
    """Raises InvalidInput."""
    return tuple(Prefix(Location.parsed(url)) for url in text.replace(",", " ").split())


def read_secrets(text: str, allowed: tuple[Prefix, ...]) -> dict[Prefix, str]:
    """Where each secret is: "file:…" or "env:…". Raises InvalidInput."""
    found: dict[Prefix, str] = {}
    for part in text.replace(",", " ").split():
        url, _, source = part.partition("=")
        kind, _, name = source.partition(":")
        if kind not in ("file", "env") or not name:
            raise InvalidInput("A secret is <address>=file:<path> or <address>=env:<variable>.")
        prefix = Prefix(Location.parsed(url))
        if covering(allowed, prefix.location) is None:
            raise InvalidInput(f"There is a secret for {prefix.location}, which is not among the allowed addresses.")
        literal = prefix.location.literal
        here = prefix.location.host == "localhost" or (literal is not None and literal.is_loopback)
        if prefix.location.scheme != "https" and not here:
            raise InvalidInput(f"The secret for {prefix.location} would travel in the clear; use https.")
        found[prefix] = source
    return found


def secret_for(asked: Location, secrets: Mapping[Prefix, str], environment: Mapping[str, str]) -> str:
    """What to send there as a bearer token; empty where nothing is. Raises SecretMissing."""
    prefix = covering(tuple(secrets), asked)
    if prefix is None:
        return ""
    kind, _, name = secrets[prefix].partition(":")
    where = f"the file {name}" if kind == "file" else f"the variable {name}"
    try:
        secret = (Path(name).read_text() if kind == "file" else environment.get(name, "")).strip()
    except (OSError, ValueError):
        raise SecretMissing(f"The secret of {prefix.location} cannot be read from {where}.") from None
    if not secret or len(secret) > SECRET_LIMIT or not all("!" <= character <= "~" for character in secret):
        raise SecretMissing(f"In {where} there is no secret for {prefix.location}: printable ASCII without spaces.")
    return secret
