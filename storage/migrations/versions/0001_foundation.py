"""The foundation: registry, requests, decisions, evaluations, people, and the audit log.

Three rules are kept by the database itself, so that SQL written by hand cannot break them: a version moves only along
an edge of the lifecycle and only on behalf of a request for that very transition; a request that has its outcome
keeps it; nobody approves their own request.
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

EDGES = (
    ("approve_production", "staging", "approved_prod"),
    ("approve_staging", "submitted", "approved_staging"),
    ("deploy_staging", "approved_staging", "staging"),
    ("deprecate", "production", "deprecated"),
    ("promote_production", "approved_prod", "production"),
    ("promote_production", "production", "deprecated"),
    ("request_changes", "approved_prod", "changes_requested"),
    ("request_changes", "approved_staging", "changes_requested"),
    ("request_changes", "staging", "changes_requested"),
    ("request_changes", "submitted", "changes_requested"),
    ("retire", "changes_requested", "retired"),
    ("retire", "deprecated", "retired"),
    ("retire", "draft", "retired"),
    ("retire", "staging", "retired"),
    ("rollback", "deprecated", "production"),
    ("rollback", "production", "changes_requested"),
    ("submit", "changes_requested", "submitted"),
    ("submit", "draft", "submitted"),
)

TABLES = """
CREATE TABLE policies (
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    parameters JSONB NOT NULL,
    active BOOLEAN NOT NULL,
    created_by UUID,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT policies_pkey PRIMARY KEY (name, version)
);

CREATE UNIQUE INDEX policies_one_active ON policies (name) WHERE active;

CREATE TABLE users (
    id UUID NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    groups TEXT[] NOT NULL,
    password_hash TEXT,
    active BOOLEAN NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT users_pkey PRIMARY KEY (id),
    CONSTRAINT users_name_key UNIQUE (name),
    CONSTRAINT users_role_check CHECK (role in ('developer', 'approver', 'admin'))
);

CREATE TABLE idempotency_keys (
    principal_id UUID NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    resource_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (principal_id, key)
);

CREATE TABLE lifecycle_edges (
    transition TEXT NOT NULL,
    from_state TEXT NOT NULL,
    to_state TEXT NOT NULL,
    CONSTRAINT lifecycle_edges_pkey PRIMARY KEY (transition, from_state, to_state)
);

CREATE TABLE content_inspections (
    sha256 TEXT NOT NULL,
    format TEXT NOT NULL,
    safe BOOLEAN NOT NULL,
    reason TEXT NOT NULL,
    inspected_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT content_inspections_pkey PRIMARY KEY (sha256)
);

CREATE TABLE datasets (
    id UUID NOT NULL,
    name TEXT NOT NULL,
    "group" TEXT NOT NULL,
    format TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size BIGINT NOT NULL,
    created_by UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT datasets_pkey PRIMARY KEY (id),
    CONSTRAINT datasets_group_name_key UNIQUE ("group", name),
    CONSTRAINT datasets_format_check CHECK (format in ('parquet', 'csv')),
    CONSTRAINT datasets_created_by_fkey FOREIGN KEY(created_by) REFERENCES users (id)
);

CREATE INDEX datasets_sha256_ix ON datasets (sha256);

CREATE TABLE tokens (
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    mac BYTEA NOT NULL,
    label TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    revoked_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT tokens_pkey PRIMARY KEY (id),
    CONSTRAINT tokens_mac_key UNIQUE (mac),
    CONSTRAINT tokens_user_id_fkey FOREIGN KEY(user_id) REFERENCES users (id)
);

CREATE INDEX tokens_user_id_ix ON tokens (user_id);

CREATE TABLE models (
    id UUID NOT NULL,
    name TEXT NOT NULL,
    "group" TEXT NOT NULL,
    description TEXT NOT NULL,
    owners TEXT[] NOT NULL,
    risk_tier TEXT NOT NULL,
    tags TEXT[] NOT NULL,
    created_by UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT models_pkey PRIMARY KEY (id),
    CONSTRAINT models_group_name_key UNIQUE ("group", name),
    CONSTRAINT models_risk_tier_check CHECK (risk_tier in ('Low', 'Medium', 'High')),
    CONSTRAINT models_created_by_fkey FOREIGN KEY(created_by) REFERENCES users (id)
);

CREATE INDEX models_owners_ix ON models USING gin (owners);

CREATE INDEX models_search_ix ON models USING gin ((name || ' ' || description) gin_trgm_ops);

CREATE INDEX models_tags_ix ON models USING gin (tags);

