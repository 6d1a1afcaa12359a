"""Tokens that are not what they seem: none is accepted, and the true ones beside them are.

Every case is one small step away from a token that is accepted, so that exactly the flaw named is what refuses it.
"""

from __future__ import annotations

import json

import pytest

from governance.errors import AuthenticationFailed, DependencyUnavailable
from tests.storage.oidc.conftest import Trusted
from tests.storage.oidc.forging import (
    Forge,
    by,
    changed,
    claims,
    confused,
    header,
    id_claims,
    jwk_and_true_signature,
    jwk_of_mine,
    other_claims,
    pem,
    raw,
    stray_bits,
    swapped,
    unsigned,
    without_signature,
)
from tests.storage.oidc.issuing import (
    AUDIENCE,
    CLIENT,
    DEVICE_CLIENT,
    NONCE,
    FromNow,
    SigningKey,
    assembled,
)

ELSEWHERE = "http://127.0.0.1:1/keys"

ACCESS: dict[str, Forge] = {
    **{f"alg {name!r}, no signature": unsigned(name) for name in ("none", "None", "NONE", "nOnE", "", "null")},
    **{f"alg {name!r}, some signature": without_signature(name) for name in ("none", "NONE", "RS256", "HS256")},
    "HS256 with the public key as PEM": confused(pem),
    "HS256 with the public key as PEM, without its last newline": confused(lambda issuer: pem(issuer).strip()),
    "HS256 with the published JWK": confused(lambda issuer: json.dumps(issuer.keys["rsa"].public).encode()),
    "HS256 with the modulus": confused(lambda issuer: issuer.keys["rsa"].public["n"].encode()),
    "HS256 with an empty secret": confused(lambda _: b""),
    "HS256 with the client's secret": confused(lambda _: b"browser-secret"),
    "HS384 with the public key": confused(pem, "HS384"),
    "HS512 with the public key": confused(pem, "HS512"),
    "another key, as if it were the known one": by(SigningKey("x", "RS256")),
    "another key of another kind": by(SigningKey("x", "ES256")),
    "an unpublished key under its own id": header("hidden"),
    "RS256 announced as PS256": header(alg="PS256"),
    "RS256 announced as RS512": header(alg="RS512"),
    "RS256 announced as ES256": header(alg="ES256"),
    "RS256 announced as EdDSA": header(alg="EdDSA"),
    "RS256 in small letters": header(alg="rs256"),
    "a list of algorithms": header(alg=["RS256"]),
    "no algorithm": raw(stated='{"kid": "rsa", "typ": "at+jwt"}'),
    "kid is a path": header("hidden", kid="../../../../dev/null"),
    "kid is SQL": header("hidden", kid="rsa' union select 'key' --"),
    "kid is a URL": header("hidden", kid=ELSEWHERE),
    "kid has a NUL": header("hidden", kid="rsa\x00"),
    "kid is empty": header(kid=""),
    "kid is a number": header(kid=1),
    "kid is a list": header(kid=["rsa"]),
    "kid is too long": header(kid="r" * 300),
    "kid of another key": header(kid="ec"),
    "jku to a key of mine": header("hidden", jku=ELSEWHERE),
    "jku beside a true signature": header(jku=ELSEWHERE),
    "x5u": header(x5u=ELSEWHERE),
    "x5c": header(x5c=["MIIB"]),
    "jwk of mine": jwk_of_mine,
    "jwk beside a true signature": jwk_and_true_signature,
    "unknown critical extension": header(crit=["exp"], exp=1),
    "empty crit": header(crit=[]),
    "unencoded payload (RFC 7797)": header(b64=False, crit=["b64"]),
    "compressed": header(zip="DEF"),
    "a JWT in a JWT": header(cty="JWT"),
    "typ of a logout token": header(typ="logout+jwt"),
    "typ of a DPoP proof": header(typ="dpop+jwt"),
    "typ is a number": raw(stated='{"alg": "RS256", "kid": "rsa", "typ": 1}'),
    "another issuer": claims(iss="https://elsewhere.example"),
    "the issuer with a slash": lambda issuer: issuer.token(issuer.claims(iss=issuer.address + "/")),
    "the issuer in a list": lambda issuer: issuer.token(issuer.claims(iss=[issuer.address])),
    "no issuer": claims(iss=None),
    "another audience": claims(aud="https://other.example/api"),
    "the audience with a slash": claims(aud=AUDIENCE + "/"),
    "a part of the audience": claims(aud=AUDIENCE[:-1]),
    "audiences without ours": claims(aud=[CLIENT, "https://other.example/api"]),
    "no audience": claims(aud=None),
    "an empty audience": claims(aud=[]),
    "an audience that is an object": claims(aud={AUDIENCE: True}),
    "audiences that are not all text": claims(aud=[AUDIENCE, 1]),
    "expired": claims(exp=FromNow(-60)),
    "expired long ago": claims(exp=1),
    "never expires": claims(exp=None),
    "expires in words": claims(exp="2099-01-01"),
    "expires at true": claims(exp=True),
    "expires at a number as text": claims(exp="4000000000"),
    "expires beyond time": claims(exp=1e300),
    "expires at infinity": raw(said='{@, "x": Infinity}'),
    "expires at a negative time": claims(exp=-1e9),
    "not valid yet": claims(nbf=FromNow(3600)),
    "valid from true": claims(nbf=True),
    "issued in the future": claims(iat=FromNow(3600)),
    "issued never": claims(iat=None),
    "no subject": claims(sub=None),
    "an empty subject": claims(sub=""),
    "a subject that is a number": claims(sub=1),
    "a subject with a NUL": claims(sub="ada\x00"),
    "a subject that is no Unicode": claims(sub="ada\ud800"),
    "a subject that is too long": claims(sub="a" * 256),
    "no client": claims(client_id=None),
    "bound to a key of the sender": claims(cnf={"jkt": "x"}),
    "a logout token by its claims": claims(events={"http://schemas.openid.net/event/backchannel-logout": {}}),
    "a plain JWT for us and for our client": lambda issuer: issuer.token(
        issuer.claims(aud=[AUDIENCE, CLIENT]), typ="JWT"
    ),
    "groups that are an object": claims(groups={"risk": True}),
    "groups that are numbers": claims(groups=[1]),
    "groups without end": claims(groups=[str(number) for number in range(501)]),
    "an id token": id_claims(),
    "an id token with the type of an access token": id_claims(typ="at+jwt"),
    "an id token that names our audience too": id_claims(aud=[CLIENT, AUDIENCE], client_id="robot"),
    "an id token for our audience alone": id_claims(aud=AUDIENCE, azp=CLIENT),
    "a plain JWT with the hash of an access token": lambda issuer: issuer.token(issuer.claims(at_hash="x"), typ="JWT"),
    "the signature of another token": swapped,
    "other claims under a signature": other_claims,
    "the same bytes in other letters": stray_bits,
    "padding": changed(lambda token: token + "="),
    "a newline": changed(lambda token: token + "\n"),
    "a space": changed(lambda token: " " + token),
    "a fourth part": changed(lambda token: token + ".x"),
    "two parts": changed(lambda token: token.rpartition(".")[0]),
    "no signature": changed(lambda token: token.rpartition(".")[0] + "."),
    "half a signature": changed(lambda token: token[:-100]),
    "the plain alphabet of base64": changed(lambda token: token[:-4] + "+/+/"),
    "letters from elsewhere": changed(lambda token: token[:-1] + "А"),
    "empty": lambda _: "",
    "dots": lambda _: "..",
    "letters": lambda _: "a.b.c",
    "too long": claims(extra="x" * 20_000),
    "a header that is too long": header(extra="x" * 3000),
    "an issuer twice": raw(said='{"iss": "https://elsewhere.example", @}'),
    "a subject twice": raw(said='{@, "sub": "root"}'),
    "an algorithm twice": raw(stated='{"alg": "none", @}'),
    "claims that are a list": raw(said="[@]".replace("@", '"x"')),
    "claims that are no JSON": raw(said="{@"),
    "a header that is no JSON": raw(stated="{@"),
    "JSON without a bottom": raw(said="[" * 9000),
    "a number beyond all": raw(said='{@, "x": 1e999}'),
    "NaN": raw(said='{@, "x": NaN}'),
    "a JWE's five parts": lambda _: "a.b.c.d.e",
}

