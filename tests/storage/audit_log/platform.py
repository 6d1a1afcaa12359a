"""The part of the platform that audits: business transactions, a sequencer, a verifier, on one database."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from sqlalchemy import create_engine

from governance.audit.report import Report
from storage.audit_log import Sequencer, append, verify_log
from tests.governance.audit.histories import AUDIT_KEY, SIGNING_KEY, VERIFIER, event


class AuditedPlatform:
    """`dsn` is a libpq URL; checkpoints go to `directory`. Closes its engine at the end."""

    def __init__(self, dsn: str, directory: Path) -> None:
        self.dsn = dsn
        self.directory = directory
        self.engine = create_engine(dsn.replace("postgresql://", "postgresql+psycopg://", 1))
        self._next = 0
        self._counting = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.engine.dispose()

    def numbers(self, count: int) -> range:
        """Numbers of sample events that nobody else uses."""
        with self._counting:
            first, self._next = self._next, self._next + count
        return range(first, first + count)

    def record(self, count: int = 1) -> list[str]:
        """One committed transaction with `count` events; their ids."""
        events = [event(number) for number in self.numbers(count)]
        with self.engine.begin() as connection:
            append(connection, events, key=AUDIT_KEY)
        return [each.id for each in events]

    def sequencer(self, **options: float) -> Sequencer:
        return Sequencer(
            self.dsn,
            self.directory,
            SIGNING_KEY,
            VERIFIER.name,
            audit_key=AUDIT_KEY,
            **options,  # type: ignore[arg-type]
        )

    def verify(self) -> Report:
        return verify_log(self.dsn, self.directory, public_key=VERIFIER, mac_key=AUDIT_KEY)

    def recorded_ids(self) -> list[str]:
        """The ids of the events in the log, in its order."""
        with psycopg.connect(self.dsn) as connection:
            rows = connection.execute("select entry::jsonb ->> 'id' from audit_entries order by seq").fetchall()
        return [row[0] for row in rows]

    def execute(self, statement: str, *parameters: object) -> None:
        """Hand-written SQL by the owner of the tables, committed, triggers off: what an attacker would do."""
        with psycopg.connect(self.dsn) as connection:
            for table in ("audit_outbox", "audit_entries", "audit_head"):
                connection.execute(f"alter table {table} disable trigger all")
            connection.execute(statement, parameters)
            for table in ("audit_outbox", "audit_entries", "audit_head"):
                connection.execute(f"alter table {table} enable always trigger {table}_refuse_change")


@contextmanager
def running(sequencer: Sequencer) -> Iterator[Sequencer]:
    """`sequencer` at work in a thread of its own."""
    stop = threading.Event()
    thread = threading.Thread(target=sequencer.run, args=(stop,), name="sequencer")
    thread.start()
    try:
        yield sequencer
    finally:
        stop.set()
        thread.join(60)
        assert not thread.is_alive()


def eventually(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until `holds`; fail when it does not within `seconds` (far more than it takes)."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.01)
