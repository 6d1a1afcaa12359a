"""Suites are of five kinds and carry a definition: cases, slices, groups and metrics of more families. A suite may bring
its own rows or prompts in place of a dataset."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute(
        """
        alter table evaluation_suites
          add column kind text not null default 'regression',
          add column definition jsonb not null default '{}'::jsonb,
          alter column dataset_id drop not null,
          alter column target drop not null,
          add constraint evaluation_suites_kind_check
            check (kind in ('unit', 'integration', 'regression', 'performance', 'smoke')),
          add constraint evaluation_suites_data_check check ((dataset_id is null) = (target is null))
        """
    )


def downgrade() -> None:
    # An older release cannot say what a suite without a dataset is. It goes with its evaluations, whose results stay in
    # the evidence of the requests that they were judged in; everything else keeps its row.
    op.execute(
        """
        delete from evaluations where suite_id in (select id from evaluation_suites where dataset_id is null)
        """
    )
    op.execute(
        "delete from suite_executions where suite_id in (select id from evaluation_suites where dataset_id is null)"
    )
    op.execute("delete from evaluation_suites where dataset_id is null")
    op.execute(
        """
        alter table evaluation_suites
          drop constraint evaluation_suites_data_check,
          drop constraint evaluation_suites_kind_check,
          drop column definition,
          drop column kind,
          alter column dataset_id set not null,
          alter column target set not null
        """
    )
