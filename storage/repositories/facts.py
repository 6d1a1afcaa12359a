"""The subject half of the evidence, read by one statement in the transaction that needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection
from sqlalchemy import text as sql

from governance.circumstances import BlockingFinding, Circumstances
from governance.data_validation.records import as_evidence
from governance.duties import Involvement
from governance.endpoints import endpoint_digest
from governance.errors import NotFound
from governance.freezes import in_force
from governance.gates import applicable
from governance.lifecycle import TRANSITIONS, TransitionName
from governance.policies.data_validation import DataMeetExpectations
from governance.policies.evaluation import EvaluationPassed
from governance.policies.incumbent import NoWorseThanIncumbent
from governance.ports import DeploymentTarget, Policies
from governance.requests import TransitionRequest
from governance.rules.variables import Need
from storage.repositories.deadlines import window_of
from storage.repositories.groups import GroupRepository

# Named by what they are, not by the id of their row: the same bytes put back are the same evidence.
_ARTIFACTS = """
    (select coalesce(jsonb_agg(jsonb_build_object('id', {label} || a.type || '/' || a.name, 'type', a.type,
            'name', a.name, 'sha256', a.sha256, 'size', a.size, 'uri', a.uri, 'license', a.license)
            order by a.type, a.name), '[]')
     from artifacts a where a.version_id = {version})
"""

# What evaluations say since they judge more than thresholds of task metrics. The evidence of older ones stays as it
# was, or approvals that were given on it would be void.
_JUDGED = """
    case when e.results ? 'conclusions' then jsonb_build_object(
        'biasMetrics', e.results -> 'biasMetrics', 'safetyMetrics', e.results -> 'safetyMetrics',
        'robustnessMetrics', e.results -> 'robustnessMetrics', 'conclusions', e.results -> 'conclusions',
        'cases', case when e.results -> 'casesDecide' = 'false'::jsonb then '[]'::jsonb
            else jsonb_path_query_array(e.results -> 'cases', '$[*] ? (@.outcome <> "passed")') end,
        'tests', e.results -> 'tests') else '{}' end