BROWSER: dict[str, Forge] = {
    "another nonce": id_claims(nonce="x" * 43),
    "no nonce": id_claims(nonce=None),
    "a nonce in a list": id_claims(nonce=[NONCE]),
    "a nonce that is no Unicode": id_claims(nonce="\ud800"),
    "another client's": id_claims(aud="other"),
    "the device's": id_claims(aud=DEVICE_CLIENT),
    "with a second audience": id_claims(aud=[CLIENT, "other"], azp=CLIENT),
    "issued to another party": id_claims(azp="other"),
    "with an audience for us, but of another party": id_claims(aud=[CLIENT], azp=None, client_id=None, iss="x"),
    "an access token": claims(nonce=NONCE),
    "an access token's type": id_claims(typ="at+jwt"),
    "a logout token": id_claims(events={}),
    "bound to a key of the sender": id_claims(cnf={"jkt": "x"}),
    "expired": id_claims(exp=FromNow(-60)),
    "unsigned": lambda issuer: assembled(b'{"alg":"none"}', json.dumps(issuer.id_claims()).encode(), lambda _: b"x"),
}

DEVICE: dict[str, Forge] = {
    "of a browser's sign-in": id_claims(aud=DEVICE_CLIENT),
    "of the browser's client": id_claims(nonce=None),
    "of eleven minutes ago": id_claims(aud=DEVICE_CLIENT, nonce=None, iat=FromNow(-700)),
    "an access token": claims(aud=DEVICE_CLIENT),
}

