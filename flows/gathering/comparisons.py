"""Candidate and incumbent on the same examples, from the outcomes that their evaluations stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from flows.evaluation.comparison import Incomparable, PairedCounts, compare_outcomes
from governance.artifact_store import BlobMissing
from governance.statistics.paired import PairedComparison, compare_binary, compare_continuous
from storage.composition import Platform


def compared_with_incumbent(platform: Platform, subject: Mapping[str, Any], *, alpha: float) -> list[dict[str, Any]]:
    """One item per evaluation of the subject; `conclusion` "unavailable" with a reason where there is no pair."""
    incumbent = subject["incumbent"]
    if incumbent is None:
        return []
    return [_compared(platform, item, incumbent, alpha) for item in subject["evaluations"]]


def _compared(
    platform: Platform, item: Mapping[str, Any], incumbent: Mapping[str, Any], alpha: float
) -> dict[str, Any]:
    about = {"suiteId": item["suiteId"], "suiteName": item["suiteName"], "incumbentVersionId": incumbent["versionId"]}

    def unavailable(reason: str) -> dict[str, Any]:
        return {**about, "conclusion": "unavailable", "reason": reason}

    with platform.new_unit() as uow:
        theirs = uow.evaluations.latest(incumbent["versionId"], item["suiteId"])
        suite = uow.evaluations.suite(item["suiteId"])
    if item["outcomesSha256"] is None:
        return unavailable("the candidate has not been evaluated on it.")
    if theirs is None or theirs.outcomes_sha256 is None:
        return unavailable(f"version {incumbent['version']} in production has not been evaluated on it.")
    try:
        with (
            platform.store.local_path(item["outcomesSha256"]) as candidate,
            platform.store.local_path(theirs.outcomes_sha256) as reference,
        ):
            paired = compare_outcomes(candidate, reference)
    except BlobMissing:
        return unavailable("the outcomes of an evaluation are gone from storage.")
    if isinstance(paired, Incomparable):
        return unavailable(paired.reason)
    result: PairedComparison
    if isinstance(paired, PairedCounts):
        result, unit = compare_binary(paired.b, paired.c, paired.n, margin=item["margin"], alpha=alpha), "points"
    else:
        result = compare_continuous(paired.candidate, paired.incumbent, margin=item["margin"], alpha=alpha)
        unit = "fraction of loss"
    figures = asdict(result)
    if isinstance(paired, PairedCounts) and suite.dataset_id is None and suite.definition.get("casesDecide", True):
        # Every case has to pass: they are no sample, and what they say of the two versions holds exactly.
        figures |= {"lower": figures["drop"], "upper": figures["drop"]}
        figures["conclusion"] = "worse" if paired.b else "not_worse"
    return {
        **about,
        "incumbentEvaluationId": theirs.id,
        "unit": unit,
        "conclusion": figures.pop("conclusion"),
        "neededN": figures.pop("needed_n"),
        "pWorse": figures.pop("p_worse"),
        "pBeyondMargin": figures.pop("p_beyond_margin"),
        "minimumDetectableEffect": figures.pop("minimum_detectable_effect"),
        **figures,
    }
