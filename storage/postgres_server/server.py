"""What callers see: a server that answers, or a sentence that says why there is none."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

ROLE = "gatehouse"
HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A server that answered a query: the postmaster's process id, its port, its superuser's password."""

    pid: int
    port: int
    data_dir: Path
    password: str = field(repr=False)

    def url(self, database: str) -> str:
        """The libpq URL of a database on this server; it carries the password, so never log it."""
        password, name = quote(self.password, safe=""), quote(database, safe="")
        return f"postgresql://{ROLE}:{password}@{HOST}:{self.port}/{name}"


class PostgresUnavailable(Exception):
    """There is no PostgreSQL to use. The message says to a person what is wrong and what to do."""
