"""Policies become data: versions with their rules, scope and samples, and changes that a second person approves."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"

VERSIONS = """
ALTER TABLE policies
    ADD COLUMN definition JSONB,
    ADD COLUMN samples JSONB,
    ADD COLUMN state TEXT;
UPDATE policies SET state = CASE WHEN active THEN 'active' ELSE 'superseded' END;
DROP INDEX policies_one_active;
ALTER TABLE policies
    ALTER COLUMN state SET NOT NULL,
    DROP COLUMN active,
    ADD CONSTRAINT policies_state_check
        CHECK (state in ('draft', 'proposed', 'active', 'superseded', 'disabled', 'retired'));
CREATE UNIQUE INDEX policies_one_active ON policies (name) WHERE state = 'active';
"""

# What a version says never changes; only its state does.
GUARD = """
CREATE FUNCTION policies_keep_their_text() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (old.name, old.version, old.parameters, old.definition, old.samples, old.created_by, old.created_at)
        IS DISTINCT FROM
        (new.name, new.version, new.parameters, new.definition, new.samples, new.created_by, new.created_at) THEN
        RAISE EXCEPTION 'a version of a policy is never changed; publish a new one'
            USING errcode = 'restrict_violation';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER policies_keep_their_text BEFORE UPDATE ON policies
    FOR EACH ROW EXECUTE FUNCTION policies_keep_their_text();
"""

TABLES = """
CREATE TABLE policy_changes (
    id UUID NOT NULL,
    policy TEXT NOT NULL,
    version INTEGER NOT NULL,
    action TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    digest TEXT NOT NULL,
    before JSONB,
    after JSONB,
    proposed_by UUID NOT NULL,
    proposed_behind UUID NOT NULL,
    proposed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    proposed_entry TEXT NOT NULL,
    decided_by UUID,
    decided_behind UUID,
    decided_at TIMESTAMP WITH TIME ZONE,
    comment TEXT,
    decided_entry TEXT,
    CONSTRAINT policy_changes_pkey PRIMARY KEY (id),
    CONSTRAINT policy_changes_policy_version_fkey FOREIGN KEY (policy, version) REFERENCES policies (name, version),
    CONSTRAINT policy_changes_proposed_by_fkey FOREIGN KEY (proposed_by) REFERENCES users (id),
    CONSTRAINT policy_changes_decided_by_fkey FOREIGN KEY (decided_by) REFERENCES users (id),
    CONSTRAINT policy_changes_action_check CHECK (action in ('create', 'update', 'enable', 'disable', 'retire')),
    CONSTRAINT policy_changes_state_check CHECK (state in ('pending', 'approved', 'rejected')),
    CONSTRAINT policy_changes_by_another_person_check
        CHECK (state <> 'approved' or (decided_behind is not null and decided_behind <> proposed_behind))
);
CREATE UNIQUE INDEX policy_changes_one_pending ON policy_changes (policy) WHERE state = 'pending';
CREATE INDEX policy_changes_policy_id_ix ON policy_changes (policy, id);

CREATE TABLE policy_evaluations (
    id UUID NOT NULL,
    policy TEXT,
    model_id UUID,
    version_id UUID,
    transition TEXT NOT NULL,
    outcome TEXT NOT NULL,
    answer JSONB NOT NULL,
    requested_by UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT policy_evaluations_pkey PRIMARY KEY (id),
    CONSTRAINT policy_evaluations_model_id_fkey FOREIGN KEY (model_id) REFERENCES models (id),
    CONSTRAINT policy_evaluations_version_id_fkey FOREIGN KEY (version_id) REFERENCES model_versions (id),
    CONSTRAINT policy_evaluations_requested_by_fkey FOREIGN KEY (requested_by) REFERENCES users (id),
    CONSTRAINT policy_evaluations_version_of_a_model_check CHECK ((model_id is null) = (version_id is null))
);
"""

# Before policies were data there were built-in ones only; one that was disabled is in force again.
BACK = """
DROP TABLE policy_evaluations, policy_changes;
DROP TRIGGER policies_keep_their_text ON policies;
DROP FUNCTION policies_keep_their_text();
DELETE FROM policies WHERE definition IS NOT NULL;
DROP INDEX policies_one_active;
ALTER TABLE policies ADD COLUMN active BOOLEAN;
UPDATE policies SET active = (state = 'active');
ALTER TABLE policies
    ALTER COLUMN active SET NOT NULL,
    DROP CONSTRAINT policies_state_check,
    DROP COLUMN state,
    DROP COLUMN samples,
    DROP COLUMN definition;
CREATE UNIQUE INDEX policies_one_active ON policies (name) WHERE active;
"""


def upgrade() -> None:
    op.execute("alter table transition_requests add column judged_case jsonb")
    op.execute(VERSIONS)
    op.execute(GUARD)
    op.execute(TABLES)


def downgrade() -> None:
    op.execute(BACK)
    op.execute("alter table transition_requests drop column judged_case")
