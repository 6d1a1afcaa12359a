"""Stand-in: what the routes need of starting runs and adding samples, without any flow."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from governance.errors import NotFound
from governance.operations.calls import Call
from governance.ports import Launcher, UnitOfWork
from governance.validation.runs import RunStatus, ValidationRun, public_id


def start_run(uow: UnitOfWork, call: Call, *, model_id: str, version_id: str, case_ids: Sequence[str] | None) -> str:
    """The id of a queued run. Raises NotFound, Forbidden."""
    with uow:
        known = call.repeated(uow)
        rule = uow.access.of_model(model_id)
        person = call.may_with("model", model_id, rule, "model:evaluate", "Validating a model")
        if known:
            return known
        run_id = call.new_id()
        uow.validation.add_run(
            ValidationRun(
                run_id,
                public_id(run_id, version_id, call.at),
                model_id,
                version_id,
                RunStatus.QUEUED,
                call.at,
                case_ids=tuple(case_ids) if case_ids is not None else None,
                requested_by=person.id,
            )
        )
        call.remember(uow, run_id)
        uow.audit(call.event("validation:started", "validation run", run_id, after={"versionId": version_id}))
        uow.commit()
    return run_id


def launch_run(new_unit: Callable[[], UnitOfWork], launcher: Launcher, call: Call, run_id: str) -> None:
    """Nothing carries it out here. Raises DependencyUnavailable when the orchestrator does not answer."""
    launcher.state(run_id)


def add_sample(uow: UnitOfWork, call: Call, *, suite_id: str, dataset_id: str) -> int:
    """The number of the sample. Raises NotFound, Forbidden, Duplicate."""
    with uow:
        suite = uow.evaluations.suite(suite_id)
        try:
            call.may_with(
                "model", suite.model_id, uow.access.of_model(suite.model_id), "model:evaluate", "Adding a sample"
            )
        except NotFound:
            raise NotFound("evaluation suite", suite_id) from None
        rule = uow.access.of_dataset(dataset_id)
        person = call.may_with("dataset", dataset_id, rule, "dataset:read", "Validating on a dataset")
        number: int = uow.validation.add_sample(suite_id, dataset_id, person.id, call.at)
        uow.audit(call.event("suite:sampled", "suite", suite_id, after={"datasetId": dataset_id, "number": number}))
        uow.commit()
    return number
