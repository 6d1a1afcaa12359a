"""Delegations and overrides, as those see them whom they concern."""

from __future__ import annotations

from psycopg_pool import AsyncConnectionPool

from governance.access.principal import Principal
from storage.queries.pages import Conditions, Listing, Page, PageRequest, read_page
from storage.queries.registry import one
from storage.queries.times import iso
from storage.queries.visibility import HISTORY, visible

_DELEGATION = f"""json_build_object('id', d.id, 'delegatorId', d.delegator_id, 'delegator', a.name,
    'delegateId', d.delegate_id, 'delegate', b.name, 'groups', d.groups, 'transitions', d.transitions,
    'riskTiers', d.risk_tiers, 'reason', d.reason, 'startsAt', {iso("d.starts_at")}, 'endsAt', {iso("d.ends_at")},
    'revokedAt', {iso("d.revoked_at")}, 'createdAt', {iso("d.created_at")})"""
_DELEGATIONS = Listing(
    _DELEGATION, "delegations d join users a on a.id = d.delegator_id join users b on b.id = d.delegate_id", "d.id"
)

_OVERRIDE = f"""json_build_object('id', o.id, 'requestId', o.request_id, 'modelId', r.model_id, 'modelName', m.name,
    'version', v.version, 'transition', r.transition, 'policy', o.policy, 'policyVersion', o.policy_version,
    'evidenceDigest', o.evidence_digest, 'reason', o.reason, 'proposedBy', p.name,
    'proposedAt', {iso("o.proposed_at")}, 'confirmedBy', c.name, 'confirmedAt', {iso("o.confirmed_at")},
    'expiresAt', {iso("o.expires_at")}, 'findingId', o.finding_id)"""
_OVERRIDES = Listing(
    _OVERRIDE,
    """overrides o join transition_requests r on r.id = o.request_id join models m on m.id = r.model_id
    join model_versions v on v.id = r.version_id join users p on p.id = o.proposed_by
    left join users c on c.id = o.confirmed_by""",
    "o.id",
)


async def delegations(pool: AsyncConnectionPool, caller: Principal, page: PageRequest) -> Page:
    """Those that the caller gave or has; for administrators all. Newest first."""
    where = Conditions()
    if not caller.is_admin:
        where.add("%(me)s in (d.delegator_id, d.delegate_id)", me=caller.id)
    return await read_page(pool, _DELEGATIONS, where, page)


async def delegation(pool: AsyncConnectionPool, delegation_id: str) -> str:
    row = await one(pool, f"select {_DELEGATION}::text from {_DELEGATIONS.source} where d.id = %s", delegation_id)
    return str(row[0]) if row else "null"


async def overrides(
    pool: AsyncConnectionPool,
    caller: Principal,
    page: PageRequest,
    *,
    request_id: str | None = None,
    model_id: str | None = None,
    confirmed: bool | None = None,
) -> Page:
    """The report: what was proposed and overridden, of the requests that the caller may see. Newest first."""
    where = Conditions()
    where.only(visible(caller, HISTORY, "m.access_id"))
    where.add("o.request_id = %(request_id)s", request_id=request_id)
    where.add("r.model_id = %(model_id)s", model_id=model_id)
    where.add("(o.confirmed_at is not null) = %(confirmed)s", confirmed=confirmed)
    return await read_page(pool, _OVERRIDES, where, page)


async def override(pool: AsyncConnectionPool, override_id: str) -> str:
    row = await one(pool, f"select {_OVERRIDE}::text from {_OVERRIDES.source} where o.id = %s", override_id)
    return str(row[0]) if row else "null"
