"""The audit log is read by what it is about, kept by month, and held when the law says so.

The index starts empty: whoever sequences the log next fills it from the entries. The text of an entry may now be
absent, and one change of the log is let through: taking the text out of an entry that `audit_removals` names.
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"

TABLES = """
CREATE TABLE audit_index (
    seq BIGINT NOT NULL,
    event_id TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    actor_id TEXT NOT NULL,
    actor_name TEXT NOT NULL,
    action TEXT NOT NULL,
    subject_kind TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    request_id TEXT,
    model_id UUID,
    version_id UUID,
    dataset_id UUID,
    change_id UUID,
    CONSTRAINT audit_index_pkey PRIMARY KEY (seq)
);
CREATE INDEX audit_index_event_id_ix ON audit_index (event_id);
CREATE INDEX audit_index_at_ix ON audit_index (at);
CREATE INDEX audit_index_actor_id_seq_ix ON audit_index (actor_id, seq);
CREATE INDEX audit_index_action_seq_ix ON audit_index (action text_pattern_ops, seq);
CREATE INDEX audit_index_subject_id_seq_ix ON audit_index (subject_id, seq);
CREATE INDEX audit_index_model_id_seq_ix ON audit_index (model_id, seq) WHERE model_id is not null;
CREATE INDEX audit_index_request_id_ix ON audit_index (request_id) WHERE request_id is not null;

CREATE TABLE audit_removals (
    first_seq BIGINT NOT NULL,
    last_seq BIGINT NOT NULL,
    archive TEXT NOT NULL,
    removed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT audit_removals_pkey PRIMARY KEY (first_seq),
    CONSTRAINT audit_removals_order_check CHECK (first_seq <= last_seq)
);

CREATE TABLE legal_holds (
    id UUID NOT NULL,
    scope TEXT NOT NULL,
    model_id UUID,
    subject_kind TEXT,
    subject_id TEXT,
    reason TEXT NOT NULL,
    placed_by UUID NOT NULL,
    placed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    until TIMESTAMP WITH TIME ZONE,
    released_by UUID,
    released_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT legal_holds_pkey PRIMARY KEY (id),
    CONSTRAINT legal_holds_placed_by_fkey FOREIGN KEY (placed_by) REFERENCES users (id),
    CONSTRAINT legal_holds_released_by_fkey FOREIGN KEY (released_by) REFERENCES users (id),
    CONSTRAINT legal_holds_scope_check CHECK (case scope
        when 'log' then model_id is null and subject_id is null and subject_kind is null
        when 'model' then model_id is not null and subject_id is null and subject_kind is null
        when 'subject' then model_id is null and subject_id is not null and subject_kind is not null
        else false end)
);

CREATE TABLE activity_subscriptions (
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    filters JSONB NOT NULL,
    after_seq BIGINT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT activity_subscriptions_pkey PRIMARY KEY (id),
    CONSTRAINT activity_subscriptions_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX activity_subscriptions_user_id_ix ON activity_subscriptions (user_id, id);
"""

ALLOW_REMOVAL = (
    "alter table audit_entries alter column entry drop not null",
    "drop trigger audit_entries_refuse_change on audit_entries",
    """
    create function audit_allow_removal() returns trigger language plpgsql as $$
    begin
      if new.entry is null and old.entry is not null
         and (new.seq, new.leaf, new.mac, new.chain) is not distinct from (old.seq, old.leaf, old.mac, old.chain)
         and old.seq <= (select r.last_seq from audit_removals r where r.first_seq <= old.seq
                         order by r.first_seq desc limit 1) then
        return new;
      end if;
      raise exception using
        errcode = 'restrict_violation',
        message = 'the audit log is append-only, update on audit_entries is refused';
    end $$
    """,
    "create trigger audit_entries_refuse_change before delete or truncate on audit_entries "
    "for each statement execute function audit_refuse_change()",
    "alter table audit_entries enable always trigger audit_entries_refuse_change",
    "create trigger audit_entries_refuse_edit before update on audit_entries "
    "for each row execute function audit_allow_removal()",
    "alter table audit_entries enable always trigger audit_entries_refuse_edit",
)

REFUSE_REMOVAL = (
    "drop trigger audit_entries_refuse_edit on audit_entries",
    "drop trigger audit_entries_refuse_change on audit_entries",
    "drop function audit_allow_removal()",
    # A text that was removed is in its archive; here it becomes empty, which verification finds.
    "update audit_entries set entry = '' where entry is null",
    "alter table audit_entries alter column entry set not null",
    "create trigger audit_entries_refuse_change before update or delete or truncate on audit_entries "
    "for each statement execute function audit_refuse_change()",
    "alter table audit_entries enable always trigger audit_entries_refuse_change",
)


def upgrade() -> None:
    op.execute(TABLES)
    for statement in ALLOW_REMOVAL:
        op.execute(statement)


def downgrade() -> None:
    for statement in REFUSE_REMOVAL:
        op.execute(statement)
    op.execute("drop table activity_subscriptions, legal_holds, audit_removals, audit_index")
