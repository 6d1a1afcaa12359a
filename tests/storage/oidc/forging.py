"""Ways to make a token that is one step away from a good one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.storage.oidc.issuing import Issuer, SigningKey, assembled, b64, hmac_signer

Forge = Callable[[Issuer], str]


def claims(**changes: Any) -> Forge:
    """An access token, properly signed, that says something else."""
    return lambda issuer: issuer.token(issuer.claims(**changes))


def header(key: str = "rsa", typ: str | None = "at+jwt", **changes: Any) -> Forge:
    """An access token with another header, properly signed with it."""
    return lambda issuer: issuer.token(issuer.claims(), key=key, typ=typ, **changes)


def id_claims(typ: str | None = None, **changes: Any) -> Forge:
    return lambda issuer: issuer.token(issuer.id_claims(**changes), typ=typ)


def unsigned(algorithm: str) -> Forge:
    def forge(issuer: Issuer) -> str:
        stated = json.dumps({"alg": algorithm, "typ": "at+jwt", "kid": "rsa"}).encode()
        return assembled(stated, json.dumps(issuer.claims()).encode(), lambda _: b"")

    return forge


def without_signature(algorithm: str) -> Forge:
    """The last part is there, so that it is not the count of parts that refuses it."""

    def forge(issuer: Issuer) -> str:
        stated = json.dumps({"alg": algorithm, "typ": "at+jwt", "kid": "rsa"}).encode()
        return assembled(stated, json.dumps(issuer.claims()).encode(), lambda _: b"none")

    return forge


def confused(secret: Callable[[Issuer], bytes], algorithm: str = "HS256") -> Forge:
    """HMAC with something public, or guessable, as its key (RFC 8725, 2.1)."""

    def forge(issuer: Issuer) -> str:
        stated = json.dumps({"alg": algorithm, "typ": "at+jwt", "kid": "rsa"}).encode()
        return assembled(stated, json.dumps(issuer.claims()).encode(), hmac_signer(secret(issuer)))

    return forge


def pem(issuer: Issuer) -> bytes:
    key: rsa.RSAPrivateKey = issuer.keys["rsa"]._key
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def raw(stated: str | None = None, said: str | None = None) -> Forge:
    """Exactly this JSON, properly signed. `@` stands for the usual members."""

    def forge(issuer: Issuer) -> str:
        usual = {"alg": "RS256", "kid": "rsa", "typ": "at+jwt"}
        head = (stated or "{@}").replace("@", json.dumps(usual)[1:-1])
        body = (said or "{@}").replace("@", json.dumps(issuer.claims())[1:-1])
        return assembled(head.encode(), body.encode(), issuer.keys["rsa"].sign)

    return forge


def by(key: SigningKey) -> Forge:
    def forge(issuer: Issuer) -> str:
        stated = json.dumps({"alg": key.algorithm, "typ": "at+jwt", "kid": "rsa"}).encode()
        return assembled(stated, json.dumps(issuer.claims()).encode(), key.sign)

    return forge


def swapped(issuer: Issuer) -> str:
    one, other = issuer.token(issuer.claims()), issuer.token(issuer.claims(sub="eve"))
    return one.rpartition(".")[0] + "." + other.rpartition(".")[2]


def other_claims(issuer: Issuer) -> str:
    stated, _, signature = issuer.token(issuer.claims()).split(".")
    return f"{stated}.{b64(json.dumps(issuer.claims(sub='root')).encode())}.{signature}"


def stray_bits(issuer: Issuer) -> str:
    """The same bytes in other letters: the last letter of a 256-byte signature has four bits that mean nothing."""
    token = issuer.token(issuer.claims())
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]


def changed(change: Callable[[str], str]) -> Forge:
    return lambda issuer: change(issuer.token(issuer.claims()))


def jwk_of_mine(issuer: Issuer) -> str:
    hidden = issuer.keys["hidden"]
    return issuer.token(issuer.claims(), key="hidden", kid="rsa", jwk=hidden.public)


def jwk_and_true_signature(issuer: Issuer) -> str:
    return issuer.token(issuer.claims(), jwk=issuer.keys["rsa"].public)
