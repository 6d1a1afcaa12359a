"""How the Prefect server is told where its database is."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.prefect_server import api_url, basic, client_environment, new_auth, server_command, server_environment


@pytest.mark.parametrize(
    ("ours", "prefects"),
    [
        ("postgresql://u:p@h:5433/d", "postgresql+asyncpg://u:p@h:5433/d"),
        ("postgres://u@h/d", "postgresql+asyncpg://u@h/d"),
        ("postgresql+psycopg://u@h/d", "postgresql+asyncpg://u@h/d"),
        ("postgresql://u:a%40b%2Fc@h/d", "postgresql+asyncpg://u:a%40b%2Fc@h/d"),
        ("postgresql://u@h/d?sslmode=require", "postgresql+asyncpg://u@h/d?ssl=require"),
        ("postgresql://u@/d?host=/run/pg", "postgresql+asyncpg://u@/d?host=%2Frun%2Fpg"),
    ],
)
def test_the_database_url_names_the_driver_that_prefect_uses(ours: str, prefects: str) -> None:
    environment = server_environment(home=Path("/home"), port=4201, auth="a:b", database_url=ours)
    assert environment["PREFECT_SERVER_DATABASE_CONNECTION_URL"] == prefects


def test_without_a_database_prefect_chooses_a_file_in_its_home() -> None:
    environment = server_environment(home=Path("/home"), port=4201, auth="a:b", database_url=None)
    assert "PREFECT_SERVER_DATABASE_CONNECTION_URL" not in environment
    assert environment["PREFECT_HOME"] == "/home"


def test_clients_are_told_the_address_on_which_the_server_listens() -> None:
    command = server_command(4201)
    assert command[command.index("--port") + 1] == "4201"
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert client_environment(home=Path("/home"), port=4201, auth="a:b")["PREFECT_API_URL"] == api_url(4201)


def test_the_password_goes_to_the_server_only() -> None:
    ours = server_environment(home=Path("/home"), port=4201, auth="a:b", database_url="postgresql://u:secret@h/d")
    clients = client_environment(home=Path("/home"), port=4201, auth="a:b")
    assert clients.items() <= ours.items()
    assert not any("secret" in value for value in clients.values())


def test_every_server_has_a_secret_of_its_own() -> None:
    one, other = new_auth(), new_auth()
    assert one != other
    assert basic(one) == ("gatehouse", one.removeprefix("gatehouse:"))
    assert basic("") is None
    assert len(one) > 40
