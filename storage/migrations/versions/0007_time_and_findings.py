"""Deadlines, freeze windows, reviews, findings, and events for those who are to be told."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"

FINDINGS = """
alter table findings
    add column kind text not null default 'manual',
    alter column request_id drop not null,
    add column owner_id uuid,
    add column opened_by uuid,
    add column due_at timestamptz,
    add column blocks text[] not null default '{}',
    add column model_wide boolean not null default false,
    add column closed_by uuid,
    add column closed_at timestamptz,
    add column resolution_kind text,
    add column resolution text,
    drop constraint findings_severity_check,
    add constraint findings_severity_check check (severity in ('low', 'medium', 'high', 'critical')),
    add constraint findings_owner_id_fkey foreign key (owner_id) references users (id),
    add constraint findings_opened_by_fkey foreign key (opened_by) references users (id),
    add constraint findings_closed_by_fkey foreign key (closed_by) references users (id);
update findings set closed_at = created_at where status = 'closed';
-- Until now only rollbacks opened findings.
update findings f set kind = 'rollback', blocks = '{approve_production,promote_production}', opened_by = r.requester_id
    from transition_requests r where r.id = f.request_id and r.transition = 'rollback';
alter table findings
    add constraint findings_closed_at_check check ((status = 'closed') = (closed_at is not null)),
    add constraint findings_resolution_kind_check
        check (resolution_kind in ('fixed', 'accepted', 'false_positive'));
create index findings_open_ix on findings (model_id) where status = 'open';
"""

TABLES = """
create table freeze_windows (
    id uuid not null,
    name text not null,
    reason text not null,
    starts_at timestamptz,
    ends_at timestamptz,
    weekly jsonb,
    groups text[] not null default '{}',
    transitions text[] not null default '{}',
    risk_tiers text[] not null default '{}',
    created_by uuid not null,
    created_at timestamptz not null,
    lifted_by uuid,
    lifted_at timestamptz,
    constraint freeze_windows_pkey primary key (id),
    constraint freeze_windows_times_check
        check (weekly is not null or starts_at is not null and ends_at is not null),
    constraint freeze_windows_created_by_fkey foreign key (created_by) references users (id),
    constraint freeze_windows_lifted_by_fkey foreign key (lifted_by) references users (id)
);
create index freeze_windows_standing_ix on freeze_windows (ends_at) where lifted_at is null;

create table reviews (
    id uuid not null,
    model_id uuid not null,
    version_id uuid not null,
    request_id uuid not null,
    status text not null,
    due_at timestamptz not null,
    created_at timestamptz not null,
    finding_id uuid,
    escalated_at timestamptz,
    completed_by uuid,
    completed_at timestamptz,
    comment text,
    constraint reviews_pkey primary key (id),
    constraint reviews_status_check check (status in ('open', 'completed', 'superseded', 'lapsed')),
    constraint reviews_model_id_fkey foreign key (model_id) references models (id),
    constraint reviews_version_id_fkey foreign key (version_id) references model_versions (id),
    constraint reviews_request_id_fkey foreign key (request_id) references transition_requests (id),
    constraint reviews_finding_id_fkey foreign key (finding_id) references findings (id),
    constraint reviews_completed_by_fkey foreign key (completed_by) references users (id)
);
create unique index reviews_one_open on reviews (version_id) where status = 'open';
create index reviews_due_ix on reviews (due_at) where status = 'open';
create index reviews_model_id_ix on reviews (model_id, id);

create table request_notices (
    request_id uuid not null,
    kind text not null,
    at timestamptz not null,
    data jsonb not null,
    constraint request_notices_pkey primary key (request_id, kind),
    constraint request_notices_kind_check check (kind in ('reminded', 'escalated', 'expired', 'superseded', 'ended')),
    constraint request_notices_request_id_fkey foreign key (request_id) references transition_requests (id)
);

create table events (
    id uuid not null,
    at timestamptz not null,
    type text not null,
    subject_kind text not null,
    subject_id uuid not null,
    model_id uuid not null,
    data jsonb not null,
    xact bigint not null default pg_current_xact_id()::text::bigint,
    constraint events_pkey primary key (id),
    constraint events_model_id_fkey foreign key (model_id) references models (id)
);
create index events_xact_ix on events (xact, id);
create index events_model_id_ix on events (model_id, xact, id);

create trigger freeze_windows_are_kept before delete or truncate on freeze_windows
    for each statement execute function refuse_change();
create trigger findings_are_kept before delete or truncate on findings
    for each statement execute function refuse_change();
"""

ASKED = """
create function keep_what_was_asked() returns trigger language plpgsql as $$
begin
    if new.break_glass <> old.break_glass then
        raise exception 'what was asked never changes' using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger keep_what_was_asked before update of break_glass on transition_requests
    for each row execute function keep_what_was_asked();
"""

# Reviews begin for what was approved for production before there were any: in 90 days, whatever the tier.
BEGIN = """
insert into reviews (id, model_id, version_id, request_id, status, due_at, created_at)
select gen_random_uuid(), v.model_id, v.id, r.id, 'open', now() + interval '90 days', now()
from model_versions v
cross join lateral (select id from transition_requests where version_id = v.id and status = 'applied'
    and transition = 'approve_production' order by id desc limit 1) r
where v.state in ('approved_prod', 'production');
"""


def upgrade() -> None:
    op.execute("alter table users add column time_zone text not null default 'UTC'")
    op.execute("alter table transition_requests add column break_glass boolean not null default false")
    op.execute(ASKED)
    op.execute(FINDINGS)
    op.execute(TABLES)
    op.execute(BEGIN)


def downgrade() -> None:
    """Findings stay, in the words that there were: critical is high, and who has no request names itself."""
    op.execute("drop trigger findings_are_kept on findings")
    for table in ("events", "request_notices", "reviews", "freeze_windows"):
        op.execute(f"drop table {table}")
    op.execute("drop index findings_open_ix")
    op.execute("""
        alter table findings
            drop constraint findings_severity_check,
            drop constraint findings_resolution_kind_check,
            drop constraint findings_closed_at_check
    """)
    op.execute("update findings set severity = 'high' where severity = 'critical'")
    op.execute("update findings set request_id = id where request_id is null")
    op.execute("""
        alter table findings
            add constraint findings_severity_check check (severity in ('low', 'medium', 'high')),
            alter column request_id set not null,
            drop column kind, drop column owner_id, drop column opened_by, drop column due_at, drop column blocks,
            drop column model_wide, drop column closed_by, drop column closed_at, drop column resolution_kind,
            drop column resolution
    """)
    op.execute("drop trigger keep_what_was_asked on transition_requests")
    op.execute("drop function keep_what_was_asked")
    op.execute("alter table transition_requests drop column break_glass")
    op.execute("alter table users drop column time_zone")
