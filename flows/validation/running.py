"""Measuring a run so that, whatever happens, it ends with a result."""

from __future__ import annotations

import logging

from flows.validation.data import Examples
from flows.validation.measuring import measure
from governance.errors import DependencyUnavailable, InvalidInput
from governance.operations.validation_runs import record_measured
from governance.validation.runs import Measured, ValidationRun
from storage.composition import Platform

_log = logging.getLogger("gatehouse.flows")


def measure_one(platform: Platform, run: ValidationRun, examples: Examples) -> None:
    """What one model does must not stop the others: anything but a dependency that is down becomes an error of this
    run, with a plain reason. Raises DependencyUnavailable (StoreUnavailable is one): then nobody can measure.
    """
    try:
        found = measure(platform, run, examples)
    except DependencyUnavailable:
        raise
    except Exception as error:
        _log.exception("validation run %s", run.run_id)
        found = _broken(f"The validation itself failed: {type(error).__name__}.")
    try:
        record_measured(platform.new_unit(), run.id, found)
    except InvalidInput:  # a text that the database cannot hold
        broken = _broken("What the suites found holds characters or numbers that cannot be kept.")
        record_measured(platform.new_unit(), run.id, broken)


def give_up(platform: Platform, run: ValidationRun) -> None:
    """Its worker was lost each time that it was tried."""
    found = _broken(f"The worker was lost {run.attempt - 1} times while it executed the suites.")
    record_measured(platform.new_unit(), run.id, found)


def _broken(reason: str) -> Measured:
    test = {
        "id": "validation",
        "title": "Validation",
        "outcome": "error",
        "reason": reason,
        "suite_id": None,
        "suite": None,
    }
    return Measured(tests=(test,))
