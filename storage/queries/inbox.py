"""What waits for one person: the requests that they may decide about, with what they need for it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import orjson
from psycopg_pool import AsyncConnectionPool

from governance.access.decisions import decide
from governance.access.principal import Principal
from governance.lifecycle import TRANSITIONS
from governance.policies.approvals import ApprovalsByRiskTier
from governance.reviewing import change_digest, change_from, since_last_review
from storage.queries.pages import Conditions, Listing, Page, PageRequest, read_page
from storage.queries.requests import LAST_REVIEW, SOURCE, SUMMARY
from storage.queries.run_page import INCUMBENT
from storage.queries.visibility import HISTORY, visible
from storage.repositories.access import rule_of

MOST_DIFFERENCES = 50

_VOTES = """(select coalesce(json_agg(json_build_object('approver', p.name, 'onBehalfOf', b.name,
        'decision', a.decision) order by a.created_at, a.id), '[]')
    from approvals a join users p on p.id = a.approver_id left join users b on b.id = a.on_behalf_of
    where a.request_id = r.id and a.evidence_digest = r.evidence_digest and a.envelope is not null)"""
_IMPACT = """(select coalesce(json_agg(json_build_object('environment', d.environment, 'endpoint', d.endpoint,
        'versionId', d.version_id, 'version', dv.version, 'trafficPercent', d.traffic_percent)
        order by d.environment, dv.version), '[]')
    from deployments d join model_versions dv on dv.id = d.version_id where d.model_id = r.model_id)"""
_OVERRIDES = """(select count(*) from overrides o where o.request_id = r.id and o.confirmed_at is null
    and o.evidence_digest = r.evidence_digest and o.expires_at > %(at)s and o.proposed_by <> %(me)s)"""
_INVOLVED = (
    "(select string_agg(i.what, ' and ' order by i.what) from involved_people(r.id) i where i.person_id = %(me)s)"
)
_DECIDED = """exists (select 1 from approvals a where a.request_id = r.id and %(me)s in (a.approver_id, a.on_behalf_of)
    and a.evidence_digest = r.evidence_digest and a.envelope is not null)"""
_ITEM = f"""json_build_object({SUMMARY}, 'riskTier', m.risk_tier, 'group', m."group",
    'gates', coalesce(r.verdicts, '[]'), 'evidence', r.evidence, 'incumbent', {INCUMBENT}, 'lastReview', {LAST_REVIEW},
    'decisions', {_VOTES}, 'impact', {_IMPACT}, 'proposals', {_OVERRIDES}, 'involvement', {_INVOLVED},
    'decided', {_DECIDED}, 'rule', to_json(ar))"""
_APPROVED = sorted(row.name.value for row in TRANSITIONS.values() if row.needs_approval)
# What waits for a time only (a freeze, a wait timer) is not for people to decide.
_FOR_PEOPLE = """r.transition = any(%(for_people)s) or exists (select 1 from jsonb_array_elements(r.verdicts) g
    where g ->> 'enforcement' = 'soft' and g ->> 'outcome' <> 'passed')"""
_LISTING = Listing(_ITEM, f"{SOURCE} join access_rules ar on ar.id = m.access_id", "r.id")


async def inbox(
    pool: AsyncConnectionPool,
    caller: Principal,
    page: PageRequest,
    *,
    everything: bool,
    model_id: str | None,
    at: datetime,
    page_url: str,
    dashboard: str,
) -> Page:
    """Newest first. everything: also what the caller sees but cannot decide, with the reason.

    page_url, dashboard: where a request and a run are looked at, as text that their ids follow.
    """
    where = Conditions()
    where.add(f"r.status = 'awaiting_approval' and r.evidence is not null and ({_FOR_PEOPLE})", for_people=_APPROVED)
    where.add("r.model_id = %(model_id)s", model_id=model_id)
    where.values |= {"me": caller.answers_as, "at": at}
    if everything:
        where.only(visible(caller, HISTORY, "m.access_id"))
    else:
        where.only(visible(caller, ("approval:decide",), "m.access_id"))
        where.add(f"{_INVOLVED} is null and not {_DECIDED}")
        if caller.narrowed and not caller.is_admin:  # then no role reaches across groups: only owners decide
            where.add("ar.owner_groups && %(mine)s::text[]", mine=sorted(caller.acting_groups))
    found = await read_page(pool, _LISTING, where, page)
    items = [_item(row, caller, page_url, dashboard) for row in json.loads(found.items)]
    return replace(found, items=orjson.dumps(items).decode())


def _item(row: dict[str, Any], caller: Principal, page_url: str, dashboard: str) -> dict[str, Any]:
    evidence, incumbent, rule = row.pop("evidence"), row.pop("incumbent"), row.pop("rule")
    last, subject = row.pop("lastReview"), evidence["subject"]
    votes, needs = _votes(row.pop("decisions"), subject), _needs(row, row.pop("proposals"))
    since = since_last_review(last, evidence)
    if since is not None:
        since["difference"] = since["difference"][:MOST_DIFFERENCES]
    before = incumbent or (last["evidence"]["subject"] if last else None)
    changes = change_from(incumbent, subject) if incumbent else []
    decided, involved = row.pop("decided"), row.pop("involvement")
    may = decide(caller, "approval:decide", rule_of(SimpleNamespace(**rule)))  # type: ignore[arg-type]
    why = (
        may.reason
        if not may.allowed
        else f"{caller.name} {involved}, and nobody decides about what they took part in."
        if involved
        else f"{caller.name} has decided about this evidence."
        if decided
        else None
    )
    links = {"self": f"/api/v1/transition-requests/{row['id']}", "page": f"{page_url}{row['id']}"}
    if dashboard and row["flowRunId"]:
        links["dashboard"] = f"{dashboard}{row['flowRunId']}"
    return {
        **row,
        "needs": needs,
        "votes": votes,
        "incumbent": (subject.get("incumbent") or {}).get("version"),
        "difference": changes[:MOST_DIFFERENCES],
        "differences": len(changes),
        "differenceDigest": change_digest(before, subject),
        "sinceLastReview": since,
        "impact": {
            "deployments": row["impact"],
            "groups": sorted({*rule["owner_groups"], *rule["allowed_groups"]}),
        },
        "canDecide": why is None,
        "whyNot": why,
        "links": links,
    }


def _needs(row: dict[str, Any], proposals: int) -> list[str]:
    """ "decision": of people; "override": a soft gate blocks; "confirmation": somebody proposed to override it."""
    soft = any(gate.get("enforcement") == "soft" and gate["outcome"] != "passed" for gate in row["gates"])
    asked = {
        "decision": TRANSITIONS[row["transition"]].needs_approval,
        "override": soft,
        "confirmation": bool(proposals),
    }
    return [name for name, wanted in asked.items() if wanted]


def _votes(decisions: list[dict[str, Any]], subject: dict[str, Any]) -> dict[str, Any]:
    """Decisions about this evidence so far, and how many the quorum asks for (None where no policy says it)."""
    policies = {one["name"]: one["parameters"] for one in subject["policies"] if "parameters" in one}
    parameters, tier = policies.get(ApprovalsByRiskTier.name, {}), subject["model"]["riskTier"]
    asked = {name: parameters.get(name, {}).get(tier) for name in ("quorum", "minimum_groups", "validators")}
    return {
        "given": sum(1 for one in decisions if one["decision"] == "approve"),
        "needed": asked["quorum"],
        "groupsNeeded": asked["minimum_groups"],
        "validatorsNeeded": asked["validators"],
        "decisions": decisions,
    }
