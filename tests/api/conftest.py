"""One API for all tests that make their own models and look at nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from storage.postgres_server import PostgresServer
from tests.api.served import ServedApi, served
from tests.fixtures.postgres import fresh_database


@pytest.fixture(scope="session")
def api(
    postgres_server: PostgresServer, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedApi]:
    with (
        fresh_database(postgres_server, template=template_database) as url,
        served(url, tmp_path_factory.mktemp("api") / "home", dashboard_url="http://dashboard.invalid") as api,
    ):
        yield api