ALL = [
    *(pytest.param("access", forge, id=f"access: {name}") for name, forge in ACCESS.items()),
    *(pytest.param("browser", forge, id=f"browser: {name}") for name, forge in BROWSER.items()),
    *(pytest.param("device", forge, id=f"device: {name}") for name, forge in DEVICE.items()),
]


@pytest.mark.parametrize(("use", "forge"), ALL)
def test_no_forgery_is_accepted(trusted: Trusted, use: str, forge: Forge) -> None:
    text = forge(trusted.issuer)
    with pytest.raises(AuthenticationFailed) as refusal:
        getattr(trusted, use)(text)
    assert str(refusal.value) == "The identity provider's token is not valid here."
    assert refusal.value.details == {}


GENUINE: list[tuple[str, Forge]] = [
    ("access", claims()),
    *(("access", header(key)) for key in ("rsa", "pss", "ec", "ed")),
    ("access", header(typ="application/AT+JWT")),
    ("access", header(typ="JWT")),
    ("access", header(typ=None)),
    ("access", header("ec", kid=None)),
    ("access", header(x5t="x", unknown="x")),
    ("access", claims(aud=["https://other.example", AUDIENCE])),
    ("access", claims(client_id=None, azp="robot")),
    ("access", claims(exp=FromNow(-10))),
    ("access", claims(nbf=FromNow(-10), exp=FromNow(600.5))),
    ("access", claims(groups=None)),
    ("access", claims(groups="risk")),
    ("browser", id_claims()),
    ("browser", id_claims(typ="JWT", azp=CLIENT)),
    ("browser", id_claims(aud=[CLIENT])),
    ("device", id_claims(aud=DEVICE_CLIENT, nonce=None)),
]


@pytest.mark.parametrize(("use", "issue"), GENUINE)
def test_what_is_genuine_is_accepted(trusted: Trusted, use: str, issue: Forge) -> None:
    identity = getattr(trusted, use)(issue(trusted.issuer))
    assert (identity.issuer, identity.subject, identity.kind) == (trusted.issuer.address, "ada", "person")
    assert set(identity.groups) <= {"risk"}


def test_a_client_that_is_its_own_subject_is_a_service(trusted: Trusted) -> None:
    assert trusted.access(trusted.issuer.token(trusted.issuer.claims(sub="robot"))).kind == "service"


def test_words_that_cannot_be_stored_are_passed_over(trusted: Trusted) -> None:
    strange = {"groups": ["risk", "a\x00", "\ud800", ""], "preferred_username": "\x1b[2J", "name": "\ud800"}
    identity = trusted.access(trusted.issuer.token(trusted.issuer.claims(**strange, email="a@b")))
    assert (identity.groups, identity.name) == (("risk",), "a@b")


def test_no_letter_can_be_changed(trusted: Trusted) -> None:
    """Every letter of a token, made another one."""
    token = trusted.issuer.token(trusted.issuer.claims(), key="ec")
    accepted = []
    for position, letter in enumerate(token):
        other = "B" if letter == "A" else "A"
        try:
            trusted.access(token[:position] + other + token[position + 1 :])
        except AuthenticationFailed:
            continue
        accepted.append(position)
    assert accepted == []


def test_there_are_enough_cases() -> None:
    assert len(ALL) >= 60


def test_no_forgery_reached_another_server(trusted: Trusted) -> None:
    """Forged key ids cause one look at the keys in five seconds, and nobody else is asked."""
    before = trusted.issuer.count("/jwks")
    for attempt in range(50):
        with pytest.raises((AuthenticationFailed, DependencyUnavailable)):
            trusted.access(header("hidden", kid=f"made-up-{attempt}")(trusted.issuer))
    assert trusted.issuer.count("/jwks") - before <= 1
    assert set(trusted.issuer.asked) == {"/.well-known/openid-configuration", "/jwks"}