"""

_EVALUATIONS = f"""
    (select coalesce(jsonb_agg(jsonb_build_object('suiteId', s.id, 'suiteName', s.name, 'suiteDigest', s.digest,
            'taskType', s.task_type, 'margin', s.margin, 'thresholds', s.thresholds, 'evaluationId', e.id,
            'weightsSha256', e.weights_sha256, 'outcomesSha256', e.outcomes_sha256,
            'taskMetrics', coalesce(e.results -> 'taskMetrics', '{{}}'),
            'executedAt', to_char(e.executed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        ) || {_JUDGED} || case when e.endpoint_digest is null then '{{}}'
         else jsonb_build_object('endpointDigest', e.endpoint_digest) end order by s.id), '[]')
     from evaluation_suites s
     left join lateral (select * from evaluations where version_id = v.id and suite_id = s.id
            and status = 'completed' order by executed_at desc, id desc limit 1) e on true
     where s.model_id = v.model_id)
"""  # noqa: S608

# What is expected of the datasets of its suites in the newest version, and what was last found of exactly this content.
_DATA = """
    (select coalesce(jsonb_agg(jsonb_build_object('suiteId', s.id, 'suiteName', s.name, 'datasetId', d.id,
            'datasetSha256', d.sha256, 'number', x.number, 'digest', x.digest, 'source', x.source,
            'checked', jsonb_array_length(x.expectations), 'status', c.status, 'reason', c.reason,
            'failures', c.failures, 'open', d.access_id = m.access_id,
            'known', to_jsonb(array_append(coalesce(s.features, '{}'), s.target)),
            'executedAt', to_char(c.executed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        ) order by s.id), '[]')
     from evaluation_suites s join datasets d on d.id = s.dataset_id
     join lateral (select * from expectation_suites where dataset_id = d.id order by number desc limit 1) x on true
     left join lateral (select * from data_validations where dataset_id = d.id and number = x.number
            and dataset_sha256 = d.sha256 and status in ('passed', 'failed', 'error')
            order by executed_at desc, id desc limit 1) c on true
     where s.model_id = v.model_id)
"""

_INCUMBENT = """
    (select jsonb_build_object('versionId', p.id, 'version', p.version) from model_versions p
     where p.model_id = v.model_id and p.state = 'production' and p.id <> v.id)
"""

_RESTORES = f"""
    (select jsonb_build_object('versionId', d.id, 'version', d.version, 'artifacts',
        {_ARTIFACTS.format(version="d.id", label="d.version || ':'")})
     from model_versions d join transition_requests r on r.id = d.last_request_id
     where d.model_id = v.model_id and d.state = 'deprecated' and r.transition = 'promote_production'
     order by d.last_request_id desc limit 1)
"""  # noqa: S608

_SERVING = """
    (select coalesce(jsonb_agg(jsonb_build_object('environment', d.environment, 'endpoint', d.endpoint,
            'trafficPercent', d.traffic_percent) order by d.environment), '[]')
     from deployments d where d.version_id = v.id)
"""


@cache
def _statement(transition: TransitionName, needs: frozenset[Need]) -> Any:
    """Only what the transition is judged by is part of its subject, so that nothing else voids an approval.

    needs: what written rules about this transition speak of beyond that.
    """
    judged_by = EvaluationPassed.transitions | NoWorseThanIncumbent.transitions
    evaluations = _EVALUATIONS if transition in judged_by or "evaluations" in needs else "'[]'::jsonb"
    with_incumbent = transition in NoWorseThanIncumbent.transitions or "incumbent" in needs
    incumbent = _INCUMBENT if with_incumbent else "null::jsonb"
    data = _DATA if transition in DataMeetExpectations.transitions else "'[]'::jsonb"
    restores = _RESTORES if transition is TransitionName.ROLLBACK else "null::jsonb"
    serving = _SERVING if transition is TransitionName.RETIRE or "serving" in needs else "'[]'::jsonb"
    body = f"""
        select jsonb_build_object(
            'model', jsonb_build_object('id', m.id, 'name', m.name, 'group', m."group",
                'description', m.description, 'owners', to_jsonb(m.owners), 'riskTier', m.risk_tier,
                'tags', to_jsonb(m.tags)),
            'version', jsonb_build_object('id', v.id, 'version', v.version, 'commitSha', v.commit_sha,
                'trainingJobId', v.training_job_id, 'metadata', v.metadata),
            'artifacts', {_ARTIFACTS.format(version="v.id", label="''")},
            'evaluations', {evaluations}, 'dataValidations', {data}, 'incumbent', {incumbent},
            'restores', {restores}, 'serving', {serving})
        from model_versions v join models m on m.id = v.model_id where v.id = :version_id
    """  # noqa: S608
    return sql(body)


_METADATA = sql("select metadata from model_versions where id = :version_id")

_INVOLVED = sql("select person_id, relation, what from involved_people(:about) order by relation, what")

# One round trip: every judgement needs it.
_CIRCUMSTANCES = sql("""
    select
        (select coalesce(json_agg(json_build_object('id', f.id, 'title', f.title, 'severity', f.severity,
                'due_at', f.due_at) order by f.id), '[]')
            from findings f where f.model_id = :model_id and f.status = 'open' and :transition = any(f.blocks)
                and (f.model_wide or f.version_id = :version_id)) as findings,
        (select coalesce(json_agg(w order by w.id), '[]')
            from freeze_windows w where w.lifted_at is null and (w.ends_at is null or w.ends_at > :at)
                and (w.starts_at is null or w.starts_at <= :at)) as windows,
        (select time_zone from users where id = :requester_id) as time_zone,
        (select due_at from reviews where version_id = :version_id and status = 'open') as review_due
""")


class FactReader:
    def __init__(self, connection: Connection, policies: Policies, target: DeploymentTarget) -> None:
        self._connection = connection
        self._policies = policies
        self._target = target

    def subject(self, request: TransitionRequest, transition: TransitionName) -> dict[str, Any]:
        """The facts about the request's version that `transition` is judged by (`governance.evidence`)."""
        active = self._policies.active()
        needs = frozenset[Need]().union(*(p.policy.needs for p in active if transition in p.policy.transitions))
        row = self._connection.execute(_statement(transition, needs), {"version_id": request.version_id}).one_or_none()
        if row is None:
            raise NotFound("version", request.version_id)
        facts: dict[str, Any] = row[0]
        if digest := endpoint_digest(facts["version"]["metadata"]):  # absent elsewhere, as in what was decided before
            facts["version"]["endpointDigest"] = digest
        if facts["restores"] and not facts["restores"]["artifacts"]:
            metadata = self._connection.execute(_METADATA, {"version_id": facts["restores"]["versionId"]}).scalar_one()
            if digest := endpoint_digest(metadata):
                facts["restores"]["endpointDigest"] = digest
        # Absent where nothing is expected: what was judged before there were expectations reads as it did.
        if validations := [as_evidence(found) for found in facts.pop("dataValidations")]:
            facts["dataValidations"] = validations
        facts["transition"] = transition.value
        facts["policies"] = [one.to_json() for one in applicable(active, facts)]
        facts["target"] = self._target_of(facts, transition)
        return facts

    def involved(self, request: TransitionRequest) -> tuple[Involvement, ...]:
        rows = self._connection.execute(_INVOLVED, {"about": request.id})
        return tuple(Involvement(str(row.person_id), row.relation, row.what) for row in rows)

    def group_lines(self, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
        return GroupRepository(self._connection).lines(names)

    def circumstances(self, request: TransitionRequest, subject: Mapping[str, Any], at: datetime) -> Circumstances:
        asked = {
            "model_id": request.model_id,
            "version_id": request.version_id,
            "requester_id": request.requester_id,
            "transition": request.transition.value,
            "at": at,
        }
        row = self._connection.execute(_CIRCUMSTANCES, asked).one()
        windows = [window_of(value) for value in row.windows]
        group, tier = subject["model"]["group"], subject["model"]["riskTier"]
        above = self.group_lines([group]).get(group, ()) if any(window.groups for window in windows) else ()
        return Circumstances(
            opened_at=request.created_at,
            break_glass=request.break_glass,
            time_zone=row.time_zone,
            findings=tuple(
                BlockingFinding(one["id"], one["title"], one["severity"], _moment(one["due_at"]))
                for one in row.findings
            ),
            freezes=in_force(windows, request.transition, {group, *above}, tier, at),
            review_due=row.review_due,
        )

    def _target_of(self, facts: dict[str, Any], transition: TransitionName) -> dict[str, Any] | None:
        environment = TRANSITIONS[transition].environment
        if environment is None:
            return None
        serves = facts["restores"] if transition is TransitionName.ROLLBACK else facts["version"]
        version_id = (serves or {}).get("versionId") or (serves or {}).get("id")
        return {
            "environment": environment,
            "endpoint": self._target.endpoint(facts["model"]["group"], facts["model"]["name"], environment),
            "traffic": {version_id: 100} if version_id else {},
        }


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text is not None else None
