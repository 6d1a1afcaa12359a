"""What is measured of inferences: a sketch for each commit, totals, and who reports."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"

TABLES = """
CREATE TABLE inference_sketches (
    id UUID NOT NULL,
    version_id UUID NOT NULL,
    span TEXT NOT NULL,
    starts_at TIMESTAMP WITH TIME ZONE NOT NULL,
    points BIGINT NOT NULL,
    successes BIGINT NOT NULL,
    sum_ns NUMERIC NOT NULL,
    min_ms FLOAT NOT NULL,
    max_ms FLOAT NOT NULL,
    errors JSONB NOT NULL,
    sketch BYTEA NOT NULL,
    last_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT inference_sketches_pkey PRIMARY KEY (id),
    CONSTRAINT inference_sketches_version_id_fkey FOREIGN KEY (version_id) REFERENCES model_versions (id),
    CONSTRAINT inference_sketches_span_check CHECK (span in ('minute', 'hour', 'day')),
    CONSTRAINT inference_sketches_points_check CHECK (points > 0 and successes between 0 and points)
);
CREATE INDEX inference_sketches_version_id_starts_at_ix ON inference_sketches (version_id, starts_at);
CREATE INDEX inference_sketches_span_starts_at_ix ON inference_sketches (span, starts_at);

CREATE TABLE inference_totals (
    version_id UUID NOT NULL,
    points BIGINT NOT NULL,
    successes BIGINT NOT NULL,
    sum_ns NUMERIC NOT NULL,
    error_types TEXT[] NOT NULL,
    last_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT inference_totals_pkey PRIMARY KEY (version_id),
    CONSTRAINT inference_totals_version_id_fkey FOREIGN KEY (version_id) REFERENCES model_versions (id)
);

CREATE TABLE inference_reporters (
    version_id UUID NOT NULL,
    user_id UUID NOT NULL,
    since TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT inference_reporters_pkey PRIMARY KEY (version_id, user_id),
    CONSTRAINT inference_reporters_version_id_fkey FOREIGN KEY (version_id) REFERENCES model_versions (id),
    CONSTRAINT inference_reporters_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id)
);
"""


def upgrade() -> None:
    op.execute(TABLES)


def downgrade() -> None:
    op.execute("drop table inference_reporters, inference_totals, inference_sketches")
