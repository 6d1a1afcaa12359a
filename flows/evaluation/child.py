"""The evaluation itself, as it runs in the confined process: examples in, predictions, metrics and outcomes
out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from flows.evaluation import intervals, metrics, outcomes
from flows.evaluation.classes import Classified, classified
from flows.evaluation.dataset import Dataset, Labels, load_dataset
from flows.evaluation.job import Limits, RefusedError, SuiteJob
from flows.evaluation.runners import Runner, RunnerSpec, open_runner

OUTCOMES = "outcomes.parquet"


def run(job: Mapping[str, Any]) -> dict[str, Any]:
    """job: {"runner": fields of RunnerSpec, "dataset": path, "suite": fields of SuiteJob, "limits": fields of Limits}.

    Returns {"n", "metrics", "intervals"} and writes outcomes.parquet here. Raises RefusedError.
    """
    pa.set_cpu_count(1)
    suite = SuiteJob.from_json(job["suite"])
    limits = Limits(**job["limits"])
    dataset = load_dataset(Path(job["dataset"]), suite, limits)
    model = open_runner(RunnerSpec.from_json(job["runner"]))
    estimators, known = _judged(suite, dataset, model, limits)
    values = metrics.evaluate(estimators, dataset.n)
    uncertain = {name: e for name, e in estimators.items() if name not in known and name != "max_error"}
    found = {name: known[name] for name in values if name in known} | intervals.bootstrap(uncertain, dataset.n)
    return {
        "n": dataset.n,
        "metrics": values,
        "intervals": {name: list(pair) for name, pair in found.items()},
    }


def _judged(
    suite: SuiteJob, dataset: Dataset, model: Runner, limits: Limits
) -> tuple[dict[str, metrics.Estimator], dict[str, tuple[float, float]]]:
    """(the metrics asked for, the intervals that have a formula). Writes the outcomes."""
    if not isinstance(dataset.target, Labels):
        predicted = model.regress(dataset.features)
        outcomes.write_regression(Path(OUTCOMES), dataset.target, predicted)
        return metrics.regression_estimators(dataset.target, predicted, suite.metrics), {}
    data = classified(dataset.target, model.classify(dataset.features), limit=limits.classes)
    if suite.task_type == "multiclass_classification":
        outcomes.write_classification(Path(OUTCOMES), data, None)
        return metrics.multiclass_estimators(data, suite.metrics), {"accuracy": _share(data, None, None)}
    if len(data.labels) != 2:
        raise RefusedError("model", f"Binary classification needs two classes; here are {len(data.labels)}.")
    positive = 1 if suite.positive_label is None else data.position(suite.positive_label)
    outcomes.write_classification(Path(OUTCOMES), data, positive)
    shares = {
        "accuracy": _share(data, None, None),
        "precision": _share(data, None, positive),
        "recall": _share(data, positive, None),
    }
    return metrics.binary_estimators(data, positive, suite.metrics), shares


def _share(data: Classified, target: int | None, predicted: int | None) -> tuple[float, float]:
    """Wilson's interval of the share of right answers, among one true or one predicted class if given."""
    of = np.ones(len(data.target), dtype=bool)
    if target is not None:
        of &= data.target == target
    if predicted is not None:
        of &= data.predicted == predicted
    return intervals.wilson(float((of & (data.target == data.predicted)).sum()), float(of.sum()))
