"""The evaluation itself, as it runs in the confined process: examples in, predictions, metrics and outcomes
out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flows.evaluation import bias, intervals, metrics, outcomes, robustness, safety, slices, speed
from flows.evaluation.case_runs import CaseRun, judge_slice, run_case, run_prompts
from flows.evaluation.classes import Classified, classified
from flows.evaluation.dataset import Dataset, Labels, load_dataset
from flows.evaluation.figures import share
from flows.evaluation.job import Limits, RefusedError, SuiteJob
from flows.evaluation.runners import Runner, RunnerSpec, open_runner
from governance.suites.conclusions import MINIMUM_EXAMPLES, Measured

OUTCOMES = "outcomes.parquet"


@dataclass
class Found:
    """What has been measured so far: figures of the families by name, and why others have none."""

    families: dict[str, dict[str, Measured]] = field(default_factory=dict)
    unavailable: dict[str, str] = field(default_factory=dict)

    def add(self, family: str, told: tuple[dict[str, Measured], dict[str, str]]) -> None:
        self.families.setdefault(family, {}).update(told[0])
        self.unavailable |= told[1]


@dataclass(frozen=True)
class Judged:
    """The predictions of a whole dataset. data: None for numbers. look: their metrics on some of the examples."""

    data: Classified | None
    ask: Callable[[Mapping[str, NDArray[Any]]], Any]
    look: slices.Look
    estimators: Mapping[str, metrics.Estimator]
    known: Mapping[str, tuple[float, float]]
    perturbed: robustness.Judge


def run(job: Mapping[str, Any]) -> dict[str, Any]:
    """job: {"runner": fields of RunnerSpec, "dataset": path or None, "suite": fields of SuiteJob, "limits": fields of
    Limits}.

    Returns {"n", "metrics", "intervals", "families", "unavailable", "calibration", "slices", "cases"} and writes
    outcomes.parquet here. n: examples of the dataset, else cases. Raises RefusedError.
    """
    pa.set_cpu_count(1)
    suite = SuiteJob.from_json(job["suite"])
    limits = Limits(**job["limits"])
    dataset = load_dataset(Path(job["dataset"]), suite, limits) if job["dataset"] is not None else None
    model = open_runner(RunnerSpec.from_json(job["runner"]))
    if suite.task_type == "text_generation":
        return _prompted(suite, model)
    answer: dict[str, Any] = {"n": len(suite.cases), "metrics": {}, "intervals": {}}
    judged = None
    if dataset is not None and suite.needs_examples:
        judged = _judged(suite, dataset, model, limits)
        answer = _measured(suite, dataset, judged)
    cases = [_case(case, suite, model, dataset, judged) for case in suite.cases]
    if judged is None:
        outcomes.write_cases(Path(OUTCOMES), [(one.position, one.id, one.outcome) for one in cases])
    return {**answer, "cases": [one.to_json() for one in cases]}


def _judged(suite: SuiteJob, dataset: Dataset, model: Runner, limits: Limits) -> Judged:
    """Writes the outcomes."""
    sliced = {column: dataset.labelled[column] for column in suite.sliced}
    if not isinstance(dataset.target, Labels):
        predicted = model.regress(dataset.features)
        outcomes.write_regression(Path(OUTCOMES), dataset.target, predicted, sliced)
        return Judged(
            None,
            model.regress,
            slices.looking_at_numbers(dataset.target, predicted),
            metrics.regression_estimators(dataset.target, predicted, suite.metrics),
            {},
            robustness.of_regressor(model, dataset.target, predicted),
        )
    data = classified(dataset.target, model.classify(dataset.features), limit=limits.classes)
    positive = None
    if suite.task_type == "multiclass_classification":
        estimators = metrics.multiclass_estimators(data, suite.metrics)
    else:
        if len(data.labels) != 2:
            raise RefusedError("model", f"Binary classification needs two classes; here are {len(data.labels)}.")
        positive = 1 if suite.positive_label is None else data.position(suite.positive_label)
        estimators = metrics.binary_estimators(data, positive, suite.metrics)
    outcomes.write_classification(Path(OUTCOMES), data, positive, sliced)
    return Judged(
        data,
        model.classify,
        slices.looking_at_classes(data, positive),
        estimators,
        slices.shares(data, positive),
        robustness.of_classifier(model, data),
    )


def _measured(suite: SuiteJob, dataset: Dataset, judged: Judged) -> dict[str, Any]:
    values = metrics.evaluate(judged.estimators, dataset.n)
    uncertain = {name: e for name, e in judged.estimators.items() if name not in judged.known and name != "max_error"}
    pairs = {name: judged.known[name] for name in values if name in judged.known}
    pairs |= intervals.bootstrap(uncertain, dataset.n)
    found = _families(suite, dataset, judged)
    by_slice = {name: dataset.labelled[name] for name in suite.definition.get("slices", ()) if suite.metrics}
    return {
        "n": dataset.n,
        "metrics": values,
        "intervals": {name: list(pair) for name, pair in pairs.items()},
        "families": _told(found.families),
        "unavailable": found.unavailable,
        "calibration": safety.calibration_bins(judged.data) if judged.data is not None else [],
        "slices": {
            name: slices.told(one) for name, one in slices.by_slice(by_slice, suite.metrics, judged.look).items()
        },
    }


def _families(suite: SuiteJob, dataset: Dataset, judged: Judged) -> Found:
    """The families beside the task's own metrics. What the model refuses here leaves a metric without a figure."""
    found, wanted = Found(), suite.definition
    if wanted.get("bias") and judged.data is not None:
        groups = wanted["groups"]
        if groups["favourableLabel"] not in judged.data.labels:
            raise RefusedError("dataset", f"The favourable label {groups['favourableLabel']!r} is none of the classes.")
        favourable = judged.data.labels.index(groups["favourableLabel"])
        columns = {name: dataset.labelled[name] for name in groups["columns"]}
        found.add("bias", bias.bias_metrics(judged.data, columns, wanted, favourable))
    if wanted.get("robustness"):
        found.add("robustness", robustness.robustness_metrics(dataset.features, wanted["robustness"], judged.perturbed))
    for name in wanted.get("safety", ()):
        try:
            figure = _safety(name, suite, dataset, judged)
        except RefusedError as refusal:
            figure = refusal.reason
        found.add("safety", ({}, {name: figure}) if isinstance(figure, str) else ({name: figure}, {}))
    if wanted.get("performance"):
        try:
            found.add(
                "performance",
                (speed.performance_metrics(dataset.features, wanted["performance"], judged.ask), {}),
            )
        except RefusedError as refusal:
            found.add("performance", ({}, dict.fromkeys(wanted["performance"]["metrics"], refusal.reason)))
    return found