CREATE TABLE evaluation_suites (
    id UUID NOT NULL,
    model_id UUID NOT NULL,
    name TEXT NOT NULL,
    dataset_id UUID NOT NULL,
    task_type TEXT NOT NULL,
    target TEXT NOT NULL,
    features TEXT[],
    metrics TEXT[] NOT NULL,
    thresholds JSONB NOT NULL,
    margin FLOAT NOT NULL,
    positive_label TEXT,
    digest TEXT NOT NULL,
    created_by UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT evaluation_suites_pkey PRIMARY KEY (id),
    CONSTRAINT evaluation_suites_model_id_name_key UNIQUE (model_id, name),
    CONSTRAINT evaluation_suites_model_id_fkey FOREIGN KEY(model_id) REFERENCES models (id),
    CONSTRAINT evaluation_suites_dataset_id_fkey FOREIGN KEY(dataset_id) REFERENCES datasets (id),
    CONSTRAINT evaluation_suites_created_by_fkey FOREIGN KEY(created_by) REFERENCES users (id)
);

CREATE TABLE model_versions (
    id UUID NOT NULL,
    model_id UUID NOT NULL,
    version TEXT NOT NULL,
    precedence TEXT NOT NULL,
    state TEXT NOT NULL,
    commit_sha TEXT NOT NULL,
    training_job_id TEXT,
    metadata JSONB NOT NULL,
    revision INTEGER NOT NULL,
    last_request_id UUID,
    created_by UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT model_versions_pkey PRIMARY KEY (id),
    CONSTRAINT model_versions_model_id_precedence_key UNIQUE (model_id, precedence),
    CONSTRAINT model_versions_model_id_fkey FOREIGN KEY(model_id) REFERENCES models (id),
    CONSTRAINT model_versions_created_by_fkey FOREIGN KEY(created_by) REFERENCES users (id)
);

CREATE UNIQUE INDEX model_versions_model_id_version_ix ON model_versions (model_id, version);

CREATE INDEX model_versions_state_ix ON model_versions (state, model_id);

CREATE UNIQUE INDEX model_versions_one_in_production ON model_versions (model_id) WHERE state = 'production';

CREATE TABLE transition_requests (
    id UUID NOT NULL,
    model_id UUID NOT NULL,
    version_id UUID NOT NULL,
    transition TEXT NOT NULL,
    status TEXT NOT NULL,
    requester_id UUID NOT NULL,
    reason TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    flow_run_id UUID,
    evidence JSONB,
    evidence_digest TEXT,
    subject_digest TEXT,
    verdicts JSONB,
    outcome JSONB,
    launched_at TIMESTAMP WITH TIME ZONE,
    settled_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT transition_requests_pkey PRIMARY KEY (id),
    CONSTRAINT transition_requests_id_requester_id_key UNIQUE (id, requester_id),
    CONSTRAINT transition_requests_status_check CHECK (status in ('open', 'judging', 'awaiting_approval', 'applied', 'denied', 'withdrawn')),
    CONSTRAINT transition_requests_model_id_fkey FOREIGN KEY(model_id) REFERENCES models (id),
    CONSTRAINT transition_requests_version_id_fkey FOREIGN KEY(version_id) REFERENCES model_versions (id),
    CONSTRAINT transition_requests_requester_id_fkey FOREIGN KEY(requester_id) REFERENCES users (id)
);

CREATE INDEX transition_requests_version_id_id_ix ON transition_requests (version_id, id);

CREATE UNIQUE INDEX transition_requests_one_moves_a_version ON transition_requests (version_id) WHERE status in ('open', 'judging', 'awaiting_approval') and transition <> 'evaluate';

CREATE INDEX transition_requests_model_id_id_ix ON transition_requests (model_id, id);

CREATE INDEX transition_requests_undecided_ix ON transition_requests (updated_at) WHERE status in ('open', 'judging', 'awaiting_approval');

CREATE TABLE findings (
    id UUID NOT NULL,
    model_id UUID NOT NULL,
    version_id UUID NOT NULL,
    severity TEXT NOT NULL,
    title TEXT NOT NULL,
    status TEXT NOT NULL,
    request_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT findings_pkey PRIMARY KEY (id),
    CONSTRAINT findings_severity_check CHECK (severity in ('low', 'medium', 'high')),
    CONSTRAINT findings_status_check CHECK (status in ('open', 'closed')),
    CONSTRAINT findings_model_id_fkey FOREIGN KEY(model_id) REFERENCES models (id),
    CONSTRAINT findings_version_id_fkey FOREIGN KEY(version_id) REFERENCES model_versions (id)
);

