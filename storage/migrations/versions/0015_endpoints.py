"""Versions that are served elsewhere: what their evaluations are bound to, and the breakers of their endpoints."""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.execute("alter table evaluations add column endpoint_digest text")
    op.execute(
        """
        alter table evaluations add constraint evaluations_bound_check
          check (weights_sha256 is null or endpoint_digest is null)
        """
    )
    op.execute(
        """
        create table endpoint_breakers (
          endpoint text not null,
          state text not null,
          failures integer not null,
          until timestamptz,
          generation bigint not null,
          changed_at timestamptz not null,
          constraint endpoint_breakers_pkey primary key (endpoint),
          constraint endpoint_breakers_state_check check (state in ('closed', 'open', 'half_open')),
          constraint endpoint_breakers_until_check check ((state = 'closed') = (until is null))
        )
        """
    )


def downgrade() -> None:
    op.execute("drop table endpoint_breakers")
    op.execute("alter table evaluations drop constraint evaluations_bound_check")
    op.execute("alter table evaluations drop column endpoint_digest")