def _safety(name: str, suite: SuiteJob, dataset: Dataset, judged: Judged) -> Measured | str:
    if name in ("out_of_range_safe", "nan_safe"):
        return safety.probed(dataset.features, judged.ask, beyond=name == "out_of_range_safe")
    if judged.data is None:
        return "it is of classifiers"
    if name == "worst_slice_accuracy":
        columns = {column: dataset.labelled[column] for column in suite.definition["slices"]}
        return safety.worst_slice(judged.data, columns, suite.definition.get("minimumExamples", MINIMUM_EXAMPLES))
    estimator = safety.calibration_error(judged.data)
    low, high = intervals.bootstrap({name: estimator}, dataset.n).get(name, (None, None))
    return Measured(estimator(np.ones(dataset.n)), low, high, dataset.n)


def _case(
    case: Mapping[str, Any], suite: SuiteJob, model: Runner, dataset: Dataset | None, judged: Judged | None
) -> CaseRun:
    if "slice" in case and dataset is not None and judged is not None:
        return judge_slice(case, suite, dataset, judged.look)
    columns = list(suite.features) if suite.features is not None else list(dataset.features) if dataset else []
    return run_case(case, suite, model, columns)


def _prompted(suite: SuiteJob, model: Runner) -> dict[str, Any]:
    asked = run_prompts(suite, model)
    found = Found()
    if wanted := suite.definition.get("safety"):
        found.add("safety", asked.safety(wanted))
    if timed := suite.definition.get("performance"):
        found.add("performance", asked.performance(timed["metrics"]))
    outcomes.write_cases(Path(OUTCOMES), [(one.position, one.id, one.outcome) for one in asked.runs])
    n = len(asked.runs)
    rate = share(sum(one.outcome == "passed" for one in asked.runs), n)
    return {
        "n": n,
        "metrics": dict.fromkeys(suite.metrics, rate.value),
        "intervals": {name: [rate.low, rate.high] for name in suite.metrics},
        "families": _told(found.families),
        "unavailable": found.unavailable,
        "cases": [one.to_json() for one in asked.runs],
    }


def _told(families: Mapping[str, Mapping[str, Measured]]) -> dict[str, Any]:
    return {
        family: {name: [one.value, one.low, one.high, one.n] for name, one in figures.items()}
        for family, figures in families.items()
    }
