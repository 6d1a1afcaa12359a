"""The three tables of the audit log, as plain DDL for a migration.

audit_outbox: what business transactions wrote, in no particular order; emptied by the sequencer.
audit_entries: the log, append-only; `seq` is gap-free from 0.
audit_head: one row, where the log ends.

The triggers refuse what no part of the platform ever does. They stop mistakes and application-level
attackers; an owner of the tables can disable them, which is what verification is for. They fire in every
replication role. No statement contains a colon or a percent sign, so each can pass through SQLAlchemy's
`text` unharmed.
"""

from __future__ import annotations

from governance.audit.chain import GENESIS

_REFUSE = """
create function audit_refuse_change() returns trigger language plpgsql as $$
begin
  raise exception using
    errcode = 'restrict_violation',
    message = 'the audit log is append-only, ' || lower(tg_op) || ' on ' || tg_table_name || ' is refused';
end $$
"""


def _refusing(table: str, events: str) -> tuple[str, str]:
    trigger = f"{table}_refuse_change"
    return (
        f"create trigger {trigger} before {events} on {table} "
        "for each statement execute function audit_refuse_change()",
        f"alter table {table} enable always trigger {trigger}",
    )


CREATE_STATEMENTS: tuple[str, ...] = (
    _REFUSE,
    # Rows live for milliseconds: vacuum by number of dead rows, not by share of an almost empty table.
    """
    create table audit_outbox (
      id bigint generated always as identity primary key,
      entry text not null,
      leaf bytea not null,
      mac bytea not null
    ) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
            autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000)
    """,
    """
    create table audit_entries (
      seq bigint primary key,
      entry text not null,
      leaf bytea not null,
      mac bytea not null,
      chain bytea not null
    )
    """,
    """
    create table audit_head (
      one integer primary key default 1 check (one = 1),
      size bigint not null,
      chain bytea not null,
      frontier bytea[] not null
    )
    """,
    # The hexadecimal digits of a constant, no outside text.
    "insert into audit_head (size, chain, frontier) "  # noqa: S608
    f"values (0, decode('{GENESIS.hex()}', 'hex'), '{{}}')",
    *_refusing("audit_outbox", "update or truncate"),
    *_refusing("audit_entries", "update or delete or truncate"),
    *_refusing("audit_head", "delete or truncate"),
)

DROP_STATEMENTS: tuple[str, ...] = (
    "drop table audit_head",
    "drop table audit_entries",
    "drop table audit_outbox",
    "drop function audit_refuse_change()",
)
