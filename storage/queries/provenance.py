"""Provenance records and lineage, from the audit log and the tables that it is about."""

from __future__ import annotations

import json
from typing import Any

from psycopg_pool import AsyncConnectionPool

from governance.access.principal import Principal
from governance.audit.provenance import Edge, Node, lineage, record
from governance.audit.sentences import Names
from governance.errors import NotFound
from storage.queries.history import (
    PROVENANCE,
    SOURCE,
    TOLD_SOURCE,
    EntryPage,
    asset,
    entries,
    named_entry,
    seen_entries,
)
from storage.queries.pages import Conditions, Page
from storage.queries.times import iso
from storage.queries.visibility import visible

MOST_VERSIONS = 200
"""Versions of one graph; the newest."""

LINEAGE = ("lineage:read",)

# A request that has its outcome: who approved what was settled, and which policies looked at it.
_COMPLIANCE = f"""(select json_build_object('approved', r.status = 'applied',
    'approver', (select string_agg(p.name, ', ' order by a.created_at) from approvals a
                 join users p on p.id = a.approver_id where a.request_id = r.id and a.decision = 'approve'
                 and a.evidence_digest = r.evidence_digest),
    'approvalDate', (select {iso("max(a.created_at)")} from approvals a where a.request_id = r.id
                     and a.decision = 'approve' and a.evidence_digest = r.evidence_digest),
    'policies', coalesce((select json_agg(g ->> 'policy') from jsonb_array_elements(r.verdicts) g
                          where g ->> 'policy' is not null), '[]'))
    from transition_requests r where r.id = i.change_id and r.settled_at is not null)"""

_UPSTREAM = """(select json_agg(x) from (
    select json_build_object('type', 'dataset', 'id', s.dataset_id, 'version', null) x
        from evaluations ev join evaluation_suites s on s.id = ev.suite_id join datasets d on d.id = s.dataset_id
        where ev.version_id = i.version_id and {data} group by s.dataset_id
    union all select json_build_object('type', 'experiment', 'id', v.training_job_id, 'version', null)
        where v.training_job_id is not null) up)"""
_DOWNSTREAM = """(select json_agg(json_build_object('type', 'endpoint', 'id', dp.endpoint, 'version', null)
    order by dp.environment) from deployments dp where dp.version_id = i.version_id)"""
_SERVICES = """(select json_agg(distinct dp.endpoint) from deployments dp where dp.model_id = i.model_id
    and (i.version_id is null or dp.version_id = i.version_id))"""


def _item(data: str) -> str:
    return f"""json_build_object('event', e.entry::json, 'model', m.name, 'version', v.version, 'dataset', d.name,
        'user', u.name, 'known', json_build_object('modelId', i.model_id, 'datasetId', i.dataset_id,
        'compliance', {_COMPLIANCE}, 'upstream', {_UPSTREAM.format(data=data)}, 'downstream', {_DOWNSTREAM},
        'services', {_SERVICES}, 'riskTier', m.risk_tier))"""


def seen_records(caller: Principal) -> Conditions:
    return seen_entries(caller, PROVENANCE, PROVENANCE)


async def records(pool: AsyncConnectionPool, caller: Principal, where: Conditions, asked: EntryPage) -> Page:
    """A page of records."""
    where = Conditions(list(where.clauses), dict(where.values))
    item = _item(_data(caller, where))
    page = await entries(pool, where, asked, item=item, more=TOLD_SOURCE)
    items = [_record(one) for one in json.loads(page.items)]
    return Page(json.dumps(items), page.total, page.more, page.has_next, page.next_token, page.request)


async def one_record(pool: AsyncConnectionPool, caller: Principal, record_id: str) -> dict[str, Any]:
    """Raises NotFound."""
    where = seen_records(caller)
    if not named_entry(where, record_id):
        raise NotFound("provenance record", record_id[:200])
    item = _item(_data(caller, where))
    statement = f"select {item}::text from {SOURCE} {TOLD_SOURCE} where {where.sql}"
    async with pool.connection() as connection:
        row = await (await connection.execute(statement, where.values)).fetchone()
    if row is None:
        raise NotFound("provenance record", record_id[:200])
    return _record(json.loads(row[0]))