CREATE INDEX findings_model_id_ix ON findings (model_id, id);

CREATE TABLE artifacts (
    id UUID NOT NULL,
    version_id UUID NOT NULL,
    type TEXT NOT NULL,
    name TEXT NOT NULL,
    media_type TEXT NOT NULL,
    uri TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size BIGINT NOT NULL,
    license TEXT,
    created_by UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT artifacts_pkey PRIMARY KEY (id),
    CONSTRAINT artifacts_version_id_type_name_key UNIQUE (version_id, type, name),
    CONSTRAINT artifacts_type_check CHECK (type in ('weights', 'container', 'tokenizer', 'config')),
    CONSTRAINT artifacts_sha256_check CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    CONSTRAINT artifacts_version_id_fkey FOREIGN KEY(version_id) REFERENCES model_versions (id),
    CONSTRAINT artifacts_created_by_fkey FOREIGN KEY(created_by) REFERENCES users (id)
);

CREATE INDEX artifacts_sha256_ix ON artifacts (sha256);

CREATE TABLE deployments (
    model_id UUID NOT NULL,
    environment TEXT NOT NULL,
    version_id UUID NOT NULL,
    endpoint TEXT NOT NULL,
    traffic_percent INTEGER NOT NULL,
    request_id UUID NOT NULL,
    since TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT deployments_pkey PRIMARY KEY (model_id, environment, version_id),
    CONSTRAINT deployments_traffic_percent_check CHECK (traffic_percent between 1 and 100),
    CONSTRAINT deployments_model_id_fkey FOREIGN KEY(model_id) REFERENCES models (id),
    CONSTRAINT deployments_version_id_fkey FOREIGN KEY(version_id) REFERENCES model_versions (id)
);

CREATE INDEX deployments_version_id_ix ON deployments (version_id);

CREATE TABLE evaluations (
    id UUID NOT NULL,
    version_id UUID NOT NULL,
    suite_id UUID NOT NULL,
    request_id UUID NOT NULL,
    status TEXT NOT NULL,
    reason TEXT,
    weights_sha256 TEXT,
    outcomes_sha256 TEXT,
    results JSONB,
    thresholds JSONB NOT NULL,
    passed BOOLEAN,
    executed_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT evaluations_pkey PRIMARY KEY (id),
    CONSTRAINT evaluations_request_id_suite_id_key UNIQUE (request_id, suite_id),
    CONSTRAINT evaluations_status_check CHECK (status in ('queued', 'running', 'completed', 'failed')),
    CONSTRAINT evaluations_version_id_fkey FOREIGN KEY(version_id) REFERENCES model_versions (id),
    CONSTRAINT evaluations_suite_id_fkey FOREIGN KEY(suite_id) REFERENCES evaluation_suites (id),
    CONSTRAINT evaluations_request_id_fkey FOREIGN KEY(request_id) REFERENCES transition_requests (id)
);

CREATE INDEX evaluations_version_id_suite_id_executed_at_ix ON evaluations (version_id, suite_id, executed_at);

CREATE INDEX evaluations_outcomes_sha256_ix ON evaluations (outcomes_sha256);

