"""Judging measured runs and settling each with its consequences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from governance.errors import DependencyUnavailable
from governance.lifecycle import VersionState
from governance.operations import launching
from governance.operations.validation_outcomes import settle_run, troubles_of
from governance.validation.judging import judged
from governance.validation.runs import Ending, ValidationRun
from storage.composition import Platform

SIDE_BY_SIDE = 2  # a run's own pool has as many connections


def settle_all(
    platform: Platform, runs: Sequence[ValidationRun], correlation: str, tell: Callable[[int], None] | None = None
) -> list[str]:
    """Judge the runs as one family and settle them one by one; ids of the rollback requests that were opened.

    tell: called with the number of settled runs from time to time.
    """
    endings = judged(runs)
    requests: list[str] = []
    with ThreadPoolExecutor(SIDE_BY_SIDE) as workers:
        for done, request in enumerate(
            workers.map(lambda run: settle_one(platform, run, endings[run.id], correlation), runs), start=1
        ):
            if request is not None:
                requests.append(request)
            if tell is not None and (done % 200 == 0 or done == len(runs)):
                tell(done)
    return requests


def settle_one(platform: Platform, run: ValidationRun, ending: Ending, correlation: str) -> str | None:
    """The id of the rollback request, if one was opened; it is launched, now or by the reconciler."""
    with platform.new_unit() as uow:
        version = uow.versions.by_id(run.version_id)
    drift = ending.judged.get("drift") or {}
    serves = version.state is VersionState.PRODUCTION
    troubles = troubles_of(version.version, serves, ending, drift.get("severity"))
    request_id = settle_run(
        platform.new_unit(),
        platform.system_call(correlation),
        run.id,
        ending,
        troubles,
        canary=timedelta(hours=platform.settings.canary_hours),
    )
    if request_id is not None:
        _launch(platform, request_id, correlation)
    return request_id


def _launch(platform: Platform, request_id: str, correlation: str) -> None:
    with platform.new_unit() as uow:
        request = uow.requests.get(request_id)
    try:
        launching.launch(platform.new_unit, platform.launcher, platform.system_call(correlation), request)
    except DependencyUnavailable:
        return  # the reconciler launches it
