"""The rows that an evidence bundle is made of, read in the snapshot of one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from governance.access.principal import Principal
from governance.errors import Forbidden, NotFound
from governance.models import is_id
from storage.queries.times import iso
from storage.queries.visibility import DATASET, HISTORY, visible

CLOSED = "closed to whoever exported this"
"""Stands for the name of a data set that the caller may not see."""

MOST_ENTRIES = 5_000
"""Audit entries of one bundle; a version with more of them is told by its oldest and by those of the request."""

_REQUEST = f"""select json_build_object('id', r.id, 'modelId', r.model_id, 'versionId', r.version_id,
    'modelName', m.name, 'group', m."group", 'version', v.version, 'transition', r.transition, 'status', r.status,
    'requesterId', r.requester_id, 'requestedBy', u.name, 'reason', r.reason, 'createdAt', {iso("r.created_at")},
    'settledAt', {iso("r.settled_at")}, 'evidenceDigest', r.evidence_digest, 'outcome', r.outcome),
    r.evidence, r.verdicts, r.judged_case
    from transition_requests r join model_versions v on v.id = r.version_id join models m on m.id = r.model_id
    join users u on u.id = r.requester_id where r.id = %(id)s and """

_APPROVALS = f"""select coalesce(json_agg(json_build_object('id', a.id, 'requestId', a.request_id,
    'approverId', a.approver_id, 'approverName', p.name, 'decision', a.decision, 'comment', a.comment,
    'evidenceDigest', a.evidence_digest, 'at', {iso("a.created_at")}, 'onBehalfOf', a.on_behalf_of,
    'envelope', a.envelope)
    order by a.created_at, a.id), '[]')
    from approvals a join users p on p.id = a.approver_id where a.request_id = %(id)s"""

_EVALUATIONS = f"""select coalesce(json_agg(json_build_object('id', e.id, 'versionId', e.version_id,
    'suiteId', e.suite_id, 'requestId', e.request_id, 'status', e.status, 'reason', e.reason, 'passed', e.passed,
    'results', e.results, 'thresholds', e.thresholds, 'weightsSha256', e.weights_sha256,
    'endpointDigest', e.endpoint_digest,
    'outcomesSha256', e.outcomes_sha256, 'executedAt', {iso("e.executed_at")}, 'createdAt', {iso("e.created_at")})
    order by e.id), '[]')
    from evaluations e where e.request_id = %(id)s or e.id = any(%(ids)s::uuid[])"""

_SUITES = f"""select coalesce(json_agg(json_build_object('id', s.id, 'modelId', s.model_id, 'name', s.name,
    'datasetId', s.dataset_id, 'taskType', s.task_type, 'target', s.target, 'features', s.features,
    'metrics', s.metrics, 'thresholds', s.thresholds, 'margin', s.margin, 'positiveLabel', s.positive_label,
    'digest', s.digest, 'kind', s.kind, 'definition', s.definition,
    'createdAt', {iso("s.created_at")}) order by s.id), '[]')
    from evaluation_suites s where s.id = any(%(ids)s::uuid[])"""

_DATASETS = """select coalesce(json_agg(json_build_object('id', d.id, 'name', d.name, 'group', d."group",
    'format', d.format, 'sha256', d.sha256, 'size', d.size) order by d.id), '[]')
    from datasets d where d.id = any(%(ids)s::uuid[]) and """

# As the index of migration 0009 has it, or it does not apply.
_SUBJECT = r"""substring(right(entry, 300) from '"subject":\{"id":"([^"\\]+)","kind":"[^"\\]*"\}\}$')"""

_ENTRIES = f"""select seq, entry, leaf from audit_entries where {_SUBJECT} = any(%(ids)s) and seq < %(size)s
    order by ({_SUBJECT} = %(first)s) desc, seq limit %(most)s"""

_UNSEALED = f"""select exists (select 1 from audit_outbox where {_SUBJECT} = %(id)s)
    or exists (select 1 from audit_entries where {_SUBJECT} = %(id)s and seq >= %(size)s)"""


class Reading:
    """Rows as one caller may see them. `connection` is in a transaction that sees one snapshot."""

    def __init__(self, connection: psycopg.Connection[Any], caller: Principal) -> None:
        self._connection = connection
        self._caller = caller

    def request(self, request_id: str) -> tuple[dict[str, Any], Any, Any, Any]:
        """(request, evidence, verdicts, judged case without evidence). Raises NotFound."""
        may = visible(self._caller, HISTORY, "m.access_id")
        found = None
        if is_id(request_id):
            found = self._connection.execute(_REQUEST + may.sql, {"id": request_id, **may.values}).fetchone()
        if found is None:
            raise NotFound("transition request", request_id[:200])
        return found[0], found[1], found[2], found[3]

    def approvals(self, request_id: str) -> list[dict[str, Any]]:
        return self._rows(_APPROVALS, id=request_id)

    def evaluations(self, request_id: str, also: Sequence[str]) -> list[dict[str, Any]]:
        return self._rows(_EVALUATIONS, id=request_id, ids=list(also))

    def suites(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        return self._rows(_SUITES, ids=list(ids))

    def datasets(self, ids: Sequence[str]) -> tuple[list[dict[str, Any]], list[str]]:
        """(those that the caller may see, ids of the others)."""
        try:
            may = visible(self._caller, DATASET, "d.access_id")
        except Forbidden:
            return [], list(ids)
        seen = self._rows(_DATASETS + may.sql, ids=list(ids), **may.values)
        return seen, sorted(set(ids) - {row["id"] for row in seen})

    def unsealed(self, request_id: str, size: int) -> bool:
        """Is there an entry about the request that the first `size` entries do not hold?"""
        row = self._connection.execute(_UNSEALED, {"id": request_id, "size": size}).fetchone()
        return bool(row and row[0])

    def entries(self, subjects: Sequence[str], size: int) -> list[tuple[int, str, bytes]]:
        """(number, text, leaf hash) of the entries about these, among the first `size`, in order.

        MOST_ENTRIES of them; those about the first subject before all others.
        """
        asked = {"ids": list(subjects), "first": subjects[0], "size": size, "most": MOST_ENTRIES}
        found = self._connection.execute(_ENTRIES, asked)
        return sorted((seq, entry, bytes(leaf)) for seq, entry, leaf in found)

    def _rows(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        row = self._connection.execute(statement, values).fetchone()
        found: list[dict[str, Any]] = row[0] if row else []
        return found


def of_the_request(event: Mapping[str, Any], request: Mapping[str, Any]) -> bool:
    """Does an entry about one of the subjects belong into the request's bundle?

    Everything about the request and its version does; of the model how it came to be and where its traffic went; of
    whatever else moved along, what the request moved.
    """
    identifier = str(event["subject"]["id"])
    if identifier in (request["id"], request["versionId"]):
        return True
    if identifier == request["modelId"]:
        return str(event["action"]) in ("model:created", "traffic:changed")
    moved_by: object = event["details"].get("requestId")
    return moved_by == request["id"] or str(event["action"]) == "finding:opened"
