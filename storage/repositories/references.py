"""Which contents are still wanted."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine
from sqlalchemy import text as sql

_REFERENCED = sql("""
    select sha256 from artifacts where sha256 = any(:some)
    union select sha256 from datasets where sha256 = any(:some)
    union select outcomes_sha256 from evaluations where outcomes_sha256 = any(:some)
    union select weights_sha256 from evaluations where weights_sha256 = any(:some)
    union select outcomes_sha256 from baselines where outcomes_sha256 = any(:some)
    union select outcomes_sha256 from suite_executions where outcomes_sha256 = any(:some)
""")


def referenced_contents(engine: Engine, some: Sequence[str]) -> set[str]:
    """Those of `some` that an artifact, a dataset, an evaluation, a baseline or an execution refers to."""
    with engine.connect() as connection:
        return {row.sha256 for row in connection.execute(_REFERENCED, {"some": list(some)})}
