"""Texts of entries that are older than the retention go to archives, a month at a time.

For each month one archive is written and synced; then one transaction takes the texts out of the log and records that
it did (`audit:retention:applied`, with the numbers, the archive's name and its SHA-256). Leaf, mac and chain value
stay. What a legal hold covers, what no checkpoint has sealed yet, and what the log says about retention and holds
stay as they are.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection
from sqlalchemy import text as sql

from governance.audit.keeping import APPLIED, SHORTEST_MONTHS, months_before
from governance.canonical import rendered
from governance.errors import Conflict, InvalidInput
from governance.operations.calls import Call
from storage.audit_log.durability import sync_directory
from storage.audit_log.outbox import append
from storage.audit_log.proving import newest_checkpoint
from storage.composition import Platform

_ONE_AT_A_TIME = 0x6761_7465_7265_7461  # "gatereta"

_RIPE = """i.at >= :month and i.at < :end and i.seq < :sealed
    and i.action not like 'audit:retention:%' and i.action not like 'audit:hold:%'"""

_HELD = """exists (select from legal_holds h where h.released_at is null and (h.until is null or h.until > :at)
    and (h.scope = 'log' or h.scope = 'model' and h.model_id = i.model_id
         or h.scope = 'subject' and (h.subject_kind = i.subject_kind and h.subject_id = i.subject_id
                                     or h.subject_kind = 'user' and h.subject_id = i.actor_id)))"""

_MONTHS = sql("""
    select distinct date_trunc('month', i.at at time zone 'UTC') at time zone 'UTC' as month from audit_index i
    where i.at < :before and i.seq < :sealed
      and i.action not like 'audit:retention:%' and i.action not like 'audit:hold:%' order by 1
""")
_COUNTS = sql(f"select count(*) filter (where not {_HELD}), count(*) from audit_index i where {_RIPE}")  # noqa: S608
_TEXTS = sql(
    "select i.seq, i.model_id::text, i.subject_kind, i.subject_id, i.actor_id, e.mac, e.entry from audit_index i "  # noqa: S608
    f"join audit_entries e on e.seq = i.seq and e.entry is not null where {_RIPE} and not {_HELD} order by i.seq"
)
_RECORD = sql("""
    insert into audit_removals (first_seq, last_seq, archive, removed_at)
    select r.first_seq, r.last_seq, :archive, :at
    from unnest(cast(:first as bigint[]), cast(:last as bigint[])) r (first_seq, last_seq)
""")
_REMOVE = sql("""
    update audit_entries e set entry = null
    from unnest(cast(:first as bigint[]), cast(:last as bigint[])) r (first_seq, last_seq)
    where e.seq between r.first_seq and r.last_seq and e.entry is not null
""")
_FORGET = sql("""
    delete from audit_index i using unnest(cast(:first as bigint[]), cast(:last as bigint[])) r (first_seq, last_seq)
    where i.seq between r.first_seq and r.last_seq
""")


@dataclass(frozen=True, slots=True)
class Month:
    """What was, or would be, removed of one month. archive: the file's name, None in a trial."""

    month: str
    entries: int
    held: int
    archive: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {"month": self.month, "entries": self.entries, "held": self.held, "archive": self.archive}


def archive_directory(platform: Platform) -> Path:
    return platform.settings.audit_directory / "archive"


def retain(platform: Platform, call: Call, *, months: int, dry_run: bool = False) -> list[Month]:
    """Remove what is older than `months` whole months, month by month; each is done or not when this is interrupted.

    Raises InvalidInput for less than SHORTEST_MONTHS, Conflict while somebody else does the same, NotFound without a
    checkpoint, OSError when an archive cannot be written.
    """
    if months < SHORTEST_MONTHS:
        raise InvalidInput(f"Audit entries are kept for at least {SHORTEST_MONTHS} months.")
    before = months_before(call.at.astimezone(UTC), months)
    bounds = {"before": before, "sealed": newest_checkpoint(platform).checkpoint.size, "at": call.at}
    with platform.engine.connect() as connection:
        ripe = [month for (month,) in connection.execute(_MONTHS, bounds)]
    done = []
    for month in ripe:
        with platform.engine.begin() as connection:
            found = _month(platform, connection, call, {**bounds, "month": month, "end": _next(month)}, dry_run=dry_run)
        if found.entries or found.held:
            done.append(found)
    return done


