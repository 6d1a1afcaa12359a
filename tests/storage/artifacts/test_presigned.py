"""Presigned S3 addresses, against the example that AWS publishes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from storage.artifacts.presigned import SigningCredentials, presigned_get

# Amazon S3 API reference, "Authenticating Requests: Using Query Parameters", section "An Example".
EXAMPLE = SigningCredentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None)
EXAMPLE_URL = "https://examplebucket.s3.amazonaws.com/test.txt"
EXAMPLE_TIME = datetime(2013, 5, 24, tzinfo=UTC)
EXAMPLE_SIGNED = (
    "https://examplebucket.s3.amazonaws.com/test.txt"
    "?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
    "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
    "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
)


def test_the_published_example() -> None:
    signed = presigned_get(EXAMPLE_URL, EXAMPLE, region="us-east-1", at=EXAMPLE_TIME, ttl_seconds=86400)

    assert signed == EXAMPLE_SIGNED


def test_the_moment_counts_not_its_time_zone() -> None:
    moment = EXAMPLE_TIME.astimezone(timezone(timedelta(hours=-7)))

    assert presigned_get(EXAMPLE_URL, EXAMPLE, region="us-east-1", at=moment, ttl_seconds=86400) == EXAMPLE_SIGNED


def test_a_signature_is_replaced() -> None:
    assert (
        presigned_get(EXAMPLE_SIGNED, EXAMPLE, region="us-east-1", at=EXAMPLE_TIME, ttl_seconds=86400) == EXAMPLE_SIGNED
    )


def test_a_session_token_is_signed_along() -> None:
    temporary = EXAMPLE._replace(token="a/token+=")

    signed = presigned_get(EXAMPLE_URL, temporary, region="us-east-1", at=EXAMPLE_TIME, ttl_seconds=86400)

    assert "X-Amz-Security-Token=a%2Ftoken%2B%3D" in signed
    assert signed.rsplit("=", 1)[1] != EXAMPLE_SIGNED.rsplit("=", 1)[1]


@pytest.mark.parametrize("ttl_seconds", [0, -5, 7 * 24 * 3600 + 1])
def test_an_address_that_s3_would_refuse_is_not_made(ttl_seconds: int) -> None:
    with pytest.raises(ValueError, match="seconds"):
        presigned_get(EXAMPLE_URL, EXAMPLE, region="us-east-1", at=EXAMPLE_TIME, ttl_seconds=ttl_seconds)


def test_the_secret_is_in_no_representation() -> None:
    assert EXAMPLE.secret_key not in repr(EXAMPLE._replace(token="token"))
    assert "token" not in repr(EXAMPLE._replace(token="token"))
