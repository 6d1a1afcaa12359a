"""Judging measured runs and settling each with its consequences."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from governance.errors import DependencyUnavailable
from governance.operations import launching
from governance.operations.validation_outcomes import settle_run
from governance.validation.judging import judged, unjudged
from governance.validation.runs import Ending, RunStatus, ValidationRun
from storage.composition import Platform

_log = logging.getLogger("gatehouse.flows")
SIDE_BY_SIDE = 2  # a run's own pool has as many connections


def settle_all(platform: Platform, runs: Sequence[ValidationRun], correlation: str) -> int:
    """Judge the runs as one family and settle those that are not; how many that were.

    runs: all that were measured, also those that an earlier attempt settled: the family is the same then.
    """
    endings = judged(runs)
    left = [run for run in runs if run.status is RunStatus.MEASURED]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as workers:
        for _ in workers.map(lambda run: settle_one(platform, run, endings[run.id], correlation), left):
            pass
    return len(left)


def settle_one(platform: Platform, run: ValidationRun, ending: Ending, correlation: str) -> str | None:
    """The id of the rollback request, if one was opened; it is launched, now or by the reconciler.

    A run that cannot be settled, for whatever reason, must not keep the others from it: it ends as an error and nothing
    else. Raises DependencyUnavailable.
    """
    try:
        return _settled(platform, run, ending, correlation)
    except DependencyUnavailable:
        raise
    except Exception as error:
        _log.exception("validation run %s", run.run_id)
        plain = unjudged(run, f"The run could not be settled: {type(error).__name__}.")
    try:
        settle_run(
            platform.new_unit(), platform.system_call(correlation), run.id, plain, canary=timedelta(0), alone=True
        )
    except DependencyUnavailable:
        raise
    except Exception:
        _log.exception("validation run %s is left to the end of its night", run.run_id)
    return None


def _settled(platform: Platform, run: ValidationRun, ending: Ending, correlation: str) -> str | None:
    request_id = settle_run(
        platform.new_unit(),
        platform.system_call(correlation),
        run.id,
        ending,
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
