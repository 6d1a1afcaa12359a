"""Which tests of a model somebody asks to be run."""

from __future__ import annotations

from collections.abc import Sequence

from governance.errors import InvalidInput
from governance.operations.calls import Call
from governance.ports import UnitOfWork

MOST_NAMED = 1_000
_NAMED_IN_AN_ANSWER = 20


def checked_cases(
    uow: UnitOfWork, call: Call, *, model_id: str, case_ids: Sequence[str] | None
) -> tuple[str, ...] | None:
    """The ids without repetitions, None for all of them. Raises NotFound, Forbidden, InvalidInput.

    Who may not validate the model is refused before anything is said about its tests.
    """
    with uow:
        rule = uow.access.of_model(model_id)
        call.may_with("model", model_id, rule, "model:evaluate", "Validating a model")
        if case_ids is None:
            return None
        if not 1 <= len(case_ids) <= MOST_NAMED:
            raise InvalidInput(
                f"test_case_ids names 1 to {MOST_NAMED:,} tests; leave it out to run all of them.",
                details={"field": "test_case_ids"},
            )
        known = {test_id for suite in uow.evaluations.suites_of_model(model_id) for test_id in suite.test_ids}
    unknown = [case_id for case_id in dict.fromkeys(case_ids) if case_id not in known]
    if unknown:
        named = ", ".join(repr(case_id[:100]) for case_id in unknown[:_NAMED_IN_AN_ANSWER])
        raise InvalidInput(
            f"The model's suites have no test {named}. Tests are the cases of a suite, and its thresholds as "
            "<suite>.<metric>.",
            details={"field": "test_case_ids", "unknown": [case_id[:200] for case_id in unknown[:MOST_NAMED]]},
        )
    return tuple(dict.fromkeys(case_ids))