def _next(month: datetime) -> datetime:
    return months_before(month.astimezone(UTC), -1)


def _month(platform: Platform, connection: Connection, call: Call, bounds: dict[str, Any], *, dry_run: bool) -> Month:
    name = bounds["month"].astimezone(UTC).strftime("%Y-%m")
    if not connection.execute(sql("select pg_try_advisory_xact_lock(:key)"), {"key": _ONE_AT_A_TIME}).scalar():
        raise Conflict("Another process applies the retention of the audit log.")
    # Who places a hold meanwhile waits, and finds what is left; who placed one before is heard.
    connection.execute(sql("lock table legal_holds in share row exclusive mode"))
    ripe, there = connection.execute(_COUNTS, bounds).one()
    if dry_run or not ripe:
        return Month(name, int(ripe), int(there - ripe))
    archive = _Archive(archive_directory(platform), name)
    try:
        rows = connection.execute(_TEXTS, bounds, execution_options={"yield_per": 2_000})
        for seq, model_id, kind, subject, actor, mac, entry in rows:
            archive.add(seq, {"modelId": model_id, "subject": [kind, subject], "actor": actor}, mac, entry)
        archive.keep()
    except BaseException:
        archive.discard()
        raise
    runs = {"first": [first for first, _ in archive.ranges], "last": [last for _, last in archive.ranges]}
    connection.execute(_RECORD, {**runs, "archive": archive.name, "at": call.at})
    removed = connection.execute(_REMOVE, runs).rowcount
    if removed != archive.entries:
        raise Conflict(f"{removed} texts would be removed, but {archive.entries} are in the archive.")
    connection.execute(_FORGET, runs)
    told = {
        "before": rendered(bounds["before"]),  # everything that was removed is older
        "ranges": archive.ranges,
        "entries": archive.entries,
        "held": int(there - ripe),
        "archive": {"name": archive.name, "sha256": archive.sha256, "bytes": archive.size},
    }
    event = replace(call.event(APPLIED, "audit-log", name), details=told)
    append(connection, [event], key=platform.audit_key)
    return Month(name, archive.entries, int(there - ripe), archive.name)


class _Archive:
    """One file, complete and synced under its name or not there at all."""

    def __init__(self, directory: Path, month: str) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        self._month = month
        descriptor, draft = tempfile.mkstemp(prefix=".archive.", dir=directory)
        self._draft = Path(draft)
        self._file: IO[bytes] = os.fdopen(descriptor, "wb")
        self._digest = sha256()
        self.ranges: list[list[int]] = []
        self.entries = 0
        self.size = 0

    @property
    def name(self) -> str:
        return f"audit-{self._month}-{self.ranges[0][0]}-{self.ranges[-1][1]}.ndjson"

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def add(self, seq: int, about: dict[str, Any], mac: bytes, entry: str) -> None:
        line = json.dumps({"seq": seq, **about, "mac": bytes(mac).hex(), "entry": entry}, ensure_ascii=False)
        raw = line.encode() + b"\n"
        self._file.write(raw)
        self._digest.update(raw)
        self.size += len(raw)
        self.entries += 1
        if self.ranges and self.ranges[-1][1] + 1 == seq:
            self.ranges[-1][1] = seq
        else:
            self.ranges.append([seq, seq])

    def keep(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._draft.replace(self._directory / self.name)
        sync_directory(self._directory)

    def discard(self) -> None:
        self._file.close()
        self._draft.unlink(missing_ok=True)
