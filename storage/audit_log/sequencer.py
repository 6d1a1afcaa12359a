"""Gives audit entries their order: one leader at a time, however many processes run a `Sequencer`.

The leader holds a session advisory lock, which PostgreSQL releases with the connection, so that a killed
leader is followed at once; one that merely hangs loses its connection after FROZEN_SECONDS. It polls, because
NOTIFY would serialise every commit of the business. Whatever dies: a batch is one transaction, and
checkpoints are written after its commit, so they may lag behind the log but never lead it.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance.audit.checkpoint import Checkpoint
from governance.audit.note import InvalidNoteError
from governance.errors import DependencyUnavailable
from storage.audit_log.checkpoints import CheckpointFiles, CheckpointsBusyError
from storage.audit_log.indexing import Indexer
from storage.audit_log.ledger import BATCH_ROWS, BrokenHistoryError, Ledger
from storage.audit_log.sealing import LeadershipLostError, NoteKeys, OneKey, Sealer
from storage.audit_log.tree import extend

LEADERSHIP = 0x6761_7465_6175_6474
"""Key of the advisory lock ("gateaudt"); advisory locks are local to one database."""

BUSY_SECONDS = 0.02
IDLE_SECONDS = 0.4
"""Poll intervals: after a batch, and at most when nothing comes. The longest wait to a seal stays under 1 s.
"""

FOLLOWER_SECONDS = 0.2
"""How often a follower tries to lead."""

SEAL_SECONDS = 0.2
"""Time between two checkpoints under load."""

FROZEN_SECONDS = 10
"""A leader that has not moved for this long is cut off by the server."""

SLOWEST_RETRY_SECONDS = 2.0

TREE_ROWS = 4096
"""Entries after which the subtrees for proofs are stored (`tree`); whoever makes a proof stores the rest."""

TREE_AT_ONCE = 65_536
"""Leaves that are read for that between two batches; 0.1 s."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SequencerStatus:
    """For health pages. `size`, `sealed`, `refused` are those of the last leadership of this process."""

    leading: bool = False
    size: int = 0
    sealed: int = 0
    refused: int = 0
    error: str | None = None


