"""A promotion, and the approval before it, with something killed at every moment of their runs.

Whatever dies, and when: the request ends applied, the version moves once, the incumbent once, and the audit log is
whole. `make prove` takes every moment; a spread of them runs always.
"""

from __future__ import annotations

import json

import pytest

from governance.errors import DependencyUnavailable
from governance.lifecycle import VersionState
from governance.operations.launching import wake
from governance.operations.transitions import decide
from governance.requests import RequestStatus, TransitionRequest
from storage.audit_log.running import sequence_waiting, verify_platform
from tests.faults.candidates import Candidate, candidate
from tests.faults.stage import Stage, eventually

# The moments of one uninterrupted run are numbered from 1; see `crash_points`. A walk has at least this many.
FEWEST = {"promote_production": 40, "approve_production": 40}
ALWAYS = [("promote_production", point) for point in (1, 12, 25, 34, 37, 40)] + [
    ("approve_production", point) for point in (5, 30)
]
EVERY = [(transition, point) for transition in FEWEST for point in range(1, 90)]


def walk(stage: Stage, it: Candidate, transition: str) -> TransitionRequest:
    """Open the request, launch it, approve what waits, revive what died; until it has its outcome."""
    registry = stage.registry
    registry.at = stage.platform.system_call().at
    request = registry.open(it.model_id, it.version, transition)
    stage.launch(request)

    def settled() -> TransitionRequest | None:
        now = stage.look_after(request.id)
        if now.status is RequestStatus.AWAITING_APPROVAL:
            _approve(stage, now)
        return None if now.undecided else now

    return eventually(f"the outcome of {transition}", settled)  # type: ignore[no-any-return]


def _approve(stage: Stage, request: TransitionRequest) -> None:
    registry = stage.registry
    registry.at = stage.platform.system_call().at
    with registry.unit() as uow:
        if uow.approvals.of_request(request.id):
            return  # decided already; the reconciler wakes what was not woken
    decide(
        registry.unit(),
        registry.call(registry.grace),
        request.id,
        decision="approve",
        comment="",
        evidence_digest=request.evidence_digest or "",
    )
    try:
        wake(stage.platform.new_unit, stage.platform.launcher, stage.platform.system_call(), request)
    except DependencyUnavailable:
        return  # likewise


def check(stage: Stage, it: Candidate, transition: str, request: TransitionRequest) -> None:
    """Applied, exactly once, and nothing is missing from the log."""
    assert request.status is RequestStatus.APPLIED, request.outcome
    registry = stage.registry
    promoted = transition == "promote_production"
    expected = VersionState.PRODUCTION if promoted else VersionState.APPROVED_PROD
    assert registry.state(it.model_id, it.version) is expected
    assert registry.state(it.model_id, it.incumbent) is (
        VersionState.DEPRECATED if promoted else VersionState.PRODUCTION
    )
    assert sequence_waiting(stage.platform) is None
    report = verify_platform(stage.platform)
    assert not report.findings, report.findings
    moves = audited(stage, request.id)
    assert sorted(moves) == sorted([expected.value] + ([VersionState.DEPRECATED.value] if promoted else [])), moves


def audited(stage: Stage, request_id: str) -> list[str]:
    """The states that versions were moved to on behalf of the request, as the audit log tells it."""
    from sqlalchemy import text

    with stage.platform.engine.connect() as connection:
        rows = connection.execute(
            text("select entry from audit_entries where entry like :wanted"),
            {"wanted": f'%"requestId":"{request_id}"%'},
        )
        entries = [json.loads(row.entry) for row in rows]
    return [entry["after"]["state"] for entry in entries if entry["action"] == "version:state:changed"]


@pytest.mark.parametrize("transition", sorted(FEWEST))
def test_a_walk_has_many_moments(stage: Stage, transition: str) -> None:
    """The points of the other tests mean something only while the walk is as long as they think."""
    it = candidate(stage, transition)
    stage.plan_crash(0, "run")
    check(stage, it, transition, walk(stage, it, transition))
    moments = stage.moments()
    assert len(moments) >= FEWEST[transition], moments
    assert moments[0].startswith("sql") or moments[0].startswith("before"), moments
    assert any("settle" in moment for moment in moments) or transition == "approve_production"


def killed(stage: Stage, transition: str, point: int, victim: str) -> None:
    it = candidate(stage, transition)
    stage.plan_crash(point, "run" if victim == "run" else stage.victims(victim))
    check(stage, it, transition, walk(stage, it, transition))


@pytest.mark.parametrize(("transition", "point"), ALWAYS)
def test_the_run_is_killed(stage: Stage, transition: str, point: int) -> None:
    killed(stage, transition, point, "run")
    assert stage.crashed


@pytest.mark.parametrize("point", [20, 38])
def test_the_worker_is_killed(stage: Stage, point: int) -> None:
    killed(stage, "promote_production", point, "worker")
    assert stage.crashed


@pytest.mark.parametrize("point", [22, 37])
def test_postgresql_is_killed(stage: Stage, point: int) -> None:
    killed(stage, "promote_production", point, "postgres")
    assert stage.crashed


def test_the_prefect_server_is_killed(stage: Stage) -> None:
    killed(stage, "promote_production", 24, "prefect")
    assert stage.crashed


@pytest.mark.prove
@pytest.mark.timeout(600)
@pytest.mark.parametrize("victim", ["run", "worker", "postgres"])
@pytest.mark.parametrize(("transition", "point"), EVERY)
def test_anything_is_killed_at_every_moment(stage: Stage, transition: str, point: int, victim: str) -> None:
    killed(stage, transition, point, victim)
    if not stage.crashed:
        pytest.skip(f"a run of {transition} has fewer than {point} moments")


@pytest.mark.prove
@pytest.mark.timeout(600)
@pytest.mark.parametrize("point", range(2, 60, 6))
def test_the_prefect_server_is_killed_at_many_moments(stage: Stage, point: int) -> None:
    killed(stage, "promote_production", point, "prefect")
