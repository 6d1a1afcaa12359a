"""What a cluster remembers about itself: its name, its port, and which binaries made it."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from storage.postgres_server import files
from storage.postgres_server.binaries import Binaries
from storage.postgres_server.server import PostgresUnavailable


@dataclass(frozen=True, slots=True)
class Record:
    """`name` and `major` never change; port, version, source and binaries are those of the last start."""

    name: str
    port: int
    major: int
    version: str
    source: str
    binaries: str

    def started_with(self, found: Binaries, port: int) -> Record:
        return replace(self, port=port, version=found.version, source=found.source, binaries=str(found.directory))

    def save(self, path: Path) -> None:
        files.write(path, json.dumps(asdict(self), indent=2) + "\n")


def new(found: Binaries, port: int) -> Record:
    name = f"gatehouse-{secrets.token_hex(8)}"
    return Record(name, port, found.major, found.version, found.source, str(found.directory))


def load(path: Path) -> Record:
    """Read a record; PostgresUnavailable when it is damaged: without the name no process can be told."""
    try:
        return Record(**json.loads(path.read_text()))
    except (FileNotFoundError, ValueError, TypeError) as error:
        raise PostgresUnavailable(
            f"{path}, which describes the database beside it, is missing or damaged ({error}). Bring it back "
            "from a copy of the state directory."
        ) from error
