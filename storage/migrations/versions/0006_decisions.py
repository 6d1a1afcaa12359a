"""Decisions of people: signed rows, delegations, overrides of soft gates, and the role of independent validation."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"

ROLES = "'catalog_admin', 'data_scientist', 'ml_engineer', 'marketplace_user', 'auditor', 'viewer', 'approver'"

TABLES = """
create table delegations (
    id uuid not null,
    delegator_id uuid not null,
    delegate_id uuid not null,
    groups text[] not null,
    transitions text[] not null,
    risk_tiers text[] not null,
    reason text not null,
    starts_at timestamp with time zone not null,
    ends_at timestamp with time zone not null,
    revoked_at timestamp with time zone,
    revoked_by uuid,
    created_at timestamp with time zone not null,
    constraint delegations_pkey primary key (id),
    constraint delegations_not_to_oneself_check check (delegator_id <> delegate_id),
    constraint delegations_term_check check (starts_at < ends_at and ends_at <= starts_at + interval '30 days'),
    constraint delegations_delegator_id_fkey foreign key (delegator_id) references users (id),
    constraint delegations_delegate_id_fkey foreign key (delegate_id) references users (id)
);
create index delegations_delegator_id_id_ix on delegations (delegator_id, id);
create index delegations_delegate_id_id_ix on delegations (delegate_id, id);

create table overrides (
    id uuid not null,
    request_id uuid not null,
    policy text not null,
    policy_version integer not null,
    evidence_digest text not null,
    reason text not null,
    proposed_by uuid not null,
    proposed_at timestamp with time zone not null,
    confirmed_by uuid,
    confirmed_at timestamp with time zone,
    expires_at timestamp with time zone not null,
    finding_id uuid,
    envelope jsonb not null,
    constraint overrides_pkey primary key (id),
    constraint overrides_two_people_check check (confirmed_by <> proposed_by),
    constraint overrides_confirmed_check check ((confirmed_by is null) = (confirmed_at is null)),
    constraint overrides_term_check check (expires_at <= proposed_at + interval '14 days'),
    constraint overrides_request_id_fkey foreign key (request_id) references transition_requests (id),
    constraint overrides_proposed_by_fkey foreign key (proposed_by) references users (id),
    constraint overrides_confirmed_by_fkey foreign key (confirmed_by) references users (id)
);
create index overrides_request_id_id_ix on overrides (request_id, id);
"""

# As in 0002, and about the person on whose behalf a decision is made, too.
GUARD = """
create or replace function guard_approval() returns trigger language plpgsql as $$
declare found_what text;
begin
    if exists (select 1 from users where id in (new.approver_id, new.on_behalf_of) and kind <> 'person') then
        raise exception 'decisions are made by people' using errcode = 'check_violation';
    end if;
    select what into found_what from involved_people(new.request_id) where person_id in (new.approver_id, new.on_behalf_of) limit 1;
    if found then
        raise exception 'nobody decides about what they took part in: they %', found_what
            using errcode = 'check_violation';
    end if;
    return new;
end $$;
"""
GUARD_BEFORE = """
create or replace function guard_approval() returns trigger language plpgsql as $$
declare found_what text;
begin
    if exists (select 1 from users where id = new.approver_id and kind <> 'person') then
        raise exception 'decisions are made by people' using errcode = 'check_violation';
    end if;
    select what into found_what from involved_people(new.request_id) where person_id = new.approver_id limit 1;
    if found then
        raise exception 'nobody decides about what they took part in: they %', found_what
            using errcode = 'check_violation';
    end if;
    return new;
end $$;
"""


def upgrade() -> None:
    op.execute("alter table approvals add column envelope jsonb")
    op.execute(
        "alter table approvals add column on_behalf_of uuid, "
        "add constraint approvals_on_behalf_of_fkey foreign key (on_behalf_of) references users (id), "
        "add constraint approvals_not_for_the_requester_check check (on_behalf_of <> requester_id), "
        "add constraint approvals_not_for_oneself_check check (on_behalf_of <> approver_id)"
    )
    op.execute(TABLES)
    op.execute(GUARD)
    _allow_roles(f"{ROLES}, 'validator'")


def downgrade() -> None:
    """A validator decides like an approver, which is what they become again. A decision for somebody else remains the
    decision of who made it."""
    op.execute(GUARD_BEFORE)
    op.execute("drop table overrides, delegations")
    op.execute("alter table approvals drop column on_behalf_of, drop column envelope")
    op.execute(
        "update users set roles = array_remove(roles, 'validator') "
        "|| case when 'approver' = any(roles) then '{}'::text[] else array['approver'] end "
        "where 'validator' = any(roles)"
    )
    _allow_roles(ROLES)


def _allow_roles(roles: str) -> None:
    op.execute("alter table users drop constraint users_roles_check")
    op.execute(f"alter table users add constraint users_roles_check check (roles <@ array[{roles}])")
