"""Proofs about the audit log come from stored subtree hashes, and its entries are found by what they are about."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    # A cache of what the entries say: whoever reads a proof out of it checks the proof against the signed root.
    op.execute(
        """
        create table audit_tree (
          level smallint not null check (level in (8, 16, 24, 32, 40, 48, 56)),
          position bigint not null,
          hash bytea not null,
          primary key (level, position)
        )
        """
    )
    # The subject is the last field of an entry, since RFC 8785 sorts the names. No cast to jsonb: an entry that was
    # tampered with must still be stored, and be found by verification.
    op.execute(
        r"""
        create index audit_entries_subject_ix on audit_entries (
          (substring(right(entry, 300) from '"subject":\{"id":"([^"\\]+)","kind":"[^"\\]*"\}\}$')), seq)
        """
    )


def downgrade() -> None:
    op.execute("drop index audit_entries_subject_ix")
    op.execute("drop table audit_tree")
