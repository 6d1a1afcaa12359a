"""A model of risk tier Medium: two people approve it, its file is changed afterwards, and it starts over."""

from __future__ import annotations

from api.cli.demo.breast_cancer import INCUMBENT_GATE
from api.cli.demo.journey import Journey
from api.cli.demo.people import CLARA, RAVI
from api.cli.demo.training import Experiment, with_one_bit_flipped

REVIEWERS = (RAVI, CLARA)


def progression(journey: Journey, experiment: Experiment) -> None:
    """Draft to production, with a changed byte on the way. Raises Broken, PlatformGone, Stopped."""
    trained = experiment.models["first"]
    journey.create(trained)
    journey.ask("submit", "submitted")
    journey.evaluate()
    _approve(journey)
    journey.replace_weights(with_one_bit_flipped(trained.onnx), "one bit of the weights is changed after the approval")
    journey.deploy_something_else("promote_production")
    reason = "The file is not the one that we approved; put the evaluated one back."
    journey.ask("request_changes", "changes_requested", by=RAVI, reason=reason)
    journey.replace_weights(trained.onnx, "the evaluated weights are put back")
    journey.ask("submit", "submitted")
    _approve(journey)
    journey.ask("promote_production", "production")


def _approve(journey: Journey) -> None:
    """From submitted to approved_prod. An evaluation binds to bytes: the same bytes need no second one."""
    request = journey.ask_and_wait("approve_staging")
    journey.decide(request, REVIEWERS, "approved_staging")
    journey.ask("deploy_staging", "staging")
    request = journey.ask_and_wait("approve_production", show=[INCUMBENT_GATE])
    journey.decide(request, REVIEWERS, "approved_prod")
