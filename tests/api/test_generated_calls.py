"""Calls that nobody thought of, generated from the description: never a 5xx, never an answer that is not described."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.config import (
    CoveragePhaseConfig,
    PhasesConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
)
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.app import create_app
from storage.composition import Platform
from storage.postgres_server import PostgresServer
from storage.settings import Settings
from tests.api.served import ServedApi, served
from tests.fixtures import validation
from tests.fixtures.postgres import fresh_database
from tests.governance.operations.situations import parked, query

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

_NOWHERE = Platform(Settings(home=Path("/nonexistent"), database_url="postgresql://nowhere"))
_OPENAPI = create_app(_NOWHERE).openapi()


def _without_coverage() -> SchemathesisConfig:
    """Only what hypothesis makes up: the systematic phase is four times as many calls."""
    phases = PhasesConfig(coverage=CoveragePhaseConfig(enabled=False))
    return SchemathesisConfig(projects=ProjectsConfig(default=ProjectConfig(phases=phases)))


some = schemathesis.openapi.from_dict(_OPENAPI, config=_without_coverage())
many = schemathesis.openapi.from_dict(_OPENAPI)


@pytest.fixture(scope="module")
def fuzzed(
    postgres_server: PostgresServer, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ServedApi, dict[str, str]]]:
    """An API of its own, since these calls change policies too, with one thing of every kind in it."""
    with (
        fresh_database(postgres_server, template=template_database) as url,
        served(url, tmp_path_factory.mktemp("fuzzed") / "home", sequence_audit=True) as api,
    ):
        r = api.registry
        request = parked(r)

        def one(table: str) -> str:
            return str(query(r, f"select id from {table} limit 1")[0][0])

        run = validation.queued(r, request.version_id, night_id=validation.night(r, date(2020, 1, 1)))
        validation.settle(r, run)
        known = {
            "model_id": request.model_id,
            "version": "1.0.0",
            "request_id": request.id,
            "suite_id": one("evaluation_suites"),
            "dataset_id": one("datasets"),
            "evaluation_id": one("evaluations"),
            "artifact_id": one("artifacts"),
            "policy_id": "completeness",
            "run_id": run,
            "night": "2020-01-01",
            "chart": "series.png",
        }
        yield api, known


def call(fuzzed: tuple[ServedApi, dict[str, str]], case: schemathesis.Case[Any]) -> None:
    api, known = fuzzed
    for number, (name, value) in enumerate(sorted((case.path_parameters or {}).items())):
        if name in known and (len(str(value)) + number) % 2 == 0:  # half of them reach something that is there
            case.path_parameters[name] = known[name]
    if case.path.startswith("/api/models/enterprise/validation/") and case.method.upper() == "POST":
        case.query = {**(case.query or {}), "wait_seconds": 0}  # nobody works on anything here
    token = {"Authorization": f"Bearer {api.tokens['root']}"}
    response = case.call(base_url=api.url, headers=token, allow_redirects=False)
    case.validate_response(response, checks=CHECKS)


UNHURRIED = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    "suppress_health_check": list(HealthCheck),
}


@some.parametrize()
@settings(max_examples=10, **UNHURRIED)  # type: ignore[arg-type]
def test_generated_calls(fuzzed: tuple[ServedApi, dict[str, str]], case: schemathesis.Case[Any]) -> None:
    call(fuzzed, case)


@pytest.mark.prove
@many.parametrize()
@settings(max_examples=100, **UNHURRIED)  # type: ignore[arg-type]
def test_many_generated_calls(fuzzed: tuple[ServedApi, dict[str, str]], case: schemathesis.Case[Any]) -> None:
    call(fuzzed, case)
