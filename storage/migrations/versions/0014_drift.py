"""Drift: pinned references, and live traffic as counts."""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"

TABLES = """
create table drift_references (
    version_id uuid not null,
    suite_id uuid not null,
    dataset_sha256 text not null,
    outcomes_sha256 text,
    sketches jsonb not null,
    omitted integer not null,
    digest text not null,
    created_at timestamp with time zone not null,
    constraint drift_references_pkey primary key (version_id),
    constraint drift_references_version_id_fkey foreign key (version_id) references model_versions (id),
    constraint drift_references_suite_id_fkey foreign key (suite_id) references evaluation_suites (id)
);

create table live_sketches (
    version_id uuid not null,
    hour timestamp with time zone not null,
    position integer not null,
    counts bigint[] not null,
    constraint live_sketches_pkey primary key (version_id, hour, position),
    constraint live_sketches_version_id_fkey foreign key (version_id) references drift_references (version_id),
    constraint live_sketches_position_check check (position >= -1)
) with (fillfactor = 60);
"""
# Rows of the present hour are updated by every call: with room on their page, an update touches no index.


def upgrade() -> None:
    op.execute(TABLES)


def downgrade() -> None:
    op.execute("drop table live_sketches, drift_references")
