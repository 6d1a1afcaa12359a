"""What the page of one request shows, and the list that leads there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from psycopg_pool import AsyncConnectionPool

from governance.access.principal import Principal
from storage.queries import requests
from storage.queries.registry import one
from storage.queries.times import iso

INCUMBENT = """(select json_build_object('version', p.version, 'commitSha', p.commit_sha,
                'metadata', p.metadata, 'artifacts', (select coalesce(json_agg(json_build_object('name', a.name,
                    'type', a.type, 'sha256', a.sha256, 'size', a.size) order by a.type, a.name), '[]')
                    from artifacts a where a.version_id = p.id))
            from model_versions p
            where p.id = (r.evidence #>> '{subject,incumbent,versionId}')::uuid)"""

# The incumbent is the one that the evidence names, in the shape of the evidence's subject, to show the difference.
_AROUND = f"""
    select json_build_object(
        'launchedAt', {iso("r.launched_at")},
        'model', json_build_object('name', m.name, 'group', m."group", 'riskTier', m.risk_tier,
            'description', m.description, 'owners', m.owners),
        'commitSha', v.commit_sha,
        'state', v.state,
        'timeZone', (select time_zone from users where id = %s),
        'incumbent', {INCUMBENT})::text
    from transition_requests r join model_versions v on v.id = r.version_id join models m on m.id = r.model_id
    where r.id = %s"""


@dataclass(frozen=True, slots=True)
class RunPage:
    """`request`: as `GET /api/v1/transition-requests/{id}` answers it.

    around: {"launchedAt", "model": {"name", "group", "riskTier", "description", "owners"}, "commitSha", "state",
             "timeZone": the caller's, "incumbent": {"version", "commitSha", "metadata", "artifacts": [...]} | None}
    """

    request: dict[str, Any]
    around: dict[str, Any]


async def run_page(pool: AsyncConnectionPool, caller: Principal, request_id: str) -> RunPage:
    """Raises NotFound for what is not there and for what the caller may not see: `requests` decides that."""
    found = json.loads(await requests.request(pool, caller, request_id))
    row = await one(pool, _AROUND, caller.id, found["id"])
    assert row is not None  # noqa: S101  (requests are never deleted)
    return RunPage(found, json.loads(row[0]))
