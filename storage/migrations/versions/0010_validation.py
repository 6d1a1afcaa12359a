"""Baselines pinned at promotion, validation runs, and the nights that run them for every active version.

A finding may now be about the platform itself (a night that was missed), and so may an event: without a model.
"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"

TABLES = """
alter table findings
    alter column model_id drop not null,
    alter column version_id drop not null,
    add constraint findings_subject_check check ((model_id is null) = (version_id is null));
create index findings_version_id_kind_ix on findings (version_id, kind) where status = 'open';
alter table events alter column model_id drop not null;

create table suite_samples (
    suite_id uuid not null,
    number integer not null,
    dataset_id uuid not null,
    created_by uuid not null,
    created_at timestamptz not null,
    constraint suite_samples_pkey primary key (suite_id, number),
    constraint suite_samples_suite_id_dataset_id_key unique (suite_id, dataset_id),
    constraint suite_samples_suite_id_fkey foreign key (suite_id) references evaluation_suites (id),
    constraint suite_samples_dataset_id_fkey foreign key (dataset_id) references datasets (id),
    constraint suite_samples_created_by_fkey foreign key (created_by) references users (id)
);

create table baselines (
    id uuid not null,
    model_id uuid not null,
    suite_id uuid not null,
    version_id uuid not null,
    suite_digest text not null,
    dataset_sha256 text not null,
    outcomes_sha256 text not null,
    score double precision,
    request_id uuid,
    pinned_at timestamptz not null,
    released_at timestamptz,
    constraint baselines_pkey primary key (id),
    constraint baselines_released_at_check check (released_at >= pinned_at),
    constraint baselines_model_id_fkey foreign key (model_id) references models (id),
    constraint baselines_suite_id_fkey foreign key (suite_id) references evaluation_suites (id),
    constraint baselines_version_id_fkey foreign key (version_id) references model_versions (id),
    constraint baselines_request_id_fkey foreign key (request_id) references transition_requests (id)
);
create unique index baselines_one_pin on baselines (suite_id) where released_at is null;
create index baselines_suite_id_ix on baselines (suite_id, pinned_at);
create index baselines_outcomes_sha256_ix on baselines (outcomes_sha256);

create table suite_executions (
    version_id uuid not null,
    suite_digest text not null,
    dataset_sha256 text not null,
    subject_digest text not null,
    suite_id uuid not null,
    outcomes_sha256 text,
    results jsonb not null,
    tests jsonb not null,
    executed_at timestamptz not null,
    constraint suite_executions_pkey primary key (version_id, suite_digest, dataset_sha256, subject_digest),
    constraint suite_executions_version_id_fkey foreign key (version_id) references model_versions (id),
    constraint suite_executions_suite_id_fkey foreign key (suite_id) references evaluation_suites (id)
);
create index suite_executions_outcomes_sha256_ix on suite_executions (outcomes_sha256);

create table validation_nights (
    id uuid not null,
    night date not null,
    trigger text not null,
    status text not null,
    requested_by uuid,
    flow_run_id uuid,
    attempt integer not null default 1,
    models integer not null,
    batches integer not null,
    started_at timestamptz not null,
    deadline_at timestamptz not null,
    completed_at timestamptz,
    summary jsonb not null default '{}',
    constraint validation_nights_pkey primary key (id),
    constraint validation_nights_night_key unique (night),
    constraint validation_nights_trigger_check check (trigger in ('schedule', 'request', 'watch')),
    constraint validation_nights_status_check check (status in ('running', 'completed', 'partial', 'missed')),
    constraint validation_nights_completed_at_check check ((status = 'running') = (completed_at is null)),
    constraint validation_nights_requested_by_fkey foreign key (requested_by) references users (id)
);

create table validation_batches (
    night_id uuid not null,
    number integer not null,
    status text not null,
    attempt integer not null default 1,
    flow_run_id uuid,
    started_at timestamptz,
    finished_at timestamptz,
    constraint validation_batches_pkey primary key (night_id, number),
    constraint validation_batches_status_check check (status in ('queued', 'running', 'done', 'given_up')),
    constraint validation_batches_night_id_fkey foreign key (night_id) references validation_nights (id)
);

create table validation_runs (
    id uuid not null,
    run_id text not null,
    night_id uuid,
    batch integer,
    model_id uuid not null,
    version_id uuid not null,
    requested_by uuid,
    case_ids text[],
    status text not null,
    reason text,
    total_tests integer not null default 0,
    passed_tests integer not null default 0,
    failed_tests integer not null default 0,
    error_tests integer not null default 0,
    undecided_tests integer not null default 0,
    regression_detected boolean not null default false,
    regression_severity text not null default 'none',
    tests jsonb,
    measured jsonb,
    judged jsonb,
    flow_run_id uuid,
    attempt integer not null default 1,
    created_at timestamptz not null,
    started_at timestamptz,
    completed_at timestamptz,
    constraint validation_runs_pkey primary key (id),
    constraint validation_runs_run_id_key unique (run_id),
    constraint validation_runs_night_id_version_id_key unique (night_id, version_id),
    constraint validation_runs_status_check
        check (status in ('queued', 'running', 'measured', 'passed', 'failed', 'error', 'insufficient_evidence')),
    constraint validation_runs_completed_at_check
        check ((completed_at is not null) = (status in ('passed', 'failed', 'error', 'insufficient_evidence'))),
    constraint validation_runs_regression_severity_check
        check (regression_severity in ('none', 'low', 'medium', 'high')),
    constraint validation_runs_batch_check check ((night_id is null) = (batch is null)),
    constraint validation_runs_night_id_fkey foreign key (night_id) references validation_nights (id),
    constraint validation_runs_model_id_fkey foreign key (model_id) references models (id),
    constraint validation_runs_version_id_fkey foreign key (version_id) references model_versions (id),
    constraint validation_runs_requested_by_fkey foreign key (requested_by) references users (id)
);
create index validation_runs_version_id_ix on validation_runs (version_id, created_at);
create index validation_runs_model_id_ix on validation_runs (model_id, created_at);
create index validation_runs_night_id_batch_ix on validation_runs (night_id, batch, status);
create index validation_runs_undone_ix on validation_runs (created_at) where completed_at is null;
"""

GUARDS = """
create function keep_validation_outcome() returns trigger language plpgsql as $$
begin
    if old.completed_at is not null then
        raise exception '% % has its outcome', tg_table_name, old.id using errcode = 'check_violation';
    end if;
    return new;
end $$;

create trigger validation_runs_keep_outcome before update on validation_runs
    for each row execute function keep_validation_outcome();
create trigger validation_runs_are_kept before delete or truncate on validation_runs
    for each statement execute function refuse_change();
create trigger validation_nights_keep_outcome before update on validation_nights
    for each row execute function keep_validation_outcome();
create trigger validation_nights_are_kept before delete or truncate on validation_nights
    for each statement execute function refuse_change();
create trigger baselines_are_kept before delete or truncate on baselines
    for each statement execute function refuse_change();
"""

# What is about the platform itself has no place in the tables as they were.
DROP = """
drop table validation_runs, validation_batches, validation_nights, suite_executions, baselines, suite_samples;
drop function keep_validation_outcome;
delete from events where model_id is null;
alter table events alter column model_id set not null;
drop index findings_version_id_kind_ix;
drop trigger findings_are_kept on findings;
delete from findings where model_id is null;
create trigger findings_are_kept before delete or truncate on findings
    for each statement execute function refuse_change();
alter table findings
    drop constraint findings_subject_check,
    alter column model_id set not null,
    alter column version_id set not null;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GUARDS)


def downgrade() -> None:
    op.execute(DROP)
