"""What small changes of the input do to the answers: seeded, and paired with the answers to the unchanged input.

Perturbations of the feature columns (or of those that one names), each drawn anew from the suite's seed and its place:
noise: normal noise of `strength` times the column's standard deviation; whole numbers stay whole.
missing: every cell is made missing (NaN) with probability `strength`.
scale: every cell is multiplied by 1 + `strength`.
swap: every cell of a column of at most 20 different whole numbers, so of categories, takes with probability `strength`
the value of another row.

Classifiers: flip_rate, the share of the predictions that change, with Wilson's interval; accuracy_drop, the paired
difference of accuracy. Regressors: relative_change, the mean absolute change in standard deviations of the unchanged
answers; loss_increase, the paired growth of the mean absolute error as a fraction of it; both with normal intervals of
the paired values. "<metric>.<perturbation>" is of each, the plain name of the worst.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.evaluation.classes import Classified
from flows.evaluation.figures import largest, paired_drop, share
from flows.evaluation.intervals import simultaneous
from flows.evaluation.job import RefusedError
from flows.evaluation.runners import Runner
from governance.suites.conclusions import Measured

CATEGORIES = 20
Columns = Mapping[str, NDArray[Any]]
Told = Callable[[float], dict[str, Measured]]  # of a z, the figures by metric
Judge = Callable[[Columns], Told]  # of perturbed features


def robustness_metrics(
    features: Columns, definition: Mapping[str, Any], judge: Judge
) -> tuple[dict[str, Measured], dict[str, str]]:
    """(figures, why others have none: the model refuses perturbed input, or nothing could be perturbed)."""
    perturbations = definition["perturbations"]
    z = simultaneous(len(perturbations))
    found: dict[str, Measured] = {}
    lacking: dict[str, str] = {}
    together: dict[str, list[Measured]] = {metric: [] for metric in definition["metrics"]}
    for place, perturbation in enumerate(perturbations):
        random = np.random.default_rng([definition["seed"], place])
        try:
            changed = perturbed(features, perturbation, random)
            told = judge(changed)
        except RefusedError as refusal:
            for metric in together:
                lacking[metric] = lacking[f"{metric}.{perturbation['name']}"] = (
                    f"perturbed by {perturbation['name']!r}: {refusal.reason}"
                )
            continue
        own, wide = told(simultaneous(1)), told(z)
        for metric, figures in together.items():
            found[f"{metric}.{perturbation['name']}"] = own[metric]
            figures.append(wide[metric])
    found |= {metric: largest(figures) for metric, figures in together.items() if metric not in lacking}
    return found, lacking


def perturbed(features: Columns, perturbation: Mapping[str, Any], random: np.random.Generator) -> dict[str, Any]:
    """The features with one perturbation. Raises RefusedError when it applies to none of the columns."""
    chosen = perturbation.get("columns") or list(features)
    if unknown := [name for name in chosen if name not in features]:
        raise RefusedError("dataset", f"there is no feature {unknown[0]!r}")
    changed = dict(features)
    touched = False
    for name in chosen:
        column = _change(features[name], perturbation["kind"], perturbation["strength"], random)
        if column is not None:
            changed[name] = column
            touched = True
    if not touched:
        raise RefusedError("dataset", "it applies to none of the columns")
    return changed


def _change(column: NDArray[Any], kind: str, strength: float, random: np.random.Generator) -> NDArray[Any] | None:
    n = len(column)
    known = column[np.isfinite(column)]
    if kind == "swap":
        values = np.unique(known)
        if not 2 <= len(values) <= CATEGORIES or (values != np.round(values)).any():
            return None
        return np.where(random.random(n) < strength, column[random.permutation(n)], column)
    if kind == "missing":
        return np.where(random.random(n) < strength, np.nan, column.astype(np.float64))
    if not len(known):
        return None
    if kind == "noise":
        changed = column + random.normal(size=n) * strength * float(known.std())
    else:
        changed = column * (1 + strength)
    return changed if column.dtype.kind == "f" else np.round(changed).astype(np.int64)


def of_classifier(model: Runner, data: Classified) -> Judge:
    clean = np.array(data.labels)[data.predicted]
    truth = np.array(data.labels)[data.target]
    n = len(clean)

    def judge(changed: Columns) -> Told:
        answer = model.classify(changed).labels
        given = np.array([str(label) for label in answer.tolist()])
        right, was_right = given == truth, clean == truth
        flips = int((given != clean).sum())
        b, c = int((was_right & ~right).sum()), int((right & ~was_right).sum())
        return lambda z: {"flip_rate": share(flips, n, z), "accuracy_drop": paired_drop(b, c, n, z)}

    return judge


def of_regressor(model: Runner, target: NDArray[np.float64], clean: NDArray[np.float64]) -> Judge:
    spread, loss = float(clean.std()), float(np.abs(clean - target).mean())

    def judge(changed: Columns) -> Told:
        if spread == 0 or loss == 0:
            raise RefusedError("model", "its answers do not vary, or are all exactly right, so no change has a scale")
        given = model.regress(changed)
        moved, growth = np.abs(given - clean) / spread, (np.abs(given - target) - np.abs(clean - target)) / loss
        return lambda z: {"relative_change": _mean(moved, z), "loss_increase": _mean(growth, z)}

    return judge


def _mean(values: NDArray[np.float64], z: float) -> Measured:
    n = len(values)
    mean = float(values.mean())
    half = z * float(values.std(ddof=1)) / np.sqrt(n) if n > 1 else float("inf")
    if not np.isfinite(half):
        return Measured(mean, None, None, n)
    return Measured(mean, mean - float(half), mean + float(half), n)
