"""An API of its own for the matrix: what it counts, nobody else changes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from storage.postgres_server import PostgresServer
from tests.api.access.world import World
from tests.api.served import served
from tests.fixtures.postgres import fresh_database


@pytest.fixture(scope="module")
def world(
    postgres_server: PostgresServer, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    with (
        fresh_database(postgres_server, template=template_database) as url,
        served(url, tmp_path_factory.mktemp("matrix") / "home") as api,
    ):
        found = World(api)
        try:
            yield found
        finally:
            found.close()
