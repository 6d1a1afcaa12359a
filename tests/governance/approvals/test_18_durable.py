"""18. A request that waits survives restarts and outages: nothing about it lives in a process."""

from __future__ import annotations

from governance.operations.launching import wake
from governance.requests import RequestStatus
from storage.composition import Platform
from tests.fixtures.registry import RegistryUnderTest, RememberingLauncher
from tests.governance.approvals.clock import approved_by, freeze, look, pass_time
from tests.governance.operations.situations import bring, evidence_of, model_with_version, parked, stored


def restarted(r: RegistryUnderTest, launcher: RememberingLauncher) -> None:
    """Every connection is closed and everything is built again from the settings, as after a reboot."""
    r.platform.close()
    built = r.platform.__dict__
    for name in [name for name in built if name not in ("settings", "pool_size")]:
        del built[name]
    built["launcher"] = launcher


def test_a_parked_request_survives_a_restart(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    request = parked(r, risk_tier="Medium")
    evidence = evidence_of(r, request)
    approved_by(r, request, r.grace)
    restarted(r, RememberingLauncher())
    after = stored(r, request)
    assert (after.status, after.evidence_digest) == (RequestStatus.AWAITING_APPROVAL, evidence.digest)
    approved_by(r, request, r.alan)
    restarted(r, RememberingLauncher())
    assert r.settle(request, evidence).status is RequestStatus.APPLIED


def test_an_orchestrator_that_forgot_everything(registry_under_test: RegistryUnderTest) -> None:
    """Its database is lost, with the suspended run in it: the decision starts a new one."""
    r = registry_under_test
    request = parked(r)
    run = r.launcher.launch(request.id, request.transition, 1, "approve")
    with r.unit() as uow:
        uow.requests.launched(request.id, run, 1, r.at)
        uow.commit()
    empty = RememberingLauncher()
    restarted(r, empty)
    approved_by(r, request, r.grace)
    assert wake(r.unit, empty, r.call(None), stored(r, request)) == "relaunched"
    assert stored(r, request).attempt == 2
    assert r.settle(request).status is RequestStatus.APPLIED


def test_decisions_are_taken_while_the_orchestrator_is_away(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    request = parked(r)
    run = r.launcher.launch(request.id, request.transition, 1, "approve")
    with r.unit() as uow:
        uow.requests.launched(request.id, run, 1, r.at)
        uow.commit()
    r.launcher.states[run] = "PAUSED"
    r.launcher.available = False
    approved_by(r, request, r.grace)
    r.later(minutes=5)
    assert look(r).unreachable == (request.id,)
    r.later(days=2)
    assert pass_time(r).reminded == (request.id,), "time passes without it"
    r.launcher.available = True
    assert look(r).woken == (request.id,)
    assert r.settle(request).status is RequestStatus.APPLIED


def test_what_waits_for_a_freeze_survives_a_restart(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    model = model_with_version(r)
    bring(r, model, "1.0.0", "approve_production")
    freeze(r, hours=6)
    request = r.open(model, "1.0.0", "promote_production")
    r.approve(request)
    restarted(r, RememberingLauncher())
    r.later(hours=6)
    assert look(r).launched == (request.id,)
    assert r.settle(request).status is RequestStatus.APPLIED


def test_a_second_installation_on_the_same_database(registry_under_test: RegistryUnderTest) -> None:
    """A re-deploy beside the old one: both see the same request, and it is settled once."""
    r = registry_under_test
    request = parked(r)
    approved_by(r, request, r.grace)
    beside = Platform(r.settings)
    beside.__dict__["launcher"] = r.launcher
    evidence = evidence_of(r, request)
    first = r.settle(request, evidence)
    old, r.platform = r.platform, beside
    again = r.settle(request, evidence)
    assert first.status is again.status is RequestStatus.APPLIED
    assert first.outcome == again.outcome
    r.platform = old
    beside.close()
