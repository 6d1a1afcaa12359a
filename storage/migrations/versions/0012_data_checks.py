"""What is expected of datasets, and what validations found."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"

TABLES = """
create table expectation_suites (
    id uuid not null,
    dataset_id uuid not null,
    number integer not null,
    expectations jsonb not null,
    source jsonb not null,
    digest text not null,
    created_by uuid not null,
    created_at timestamptz not null,
    constraint expectation_suites_pkey primary key (id),
    constraint expectation_suites_dataset_id_number_key unique (dataset_id, number),
    constraint expectation_suites_dataset_id_fkey foreign key (dataset_id) references datasets (id),
    constraint expectation_suites_created_by_fkey foreign key (created_by) references users (id)
);
create table data_validations (
    id uuid not null,
    dataset_id uuid not null,
    number integer not null,
    digest text not null,
    dataset_sha256 text not null,
    source jsonb not null,
    status text not null,
    reason text,
    checked integer not null,
    failures jsonb not null,
    rows integer,
    seconds double precision,
    correlation text,
    requested_by uuid,
    created_at timestamptz not null,
    executed_at timestamptz,
    constraint data_validations_pkey primary key (id),
    constraint data_validations_status_check check (status in ('queued', 'running', 'passed', 'failed', 'error')),
    constraint data_validations_dataset_id_fkey foreign key (dataset_id) references datasets (id),
    constraint data_validations_requested_by_fkey foreign key (requested_by) references users (id)
);
create index data_validations_dataset_id_ix on data_validations (dataset_id, id);
create index data_validations_latest_ix on data_validations (dataset_id, number, executed_at);
create table expectation_profiles (
    id uuid not null,
    dataset_id uuid not null,
    dataset_sha256 text not null,
    status text not null,
    reason text,
    expectations jsonb not null,
    rows integer,
    requested_by uuid not null,
    created_at timestamptz not null,
    finished_at timestamptz,
    constraint expectation_profiles_pkey primary key (id),
    constraint expectation_profiles_status_check check (status in ('queued', 'running', 'done', 'error')),
    constraint expectation_profiles_dataset_id_fkey foreign key (dataset_id) references datasets (id),
    constraint expectation_profiles_requested_by_fkey foreign key (requested_by) references users (id)
);
create index expectation_profiles_dataset_id_ix on expectation_profiles (dataset_id, id);

create trigger expectation_suites_are_kept before update or delete or truncate on expectation_suites
    for each statement execute function refuse_change();
create trigger data_validations_are_kept before delete or truncate on data_validations
    for each statement execute function refuse_change();

create function keep_what_was_found() returns trigger language plpgsql as $$
begin
    if old.status in ('passed', 'failed', 'error') then
        raise exception 'a validation that ended never changes' using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger keep_what_was_found before update on data_validations
    for each row execute function keep_what_was_found();
"""


def upgrade() -> None:
    op.execute(TABLES)


def downgrade() -> None:
    for table in ("expectation_profiles", "data_validations", "expectation_suites"):
        op.execute(f"drop table {table}")
    op.execute("drop function keep_what_was_found")
