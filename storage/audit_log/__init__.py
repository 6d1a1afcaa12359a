"""The audit log in PostgreSQL, its order, and its checkpoints outside the database.

`append` writes events in the business transaction (`outbox`). The `Sequencer` moves them into the log one
batch at a time (`ledger`) and signs what is there (`sealing`, `checkpoints`). `verify_log` reads everything
back and has it judged (`reading`).
"""

from __future__ import annotations

from storage.audit_log.keys import KeyFileError, load_or_create_audit_key, load_or_create_signing_key
from storage.audit_log.ledger import BrokenHistoryError
from storage.audit_log.outbox import append
from storage.audit_log.reading import verify_log
from storage.audit_log.schema import CREATE_STATEMENTS, DROP_STATEMENTS
from storage.audit_log.sequencer import Sequencer, SequencerStatus

__all__ = [
    "CREATE_STATEMENTS",
    "DROP_STATEMENTS",
    "BrokenHistoryError",
    "KeyFileError",
    "Sequencer",
    "SequencerStatus",
    "append",
    "load_or_create_audit_key",
    "load_or_create_signing_key",
    "verify_log",
]