class Sequencer:
    """Moves what business transactions recorded into the log and signs checkpoints.

    dsn: psycopg connection string; every run uses one connection of its own.
    signing_key: one key, whose log is called `key_name` (`VerifierKey.named_after(...).name` by custom), or the keys
        of a log with its name.
    audit_key: the key of `append`; rows with another mac are left in the outbox and logged.
    indexed: also fill `audit_index`, from which the log is read.
    """

    def __init__(
        self,
        dsn: str,
        checkpoint_dir: Path,
        signing_key: Ed25519PrivateKey | NoteKeys,
        key_name: str = "",
        *,
        audit_key: bytes,
        batch_rows: int = BATCH_ROWS,
        seal_seconds: float = SEAL_SECONDS,
        indexed: bool = False,
    ) -> None:
        self._dsn = dsn
        self._files = CheckpointFiles(checkpoint_dir)
        self._keys: NoteKeys = (
            OneKey(signing_key, key_name) if isinstance(signing_key, Ed25519PrivateKey) else signing_key
        )
        self._audit_key = audit_key
        self._batch_rows = batch_rows
        self._seal_seconds = seal_seconds
        self._indexed = indexed
        self._status = SequencerStatus()

    @property
    def status(self) -> SequencerStatus:
        return self._status

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; what waits then is for the next run. Survives every fault of database and disk.

        A history that was cut or rewritten is not built upon: the error is logged and shown in `status`,
        entries stay in the outbox, and it is tried again every few seconds.
        """
        delay = BUSY_SECONDS
        while not stop.is_set():
            try:
                with self._connect() as connection:
                    self._follow(connection, stop)
            except Exception as error:
                # Broad on purpose: an audit log that stopped over an unforeseen error would go unnoticed.
                self._complain(error)
                if self._status.leading:
                    delay = BUSY_SECONDS
                stop.wait(delay)
                delay = min(delay * 2, SLOWEST_RETRY_SECONDS)
            finally:
                self._status = replace(self._status, leading=False)

    def drain(self, timeout: float = 30.0) -> int:
        """Bring everything that is visible now into the log and under a checkpoint; entries moved by this call.

        While another process leads, it does the work and 0 is returned. Raises TimeoutError,
        BrokenHistoryError, psycopg.Error, OSError.
        """
        deadline = time.monotonic() + timeout
        with self._connect() as connection:
            newest = connection.execute("select coalesce(max(id), 0) from audit_outbox").fetchone()
            up_to: int = newest[0] if newest else 0
            while True:
                try:
                    if self._try_to_lead(connection):
                        return self._drain_leading(connection, up_to)
                    if self._is_drained(connection, up_to):
                        return 0
                except CheckpointsBusyError:
                    _log.debug("checkpoints are being written by another process")
                if time.monotonic() > deadline:
                    raise TimeoutError(f"the audit log was not drained within {timeout} s")
                time.sleep(BUSY_SECONDS)

    def _connect(self) -> psycopg.Connection[Any]:
        connection = psycopg.connect(
            self._dsn, autocommit=True, connect_timeout=5, application_name="gatehouse audit sequencer"
        )
        try:
            connection.execute("set synchronous_commit = on")
            connection.execute(f"set idle_session_timeout = '{FROZEN_SECONDS}s'")
            connection.execute(f"set idle_in_transaction_session_timeout = '{FROZEN_SECONDS}s'")
        except BaseException:
            connection.close()
            raise
        return connection

    def _try_to_lead(self, connection: psycopg.Connection[Any]) -> bool:
        row = connection.execute("select pg_try_advisory_lock(%s)", (LEADERSHIP,)).fetchone()
        return bool(row and row[0])

    def _follow(self, connection: psycopg.Connection[Any], stop: threading.Event) -> None:
        while not stop.is_set():
            if self._try_to_lead(connection):
                self._lead(connection, stop)
            else:
                stop.wait(FOLLOWER_SECONDS)

    def _lead(self, connection: psycopg.Connection[Any], stop: threading.Event) -> None:
        ledger = Ledger(connection, self._audit_key, self._batch_rows)
        sealer = self._sealer()
        sealer.resume(ledger)
        self._tell(ledger, sealer, None)
        indexer = Indexer(connection) if self._indexed else None
        pause, stored = BUSY_SECONDS, 0
        while not stop.is_set():
            moved = ledger.advance()
            self._seal_when_due(ledger, sealer)
            indexed = indexer.advance(ledger.head.size) if indexer is not None else 0
            if self._batch_rows in (moved, indexed):
                continue
            if ledger.head.size - stored >= TREE_ROWS:
                extend(connection, ledger.head.size, at_most=TREE_AT_ONCE)
                stored = min(ledger.head.size, stored + TREE_AT_ONCE)
            pause = BUSY_SECONDS if moved else min(pause * 1.5, IDLE_SECONDS)
            behind = indexer.wait(ledger.head.size) if indexer is not None else pause
            stop.wait(max(0.0, min(pause, sealer.wait(ledger.head), behind)))
        sealer.seal(ledger.head)

    def _seal_when_due(self, ledger: Ledger, sealer: Sealer) -> None:
        """Sign if it is time. A full disk must not stop the ordering: the checkpoint follows when there is room."""
        error: str | None = None
        if sealer.wait(ledger.head) == 0:
            try:
                sealer.seal(ledger.head)
            except (OSError, DependencyUnavailable) as problem:
                error = f"the checkpoint could not be written: {problem}"
                if error != self._status.error:
                    _log.error("%s", error)
        elif sealer.sealed < ledger.head.size:
            error = self._status.error
        self._tell(ledger, sealer, error)

    def _drain_leading(self, connection: psycopg.Connection[Any], up_to: int) -> int:
        ledger = Ledger(connection, self._audit_key, self._batch_rows)
        sealer = self._sealer()
        sealer.resume(ledger)
        moved = 0
        while batch := ledger.advance(up_to):
            moved += batch
        sealer.seal(ledger.head)
        if self._indexed:
            Indexer(connection).catch_up(ledger.head.size)
        return moved

    def _is_drained(self, connection: psycopg.Connection[Any], up_to: int) -> bool:
        """Whether the leader has ordered and signed everything up to outbox row `up_to`."""
        ledger = Ledger(connection, self._audit_key, self._batch_rows)
        if ledger.waiting(up_to):
            return False
        newest = self._files.snapshot().newest
        try:
            sealed = Checkpoint.opened(newest, self._keys.believed()).size if newest is not None else 0
        except InvalidNoteError as error:
            raise BrokenHistoryError(f"the checkpoint file is not valid: {error}") from error
        return sealed >= ledger.head.size

    def _sealer(self) -> Sealer:
        return Sealer(self._files, self._keys, self._seal_seconds)

    def _tell(self, ledger: Ledger, sealer: Sealer, error: str | None) -> None:
        self._status = SequencerStatus(True, ledger.head.size, sealer.sealed, ledger.refused, error)

    def _complain(self, error: Exception) -> None:
        message = f"{type(error).__name__}: {error}".strip()
        if message != self._status.error:
            expected = isinstance(error, psycopg.Error | OSError | LeadershipLostError | DependencyUnavailable)
            level = logging.WARNING if expected else logging.CRITICAL
            _log.log(level, "the audit sequencer was interrupted: %s", message, exc_info=not expected)
        self._status = replace(self._status, error=message)
