"""Three versions of a model of risk tier High: one reaches production, one is refused, one comes and goes."""

from __future__ import annotations

from api.cli.demo.journey import Journey
from api.cli.demo.lanes import Milestone
from api.cli.demo.people import APPROVERS, DANA, ROSA
from api.cli.demo.prefect_runs import PrefectRuns
from api.cli.demo.training import Experiment

INCUMBENT_GATE = "no-worse-than-incumbent"


def first_version(journey: Journey, experiment: Experiment, runs: PrefectRuns, in_production: Milestone) -> None:
    """Draft to production, with what must not work on the way. Raises Broken, PlatformGone, Stopped."""
    journey.create(experiment.models["first"])
    journey.jump("promote_production", possible="submit")
    journey.ask("submit", "submitted")
    journey.evaluate()
    request = journey.ask_and_wait("approve_staging", by=ROSA)
    journey.approve_own(request, ROSA)
    journey.decide(request, APPROVERS, "approved_staging")
    journey.ask("deploy_staging", "staging")
    request = journey.ask_and_wait("approve_production", show=[INCUMBENT_GATE])
    request = journey.resume_without_approval(request, runs)
    journey.decide(request, APPROVERS, "approved_prod")
    journey.ask("promote_production", "production")
    in_production.reach()


def careless_version(journey: Journey, experiment: Experiment, in_production: Milestone, refused: Milestone) -> None:
    """Pickled at first, then good enough for staging, and never for production.

    Raises Broken, PlatformGone, Stopped.
    """
    careless = experiment.models["careless"]
    journey.create(careless, careless.pickled)
    journey.denied("submit", "safe-weight-format")
    journey.replace_weights(careless.onnx, "the same model as ONNX instead")
    journey.ask("submit", "submitted")
    journey.evaluate()
    request = journey.ask_and_wait("approve_staging")
    journey.decide(request, APPROVERS, "approved_staging")
    journey.ask("deploy_staging", "staging")
    in_production.wait()
    journey.denied("approve_production", INCUMBENT_GATE)
    refused.reach()
    journey.ask("retire", "retired")


def better_version(
    journey: Journey,
    experiment: Experiment,
    first: Journey,
    in_production: Milestone,
    careless_refused: Milestone,
) -> None:
    """Displaces `first`, is rolled back, and `first` returns. Raises Broken, PlatformGone, Stopped."""
    journey.create(experiment.models["better"])
    journey.ask("submit", "submitted")
    journey.evaluate()
    request = journey.ask_and_wait("approve_staging")
    journey.decide(request, APPROVERS, "approved_staging")
    journey.ask("deploy_staging", "staging")
    in_production.wait()
    request = journey.ask_and_wait("approve_production", show=[INCUMBENT_GATE])
    journey.decide(request, APPROVERS, "approved_prod")
    careless_refused.wait()  # it was to be compared with the first version
    journey.ask("promote_production", "production", alongside=(first.version, "deprecated"))
    reason = "Recall fell in one ward after the release; going back while that is looked into."
    back = (first.version, "production")
    rollback = journey.ask("rollback", "changes_requested", by=ROSA, reason=reason, alongside=back)
    _serves_again(journey, first, str(rollback["outcome"].get("findingId")))


def _serves_again(journey: Journey, first: Journey, finding_id: str) -> None:
    """The endpoint, the state and the finding after the rollback."""
    expected = "production, all traffic, a finding is open"
    with journey.chapter.step(f"{first.version} serves again", expected, about=journey.label) as step:
        caller = journey.cast[DANA].caller
        traffic = caller.get(f"{journey.model.path}/deployments").data
        served = {item["version"]: item["trafficPercent"] for item in traffic if item["environment"] == "production"}
        findings = list(caller.every("/api/v1/findings", modelId=journey.model.id, status="open"))
        title = next((item["title"] for item in findings if item["id"] == finding_id), None)
        state = first.state()
        step.went(
            f"{state}; production traffic {served}; finding: {title or 'none'}",
            ok=state == "production" and served == {first.version: 100} and title is not None,
        )