CREATE TABLE approvals (
    id UUID NOT NULL,
    request_id UUID NOT NULL,
    requester_id UUID NOT NULL,
    approver_id UUID NOT NULL,
    decision TEXT NOT NULL,
    comment TEXT NOT NULL,
    evidence_digest TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT approvals_pkey PRIMARY KEY (id),
    CONSTRAINT approvals_request_id_approver_id_evidence_digest_key UNIQUE (request_id, approver_id, evidence_digest),
    CONSTRAINT approvals_request_id_requester_id_fkey FOREIGN KEY(request_id, requester_id) REFERENCES transition_requests (id, requester_id),
    CONSTRAINT approvals_not_by_the_requester_check CHECK (approver_id <> requester_id),
    CONSTRAINT approvals_decision_check CHECK (decision in ('approve', 'reject')),
    CONSTRAINT approvals_approver_id_fkey FOREIGN KEY(approver_id) REFERENCES users (id)
);
"""

AUDIT_LOG = (
    """
    create function audit_refuse_change() returns trigger language plpgsql as $$
    begin
      raise exception using
        errcode = 'restrict_violation',
        message = 'the audit log is append-only, ' || lower(tg_op) || ' on ' || tg_table_name || ' is refused';
    end $$
    """,
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
    """
    insert into audit_head (size, chain, frontier) values (0, decode('89cd8bc0018ee05ca28810e837965ae434b28b45b883cc06a55a03ccd28ff683', 'hex'), '{}')
    """,
    """
    create trigger audit_outbox_refuse_change before update or truncate on audit_outbox for each statement execute function audit_refuse_change()
    """,
    """
    alter table audit_outbox enable always trigger audit_outbox_refuse_change
    """,
    """
    create trigger audit_entries_refuse_change before update or delete or truncate on audit_entries for each statement execute function audit_refuse_change()
    """,
    """
    alter table audit_entries enable always trigger audit_entries_refuse_change
    """,
    """
    create trigger audit_head_refuse_change before delete or truncate on audit_head for each statement execute function audit_refuse_change()
    """,
    """
    alter table audit_head enable always trigger audit_head_refuse_change
    """,
)

DROP_AUDIT_LOG = (
    "drop table audit_head",
    "drop table audit_entries",
    "drop table audit_outbox",
    "drop function audit_refuse_change()",
)

GUARDS = """
create function guard_version_state() returns trigger language plpgsql as $$
declare asked record;
begin
    if tg_op = 'INSERT' then
        if new.state <> 'draft' then
            raise exception 'a version is born a draft, not %', new.state using errcode = 'check_violation';
        end if;
        return new;
    end if;
    if new.model_id <> old.model_id or new.version <> old.version or new.id <> old.id then
        raise exception 'the identity of a version never changes' using errcode = 'check_violation';
    end if;
    if new.state = old.state then
        return new;
    end if;
    select transition, status, version_id into asked from transition_requests
        where id = new.last_request_id and model_id = new.model_id;
    if not found or new.last_request_id is not distinct from old.last_request_id
            or asked.status not in ('open', 'judging', 'awaiting_approval') then
        raise exception 'a version moves only on behalf of an undecided request' using errcode = 'check_violation';
    end if;
    -- A request moves its own version; these two take along another one of the model.
    if (asked.version_id = new.id) = ((asked.transition, old.state, new.state) in (
            ('promote_production', 'production', 'deprecated'), ('rollback', 'deprecated', 'production'))) then
        raise exception 'this request is about another version' using errcode = 'check_violation';
    end if;
    perform 1 from lifecycle_edges
        where transition = asked.transition and from_state = old.state and to_state = new.state;
    if not found then
        raise exception 'the lifecycle has no edge % -> % by %', old.state, new.state, asked.transition
            using errcode = 'check_violation';
    end if;
    return new;
end $$;

create trigger guard_version_state before insert or update on model_versions
    for each row execute function guard_version_state();

create function keep_outcome() returns trigger language plpgsql as $$
begin
    if old.status in ('applied', 'denied', 'withdrawn') then
        raise exception 'request % has its outcome', old.id using errcode = 'check_violation';
    end if;
    if (new.id, new.model_id, new.version_id, new.transition, new.requester_id)
            is distinct from (old.id, old.model_id, old.version_id, old.transition, old.requester_id) then
        raise exception 'what was asked, and by whom, never changes' using errcode = 'check_violation';
    end if;
    return new;
end $$;

create trigger keep_outcome before update on transition_requests
    for each row execute function keep_outcome();

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is never changed', tg_table_name using errcode = 'check_violation';
end $$;

create trigger lifecycle_edges_are_fixed before insert or update or delete or truncate on lifecycle_edges
    for each statement execute function refuse_change();
create trigger versions_are_kept before delete or truncate on model_versions
    for each statement execute function refuse_change();
create trigger requests_are_kept before delete or truncate on transition_requests
    for each statement execute function refuse_change();
"""

NAMES = (
    "content_inspections", "findings", "policies", "approvals", "evaluations", "evaluation_suites", "datasets", "deployments", "artifacts",
    "transition_requests", "model_versions", "models", "lifecycle_edges", "idempotency_keys", "tokens", "users",
)  # fmt: skip


def upgrade() -> None:
    op.execute("create extension if not exists pg_trgm")
    op.execute(TABLES)
    for edge in EDGES:
        op.execute("insert into lifecycle_edges values ('{}', '{}', '{}')".format(*edge))  # noqa: S608
    op.execute(GUARDS)
    for statement in AUDIT_LOG:
        op.execute(statement)


def downgrade() -> None:
    for statement in DROP_AUDIT_LOG:
        op.execute(statement)
    for name in NAMES:
        op.execute(f"drop table {name} cascade")
    op.execute("drop function guard_version_state, keep_outcome, refuse_change")
