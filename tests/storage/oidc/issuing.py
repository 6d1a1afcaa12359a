"""A provider that a test holds in its hand: it publishes what it is told to, and signs whatever it is given."""

from __future__ import annotations

import base64
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

AUDIENCE = "https://registry.example/api"
CLIENT, DEVICE_CLIENT = "gatehouse", "gatehouse-cli"
NONCE = "n" * 43


class FromNow(float):
    """A claim that is this many seconds from the moment when the token is made."""


Signer = Callable[[bytes], bytes]


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def number(value: int, length: int | None = None) -> str:
    return b64(value.to_bytes(length or (value.bit_length() + 7) // 8, "big"))


def assembled(header: bytes, claims: bytes, sign: Signer) -> str:
    """A compact JWS of exactly these bytes."""
    text = f"{b64(header)}.{b64(claims)}"
    return f"{text}.{b64(sign(text.encode()))}"


class SigningKey:
    """A private key of each kind that is accepted, made once."""

    def __init__(self, kid: str, algorithm: str, *, bits: int = 2048) -> None:
        self.kid, self.algorithm = kid, algorithm
        self._key: Any
        if algorithm in ("RS256", "PS256"):
            self._key = rsa.generate_private_key(65537, bits)
        elif algorithm == "ES256":
            self._key = ec.generate_private_key(ec.SECP256R1())
        else:
            self._key = ed25519.Ed25519PrivateKey.generate()

    def sign(self, text: bytes) -> bytes:
        if self.algorithm == "RS256":
            return bytes(self._key.sign(text, padding.PKCS1v15(), hashes.SHA256()))
        if self.algorithm == "PS256":
            return bytes(self._key.sign(text, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()))
        if self.algorithm == "ES256":
            r, s = decode_dss_signature(self._key.sign(text, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return bytes(self._key.sign(text))

    @property
    def public(self) -> dict[str, Any]:
        public = self._key.public_key()
        numbers: Any = None if self.algorithm == "EdDSA" else public.public_numbers()
        parts: dict[str, Any]
        if self.algorithm in ("RS256", "PS256"):
            parts = {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
        elif self.algorithm == "ES256":
            parts = {"kty": "EC", "crv": "P-256", "x": number(numbers.x, 32), "y": number(numbers.y, 32)}
        else:
            parts = {"kty": "OKP", "crv": "Ed25519", "x": b64(public.public_bytes_raw())}
        return {"kid": self.kid, "alg": self.algorithm, "use": "sig", **parts}


def hmac_signer(secret: bytes) -> Signer:
    return lambda text: hmac.digest(secret, text, "sha256")


@dataclass
class Issuer:
    """What it answers is data: `documents` by path. `asked` counts."""

    address: str
    keys: dict[str, SigningKey]
    documents: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def publish(self, *kids: str) -> None:
        self.documents["/jwks"] = {"keys": [self.keys[kid].public for kid in kids]}

    def count(self, path: str) -> int:
        return self.asked.count(path)

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Of an access token for us; None removes a claim."""
        now = int(time.time())
        claims = {
            "iss": self.address,
            "sub": "ada",
            "aud": AUDIENCE,
            "exp": now + 600,
            "iat": now,
            "jti": "1",
            "client_id": "robot",
            "groups": ["risk"],
            **changes,
        }
        return {
            name: now + value if isinstance(value, FromNow) else value
            for name, value in claims.items()
            if value is not None
        }

    def id_claims(self, **changes: Any) -> dict[str, Any]:
        """Of an id token for the browser's client."""
        return self.claims(**{"aud": CLIENT, "client_id": None, "jti": None, "nonce": NONCE, **changes})

    def token(self, claims: dict[str, Any], *, key: str = "rsa", typ: str | None = "at+jwt", **header: Any) -> str:
        """Signed properly; None removes a header."""
        signing = self.keys[key]
        stated = {"alg": signing.algorithm, "kid": key, "typ": typ, **header}
        stated = {name: value for name, value in stated.items() if value is not None}
        return assembled(json.dumps(stated).encode(), json.dumps(claims).encode(), signing.sign)


DISCOVERY, KEYS = "/.well-known/openid-configuration", "/jwks"


@contextmanager
def issuing() -> Iterator[Issuer]:
    """An issuer on loopback with a published key of every kind, and "hidden", which it has never published."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            answer = issuer.documents.get(self.path)
            if isinstance(answer, tuple):
                status, headers, body = answer
            else:
                status, headers = (404 if answer is None else 200), {}
                body = json.dumps(answer).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    address = f"http://127.0.0.1:{server.server_address[1]}"
    kinds = {"rsa": "RS256", "pss": "PS256", "ec": "ES256", "ed": "EdDSA", "hidden": "RS256", "next": "RS256"}
    issuer = Issuer(address, {kid: SigningKey(kid, algorithm) for kid, algorithm in kinds.items()})
    issuer.documents[DISCOVERY] = {
        "issuer": address,
        "authorization_endpoint": f"{address}/auth",
        "token_endpoint": f"{address}/token",
        "jwks_uri": f"{address}{KEYS}",
        "id_token_signing_alg_values_supported": ["RS256", "PS256", "ES256", "EdDSA", "HS256", "none"],
    }
    issuer.publish("rsa", "pss", "ec", "ed")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