def _data(caller: Principal, where: Conditions) -> str:
    """The datasets that may be named, as a condition whose values go to `where`."""
    may = visible(caller, PROVENANCE, "d.access_id")
    where.values |= {f"x{name}": value for name, value in may.values.items()}
    return may.listed.replace("%(see", "%(xsee")


def _record(item: dict[str, Any]) -> dict[str, Any]:
    names = Names(item["model"], item["version"], item["dataset"], item["user"])
    return record(item["event"], item["known"], names)


# --- lineage ----------------------------------------------------------------------------------------------

_VERSIONS = """
    select v.id::text, v.version, v.model_id::text, m.name, v.training_job_id
    from model_versions v join models m on m.id = v.model_id
    where (v.id = %(version)s::uuid or %(version)s::uuid is null and v.model_id = %(model)s::uuid
           or %(dataset)s::uuid is not null and exists (select 1 from evaluations ev
               join evaluation_suites s on s.id = ev.suite_id
               where ev.version_id = v.id and s.dataset_id = %(dataset)s::uuid))
      and {models} order by v.id desc limit %(most)s
"""
_ARTIFACTS = "select id::text, type, name, version_id::text from artifacts where version_id = any(%s::uuid[])"
_DATASETS = """
    select distinct d.id::text, d.name, ev.version_id::text
    from evaluations ev join evaluation_suites s on s.id = ev.suite_id join datasets d on d.id = s.dataset_id
    where ev.version_id = any(%(versions)s::uuid[]) and {data}
"""
_ENDPOINTS = """
    select endpoint, environment, version_id::text from deployments where version_id = any(%s::uuid[])
    order by environment, endpoint
"""


async def graph(pool: AsyncConnectionPool, caller: Principal, asset_id: str) -> dict[str, Any]:
    """What a model, version, artifact or dataset came from and what came of it. Raises NotFound."""
    found = await asset(pool, caller, LINEAGE, asset_id)
    models, data = (visible(caller, LINEAGE, column) for column in ("m.access_id", "d.access_id"))
    nodes: list[Node] = []
    edges: list[Edge] = []
    critical: list[str] = []
    label, number = asset_id, None
    async with pool.connection() as connection:
        values = {
            "version": found.version_id,
            "model": found.model_id,
            "dataset": found.own if found.kind == "dataset" else None,
            "most": MOST_VERSIONS,
            **models.values,
        }
        versions = await (await connection.execute(_VERSIONS.format(models=models.listed), values)).fetchall()
        ids = [row[0] for row in versions]
        for version_id, version, model_id, model, job in versions:
            nodes += [Node(model_id, "model", model), Node(version_id, "version", f"{model} {version}")]
            edges.append(Edge(version_id, model_id, "version-of"))
            if job:
                nodes.append(Node(job, "experiment", "Training job"))
                edges.append(Edge(job, version_id, "produces"))
            if version_id == found.version_id:
                number = version
        for artifact, kind, name, version_id in await (await connection.execute(_ARTIFACTS, (ids,))).fetchall():
            nodes.append(Node(artifact, kind, name))
            edges.append(Edge(artifact, version_id, "part-of"))
        statement = _DATASETS.format(data=data.listed)
        for dataset, name, version_id in await (
            await connection.execute(statement, {"versions": ids, **data.values})
        ).fetchall():
            nodes.append(Node(dataset, "dataset", name))
            edges.append(Edge(dataset, version_id, "evaluates"))
        for endpoint, environment, version_id in await (await connection.execute(_ENDPOINTS, (ids,))).fetchall():
            nodes.append(Node(endpoint, "endpoint", endpoint))
            edges.append(Edge(version_id, endpoint, "deployed-to"))
            if environment == "production":
                critical.append(endpoint)
        if found.kind == "dataset" or (found.kind == "model" and not versions):
            table = "datasets" if found.kind == "dataset" else "models"
            row = await (await connection.execute(f"select name from {table} where id = %s", (asset_id,))).fetchone()
            label = row[0] if row else asset_id
    known = {node.id: node for node in nodes}
    asked = known.get(asset_id.lower(), Node(asset_id.lower(), found.kind, label))
    return lineage(asked, number, [node for node in known.values() if node != asked], edges, critical)
