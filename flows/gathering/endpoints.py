"""Asking an endpoint: with its secret, and only while its circuit breaker lets through."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, timedelta

from flows.evaluation.job import SuiteFailure, SuiteRun
from flows.evaluation.runners import RunnerSpec
from governance.breakers import BreakerRules, Outcome
from governance.endpoints import Location
from governance.operations.endpoints import NotNow, report, take_turn
from storage.composition import Platform
from storage.model_endpoints import SecretMissing, secret_for

Result = SuiteRun | SuiteFailure


def asked(platform: Platform, spec: RunnerSpec, run: Callable[[str], Result]) -> Result:
    """What `run` returns when it is called with the secret of the spec's endpoint ("" for weights or without one).

    An endpoint that failed several times in a row is not asked for a while: a failure of kind "unavailable" at once.
    Raises DependencyUnavailable when the database does not answer.
    """
    if "url" not in spec.options:
        return run("")
    settings = platform.settings
    url = str(spec.options["url"])
    try:
        secret = secret_for(Location.parsed(url), settings.endpoint_secrets, os.environ)
    except SecretMissing as missing:
        return SuiteFailure(str(missing), "model")
    rules = BreakerRules(
        failures=settings.model_endpoint_failures,
        cooldown=timedelta(seconds=settings.model_endpoint_cooldown_seconds),
        probe=timedelta(seconds=settings.evaluation_seconds + 60),
    )
    turn = take_turn(platform.new_unit(), platform.system_call(), url, rules)
    if isinstance(turn, NotNow):
        until = turn.until.astimezone(UTC)
        return SuiteFailure(
            f"The endpoint {url} failed {turn.failures} times in a row and is left alone until {until:%H:%M:%S} UTC. "
            "Evaluate again then.",
            "unavailable",
        )
    outcome = Outcome.UNKNOWN
    try:
        result = run(secret)
        outcome = _outcome(result)
    finally:
        report(platform.new_unit(), platform.system_call(), turn, outcome, rules)
    return result


def _outcome(result: Result) -> Outcome:
    if isinstance(result, SuiteRun):
        return Outcome.ANSWERED
    return Outcome.UNAVAILABLE if result.kind in ("unavailable", "timeout") else Outcome.UNKNOWN
